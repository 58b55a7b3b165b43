"""The writer of a proxy: a turn in a process of its own.

DuckDB in the proxy's process would be 36 MB more of it, and storing 2,000 rows beside the event loop delayed streams
by up to 12 ms, since Python runs one thread at a time (measured 2026-11). A process costs a quarter of a second of the
other core, so there is one only when rows wait, and never for more than a twentieth of the time.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time

import msgspec

from ringlet_mitm.addons.usage.spool import sealed_files
from ringlet_mitm.addons.usage.turns import BROKEN, BUSY, PERIOD_S, Turns
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import words_of
from ringlet_mitm.rules.tokens import Calibration

MODULE = "ringlet_mitm.addons.usage.storing"
REST = 20
LEAST_S = 5.0
# A shared store gets a file a time, or a transaction; this machine's reports read the spool as well.
SHARED_S = 60.0
LIMIT_S = 120.0


class Told(msgspec.Struct, frozen=True):
    """What the process says of its turn, as JSON; `ratios` is None where it has neither learned nor read any."""

    ratios: list[tuple[str, str, float]] | None = None
    failure: str = ""
    busy: bool = False
    stuck: list[str] = []


class WriterApart(Turns):
    """Like Writer; what goes wrong in the process is told as if it had been here."""

    _told = False
    _stuck: frozenset[str] = frozenset()

    def turn(self, end: float = math.inf) -> float:
        """End the live file, and have a process store what is sealed."""
        self._seal()
        if self._told and not any(path.name not in self._stuck for path in sealed_files(self._spool.folder)):
            return self._worked()
        begun = time.monotonic()
        try:
            told = self._process(min(LIMIT_S, max(0.0, end - begun)))
        except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
            return self._failed(error, BROKEN)
        self._stuck = frozenset(told.stuck)
        if told.failure:
            return self._failed(LedgerError(told.failure), BUSY if told.busy else BROKEN)
        self._told = True
        if told.ratios is not None:
            self._hand_out(Calibration({(provider, model): ratio for provider, model, ratio in told.ratios}))
        recovered = self._worked() < PERIOD_S
        least = LEAST_S if self._shared is None else SHARED_S
        return 0.0 if recovered else max(least, REST * (time.monotonic() - begun))

    def _process(self, seconds: float) -> Told:
        places = [*words_of(self._shared), str(self._spool.folder), str(self._database)]
        words = [sys.executable, "-m", MODULE, *places, str(seconds), str(self._in_line_s()), *self._stuck]
        # A session of its own: Ctrl-C is for the proxy, which then has the last rows stored.
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=LIMIT_S, start_new_session=True
        )
        if done.returncode:
            raise subprocess.SubprocessError(f"storing them ended with code {done.returncode}")
        return msgspec.json.decode(done.stdout, type=Told)


def rows_of(found: Calibration) -> list[tuple[str, str, float]]:
    """A calibration as `Told.ratios`."""
    return [(provider, model, ratio) for (provider, model), ratio in found.ratios.items()]
