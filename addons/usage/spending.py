"""What a profile has spent so far as far as the ledger knows, asked of a process.

DuckDB would be 36 MB more of the proxy, and a query of a large ledger takes long for an event loop; so `spent.py` runs
by itself, once a minute at most, and says what it found in one line of JSON.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec

from ringlet_mitm.addons.usage.rows import own_ending
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget, words_of

# -P: without it the folder that the proxy was started in could put its own modules before the installed ones.
COMMAND = (sys.executable, "-P", "-m", "ringlet_mitm.addons.usage.spent")
# It waits 10 s for the database itself; the rest is for a machine with nothing to spare.
LIMIT_S = 60.0


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


@dataclass(frozen=True, slots=True)
class SpentApart:
    """Asks for one profile; what other machines spent in it counts where they share a store."""

    database: Path
    spool_dir: Path
    profile: str
    shared: LedgerTarget | None = None

    async def read(self, since: Since) -> Spent:
        """What all processes but this one spent; raises LedgerError. Cancelled, it ends the process as well."""
        words = (str(since.day_us), str(since.month_us), str(since.minute_us))
        try:
            out = await output(COMMAND, *self._places(), self.profile, own_ending(), *words)
            found = msgspec.json.decode(out, type=Spent)
        except TimeoutError:
            raise LedgerError(f"the ledger {self.database} was not read within {LIMIT_S:.0f} s") from None
        except (OSError, msgspec.MsgspecError) as error:
            raise LedgerError(f"the ledger {self.database} cannot be read: {error}") from error
        if found.failure:
            raise LedgerError(found.failure)
        return found

    def _places(self) -> tuple[str, ...]:
        return *words_of(self.shared), str(self.database), str(self.spool_dir)


async def output(command: Sequence[str], *words: str) -> bytes:
    """What a process says; raises TimeoutError after LIMIT_S, and OSError where it fails. Cancelled, it ends it too."""
    # A session of its own: Ctrl-C is for the proxy.
    process = await asyncio.create_subprocess_exec(
        *command, *words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise OSError(f"the process that reads it ended with code {process.returncode}")
    return out
