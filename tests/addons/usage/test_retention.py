"""Pruning: what is left adds up to what there was, whoever is killed in the middle, and nothing comes back."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from children import child
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledgers import request, us

from ringlet_mitm.addons.usage.groups import MEASURES, REPORTS
from ringlet_mitm.addons.usage.ledger import insert, reading, transaction, writing
from ringlet_mitm.addons.usage.retention import before, prune, would_prune
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow, encode_line
from ringlet_mitm.rules.errors import UsageError

DAY_US = 86_400_000_000
FIRST = us("2026-01-01T00:30+00:00")
CUT = us("2026-01-11T00:00+00:00")
SUMS = "SELECT sum(requests), sum(known_cost), sum(input), sum(output), sum(unpriced) FROM spend"
# All that a report can group by and that is not gone.
KEPT = [name for name in REPORTS if name not in ("session", "hour")]
# The kernel ends it when the timer rings, as abruptly as with signal 9.
PRUNE = """
import signal
from ringlet_mitm.addons.usage.retention import prune
signal.setitimer(signal.ITIMER_REAL, float(sys.argv[3]))
prune(database, int(sys.argv[2]))
"""
# Killed by itself in the middle of the transaction, with most of the work done.
DIE = """
from contextlib import contextmanager
from ringlet_mitm.addons.usage import retention
real = retention.transaction
@contextmanager
def dies(connection):
    with real(connection):
        yield
        os.kill(os.getpid(), 9)
