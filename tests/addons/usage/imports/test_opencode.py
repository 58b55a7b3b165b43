from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ledgers import NOON
from logged import SECOND_US, calls, read, written

from ringlet_mitm.addons.usage.imports.opencode import OpenCodeLog, places
from ringlet_mitm.rules.pricing import Usage

LOG = OpenCodeLog()
MS = NOON // 1000
# The tables as OpenCode 1.18.33 and 2.0 make them, as far as they are read.
TABLES = {
    "message": "CREATE TABLE message (id TEXT PRIMARY KEY, session_id TEXT, time_created INTEGER, data TEXT)",
    "part": "CREATE TABLE part (id TEXT PRIMARY KEY, message_id TEXT, session_id TEXT, data TEXT)",
    "session": "CREATE TABLE session (id TEXT PRIMARY KEY, directory TEXT)",
}
TABLES_2 = {
    "session_message": "CREATE TABLE session_message (id TEXT PRIMARY KEY, session_id TEXT, type TEXT, data TEXT)",
    "session_v2": "CREATE TABLE session_v2 (id TEXT PRIMARY KEY, directory TEXT)",
}


def tokens(given: int = 100, output: int = 20, reasoning: int = 5, read: int = 30, write: int = 7, **more: Any) -> Any:
    return {"input": given, "output": output, "reasoning": reasoning, "cache": {"read": read, "write": write}, **more}


def message(number: int = 1, **given: Any) -> dict[str, Any]:
    return {
        "role": "assistant",
        "providerID": "anthropic",
        "modelID": "claude-sonnet-4-5",
        "path": {"cwd": "/me/work/shop", "root": "/me/work"},
        "time": {"created": MS + number * 1000, "completed": MS + number * 1000 + 500},
        "tokens": tokens(),
        "cost": 0,
        **given,
    }


def step(**given: Any) -> dict[str, Any]:
    return {"type": "step-finish", "reason": "stop", "tokens": tokens(), "cost": 0, **given}


Row = tuple[str, str, Any, tuple[Any, ...]]


