"""The ledger as a process tells of it: both ends, the proxy that asks and the process that answers.

DuckDB would be 36 MB more of the proxy, and a query of a large ledger takes long for an event loop; so a module runs by
itself, once in a while, and says what it found in one line of JSON.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from ringlet_mitm.addons.usage.rows import own_ending
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget, taken_from, words_of

# It waits 10 s for the database itself; the rest is for a machine with nothing to spare.
LIMIT_S = 60.0


class Found(Protocol):
    """What a process says, a msgspec.Struct."""

    @property
    def failure(self) -> str:
        """Why nothing is known; "" where it is."""
        ...


_Found = TypeVar("_Found", bound=Found)


@dataclass(frozen=True, slots=True)
class LedgerApart:
    """The ledger of one profile, and of its other machines where this one has a store with them, `shared`."""

    database: Path
    spool_dir: Path
    profile: str
    shared: LedgerTarget | None = None

    async def asked(self, command: Sequence[str], kind: type[_Found], *times_us: int) -> _Found:
        """What all processes but this one left since each of the times; raises LedgerError.

        Cancelled, it ends the process as well.
        """
        places = *words_of(self.shared), str(self.database), str(self.spool_dir)
        try:
            out = await _output(*command, *places, self.profile, own_ending(), *map(str, times_us))
            found = msgspec.json.decode(out, type=kind)
        except TimeoutError:
            raise LedgerError(f"the ledger {self.database} was not read within {LIMIT_S:.0f} s") from None
        except (OSError, msgspec.MsgspecError) as error:
            raise LedgerError(f"the ledger {self.database} cannot be read: {error}") from error
        if found.failure:
            raise LedgerError(found.failure)
        return found


def command_of(module: str) -> tuple[str, ...]:
    """What runs a module that does `tell`.

    -P: without it the folder that the proxy was started in could put its own modules before the installed ones.
    """
    return sys.executable, "-P", "-m", module


def tell(find: Callable[[LedgerApart, str, Sequence[int]], Found]) -> None:
    """Print what `find` finds; no hurry, streams go first.

    It is told what is asked, the ending of the ids that the asking process has given, which do not count, and the times
    in microseconds since the epoch.
    """
    if hasattr(os, "nice"):
        os.nice(19)
    shared, (database, spool_dir, profile, ending, *times_us) = taken_from(sys.argv[1:])
    found = find(LedgerApart(Path(database), Path(spool_dir), profile, shared), ending, [int(one) for one in times_us])
    sys.stdout.buffer.write(msgspec.json.encode(found))


async def _output(*command: str) -> bytes:
    """What a process says; raises TimeoutError after LIMIT_S, and OSError where it fails. Cancelled, it ends it too."""
    # A session of its own: Ctrl-C is for the proxy.
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
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
