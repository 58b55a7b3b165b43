"""A thread with a turn to take every so often, and longer pauses while that fails.

How long it waits after a failure grows with each one, and it says what is wrong once:

    somebody else has the database     0.1 s, doubling up to 5 s    said when it lasts
    anything else (full, read-only)    2 s, doubling up to 60 s     said at once
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.rules.ledger_target import LedgerTarget
from ringlet_mitm.rules.tokens import Calibration

logger = logging.getLogger(__name__)

PERIOD_S = 2.0
# `stop` waits no longer than this; the last attempt gives up earlier, so that it is rarely cut off.
STOP_S = 3.0
LAST_ATTEMPT_S = 1.5


@dataclass(frozen=True, slots=True)
class Pauses:
    """What to wait after the first failure, the second and so on; it is said from the failure number `said_at` on."""

    first_s: float
    most_s: float
    said_at: int

    def after(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row."""
        return min(self.first_s * 2.0 ** min(failures - 1, 30), self.most_s)


BUSY = Pauses(0.1, 5.0, said_at=6)
BROKEN = Pauses(PERIOD_S, 60.0, said_at=1)
# What to stand first in line at the database, after no failure, one and so on. Whoever comes to read waits as long, so
# it is short at first; and who still has it after all of these keeps it: then readers would wait for nothing.
IN_LINE_S = (1.0, 2.0, 4.0, 5.0, 5.0)


class Turns(ABC):
    """Brings the rows of `spool`, and of any other in its folder, into `database`, turn by turn.

    Where `shared` is a store that several machines have, into that; only what is learned then goes into `database`.
    `on_calibration` is called in the thread, at the start and whenever a learned ratio has changed.
    """

    def __init__(
        self,
        spool: Spool,
        database: Path,
        on_calibration: Callable[[Calibration], None] | None = None,
        shared: LedgerTarget | None = None,
    ) -> None:
        self._spool = spool
        self._database = database
        self._shared = shared
        self._on_calibration = on_calibration
        self._calibration: Calibration | None = None
        self._thread = threading.Thread(target=self._run, name="usage writer", daemon=True)
        self._wake = threading.Event()
        self._stopping = False
        self._failures = 0
        self._said = False

    @abstractmethod
    def turn(self, end: float = float("inf")) -> float:
        """Store what there is, until `end` on the monotonic clock; gives the seconds to wait before the next turn."""

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def flush(self) -> None:
        """Have it store now what is there now; returns at once."""
        self._wake.set()

    def stop(self) -> None:
        """Store what can still be stored, within three seconds; the rest is found again at the next start."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self.turn())
            self._wake.clear()
        end = time.monotonic() + LAST_ATTEMPT_S
        while True:
            self._failures = 0
            pause = self.turn(end)
            if not self._failures or time.monotonic() + pause > end:
                return
            time.sleep(pause)

    def _seal(self) -> None:
        """End the live file; while storing fails only once, or a lock of a day would leave a file every few seconds."""
        self._spool.retry()
        if not self._failures:
            self._spool.seal()

    def _in_line_s(self) -> float:
        return IN_LINE_S[self._failures] if self._failures < len(IN_LINE_S) else 0.0

    def _hand_out(self, found: Calibration) -> None:
        if found != self._calibration and self._on_calibration is not None:
            self._on_calibration(found)
        self._calibration = found

    def _failed(self, error: Exception, pauses: Pauses) -> float:
        self._failures += 1
        if self._failures >= pauses.said_at and not self._said:
            self._said = True
            why = str(error) or repr(error)
            logger.warning("usage rows wait in %s and are stored later: %s", self._spool.folder, why)
        return pauses.after(self._failures)

    def _worked(self) -> float:
        """Rows that came while it did not work are stored right away."""
        recovered = self._failures > 0
        if self._said:
            logger.warning("usage rows are stored again in %s", self._shared or self._database)
        self._failures, self._said = 0, False
        return 0.0 if recovered else PERIOD_S