def database(tmp_path: Path, rows: Iterable[Row], name: str = "opencode.db") -> Path:
    """Rows of session, id, message and the message's parts."""
    with closing(sqlite3.connect(tmp_path / name)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        for sql in TABLES.values():
            connection.execute(sql)
        for session, own, data, parts in rows:
            text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
            connection.execute("INSERT INTO message VALUES (?, ?, ?, ?)", (own, session, MS, text))
            for place, part in enumerate(parts):
                text = json.dumps(part, separators=(",", ":"))
                connection.execute("INSERT INTO part VALUES (?, ?, ?, ?)", (f"{own}-{place}", own, session, text))
        connection.commit()
    return tmp_path


def test_every_kind_of_token_is_told_apart(tmp_path: Path) -> None:
    database(
        tmp_path, [("ses_1", "msg_0", {"role": "user"}, ()), ("ses_1", "msg_1", message(), ({"type": "text"}, step()))]
    )
    (found,) = calls(LOG, tmp_path)
    assert found.usage == Usage(
        input_tokens=100, cache_read_tokens=30, cache_write_5m_tokens=7, output_tokens=20, reasoning_tokens=5
    )
    assert (found.session, found.model, found.provider, found.project, found.cost) == (
        "ses_1",
        "claude-sonnet-4-5",
        "anthropic",
        "shop",
        None,
    )
    assert (found.started_us, found.ended_us) == (NOON + SECOND_US, NOON + SECOND_US + 500_000)


@pytest.mark.parametrize(
    ("total", "output"), [(162, 20), (157, 15), (None, 20)], ids=["beside", "inside the output", "not said"]
)
def test_reasoning_counts_once_wherever_it_stands(tmp_path: Path, total: int | None, output: int) -> None:
    database(tmp_path, [("ses_1", "msg_1", message(tokens=tokens(total=total)), ())])
    assert calls(LOG, tmp_path)[0].usage.output_tokens == output


def test_each_step_of_a_message_is_a_call(tmp_path: Path) -> None:
    steps = (step(tokens=tokens(1000), cost=0.5), step(tokens=tokens(2000), cost=0.25))
    database(tmp_path, [("ses_1", "msg_1", message(tokens=tokens(2000), cost=0.75), steps)])
    assert [(one.usage.input_tokens, one.cost) for one in calls(LOG, tmp_path)] == [
        (1000, Decimal("0.5")),
        (2000, Decimal("0.25")),
    ]


def test_a_forked_session_repeats_what_was_before(tmp_path: Path) -> None:
    own = ("ses_2", "msg_4", message(9), (step(),))
    database(
        tmp_path,
        [
            ("ses_1", "msg_1", message(), (step(),)),
            ("ses_1", "msg_2", message(2), (step(),)),
            ("ses_2", "msg_3", message(), (step(),)),
            own,
        ],
    )
    section = read(LOG, tmp_path)
    assert [(one.session, one.started_us) for one in section.calls.values()] == [
        ("ses_1", NOON + SECOND_US),
        ("ses_1", NOON + 2 * SECOND_US),
        ("ses_2", NOON + 9 * SECOND_US),
    ]


def test_sessions_come_one_at_a_time(tmp_path: Path) -> None:
    database(tmp_path, [(f"ses_{n % 3}", f"msg_{n}", message(n), ()) for n in range(9)])
    (file,) = LOG.files(tmp_path)
    assert [len(section.calls) for section in LOG.sections(file)] == [3, 3, 3]


def test_files_of_before_and_their_move_into_the_database_are_the_same_calls(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    for number in (1, 2):
        data = message(number, id=f"msg_{number}", sessionID="ses_1")
        written(storage / "message" / "ses_1" / f"msg_{number}.json", [json.dumps(data, indent=2)])
        written(storage / "part" / f"msg_{number}" / "prt_1.json", [json.dumps(step(), indent=2)])
    database(tmp_path, [("ses_1", "msg_1", message(), (step(),))])
    assert [one.started_us for one in calls(LOG, tmp_path)] == [NOON + SECOND_US, NOON + 2 * SECOND_US]


def test_the_tables_of_version_2(tmp_path: Path) -> None:
    data = {
        "model": {"providerID": "openai", "id": "gpt-5.2", "variant": "high"},
        "time": {"created": MS},
        "tokens": tokens(),
    }
    with closing(sqlite3.connect(tmp_path / "opencode-next.db")) as connection:
        for sql in TABLES_2.values():
            connection.execute(sql)
        connection.execute("INSERT INTO session_v2 VALUES ('ses_1', '/me/work/till')")
        for own, kind in (("msg_1", "user"), ("msg_2", "assistant"), ("msg_3", "idle")):
            connection.execute("INSERT INTO session_message VALUES (?, 'ses_1', ?, ?)", (own, kind, json.dumps(data)))
        connection.commit()
    (found,) = calls(LOG, tmp_path)
    assert (found.provider, found.model, found.project, found.usage.total_input) == ("openai", "gpt-5.2", "till", 137)


def test_a_database_that_is_being_written_is_read_as_it_was(tmp_path: Path) -> None:
    database(tmp_path, [("ses_1", "msg_1", message(), ())])
    with closing(sqlite3.connect(tmp_path / "opencode.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO message VALUES ('msg_2', 'ses_1', 0, ?)", (json.dumps(message(2)),))
        assert len(calls(LOG, tmp_path)) == 1
        writer.execute("COMMIT")
    assert len(calls(LOG, tmp_path)) == 2


HOSTILE: dict[str, tuple[Any, dict[str, int]]] = {
    "no JSON": ('{"role":"assistant"', {"not readable": 1}),
    "not begun": (message(3, tokens=tokens(0, 0, 0, 0, 0)), {"without tokens": 1}),
    "no tokens": (message(3, tokens=None), {"without tokens": 1}),
    "no time": (message(3, time={}), {"without a time": 1}),
    "a time of another type": (message(3, time={"created": "now"}), {"without a time": 1}),
    "a time beyond all": (message(3, time={"created": 1e300}), {"without a time": 1}),
    "tokens below nothing": (message(3, tokens=tokens(-1, -1, -1, -1, -1)), {"without tokens": 1}),
    "a person's words about an assistant": ({"role": "user", "about": "assistant"}, {}),
}


@pytest.mark.parametrize(("data", "skipped"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_call_is_passed_over(tmp_path: Path, data: Any, skipped: dict[str, int]) -> None:
    database(tmp_path, [("ses_1", "msg_1", message(), ()), ("ses_1", "msg_2", data, ())])
    section = read(LOG, tmp_path)
    assert len(section.calls) == 1
    assert dict(section.skipped) == skipped


def test_what_is_no_database_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "opencode.db").write_bytes(b"no database at all, whatever its name says" * 100)
    with pytest.raises(OSError, match="cannot be read"):
        calls(LOG, tmp_path)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ["/me/.local/share/opencode"]),
        ({"XDG_DATA_HOME": "/data"}, ["/data/opencode"]),
        ({"OPENCODE_DB": "mine.db"}, ["/me/.local/share/opencode/mine.db", "/me/.local/share/opencode"]),
        ({"OPENCODE_DATA_DIR": "/fork"}, ["/fork"]),
    ],
    ids=["usual", "XDG", "a database", "a folder"],
)
def test_places(environ: dict[str, str], expected: list[str]) -> None:
    assert [str(place) for place in places(environ, Path("/me"))] == expected
