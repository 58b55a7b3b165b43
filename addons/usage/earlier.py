"""What a profile came to today, and its last sessions, as the ledger says; asked of a process like `spending.py`.

It is what a snapshot adds to what its own proxy counts: processes that were before it, and those beside it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ringlet_mitm.addons.usage.rows import own_ending
from ringlet_mitm.addons.usage.snapshot import Session, Sums
from ringlet_mitm.addons.usage.spending import LIMIT_S, output
from ringlet_mitm.addons.usage.spool import all_files
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget, words_of

COMMAND = (sys.executable, "-P", "-m", "ringlet_mitm.addons.usage.earlier_sums")


class Earlier(msgspec.Struct, frozen=True):
    """`sessions`, last first, with all that they came to this month. `failure` says why nothing is known."""

    today: Sums = Sums()
    sessions: list[Session] = []
    failure: str = ""


@dataclass(frozen=True, slots=True)
class EarlierApart:
    """Asks for one profile, in `shared` as well where this machine has a store with others."""

    database: Path
    spool_dir: Path
    profile: str
    shared: LedgerTarget | None = None

    async def read(self, day_us: int, month_us: int) -> Earlier:
        """What all processes but this one came to; raises LedgerError. Cancelled, it ends the process as well."""
        places = *words_of(self.shared), str(self.database), str(self.spool_dir)
        words = self.profile, own_ending(), str(day_us), str(month_us)
        try:
            found = msgspec.json.decode(await output(COMMAND, *places, *words), type=Earlier)
        except TimeoutError:
            raise LedgerError(f"the ledger {self.database} was not read within {LIMIT_S:.0f} s") from None
        except (OSError, msgspec.MsgspecError) as error:
            raise LedgerError(f"the ledger {self.database} cannot be read: {error}") from error
        if found.failure:
            raise LedgerError(found.failure)
        return found

    async def read_if_any(self, day_us: int, month_us: int) -> Earlier:
        """The same, without a process where there is nothing to be read but what this one has written."""
        return await self.read(day_us, month_us) if self._is_any() else Earlier()

    def _is_any(self) -> bool:
        own = f".{os.getpid()}."
        spooled = (own not in path.name for path in all_files(self.spool_dir))
        return self.shared is not None or self.database.exists() or any(spooled)
