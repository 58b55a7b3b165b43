from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ledgers import NOON
from logged import SECOND_US, calls, iso, read, written

from ringlet_mitm.addons.usage.imports.claude import OWN_ANSWERS, ClaudeLog, places
from ringlet_mitm.rules.pricing import Usage

LOG = ClaudeLog()
USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 2000,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 50,
    "output_tokens_details": {"thinking_tokens": 20},
    "service_tier": "standard",
}


def line(text: str = "Hello", **given: Any) -> dict[str, Any]:
    message = {"id": "msg_1", "model": "claude-sonnet-4-5", "stop_reason": "end_turn", "usage": USAGE} | given.pop(
        "message", {}
    )
    message["content"] = [{"type": "text", "text": text}]
    return {
        "type": "assistant",
        "timestamp": iso(NOON),
        "sessionId": "one",
        "requestId": "req_1",
        "uuid": f"uuid of {text}",
        "cwd": "/home/me/work/shop",
        "message": message,
        **given,
    }


def of(tmp_path: Path, *records: Any) -> Path:
    return written(tmp_path / "projects" / "-shop" / "one.jsonl", records)


def test_every_kind_of_token_is_told_apart(tmp_path: Path) -> None:
    of(tmp_path, {"type": "user", "message": {"role": "user"}}, line())
    (found,) = calls(LOG, tmp_path)
    assert found.usage == Usage(
        input_tokens=10,
        cache_read_tokens=2000,
        cache_write_5m_tokens=100,
        cache_write_1h_tokens=200,
        output_tokens=30,
        reasoning_tokens=20,
    )
    assert (found.session, found.started_us, found.model, found.provider, found.project, found.sure) == (
        "one",
        NOON,
        "claude-sonnet-4-5",
        "anthropic",
        "shop",
        True,
    )


def test_the_lines_of_one_message_are_one_call_from_the_first_to_the_last(tmp_path: Path) -> None:
    begun = {"stop_reason": None, "usage": USAGE | {"output_tokens": 1, "output_tokens_details": None}}
    of(tmp_path, line("thinking", message=begun), line("call", timestamp=iso(NOON + 5 * SECOND_US)))
    section = read(LOG, tmp_path)
    (found,) = section.calls.values()
    assert (found.started_us, found.ended_us, found.usage.total_output) == (NOON, NOON + 5 * SECOND_US, 50)
    assert found.sure
    assert section.copies == 1


def test_figures_of_a_streams_beginning_are_not_sure_and_have_at_least_the_text(tmp_path: Path) -> None:
    begun = {"stop_reason": None, "usage": {"input_tokens": 10, "output_tokens": 2}}
    lines = [line("x" * 400, message=begun), line("y" * 200, message=begun), line("y" * 200, message=begun)]
    of(tmp_path, *lines)
    (found,) = calls(LOG, tmp_path)
    assert found.usage == Usage(input_tokens=10, output_tokens=150)
    assert not found.sure


def test_a_resumed_session_repeats_what_was_before(tmp_path: Path) -> None:
    of(tmp_path, line())
    copied = line(sessionId="two", cwd="/elsewhere", timestamp=iso(NOON + 60 * SECOND_US))
    written(tmp_path / "projects" / "-shop" / "two.jsonl", [copied, line(requestId="req_2", message={"id": "msg_2"})])
    found = calls(LOG, tmp_path)
    assert [(one.key, one.session) for one in found] == [("msg_1 req_1", "one"), ("msg_2 req_2", "one")]


def test_subagents_are_read_too(tmp_path: Path) -> None:
    of(tmp_path, line())
    beside = tmp_path / "projects" / "-shop" / "one" / "subagents" / "agent-a1.jsonl"
    written(beside, [line(isSidechain=True, requestId="req_2", message={"id": "msg_2"})])
    assert len(calls(LOG, tmp_path)) == 2


@pytest.mark.parametrize(
    ("message", "provider"),
    [
        ({"id": "msg_01"}, "anthropic"),
        ({"id": "msg_bdrk_01"}, "bedrock"),
        ({"id": "msg_vrtx_01"}, "vertex"),
        ({"id": "chatcmpl-1", "model": "kimi-k2"}, ""),
    ],
    ids=["Anthropic", "Bedrock", "Vertex", "a gateway"],
)
def test_whose_answer_it_is(tmp_path: Path, message: dict[str, Any], provider: str) -> None:
    of(tmp_path, line(message=message))
    assert calls(LOG, tmp_path)[0].provider == provider


HOSTILE: dict[str, tuple[Any, dict[str, int]]] = {
    "the agent's own words": (line(message={"model": "<synthetic>"}), {OWN_ANSWERS: 1}),
    "an error": (line(isApiErrorMessage=True), {OWN_ANSWERS: 1}),
    "no usage": (line(message={"usage": None}), {}),
    "no tokens": (
        line(requestId="r", message={"usage": {"input_tokens": 0, "output_tokens": 0}}),
        {"without tokens": 1},
    ),
    "no time": (line(timestamp="yesterday"), {"without a time": 1}),
    "a time before there were agents": (line(timestamp="1970-01-01T00:00:00Z"), {"without a time": 1}),
    "no JSON": (b'{"usage": oh\n', {"not readable": 1}),
    "another type": (b'"usage"\n', {}),
    "a list": (b'["usage"]\n', {}),
    "bytes": (b'\xff\xfe"usage"\x00\n', {"not readable": 1}),
    "a line being written": (b'{"type": "assistant", "message": {"usage": {"input_to', {"still being written": 1}),
    "nested without end": (b'{"message":' + b"[" * 100_000 + b'"usage"\n', {"not readable": 1}),
    "tokens of another type": (
        line(requestId="r", message={"usage": {"input_tokens": "many", "output_tokens": {}}}),
        {"without tokens": 1},
    ),
}


@pytest.mark.parametrize(("record", "skipped"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_call_is_passed_over(tmp_path: Path, record: Any, skipped: dict[str, int]) -> None:
    of(tmp_path, line(), record)
    section = read(LOG, tmp_path)
    assert [one.key for one in section.calls.values()] == ["msg_1 req_1"]
    assert dict(section.skipped) == skipped


def test_half_a_letter_costs_nothing_but_itself(tmp_path: Path) -> None:
    cut = (
        b'{"type":"assistant","timestamp":"%s","requestId":"r","sessionId":"s","cwd":"/\\ud83d","message":'
        % iso(NOON).encode()
    )
    of(tmp_path, cut + b'{"id":"m","model":"claude-x","usage":{"input_tokens":5}}}\n')
    assert calls(LOG, tmp_path)[0].usage == Usage(input_tokens=5)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ["/me/.claude/projects", "/me/.config/claude/projects"]),
        ({"CLAUDE_CONFIG_DIR": "/a, /b"}, ["/a/projects", "/b/projects"]),
    ],
    ids=["usual", "said"],
)
def test_places(environ: dict[str, str], expected: list[str]) -> None:
    assert [str(place) for place in places(environ, Path("/me"))] == expected
