"""What copies may cost in a day: this process's, the others', and what is under way."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal

from ledgers import request

from ringlet_mitm.addons.copy_budget import BELIEVED_S, PAUSE_S, CopyBudget
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.usage.spending import Since, Spent
from ringlet_mitm.rules.errors import LedgerError

NOON = datetime(2026, 11, 20, 12).timestamp()
DAY_S = 86_400
ONE = Decimal(1)


class Proxy:
    """A budget with a clock that stands still and a ledger that says what it is told to, None for nothing."""

    def __init__(self, others: str | None = "0") -> None:
        self.now, self.others, self.reads = NOON, others, 0
        self.budget = CopyBudget(self.read, lambda: self.now)

    async def read(self, since: Since) -> Spent:
        self.reads += 1
        if self.others is None:
            raise LedgerError("cannot be read")
        return Spent(shadow_usd=Decimal(self.others))

    def take(self, expected: str, most: Decimal = ONE) -> bool:
        return asyncio.run(self.budget.take(most, Decimal(expected)))

    def row(self, usd: str | None, later_s: float = 0) -> RequestRow:
        cost = None if usd is None else Decimal(usd)
        return request(started_us=round((self.now + later_s) * 1e6), origin="shadow", cost_total=cost)


def test_copies_fit_in_until_the_day_is_spent() -> None:
    proxy = Proxy()
    assert proxy.take("0.6")
    assert not proxy.take("0.6"), "the first is under way and counts as expected"
    proxy.budget.settle(Decimal("0.6"), proxy.row("0.3"))
    assert proxy.take("0.6")
    proxy.budget.settle(Decimal("0.6"), None)
    assert proxy.budget.today == Decimal("0.3")
    assert proxy.take("0.7")


def test_what_others_spent_counts_and_is_asked_again_now_and_then() -> None:
    proxy = Proxy("0.9")
    assert not proxy.take("0.2")
    assert proxy.take("0.05")
    assert proxy.reads == 1
    proxy.others, proxy.now = "0.99", NOON + BELIEVED_S
    assert not proxy.take("0.05")
    assert proxy.reads == 2


def test_of_a_ledger_that_cannot_be_read_nothing_is_spent() -> None:
    proxy = Proxy(None)
    assert not proxy.take("0.01")
    assert not proxy.budget.known
    proxy.others = "0"
    assert not proxy.take("0.01"), "it is not asked at every request"
    proxy.now += PAUSE_S
    assert proxy.take("0.01")
    assert proxy.budget.known


def test_the_next_day_begins_anew_and_a_copy_of_yesterday_is_yesterdays() -> None:
    proxy = Proxy("1")
    assert not proxy.take("0.01")
    yesterday = proxy.row("0.5")
    proxy.now, proxy.others = NOON + DAY_S, "0"
    assert proxy.take("0.9")
    proxy.budget.settle(Decimal("0.9"), yesterday)
    assert proxy.budget.today == 0


def test_nothing_a_day_lets_through_what_costs_nothing() -> None:
    proxy = Proxy()
    assert proxy.take("0", Decimal(0))
    assert not proxy.take("0.0001", Decimal(0))


def test_a_copy_without_a_price_counts_nothing_afterwards() -> None:
    proxy = Proxy()
    assert proxy.take("0.2")
    proxy.budget.settle(Decimal("0.2"), proxy.row(None))
    assert proxy.budget.today == 0
