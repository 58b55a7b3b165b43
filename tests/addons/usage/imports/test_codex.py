from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import zstandard
from ledgers import NOON
from logged import SECOND_US, calls, iso, read, written

from ringlet_mitm.addons.usage.imports.codex import COPIED, CodexLog, places
from ringlet_mitm.rules.pricing import Usage

LOG = CodexLog()
NAME = "rollout-2026-11-20T12-00-00-{}.jsonl"
MS = 1000


def tokens(given: int, cached: int = 0, taken: int = 0, reasoning: int = 0, written: int = 0) -> dict[str, int]:
    return {
        "input_tokens": given,
        "cached_input_tokens": cached,
        "cache_write_input_tokens": written,
        "output_tokens": taken,
        "reasoning_output_tokens": reasoning,
        "total_tokens": given + taken,
    }


def record(at_us: int, kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": iso(at_us), "type": kind, "payload": payload}


def meta(at_us: int = NOON, thread: str = "one", **given: Any) -> dict[str, Any]:
    return record(at_us, "session_meta", **{"id": thread, "cwd": "/me/shop", "model_provider": "openai", **given})


def context(at_us: int = NOON, model: str = "gpt-5.2") -> dict[str, Any]:
    return record(at_us, "turn_context", cwd="/me/shop", model=model)


def counted(at_us: int, total: dict[str, int] | None, last: dict[str, int] | None = None) -> dict[str, Any]:
    info = {"total_token_usage": total, "last_token_usage": last or total} if total or last else None
    return record(at_us, "event_msg", type="token_count", info=info, rate_limits=None)


def used(at_us: int, usage: dict[str, int], response: str, thread: str = "one") -> dict[str, Any]:
    return record(at_us, "token_usage_record", thread_id=thread, response_id=response, usage=usage)


def of(tmp_path: Path, *records: Any, thread: str = "one") -> Path:
    return written(tmp_path / "sessions" / "2026" / "11" / "20" / NAME.format(thread), records)


def ticks(step_us: int = 5 * SECOND_US) -> Any:
    return count(NOON, step_us)


def test_a_count_is_what_the_sum_has_grown_by(tmp_path: Path) -> None:
    at = ticks()
    of(
        tmp_path,
        meta(next(at)),
        context(next(at)),
        counted(next(at), None),
        counted(next(at), tokens(1000, 200, 50, 10)),
        counted(next(at), tokens(3000, 1200, 150, 40, 300), tokens(2000, 1000, 100, 30, 300)),
    )
    first, second = calls(LOG, tmp_path)
    assert first.usage == Usage(input_tokens=800, cache_read_tokens=200, output_tokens=40, reasoning_tokens=10)
    assert second.usage == Usage(
        input_tokens=700, cache_read_tokens=1000, cache_write_5m_tokens=300, output_tokens=70, reasoning_tokens=30
    )
    assert (second.session, second.model, second.provider, second.project) == ("one", "gpt-5.2", "openai", "shop")


def test_counts_that_are_written_again_count_once(tmp_path: Path) -> None:
    at = ticks()
    first, second = tokens(1000, taken=50), tokens(2000, taken=90)
    of(tmp_path, meta(next(at)), *(counted(next(at), total) for total in (first, first, first, second, second)))
    assert [one.tokens for one in calls(LOG, tmp_path)] == [1050, 1040]


def test_without_sums_every_last_one_counts(tmp_path: Path) -> None:
    of(tmp_path, meta(), counted(NOON + SECOND_US, None, tokens(10)), counted(NOON + 9 * SECOND_US, None, tokens(20)))
    assert sum(one.tokens for one in calls(LOG, tmp_path)) == 30


def test_a_sum_that_falls_begins_anew(tmp_path: Path) -> None:
    at = ticks()
    of(tmp_path, meta(next(at)), counted(next(at), tokens(5000)), counted(next(at), tokens(700), tokens(700)))
    assert [one.tokens for one in calls(LOG, tmp_path)] == [5000, 700]


def test_a_log_whose_beginning_is_lost_begins_with_its_last(tmp_path: Path) -> None:
    of(tmp_path, meta(), counted(NOON + 5 * SECOND_US, tokens(90_000), tokens(400)))
    assert [one.tokens for one in calls(LOG, tmp_path)] == [400]


@pytest.mark.parametrize("first", ["record", "count"])
def test_a_response_that_is_said_both_ways_counts_once(tmp_path: Path, first: str) -> None:
    at = ticks(100 * MS)
    lines = [meta(next(at)), context(next(at))]
    for number in (1, 2, 3):
        usage = tokens(1000 * number, taken=number)
        both = [used(next(at), usage, f"resp_{number}"), counted(next(at), tokens(7777 * number, taken=9), usage)]
        lines += both if first == "record" else both[::-1]
    of(tmp_path, *lines)
    assert [(one.key, one.tokens) for one in calls(LOG, tmp_path)] == [
        ("resp_1", 1001),
        ("resp_2", 2002),
        ("resp_3", 3003),
    ]


def test_a_thread_that_a_newer_version_went_on_with_has_both(tmp_path: Path) -> None:
    at = ticks()
    of(
        tmp_path,
        meta(next(at)),
        counted(next(at), tokens(1000)),
        counted(next(at), tokens(2500)),
        used(next(at), tokens(300), "resp_3"),
        counted(next(at), tokens(2800), tokens(300)),
    )
    assert [one.tokens for one in calls(LOG, tmp_path)] == [1000, 1500, 300]


FORKS = {
    "forked": {"forked_from_id": "parent"},
    "spawned": {"source": {"subagent": {"thread_spawn": {"parent_thread_id": "parent", "depth": 1}}}},
}


@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS.keys())
@pytest.mark.parametrize("late_us", [0, 4 * SECOND_US], ids=["at once", "written late"])
def test_what_a_fork_copies_is_its_parents(tmp_path: Path, fork: dict[str, Any], late_us: int) -> None:
    at, own = ticks(20 * MS), ticks()
    copies = [counted(late_us + next(at), tokens(1000 * number)) for number in (1, 1, 2, 3)]
    start = NOON + 60 * SECOND_US
    of(
        tmp_path,
        meta(next(own), "child", **fork),
        meta(next(own), "parent"),
        *copies,
        counted(start, tokens(3500), tokens(500)),
        counted(start + 9 * SECOND_US, tokens(4500), tokens(1000)),
        thread="child",
    )
    section = read(LOG, tmp_path)
    assert [(one.session, one.tokens) for one in section.calls.values()] == [("child", 500), ("child", 1000)]
    assert section.skipped[COPIED] == 3


