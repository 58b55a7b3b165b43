"""How large the ledger is, and how it gets smaller: DuckDB keeps the room of what was deleted for what is to come.

Compacting writes all that is there into a new file and puts that in the place of the old one. Writers are kept out
meanwhile, reports are not.

Designs that do not work:
- To hold the old file open for writing: closing it may write or delete the log beside it, which by then is the new
  file's, and somebody else's rows are in it. So it is opened only to be read, once there is no log any more.
- To open it twice here: a process has all its locks on a file or none, and closing one of two gives up both.
- To change the files at any time: a writer that has just opened the old one would get its lock a moment later, and its
  rows would be where nobody looks. So nobody opens it meanwhile (`opening.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.addons.usage import stores
from ringlet_mitm.addons.usage.ledger import Connection, LedgerBusy, beside, explained, reading, stored, writing
from ringlet_mitm.addons.usage.opening import at_the_door, only_one
from ringlet_mitm.addons.usage.shared_tables import Stored
from ringlet_mitm.addons.usage.spool import all_files
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget

TRIES = 20


@dataclass(frozen=True, slots=True)
class Size:
    """In bytes; `free_bytes` of the file are of what was deleted. `daily` counts rows of sums.

    Rows are counted wherever they are. `store_bytes` are in the store that machines share, and `store_waiting_bytes` of
    them are of what was merged or pruned; `store_files` are those that are read.
    """

    file_bytes: int = 0
    log_bytes: int = 0
    free_bytes: int = 0
    spool_bytes: int = 0
    spool_files: int = 0
    requests: int = 0
    attempts: int = 0
    daily: int = 0
    first_us: int | None = None
    store_bytes: int = 0
    store_waiting_bytes: int = 0
    store_files: int = 0

    @property
    def total_bytes(self) -> int:
        """On this machine's disk."""
        return self.file_bytes + self.log_bytes + self.spool_bytes


def size(database: Path, spool_dir: Path, shared: LedgerTarget | None = None) -> Size:
    """How large it is now; zeros where there is none yet."""
    waiting = [found for found in map(_bytes, all_files(spool_dir)) if found]
    beyond = stores.stored(shared) if shared is not None else Stored()
    with reading(database, spool_dir, shared=shared, views=()) as connection:
        ((requests, first_us),) = connection.execute("SELECT count(*), min(started_us) FROM requests").fetchall()
        ((attempts,),) = connection.execute("SELECT count(*) FROM attempts").fetchall()
        ((daily, first_day_us),) = connection.execute("SELECT count(*), min(started_us) FROM daily").fetchall()
    return Size(
        file_bytes=_bytes(database),
        log_bytes=_bytes(_log(database)),
        free_bytes=_free(database),
        spool_bytes=sum(waiting),
        spool_files=len(waiting),
        requests=requests,
        attempts=attempts,
        daily=daily,
        first_us=min((us for us in (first_us, first_day_us) if us is not None), default=None),
        store_bytes=beyond.file_bytes,
        store_waiting_bytes=beyond.waiting_bytes,
        store_files=beyond.files,
    )


def compact(database: Path) -> tuple[int, int]:
    """Write it anew; its bytes before and after, the log beside it included.

    Raises LedgerBusy where somebody else writes or compacts it, LedgerError where there is none, or no room for two.
    """
    if sys.platform == "win32":
        raise LedgerError("a file that is open cannot be replaced on Windows, so the ledger cannot be compacted there")
    if not database.exists():
        raise LedgerError(f"there is no ledger {database} yet")
    with _alone(database):
        for left in database.parent.glob(f"{_fresh(database).name}*"):
            # Of one that was killed.
            left.unlink(missing_ok=True)
        before = _bytes(database) + _bytes(_log(database))
        try:
            return before, _rewritten(database)
        except OSError as error:
            raise explained(error, database) from error
        finally:
            for place in (_fresh(database), _log(_fresh(database))):
                place.unlink(missing_ok=True)


def _rewritten(database: Path) -> int:
    fresh = _fresh(database)
    with _quiet(database) as connection:
        # DuckDB makes it with the rights of any file.
        mask = os.umask(0o077)
        try:
            quoted = str(fresh.absolute()).replace("'", "''")
            connection.execute(f"ATTACH '{quoted}' AS fresh")
            connection.execute("COPY FROM DATABASE stored TO fresh")
            connection.execute("DETACH fresh")
        finally:
            os.umask(mask)
        _synced(fresh)
        after = _bytes(fresh)
        with at_the_door(database):
            fresh.replace(database)
        _synced(database.parent)
    return after


@contextmanager
def _quiet(database: Path) -> Iterator[Connection]:
    """It is `stored` beside an empty one, nobody writes, and no log lies beside it; raises LedgerBusy where it comes to
    nothing of the kind."""
    for _ in range(TRIES):
        with writing(database) as connection:
            connection.execute("CHECKPOINT")
        with beside(database, wait_s=1.0) as reader:
            if not _log(database).exists():
                yield reader
                return
    raise LedgerBusy(f"the ledger {database} is written to all the time; try again in a moment")


@contextmanager
def _alone(database: Path) -> Iterator[None]:
    """One at a time."""
    with only_one(database.with_name(f".{database.name}.alone")) as alone:
        if not alone:
            raise LedgerBusy(f"the ledger {database} is being compacted by another program")
        yield


def _synced(path: Path) -> None:
    """What a power cut right after the change must not take."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _free(database: Path) -> int:
    if not database.exists():
        return 0
    with stored(database, wait_s=10.0) as connection:
        ((free,),) = connection.execute("SELECT block_size * free_blocks FROM pragma_database_size()").fetchall()
    return int(free)


def _fresh(database: Path) -> Path:
    return database.with_name(f".{database.name}.compact")


def _log(database: Path) -> Path:
    return database.with_name(f"{database.name}.wal")


def _bytes(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
