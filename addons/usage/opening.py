"""Opening and closing the database one after the other, where many processes do.

DuckDB 2.0.0 reads the head of a file, then locks it, and does not look again (seen with strace, 2026-11-21: 12,288
bytes are read through another descriptor before `fcntl`). In between another process may have closed it, and with that
written a new head: then what that one had committed is overwritten by who has opened it, without a word. Two processes
that stored 20 batches each lost one in about every ninth run on a busy machine.

So opening and closing wait for each other. Who closes keeps DuckDB's own lock until it is done, so nobody who opens can
come between; and it is only for these moments, so that "in use" is still DuckDB's to say. The lock is on the folder:
nothing lies about, and closing a descriptor of the file itself would drop DuckDB's lock on it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def at_the_door(path: Path, *, only_to_read: bool = False) -> Iterator[None]:
    """Nobody else opens or closes the database at `path` meanwhile; several may that only read."""
    fd = _locked(path.parent, only_to_read)
    try:
        yield
    finally:
        if fd is not None:
            os.close(fd)


def _locked(folder: Path, only_to_read: bool) -> int | None:
    """None where there is no such folder, or no such lock: then DuckDB's is all there is."""
    if sys.platform == "win32":
        return None
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH if only_to_read else fcntl.LOCK_EX)
        return fd
    return None
