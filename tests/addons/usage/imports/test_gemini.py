from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ledgers import NOON
from logged import SECOND_US, calls, iso, read, written

from ringlet_mitm.addons.usage.imports.gemini import GeminiLog, places
from ringlet_mitm.rules.pricing import Usage

LOG = GeminiLog()
TOKENS = {"input": 1000, "output": 40, "cached": 600, "thoughts": 25, "tool": 7, "total": 1072}


def message(number: int = 1, **given: Any) -> dict[str, Any]:
    return {
        "id": f"m{number}",
        "timestamp": iso(NOON + number * SECOND_US),
        "type": "gemini",
        "content": "Hello",
        "model": "gemini-3.8-flash",
        "tokens": TOKENS,
        **given,
    }


HEAD = {"sessionId": "one", "projectHash": "abc", "startTime": iso(NOON), "directories": ["/me/work/shop"]}


def of(tmp_path: Path, *records: Any, name: str = "session-2026-11-20T12-00-one.jsonl") -> Path:
    return written(tmp_path / "abc" / "chats" / name, records)


def test_every_kind_of_token_is_told_apart(tmp_path: Path) -> None:
    of(tmp_path, HEAD, message(0, type="user"), message())
    (found,) = calls(LOG, tmp_path)
    assert found.usage == Usage(input_tokens=407, cache_read_tokens=600, output_tokens=40, reasoning_tokens=25)
    assert (found.session, found.model, found.provider, found.project) == ("one", "gemini-3.8-flash", "gemini", "shop")
    assert found.started_us == NOON + SECOND_US


def test_messages_that_are_written_again_count_once_with_their_last_tokens(tmp_path: Path) -> None:
    of(
        tmp_path,
        HEAD,
        message(tokens=None),
        message(tokens=TOKENS | {"output": 1}),
        message(),
        {"$set": {"messages": [message(), message(2)], "lastUpdated": iso(NOON)}},
        {"$rewindTo": "m1"},
        message(2),
    )
    assert [one.usage.output_tokens for one in calls(LOG, tmp_path)] == [40, 40]


def test_the_old_form_is_one_object_and_its_copy_the_same_calls(tmp_path: Path) -> None:
    whole = json.dumps({**HEAD, "messages": [message(), message(2)]}, indent=2)
    of(tmp_path, whole, name="session-old.json")
    of(tmp_path, HEAD, message(), message(2), message(3), name="session-old.jsonl")
    assert [one.key for one in calls(LOG, tmp_path)] == ["one m1", "one m2", "one m3"]


def test_subagents_and_the_projects_folder(tmp_path: Path) -> None:
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / ".project_root").write_text("/me/work/till\n")
    head = {"sessionId": "two", "kind": "subagent"}
    written(tmp_path / "abc" / "chats" / "one" / "two.jsonl", [head, message()])
    written(tmp_path / "abc" / "logs.json", [[message()]])
    written(tmp_path / "abc" / "tool-outputs" / "any.json", [message()])
    assert [(one.session, one.project) for one in calls(LOG, tmp_path)] == [("two", "till")]


HOSTILE: dict[str, tuple[Any, dict[str, int]]] = {
    "no JSON": (b"{oh\n", {"not readable": 1}),
    "a line being written": (b'{"id": "m3", "type": "gem', {"still being written": 1}),
    "no time": (message(3, timestamp=""), {"without a time": 1}),
    "no tokens": (message(3, tokens={"input": 0}), {"without tokens": 1}),
    "messages that are none": ({"$set": {"messages": ["one", 2, None]}}, {}),
    "directories that are none": ({"$set": {"directories": []}}, {}),
}


@pytest.mark.parametrize(("record", "skipped"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_call_is_passed_over(tmp_path: Path, record: Any, skipped: dict[str, int]) -> None:
    of(tmp_path, HEAD, message(), record)
    section = read(LOG, tmp_path)
    assert list(section.calls) == ["one m1"]
    assert dict(section.skipped) == skipped


def test_a_whole_file_that_is_being_written_is_no_error(tmp_path: Path) -> None:
    of(tmp_path, json.dumps({**HEAD, "messages": [message()]})[:-40], name="session-old.json")
    assert read(LOG, tmp_path).skipped == {"still being written": 1}


def test_places() -> None:
    assert places({}, Path("/me")) == [Path("/me/.gemini/tmp")]
    assert places({"GEMINI_CLI_HOME": "/there"}, Path("/me")) == [Path("/there/.gemini/tmp")]
