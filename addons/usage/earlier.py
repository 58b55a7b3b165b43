"""What a profile came to today, and its last sessions, as the ledger says; `earlier_sums.py` adds them up.

It is what a snapshot adds to what its own proxy counts: processes that were before it, and those beside it.
"""

from __future__ import annotations

import os

import msgspec

from ringlet_mitm.addons.usage.asked_apart import LedgerApart, command_of
from ringlet_mitm.addons.usage.snapshot import Session, Sums
from ringlet_mitm.addons.usage.spool import all_files

COMMAND = command_of("ringlet_mitm.addons.usage.earlier_sums")


class Earlier(msgspec.Struct, frozen=True):
    """`sessions`, last first, with all that they came to this month. `failure` says why nothing is known."""

    today: Sums = Sums()
    sessions: list[Session] = []
    failure: str = ""


class EarlierApart(LedgerApart):
    """What one profile came to; on other machines as well, where they share a store."""

    __slots__ = ()

    async def read(self, day_us: int, month_us: int) -> Earlier:
        """What all processes but this one came to; raises LedgerError. Cancelled, it ends the process as well."""
        return await self.asked(COMMAND, Earlier, day_us, month_us)

    async def read_if_any(self, day_us: int, month_us: int) -> Earlier:
        """The same, without a process where there is nothing to be read but what this one has written."""
        return await self.read(day_us, month_us) if self._is_any() else Earlier()

    def _is_any(self) -> bool:
        own = f".{os.getpid()}."
        spooled = (own not in path.name for path in all_files(self.spool_dir))
        return self.shared is not None or self.database.exists() or any(spooled)
