"""Rows on their way into the ledger: append-only files that survive a kill -9, one at a time for each process.

A file is *live* while the process that appends to it holds a lock on it, and *sealed* from then on: rotated, closed, or
left behind by a process that died. The kernel drops the lock with the process, so there is no stale lock to judge.
Process ids, which were the other way, are reused, and mean nothing across containers that share a folder.

- Only its owner appends to a live file, one `os.write` an exchange; there is no fsync, so a power cut may cost the last
  seconds, a killed process nothing.
- Anybody may bring a sealed file into the ledger and delete it: rows have ids, so two that do it at once do no harm.
- A last line without a newline is not finished: in a live file it will be, in a sealed one it never was recorded.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow, decode_line, encode_line

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)

SUFFIX = ".jsonl"
ROTATE_BYTES = 8 * 1024 * 1024
# Some 15 MB of rows: hours of work of one person, while the disk is full.
QUEUE_LINES = 10_000
# A third of a millisecond of decoding.
YIELD_LINES = 50


class Spool:
    """Where one process puts its rows. `append` never raises because of the disk.

    What it cannot write waits in memory.
    """

    def __init__(
        self, folder: Path, profile: str, *, rotate_bytes: int = ROTATE_BYTES, queue_lines: int = QUEUE_LINES
    ) -> None:
        self.folder = folder
        self._name = re.sub(r"[^A-Za-z0-9_-]", "_", profile) + f".{os.getpid()}"
        self._rotate_bytes = rotate_bytes
        self._queue: deque[bytes] = deque()
        self._queue_lines = queue_lines
        self._lock = Lock()
        self._fd: int | None = None
        self._size = 0
        self._failing = False
        self.dropped = 0

    @property
    def unsaved(self) -> int:
        """Rows that are not on disk yet, because it would not take them."""
        return len(self._queue)

    def append(self, request: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        """Write the rows of one exchange as one line."""
        line = encode_line(request, attempts)
        with self._lock:
            # While the disk fails only the writer's thread tries again, not the loop that serves agents.
            if self._failing or not self._written(line):
                self._keep(line)

    def retry(self) -> bool:
        """Write what waits in memory; whether nothing does any more. Rows may be appended meanwhile."""
        while True:
            with self._lock:
                if not self._queue:
                    if self._failing:
                        logger.warning("usage rows can be written to %s again", self.folder)
                    self._failing = False
                    return True
                if not self._written(self._queue[0]):
                    return False
                self._queue.popleft()

    def seal(self) -> None:
        """End the live file; the next row begins another."""
        with self._lock:
            self._close()

    def close(self) -> None:
        """Write what can be written, and end the live file."""
        if not self.retry():
            logger.error("%d usage rows are lost: %s takes no files", self.unsaved, self.folder)
        self.seal()

    def _keep(self, line: bytes) -> None:
        if len(self._queue) >= self._queue_lines:
            self._queue.popleft()
            self.dropped += 1
            if self.dropped == 1:
                logger.error("more than %d usage rows wait for the disk: the oldest are dropped", self._queue_lines)
        self._queue.append(line)

    def _written(self, line: bytes) -> bool:
        try:
            if self._fd is None or self._size >= self._rotate_bytes:
                self._close()
                self._fd = _open(self.folder, self._name)
                self._size = 0
            self._write(self._fd, line)
        except OSError as error:
            if not self._failing:
                logger.error("usage rows cannot be written to %s and wait in memory: %s", self.folder, error.strerror)
            self._failing = True
            return False
        return True

    def _write(self, fd: int, line: bytes) -> None:
        written = os.write(fd, line)
        if written != len(line):
            # A disk that fills up takes the first bytes; without them the next line would stick to a torn one.
            os.ftruncate(fd, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _open(folder: Path, name: str) -> int:
    """A new live file; it gets its real name only once it is locked, or somebody could take it for a sealed one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{name}.{time.time_ns()}{SUFFIX}"
    hidden = path.with_suffix(".new")
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(hidden, flags, 0o600)
    try:
        if sys.platform != "win32":
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(path)
    except OSError:
        os.close(fd)
        hidden.unlink(missing_ok=True)
        raise
    return fd


def all_files(folder: Path) -> list[Path]:
    """Live and sealed files, oldest first."""
    found = [path for path in _names(folder) if path.suffix == SUFFIX]
    return sorted(found, key=lambda path: path.name.rsplit(".", 2)[1])


def sealed_files(folder: Path) -> list[Path]:
    """The files that nobody appends to any more, oldest first."""
    return [path for path in all_files(folder) if _is_sealed(path)]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds: rows in order, how many lines are none of ours, and whether the last line has no end."""

    exchanges: tuple[tuple[RequestRow, tuple[AttemptRow, ...]], ...]
    bad_lines: int
    torn: bool


def contents(path: Path) -> Contents:
    """Read a file, live or sealed; raises OSError."""
    *lines, rest = path.read_bytes().split(b"\n")
    exchanges = []
    for place, line in enumerate(lines):
        if place % YIELD_LINES == 0:
            # The interpreter gives other threads their turn only every 5 ms, which the streams of a proxy would feel.
            time.sleep(0)
        with suppress(ValueError, RecursionError):
            exchanges.append(decode_line(line))
    return Contents(tuple(exchanges), len(lines) - len(exchanges), bool(rest))


def _names(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_sealed(path: Path) -> bool:
    try:
        if sys.platform == "win32":
            # An open file cannot be renamed there, not even to its own name.
            path.rename(path)
            return True
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
