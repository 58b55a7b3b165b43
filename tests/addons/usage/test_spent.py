"""What a profile spent, as the ledger says: by the process that a proxy asks, and in this one."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from children import HOLD, child
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import connected, request

from ringlet_mitm.addons.books import Calendar, books_of
from ringlet_mitm.addons.budget import Budget
from ringlet_mitm.addons.elsewhere import Elsewhere
from ringlet_mitm.addons.usage import asked_apart, spending
from ringlet_mitm.addons.usage.ledger import insert, reading, transaction, writing
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow, new_id, own_ending
from ringlet_mitm.addons.usage.spending import Moment, Purse, Spent, SpentApart
from ringlet_mitm.addons.usage.spent import MOMENTS, PURSES, spent
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.limits import Limit, LimitKind, Limits

NOW = round(datetime(2026, 11, 20, 12).timestamp() * 1e6)
SINCE = Calendar().since(NOW / 1e6)
SECOND, DAY = 1_000_000, 86_400_000_000
NOBODY = "........"
ANOTHER = """
spool = Spool(spool_dir, "work")
for usd in ("0.5", "0.25"):
    now = int(sys.argv[2])
    spool.append(request(id=new_id(), started_us=now, ended_us=now, cost_total=usd, output_tokens=10), ())
say("spooled")
sys.stdin.readline()
"""


class Home:
    """A ledger and its spool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database, self.spool_dir = folder / "data" / "usage.duckdb", folder / "spool"

    def store(self, *rows: RequestRow) -> None:
        with writing(self.database) as connection, transaction(connection):
            insert(connection, [(row, attempts_of(row)) for row in rows])

    def spooled(self, *rows: RequestRow) -> None:
        spool = Spool(self.spool_dir, "work")
        for row in rows:
            spool.append(row, attempts_of(row))
        spool.close()

    def apart(self, profile: str = "work") -> SpentApart:
        return SpentApart(self.database, self.spool_dir, profile)

    def spent(self, ending: str = NOBODY, profile: str = "work") -> Spent:
        return spent(self.database, self.spool_dir, profile, ending, SINCE)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def attempts_of(row: RequestRow) -> tuple[AttemptRow, ...]:
    """One to its provider."""
    return (attempt(row, 1),)


def attempt(row: RequestRow, number: int, **more: Any) -> AttemptRow:
    said = {"provider": row.provider, "model": "m", "started_us": row.started_us, "ended_us": row.ended_us}
    return AttemptRow(request_id=row.id, number=number, **{**said, **more})


def at(us: int = NOW - SECOND, *, took: int = 0, **given: Any) -> RequestRow:
    return request(started_us=us, ended_us=us + took, **{"provider": "zai", "cost_total": Decimal(1), **given})