def test_a_fork_that_copies_nothing_keeps_its_own(tmp_path: Path) -> None:
    of(tmp_path, meta(forked_from_id="parent"), counted(NOON + 5 * SECOND_US, tokens(500)))
    assert [one.tokens for one in calls(LOG, tmp_path)] == [500]


def test_copied_records_say_whose_they_are(tmp_path: Path) -> None:
    at = ticks(10 * MS)
    theirs, own = used(next(at), tokens(9000), "resp_1", "parent"), used(next(at), tokens(50), "resp_2", "child")
    of(tmp_path, meta(next(at), "child", forked_from_id="parent"), theirs, own, thread="child")
    assert [one.key for one in calls(LOG, tmp_path)] == ["resp_2"]


def test_packed_and_archived_threads_are_read_once(tmp_path: Path) -> None:
    plain = of(tmp_path, meta(), counted(NOON + 5 * SECOND_US, tokens(500)))
    archived = tmp_path / "archived_sessions" / plain.name
    written(archived, [plain.read_bytes()])
    packed = archived.with_name(NAME.format("two") + ".zst")
    packed.write_bytes(zstandard.compress(plain.read_bytes().replace(b'"one"', b'"two"')))
    assert [(one.session, one.tokens) for one in calls(LOG, tmp_path)] == [("one", 500), ("two", 500)]


def test_a_packed_thread_that_is_broken_cannot_be_read(tmp_path: Path) -> None:
    broken = tmp_path / (NAME.format("one") + ".zst")
    broken.write_bytes(b"not at all")
    with pytest.raises(OSError, match="no zstd file"):
        calls(LOG, tmp_path)


HOSTILE = {
    "no JSON": (b'{"token_count": \n', {"not readable": 1}),
    "a line being written": (
        b'{"timestamp": "2026-11-20T12:00:09Z", "type": "event_msg", "pay"token_count"',
        {"still being written": 1},
    ),
    "no payload": (b'{"type": "token_usage_record"}\n', {}),
    "a record without its response": (used(NOON, tokens(5), ""), {}),
    "no time": ({**used(NOON, tokens(5), "resp_9"), "timestamp": None}, {"without a time": 1}),
    "tokens below nothing": (used(NOON, {"input_tokens": -5, "output_tokens": -1}, "resp_9"), {"without tokens": 1}),
    "the oldest form": ({"id": "one", "timestamp": iso(NOON), "instructions": '"token_count"'}, {}),
}


@pytest.mark.parametrize(("line", "skipped"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_call_is_passed_over(tmp_path: Path, line: Any, skipped: dict[str, int]) -> None:
    of(tmp_path, meta(), used(NOON, tokens(100), "resp_1"), line)
    section = read(LOG, tmp_path)
    assert list(section.calls) == ["resp_1"]
    assert dict(section.skipped) == skipped


def test_cached_tokens_are_never_more_than_there_are(tmp_path: Path) -> None:
    of(tmp_path, meta(), used(NOON, tokens(100, cached=400, taken=5, reasoning=50, written=9), "resp_1"))
    assert calls(LOG, tmp_path)[0].usage == Usage(cache_read_tokens=100, reasoning_tokens=5)


def test_places() -> None:
    assert places({}, Path("/me")) == [Path("/me/.codex")]
    assert places({"CODEX_HOME": "/there"}, Path("/me")) == [Path("/there")]
