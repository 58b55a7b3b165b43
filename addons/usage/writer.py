"""Brings the spool into the ledger, and is never in anybody's way.

In a turn it reads the sealed files (its own, and those of processes that died), stores their rows, and deletes a file
once its rows are committed. Whatever goes wrong on the way, the file stays and is tried again later: rows have ids,
so a second time does no harm. Meanwhile the database belongs to whoever else wants it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ringlet_mitm.addons.usage.calibration import learn, learned
from ringlet_mitm.addons.usage.ledger import Exchanged, LedgerBusy, insert, stored, transaction, writing
from ringlet_mitm.addons.usage.sharing import share
from ringlet_mitm.addons.usage.spool import Spool, contents, sealed_files
from ringlet_mitm.addons.usage.turns import BROKEN, BUSY, Turns
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget
from ringlet_mitm.rules.tokens import Calibration

logger = logging.getLogger(__name__)

# Some 50 ms of the database at a time; between batches others get it.
BATCH_ROWS = 2000


@dataclass(slots=True)
class Batch:
    """Sealed files that are stored together, and the number of lines in each that were not understood."""

    files: dict[Path, int] = field(default_factory=dict)
    exchanges: list[Exchanged] = field(default_factory=list)


class Writer(Turns):
    """Takes its turns in this process. A proxy has `WriterApart`, which has one of these in a process for each turn."""

    def __init__(
        self,
        spool: Spool,
        database: Path,
        on_calibration: Callable[[Calibration], None] | None = None,
        stuck: Iterable[Path] = (),
        shared: LedgerTarget | None = None,
    ) -> None:
        super().__init__(spool, database, on_calibration, shared)
        # Files that are stored, or cannot be read, and could not be taken out of the way.
        self.stuck = set(stuck)

    def turn(self, end: float = float("inf")) -> float:
        """End the live file and store; gives the seconds to wait before the next turn."""
        self._seal()
        try:
            self.store(end, self._in_line_s())
        except LedgerError as error:
            return self._failed(error, BUSY if isinstance(error, LedgerBusy) else BROKEN)
        except Exception as error:
            # A thread that ends with a bug would leave the spool growing for the rest of the proxy's life.
            logger.debug("usage writer", exc_info=True)
            return self._failed(error, BROKEN)
        return self._worked()

    def store(self, end: float, in_line_s: float) -> None:
        """Store all sealed files, or as many as it can until `end`, each batch after at most `in_line_s` of waiting.

        Raises LedgerError.
        """
        for batch in self._batches():
            if batch.exchanges:
                self._store(batch.exchanges, min(in_line_s, max(0.0, end - time.monotonic())))
            self._clear(batch)
            if time.monotonic() > end:
                break
        if self._calibration is None and self._database.exists():
            with stored(self._database) as connection:
                self._hand_out(learned(connection))

    def _batches(self) -> Iterator[Batch]:
        batch = Batch()
        for path in sealed_files(self._spool.folder):
            if path in self.stuck:
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
            # A file is the same when it is put again; two together might come with a third then.
            if len(batch.exchanges) >= BATCH_ROWS or self._shared is not None:
                yield batch
                batch = Batch()
        yield batch

    def _store(self, exchanges: list[Exchanged], wait_s: float) -> None:
        if self._shared is not None:
            self._hand_out(share(self._shared, self._database, exchanges))
            return
        with writing(self._database, wait_s=wait_s) as connection:
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
        self.stuck.add(path)
        logger.warning("the usage spool file %s is left where it is: %s", path, error.strerror)
