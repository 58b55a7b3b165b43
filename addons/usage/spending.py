"""What a profile has spent so far as far as the ledger knows: `spent.py` says it, asked once a minute at most."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ringlet_mitm.addons.usage.asked_apart import LedgerApart, command_of

COMMAND = command_of("ringlet_mitm.addons.usage.spent")


class Since(msgspec.Struct, frozen=True):
    """Where the day, the month and the last minute begin, in microseconds since the epoch."""

    day_us: int
    month_us: int
    minute_us: int


class Purse(msgspec.Struct, frozen=True):
    """What one provider cost: USD where the price is known, and how many requests had none."""

    provider: str
    day_usd: Decimal = Decimal(0)
    month_usd: Decimal = Decimal(0)
    day_unpriced: int = 0
    month_unpriced: int = 0


class Moment(msgspec.Struct, frozen=True):
    """What counts against limits by the minute from `at_us` on."""

    at_us: int
    provider: str
    requests: int
    tokens: int


class Spent(msgspec.Struct, frozen=True):
    """What others of the profile spent: processes that were before this one, and those beside it.

    `moments` are of the last minute, oldest first. `shadow_usd` is what copies cost today, which is in the purses too.
    `failure` says why nothing is known.
    """

    purses: list[Purse] = []
    moments: list[Moment] = []
    shadow_usd: Decimal = Decimal(0)
    failure: str = ""


class SpentApart(LedgerApart):
    """What was spent in one profile; by other machines as well, where they share a store."""

    __slots__ = ()

    async def read(self, since: Since) -> Spent:
        """What all processes but this one spent; raises LedgerError. Cancelled, it ends the process as well."""
        return await self.asked(COMMAND, Spent, since.day_us, since.month_us, since.minute_us)
