"""The thread that brings the spool into the ledger, and is never in anybody's way.

Every two seconds it ends the live file, reads the sealed ones (its own, and those of processes that died), stores their
rows, and deletes a file once its rows are committed. Whatever goes wrong on the way, the file stays and is tried again
later: rows have ids, so a second time does no harm. Meanwhile the database belongs to whoever else wants it.

How long it waits after a failure grows with each one, and it says what is wrong once:

    somebody else has the database     0.1 s, doubling up to 5 s    said when it lasts
    anything else (full, read-only)    2 s, doubling up to 60 s     said at once
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ringlet_mitm.addons.usage.calibration import learn, learned
from ringlet_mitm.addons.usage.ledger import Exchanged, LedgerBusy, insert, stored, transaction, writing
from ringlet_mitm.addons.usage.spool import Spool, contents, sealed_files
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.tokens import Calibration

logger = logging.getLogger(__name__)

PERIOD_S = 2.0
# Some 50 ms of the database at a time; between batches others get it.
BATCH_ROWS = 2000
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


@dataclass(slots=True)
class Batch:
    """Sealed files that are stored together, and the number of lines in each that were not understood."""

    files: dict[Path, int] = field(default_factory=dict)
    exchanges: list[Exchanged] = field(default_factory=list)


class Writer:
    """Brings the rows of `spool`, and of any other in its folder, into `database`.

    `on_calibration` is called in the writer's thread, at the start and whenever a ratio has changed.
    """

    def __init__(
        self, spool: Spool, database: Path, on_calibration: Callable[[Calibration], None] | None = None
    ) -> None:
        self._spool = spool
        self._database = database
        self._on_calibration = on_calibration
        self._calibration: Calibration | None = None
        self._thread = threading.Thread(target=self._run, name="usage writer", daemon=True)
        self._wake = threading.Event()
        self._stopping = False
        self._failures = 0
        self._said = False
        # Files that are stored, or cannot be read, and could not be taken out of the way.
        self._stuck: set[Path] = set()

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

    def turn(self, end: float = float("inf")) -> float:
        """Store what there is, until `end` on the monotonic clock; gives the seconds to wait before the next turn."""
        try:
            self._spool.retry()
            if not self._failures:
                # Or a database that is locked for a day would leave a file every few seconds.
                self._spool.seal()
            for batch in self._batches():
                if batch.exchanges:
                    self._store(batch.exchanges)
                self._clear(batch)
                if time.monotonic() > end:
                    break
            if self._calibration is None and self._database.exists():
                with stored(self._database) as connection:
                    self._hand_out(learned(connection))
        except LedgerError as error:
            return self._failed(error, BUSY if isinstance(error, LedgerBusy) else BROKEN)
        except Exception as error:
            # A thread that ends with a bug would leave the spool growing for the rest of the proxy's life.
            return self._failed(error, BROKEN)
        return self._worked()

    def _batches(self) -> Iterator[Batch]:
        batch = Batch()
        for path in sealed_files(self._spool.folder):
            if path in self._stuck:
                continue
            try:
                found = contents(path)
            except FileNotFoundError:
                # Another proxy was faster.
                continue
            except OSError as error:
                self._leave(path, error)
                continue
            batch.files[path] = found.bad_lines + found.torn
            batch.exchanges += found.exchanges
            if len(batch.exchanges) >= BATCH_ROWS:
                yield batch
                batch = Batch()
        yield batch

    def _store(self, exchanges: list[Exchanged]) -> None:
        with writing(self._database) as connection:
            with transaction(connection):
                learn(connection, insert(connection, exchanges))
            found = learned(connection)
        self._hand_out(found)

    def _clear(self, batch: Batch) -> None:
        """Take files whose rows are committed out of the way."""
        for path, bad_lines in batch.files.items():
            try:
                if bad_lines:
                    path.rename(path.with_suffix(".bad"))
                    logger.warning(
                        "%d lines of %s are no usage rows; the others are stored, the file is kept as *.bad",
                        bad_lines,
                        path,
                    )
                else:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._leave(path, error)

    def _leave(self, path: Path, error: OSError) -> None:
        self._stuck.add(path)
        logger.warning("the usage spool file %s is left where it is: %s", path, error.strerror)

    def _hand_out(self, found: Calibration) -> None:
        if found != self._calibration and self._on_calibration is not None:
            self._on_calibration(found)
        self._calibration = found

    def _failed(self, error: Exception, pauses: Pauses) -> float:
        self._failures += 1
        if self._failures >= pauses.said_at and not self._said:
            self._said = True
            bug = None if isinstance(error, LedgerError) else error
            logger.warning("usage rows wait in %s and are stored later: %s", self._spool.folder, error, exc_info=bug)
        return pauses.after(self._failures)

    def _worked(self) -> float:
        """Rows that came while it did not work are stored right away."""
        recovered = self._failures > 0
        if self._said:
            logger.warning("usage rows are stored again in %s", self._database)
        self._failures, self._said = 0, False
        return 0.0 if recovered else PERIOD_S