retention.transaction = dies
retention.prune(database, int(sys.argv[2]))
"""


class Home:
    """A ledger and its spool."""

    def __init__(self, folder: Path) -> None:
        self.database, self.spool = folder / "data" / "usage.duckdb", folder / "spool"

    def store(self, rows: Iterable[RequestRow]) -> int:
        with writing(self.database) as connection, transaction(connection):
            return len(insert(connection, [(row, attempts_of(row)) for row in rows]))

    def ask(self, sql: str) -> list[Any]:
        with reading(self.database, self.spool, wait_s=5) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def reports(self) -> list[Any]:
        measures = ", ".join(f"{measure.sql} AS {name}" for name, measure in MEASURES.items())
        each = (f"SELECT '{by}' AS by, CAST({by} AS VARCHAR), {measures} FROM spend GROUP BY {by}" for by in KEPT)
        return self.ask(f"SELECT * FROM ({' UNION ALL '.join(each)}) ORDER BY ALL")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    # DuckDB takes the machine's zone; `day` is in it.
    monkeypatch.setenv("TZ", "UTC")
    return Home(tmp_path)


def attempts_of(row: RequestRow) -> tuple[AttemptRow, ...]:
    return (AttemptRow(request_id=row.id, number=1, provider=row.provider, model="m", started_us=row.started_us),)


def history(days: int = 20, a_day: int = 12) -> list[RequestRow]:
    """Requests of every kind that reports tell apart."""
    dice = random.Random(7)
    rows = []
    for number in range(days * a_day):
        at = FIRST + number * DAY_US // a_day
        failed, priced = dice.random() < 0.1, dice.random() < 0.8
        rows.append(
            request(
                id=f"{number:08}",
                started_us=at,
                ended_us=at + 1_000_000,
                profile=dice.choice(["work", "play"]),
                agent=dice.choice(["claude", "codex"]),
                session=f"s{number // 7}",
                project=dice.choice(["", "house"]),
                rule=dice.choice(["tool-use → groq", "default → anthropic"]),
                provider=dice.choice(["groq", "anthropic", ""]),
                routed_model=dice.choice(["a", "b"]),
                status=500 if failed else 200,
                error_class="overloaded" if failed else "",
                usage_source=dice.choice(["reported", "estimated"]),
                input_tokens=dice.randrange(10**6),
                cache_read_tokens=dice.randrange(10**6),
                cache_write_1h_tokens=dice.randrange(1000),
                output_tokens=dice.randrange(1000),
                reasoning_tokens=dice.randrange(1000),
                cost_total=Decimal(dice.randrange(10**12)).scaleb(-10) if priced else None,
                switched_from=dice.choice(["", "groq/a"]),
                cost_switch=Decimal(dice.randrange(10**9)).scaleb(-10) if priced else None,
                origin=dice.choice(["proxy", "proxy", "shadow"]),
                arm=dice.choice(["", "groq"]),
            )
        )
    return rows


def test_every_report_adds_up_to_the_last_digit(home: Home) -> None:
    home.store(history())
    there = home.reports()
    assert would_prune(home.database, home.spool, CUT).requests == 120
    done = prune(home.database, CUT)
    assert (done.old.requests, done.old.attempts, done.old.days, done.old.first_us) == (120, 120, 10, FIRST)
    assert home.reports() == there
    assert home.ask("SELECT count(*), min(started_us) >= 0 FROM requests") == [(120, True)]
    assert home.ask("SELECT count(*) FROM attempts WHERE request_id NOT IN (SELECT id FROM requests)") == [(0,)]
    assert home.ask("SELECT count(*) FROM daily") == [(done.sums,)]


def test_several_at_once_and_a_part_of_the_time(home: Home) -> None:
    home.store(history())
    sql = f"""SELECT day, model, provider, sum(requests), sum(known_cost), sum(input) FROM spend
        WHERE started_us >= {us("2026-01-03T00:00+00:00")} AND started_us < {us("2026-01-15T00:00+00:00")}
            AND profile = 'work' GROUP BY ALL ORDER BY ALL"""
    there = home.ask(sql)
    prune(home.database, CUT)
    assert home.ask(sql) == there


def test_the_table_is_what_it_was(home: Home) -> None:
    """Its key and its defaults: it is made anew."""
    home.store(history())
    sql = "SELECT sql FROM duckdb_tables() WHERE table_name = 'requests'"
    with writing(home.database) as connection:
        there = connection.execute(sql).fetchall()
    prune(home.database, CUT)
    with writing(home.database) as connection:
        assert connection.execute(sql).fetchall() == there
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("INSERT INTO requests (id) SELECT max(id) FROM requests")


def test_sessions_and_hours_are_gone_and_say_so(home: Home) -> None:
    home.store(history())
    prune(home.database, CUT)
    assert home.ask("SELECT sum(requests) FROM spend WHERE session = '(by day only)'") == [(120,)]
    assert home.ask("SELECT sum(requests) FROM spend WHERE hour IS NULL") == [(120,)]


def test_pruning_again_and_further_on(home: Home) -> None:
    home.store(history())
    there = home.reports()
    for days in (5, 5, 10, 15):
        prune(home.database, FIRST - FIRST % DAY_US + days * DAY_US)
    assert home.reports() == there
    assert prune(home.database, CUT).old.requests == 0


class TestRowsThatComeAgain:
    """A spool file that could not be deleted, an agent's log that is imported once more."""

    def test_into_the_database(self, home: Home) -> None:
        rows = history()
        home.store(rows)
        there = home.reports()
        prune(home.database, CUT)
        assert home.store(rows) == 0
        assert home.reports() == there

    def test_in_the_spool(self, home: Home) -> None:
        rows = history()
        home.store(rows)
        there = home.reports()
        prune(home.database, CUT)
        home.spool.mkdir()
        lines = b"".join(encode_line(row, attempts_of(row)) for row in rows)
        (home.spool / "work.1.1.jsonl").write_bytes(lines)
        assert home.reports() == there

    def test_old_rows_that_come_for_the_first_time_count(self, home: Home) -> None:
        home.store(history())
        prune(home.database, CUT)
        assert home.store([request(id="late", started_us=FIRST, ended_us=FIRST, cost_total=Decimal(5))]) == 1
        assert home.ask("SELECT sum(requests) FROM spend") == [(241,)]
        prune(home.database, CUT)
        assert home.ask("SELECT sum(requests) FROM spend") == [(241,)]


