"""What a profile came to before its proxy started, by the process that is asked."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from ledgers import NOON, request

from ringlet_mitm.addons.usage import earlier as asking
from ringlet_mitm.addons.usage.earlier import Earlier, EarlierApart
from ringlet_mitm.addons.usage.earlier_sums import earlier
from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.addons.usage.rows import RequestRow, new_id
from ringlet_mitm.addons.usage.snapshot import MOST_SESSIONS, Sums
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.rules.errors import LedgerError

NOBODY = "........"
DAY = 86_400_000_000


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "data" / "usage.duckdb", tmp_path / "spool"


def store(database: Path, *rows: RequestRow) -> None:
    with writing(database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in rows])


def found(paths: tuple[Path, Path], ending: str = NOBODY) -> Earlier:
    return earlier(*paths, "work", ending, NOON, NOON - 5 * DAY)


def test_today_and_sessions_of_the_month(paths: tuple[Path, Path]) -> None:
    store(
        paths[0],
        request(started_us=NOON - 9 * DAY, session="s", cost_total=Decimal(50)),
        request(started_us=NOON - DAY, session="s", cost_total=Decimal(4), routed_model="old"),
        request(started_us=NOON, session="s", cost_total=Decimal(2), input_tokens=7, output_tokens=2),
        request(started_us=NOON + 1, session="s", cost_total=None, usage_source="none", status=500),
        request(started_us=NOON, session="", cost_total=None),
        request(started_us=NOON, session="t", profile="play", cost_total=Decimal(9)),
    )
    said = found(paths)
    assert said.today == Sums(3, 1, 7, 2, Decimal(2), 1, 0)
    (session,) = said.sessions
    assert (session.session, session.sums.requests, session.sums.usd) == ("s", 3, Decimal(6))
    assert (session.model, session.context, session.last_us) == ("claude-sonnet-4-5", 9, NOON + 1)


def test_the_spool_counts_and_the_asking_process_does_not(paths: tuple[Path, Path]) -> None:
    spool = Spool(paths[1], "work")
    spool.append(request(id="1" + NOBODY, started_us=NOON), ())
    spool.append(request(id="1another", started_us=NOON), ())
    spool.seal()
    assert found(paths).today.requests == 1


def test_the_last_sessions(paths: tuple[Path, Path]) -> None:
    store(paths[0], *(request(started_us=NOON + n, session=f"s{n}") for n in range(MOST_SESSIONS + 2)))
    assert [one.session for one in found(paths).sessions] == [f"s{n}" for n in range(MOST_SESSIONS + 1, 1, -1)]


def test_nothing_yet(paths: tuple[Path, Path]) -> None:
    assert found(paths) == Earlier()


def test_by_the_process(paths: tuple[Path, Path]) -> None:
    mine, other = request(id=new_id(), started_us=NOON), request(id="other", started_us=NOON, session="s")
    store(paths[0], mine, other)
    said = asyncio.run(EarlierApart(*paths, "work").read(NOON, NOON))
    assert (said.today.requests, [one.session for one in said.sessions]) == (1, ["s"])


@pytest.mark.parametrize(
    "script", ["print('no JSON')", "raise SystemExit(3)", 'print(\'{"failure": "in use"}\')'], ids=str
)
def test_a_process_that_fails(paths: tuple[Path, Path], script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "COMMAND", (sys.executable, "-c", script))
    with pytest.raises(LedgerError):
        asyncio.run(EarlierApart(*paths, "work").read(0, 0))


def test_a_ledger_that_cannot_be_read(paths: tuple[Path, Path]) -> None:
    paths[0].parent.mkdir()
    paths[0].write_text("no database")
    assert "usage.duckdb" in found(paths).failure


def test_where_there_is_nothing_no_process_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "COMMAND", ("no-such-program",))
    nothing = EarlierApart(tmp_path / "none.duckdb", tmp_path / "spool", "work")
    assert asyncio.run(nothing.read_if_any(0, 0)) == Earlier()
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "work.1.5.jsonl").touch()
    with pytest.raises(LedgerError):
        asyncio.run(nothing.read_if_any(0, 0))
