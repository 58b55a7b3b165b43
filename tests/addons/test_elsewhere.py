"""Following the ledger: how often, how long requests wait for the first time, and what is said when it fails."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from ringlet_mitm.addons import elsewhere
from ringlet_mitm.addons.elsewhere import PERIOD_S, Elsewhere
from ringlet_mitm.addons.usage.spending import Purse, Since, Spent
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.limits import LimitKind

SINCE = Since(1000, 100, 0)


class Source:
    """What reading gives, in order; an error is raised, an event waited for."""

    def __init__(self, *found: Spent | LedgerError | asyncio.Event) -> None:
        self.found = list(found)
        self.asked: list[Since] = []

    async def read(self, since: Since) -> Spent:
        self.asked.append(since)
        found = self.found.pop(0)
        if isinstance(found, asyncio.Event):
            await found.wait()
            return Spent()
        if isinstance(found, LedgerError):
            raise found
        return found


def usd(usd: str) -> Spent:
    return Spent([Purse("zai", Decimal(usd), Decimal(usd))])


def of_today(one: Elsewhere) -> object:
    return one.books.used(LimitKind.USD_PER_DAY, None, 0)


def test_a_reading_replaces_the_last_and_the_next_is_a_minute_later() -> None:
    async def follow() -> None:
        source = Source(usd("1"), usd("2"))
        one = Elsewhere(source.read)
        assert [await one.turn(SINCE), of_today(one)] == [PERIOD_S, 1]
        assert [await one.turn(SINCE), of_today(one)] == [PERIOD_S, 2]
        assert source.asked == [SINCE, SINCE]

    asyncio.run(follow())


def test_a_failure_keeps_the_sums_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def follow() -> list[float]:
        one = Elsewhere(Source(usd("1"), *[LedgerError("it is in use")] * 6, usd("2")).read)
        pauses = [await one.turn(SINCE) for _ in range(7)]
        assert of_today(one) == 1
        await one.turn(SINCE)
        assert of_today(one) == 2
        return pauses

    assert asyncio.run(follow()) == [PERIOD_S, 5, 10, 20, 40, 60, 60]
    assert [record.message for record in caplog.records] == [
        "limits count only what is known until the ledger can be read: it is in use",
        "limits count again what the ledger says",
    ]


@pytest.mark.parametrize("first", [usd("1"), LedgerError("no")], ids=["read", "failed"])
def test_requests_go_on_with_the_first_reading_also_a_failed_one(first: Spent | LedgerError) -> None:
    async def follow() -> None:
        one = Elsewhere(Source(first).read)
        waiting = [asyncio.create_task(one.ready()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await one.turn(SINCE)
        await asyncio.gather(*waiting)
        await one.ready()

    asyncio.run(follow())


def test_they_wait_no_longer_than_patience_lasts_and_all_of_them_together(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(elsewhere, "PATIENCE_S", 0.05)

    async def follow() -> None:
        never = asyncio.Event()
        one = Elsewhere(Source(never).read)
        reading = asyncio.create_task(one.turn(SINCE))
        clock = asyncio.get_running_loop().time
        begun = clock()
        await asyncio.gather(*(one.ready() for _ in range(3)))
        assert 0.04 < clock() - begun < 2
        begun = clock()
        await one.ready()
        assert clock() - begun < 0.02
        reading.cancel()

    asyncio.run(follow())
    assert [record.message for record in caplog.records] == [
        "limits do not count yet what was spent before: the ledger is still being read"
    ]