def run(read: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(read())


# What counts


def test_what_was_imported_from_a_log_went_around_the_proxy_and_its_limits(home: Home) -> None:
    spool = Spool(home.spool_dir, "work")
    spool.append(at(origin="import:claude", input_tokens=9, output_tokens=9), ())
    spool.append(at(origin="shadow", input_tokens=1, cost_total=Decimal(2)), ())
    spool.close()
    found = home.spent()
    assert [(purse.provider, purse.day_usd) for purse in found.purses] == [("zai", Decimal(2))]
    assert [moment.tokens for moment in found.moments] == [1]


def test_money_of_today_and_of_the_month(home: Home) -> None:
    home.store(
        at(SINCE.day_us),
        at(SINCE.day_us - 1, cost_total=Decimal(2)),
        at(SINCE.month_us, cost_total=Decimal(4), provider="groq"),
        at(SINCE.month_us - 1, cost_total=Decimal(8)),
        at(cost_total=Decimal(16), profile="home"),
        at(cost_total=None),
        at(cost_total=None, status=429, usage_source="none"),
    )
    assert home.spent().purses == [Purse("groq", Decimal(0), Decimal(4)), Purse("zai", Decimal(1), Decimal(3), 1, 1)]
    assert home.spent(profile="home").purses == [Purse("zai", Decimal(16), Decimal(16))]
    assert home.spent(profile="nobody") == Spent()


def test_what_copies_cost_today_is_told_apart_and_counts_all_the_same(home: Home) -> None:
    copy = {"origin": "shadow", "shadow_of": "r-1"}
    home.store(
        at(SINCE.day_us, **copy, cost_total=Decimal(2)),
        at(SINCE.day_us, **copy, cost_total=None),
        at(SINCE.day_us - 1, **copy, cost_total=Decimal(4)),
        at(SINCE.day_us, **copy, cost_total=Decimal(8), profile="home"),
        at(SINCE.day_us, cost_total=Decimal(16)),
    )
    assert home.spent().shadow_usd == Decimal(2)
    assert home.spent().purses == [Purse("zai", Decimal(18), Decimal(22), 1, 1)]


def test_nothing_where_there_is_no_ledger_yet(home: Home) -> None:
    assert home.spent() == Spent()
    assert not home.database.exists()


def test_what_waits_in_the_spool_counts_and_is_not_counted_twice(home: Home) -> None:
    both, waiting = at(), at(cost_total=Decimal(2))
    home.store(both)
    home.spooled(both, waiting)
    assert home.spent().purses == [Purse("zai", Decimal(3), Decimal(3))]


def test_a_minute_is_told_in_slices(home: Home) -> None:
    minute = SINCE.minute_us
    home.store(
        at(minute + 10 * SECOND + 7, took=20 * SECOND, input_tokens=5, cache_read_tokens=100, output_tokens=3),
        at(minute + 10 * SECOND + 9, took=20 * SECOND, cache_write_1h_tokens=20, image_input_tokens=4),
        at(minute - 2, took=30 * SECOND, input_tokens=1000, output_tokens=9, provider="groq"),
        at(minute - 2, took=1, input_tokens=1000, output_tokens=1000),
    )
    assert home.spent().moments == [
        Moment(minute + 10 * SECOND, "zai", 2, 29),
        Moment(minute + 30 * SECOND - SECOND // 10, "groq", 0, 9),
        Moment(minute + 30 * SECOND, "zai", 0, 3),
    ]


def test_each_attempt_that_left_is_a_request_of_its_provider() -> None:
    row = at(NOW - 10 * SECOND, took=5 * SECOND)
    tries = (
        attempt(row, 1, provider="groq", status=429, error_class="rate-limited"),
        attempt(row, 2, provider="groq", error_class="not-sent"),
        attempt(row, 3, started_us=NOW - 8 * SECOND),
    )
    with connected() as connection:
        insert(connection, [(row, tries)])
        found = connection.execute("SELECT provider, at_us, requests FROM traffic WHERE requests > 0 ORDER BY 2")
        assert found.fetchall() == [("groq", NOW - 10 * SECOND, 1), ("zai", NOW - 8 * SECOND, 1)]


# The others and this process

ROWS = st.builds(
    at,
    st.one_of(st.integers(NOW - 70 * SECOND, NOW), st.integers(NOW - 40 * DAY, NOW)),
    provider=st.sampled_from(["zai", "groq"]),
    cost_total=st.one_of(st.none(), st.integers(0, 1000).map(Decimal)),
    usage_source=st.sampled_from(["reported", "none"]),
    status=st.sampled_from([200, 429, None]),
    input_tokens=st.integers(0, 1000),
    cache_read_tokens=st.integers(0, 1000),
    output_tokens=st.integers(0, 1000),
)


@settings(max_examples=15, deadline=None)  # a database for each
@given(st.lists(ROWS, min_size=3, max_size=12))
def test_memory_and_ledger_count_the_same(rows: list[RequestRow]) -> None:
    """A row that ends as it begins: money by the calendar, tokens of the last minute, and what has no price."""
    clock = [0.0]
    own = Budget("work", Elsewhere(SpentApart(Path(), Path(), "work").read), lambda: clock[0])
    for row in sorted(rows, key=lambda row: row.started_us):
        clock[0] = row.started_us / 1e6
        own.sent(row.id, row.provider, 77)
        own.record(row, attempts_of(row))
    clock[0] = NOW / 1e6
    with connected() as connection:
        insert(connection, [(row, attempts_of(row)) for row in rows])
        asked = {"profile": "work", "ending": NOBODY}
        days = {"day": SINCE.day_us, "month": SINCE.month_us}
        purses = [Purse(*one) for one in connection.execute(PURSES, {**asked, **days}).fetchall()]
        # The slice in which a minute begins counts whole in memory.
        from_us = SINCE.minute_us // 100_000 * 100_000
        moments = [Moment(*one) for one in connection.execute(MOMENTS, {**asked, "minute": from_us}).fetchall()]
    others = books_of(Spent(purses, moments), SINCE)
    limits = Limits(tuple(Limit(kind, name, refuse=1) for kind in LimitKind for name in (None, "zai", "groq")))
    for limit, said in zip(limits.limits, own.report(limits), strict=True):
        assert said["used"] == others.used(limit.kind, limit.provider, NOW / 1e6)
        if limit.kind.is_money:
            assert said["unpriced_requests"] == others.money(limit.kind, limit.provider).unpriced


def test_what_this_process_recorded_itself_is_left_out(home: Home) -> None:
    home.spooled(at(id=new_id()))
    assert new_id().endswith(own_ending())
    with child(ANOTHER, home.folder, str(NOW)) as another:
        assert another.line() == "spooled"
        found = run(lambda: home.apart().read(SINCE))
        another.go()
    assert found.purses == [Purse("anthropic", Decimal("0.75"), Decimal("0.75"))]
    assert found.moments == [Moment(NOW, "anthropic", 0, 20)]
    assert home.spent().purses[1:] == [Purse("zai", Decimal(1), Decimal(1))]


def test_after_a_restart_all_of_it_is_somebody_elses(home: Home) -> None:
    home.store(at(id=new_id()[:-8] + "00000000"), at(id=new_id()[:-8] + "11111111"))
    found = run(lambda: home.apart().read(SINCE))
    assert found == home.spent()
    assert found.purses == [Purse("zai", Decimal(2), Decimal(2))]


# What can go wrong


def test_it_waits_while_another_process_writes(home: Home) -> None:
    home.store(at())

    async def read(release: Callable[[], None]) -> Spent:
        asked = asyncio.create_task(home.apart().read(SINCE))
        done, _ = await asyncio.wait({asked}, timeout=0.7)
        assert not done
        release()
        return await asked

    with child(HOLD, home.folder) as holder:
        assert holder.line() == "locked"
        found = run(lambda: read(holder.go))
        assert holder.line() == "free"
    assert found.purses == [Purse("zai", Decimal(1), Decimal(1))]


def test_a_database_that_is_none_is_an_error(home: Home) -> None:
    home.database.parent.mkdir()
    home.database.write_bytes(b"no database" * 1000)
    with pytest.raises(LedgerError, match="the ledger"):
        run(lambda: home.apart().read(SINCE))


BROKEN: dict[str, tuple[str, str]] = {
    "ends with an error": ("import sys; sys.exit(3)", "ended with code 3"),
    "says something else": ("print('hello')", "cannot be read"),
    "says nothing": ("", "cannot be read"),
    "does not end": ("import time; time.sleep(60)", "was not read within"),
}


@pytest.mark.parametrize(("script", "said"), BROKEN.values(), ids=BROKEN)
def test_a_process_that_breaks_is_an_error(home: Home, monkeypatch: pytest.MonkeyPatch, script: str, said: str) -> None:
    monkeypatch.setattr(spending, "COMMAND", (sys.executable, "-c", script))
    monkeypatch.setattr(asked_apart, "LIMIT_S", 0.3 if "sleep" in script else 60.0)
    with pytest.raises(LedgerError, match=said):
        run(lambda: home.apart().read(SINCE))


def test_a_program_that_is_not_there_is_an_error(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "COMMAND", (str(home.folder / "nowhere"),))
    with pytest.raises(LedgerError, match="cannot be read"):
        run(lambda: home.apart().read(SINCE))


def test_a_proxy_that_stops_takes_the_process_along(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spending, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    started: list[asyncio.subprocess.Process] = []
    begin = asyncio.create_subprocess_exec

    async def stopped() -> int | None:
        begun = asyncio.Event()

        async def watched(*words: str, **more: Any) -> asyncio.subprocess.Process:
            started.append(await begin(*words, **more))
            begun.set()
            return started[0]

        monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
        asked = asyncio.create_task(home.apart().read(SINCE))
        await begun.wait()
        asked.cancel()
        await asyncio.wait({asked})
        assert asked.cancelled()
        return started[0].returncode

    assert run(stopped) == -9


def test_the_ledger_is_only_read(home: Home) -> None:
    home.store(at())
    before = home.database.read_bytes()
    assert home.spent().purses
    assert home.database.read_bytes() == before
    with reading(home.database, home.spool_dir) as connection:
        assert connection.execute("SELECT count(*) FROM traffic").fetchall() == [(3,)]
