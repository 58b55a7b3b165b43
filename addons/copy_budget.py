"""How much copies have cost today, and whether one more fits in: on the event loop.

What this process spent is added up in memory, what others of the profile did, before it and beside it, is asked of the
ledger as limits do. A copy that is under way counts with what it is expected to cost. Where the ledger cannot be read
nobody knows how much is left, and nothing is spent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal

from ringlet_mitm.addons.books import Calendar
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.usage.spending import Since, Spent
from ringlet_mitm.rules.errors import LedgerError

# How long what others spent is believed; and how soon a ledger is asked again that could not be read.
BELIEVED_S = 600.0
PAUSE_S = 60.0


class CopyBudget:
    """That of one proxy. `read` asks the ledger, as `SpentApart.read` does; `now` is in seconds since the epoch."""

    def __init__(self, read: Callable[[Since], Awaitable[Spent]], now: Callable[[], float] = time.time) -> None:
        self._read = read
        self._now = now
        self._calendar = Calendar()
        self._reading = asyncio.Lock()
        self._day_us = 0
        self._own = Decimal(0)
        self._others: Decimal | None = None
        self._under_way = Decimal(0)
        self._ask_at = 0.0

    @property
    def today(self) -> Decimal:
        """USD of the copies of this day, as far as prices and ledger are known."""
        self._turn()
        return self._own + (self._others or 0)

    @property
    def known(self) -> bool:
        """Whether the ledger could be read."""
        return self._others is not None

    async def take(self, most: Decimal, expected: Decimal) -> bool:
        """Whether a copy of that cost still fits in a day of `most`; if so it counts until `settle`."""
        await self._known()
        if self._others is None or self.today + self._under_way + expected > most:
            return False
        self._under_way += expected
        return True

    def settle(self, expected: Decimal, row: RequestRow | None) -> None:
        """The copy is over; `row` says what it cost, None where it was not sent."""
        self._under_way -= expected
        self._turn()
        if row is not None and row.started_us >= self._day_us:
            self._own += row.cost_total or 0

    def _turn(self) -> None:
        """Begin anew where another day has begun."""
        day_us = self._calendar.since(self._now()).day_us
        if day_us != self._day_us:
            self._day_us, self._own, self._others, self._ask_at = day_us, Decimal(0), None, 0.0

    async def _known(self) -> None:
        async with self._reading:
            self._turn()
            if self._now() < self._ask_at:
                return
            try:
                self._others = (await self._read(self._calendar.since(self._now()))).shadow_usd
                self._ask_at = self._now() + BELIEVED_S
            except LedgerError:
                self._others, self._ask_at = None, self._now() + PAUSE_S