class TestImported:
    """Requests of an agent's own log count up to the first that the proxy saw of their session."""

    def imported(self, number: int, session: str, at: int) -> RequestRow:
        cost = Decimal(number)
        return request(
            id=f"log{number}", session=session, started_us=at, ended_us=at, cost_total=cost, origin="import:claude"
        )

    def test_what_did_not_count_does_not_count_now(self, home: Home) -> None:
        home.store([request(id="seen", session="s", started_us=FIRST, ended_us=FIRST + 1, cost_total=Decimal(1))])
        home.store([self.imported(1, "s", FIRST - 10), self.imported(2, "s", FIRST + 10)])
        there = home.ask("SELECT sum(requests), sum(known_cost) FROM spend")
        assert there == [(2, Decimal(2))]
        assert prune(home.database, CUT).old.requests == 3
        assert home.ask("SELECT sum(requests), sum(known_cost) FROM spend") == there

    def test_what_is_imported_after_its_session_was_pruned(self, home: Home) -> None:
        home.store([request(id="seen", session="s", started_us=FIRST, ended_us=FIRST + 1, cost_total=Decimal(1))])
        prune(home.database, CUT)
        home.store([self.imported(1, "s", FIRST - 10), self.imported(2, "s", FIRST + 10)])
        home.store([self.imported(4, "another", FIRST + 10)])
        assert home.ask("SELECT sum(requests), sum(known_cost) FROM spend") == [(3, Decimal(6))]

    def test_a_session_that_the_pruning_cuts_in_two(self, home: Home) -> None:
        seen = [request(id=f"seen{n}", session="s", started_us=CUT + n, ended_us=CUT + n) for n in (-1000, 1000)]
        home.store([*seen, self.imported(1, "s", CUT + 10)])
        there = home.ask("SELECT sum(requests) FROM spend")
        prune(home.database, CUT)
        assert home.ask("SELECT sum(requests) FROM spend") == there == [(2,)]


class TestKilled:
    """With signal 9: all of it or nothing."""

    def test_at_its_end(self, home: Home, tmp_path: Path) -> None:
        home.store(history())
        there = home.reports()
        with child(DIE, tmp_path, str(CUT)) as dying:
            assert dying.rest() == []
        assert home.ask("SELECT count(*) FROM daily") == [(0,)]
        assert home.reports() == there
        prune(home.database, CUT)
        assert home.reports() == there

    def test_at_any_time(self, home: Home, tmp_path: Path) -> None:
        rows = history(a_day=100)
        home.store(rows)
        there, whole, left = home.ask(SUMS), len(rows), sum(row.started_us >= CUT for row in rows)
        for after_s in (0.05, 0.12, 0.2):
            with child(PRUNE, tmp_path, str(CUT), str(after_s)) as running:
                running.rest()
            assert home.ask(SUMS) == there
            assert home.ask("SELECT count(*) FROM requests")[0][0] in (whole, left)
        assert home.store(rows) == 0


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(-1, 22), min_size=1, max_size=3),
    again=st.lists(st.integers(0, 199), max_size=20),
)
def test_whatever_is_pruned_and_comes_again(tmp_path_factory: Any, cuts: list[int], again: list[int]) -> None:
    home = Home(tmp_path_factory.mktemp("home"))
    rows = history(days=20, a_day=10)
    home.store(rows)
    there = home.ask(SUMS)
    for cut in cuts:
        prune(home.database, FIRST + cut * DAY_US)
        home.store(rows[number] for number in again)
        assert home.ask(SUMS) == there


class TestBefore:
    """Where pruning begins."""

    NOW = datetime(2026, 11, 21, 19, 30)

    def test_a_day_is_not_cut_in_two(self) -> None:
        assert before(365, self.NOW) == round(datetime(2025, 11, 21).timestamp()) * 1_000_000

    @pytest.mark.parametrize("days", [0, 1, 31])
    def test_a_month_is_kept(self, days: int) -> None:
        with pytest.raises(UsageError, match="32d is the least"):
            before(days, self.NOW)

    @pytest.mark.parametrize("days", [99_999, 3_000_000_000])
    def test_before_all_time(self, days: int) -> None:
        assert before(days, self.NOW) == 0
