"""Who uses a proxy that shall end with its last user: a file each, locked for as long as its holder lives.

A lock goes with the process, however that ends: so nothing here goes by process ids, which are given out anew and mean
nothing in another container. What starts and stops a profile's proxy, and what looks whether anybody is left, holds the
profile's own lock meanwhile: no agent is led to a proxy that is about to end, and no two are started at once.

A proxy that was started for agents alone is `borrowed`; one that a person starts, or says to keep, is not.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.home import Home

PATIENCE_S = 60.0
PERIOD_S = 0.02
LEASE = ".lease"
# Behind everything that is in the file: on Windows nobody can read what another has locked.
FAR = 1 << 30


class Busy(RingletError):
    """Somebody else starts or stops the profile's proxy, and takes too long."""


class Lock:
    """A file of ours that is locked until `close`, or until the process ends; raises BlockingIOError if it is not free.

    The descriptor is not inherited by programs that are started meanwhile.
    """

    def __init__(self, path: Path, text: str = "") -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        if not _locks(self._fd):
            os.close(self._fd)
            raise BlockingIOError(f"{path} is locked")
        if text:
            os.ftruncate(self._fd, 0)
            os.write(self._fd, text.encode())

    def close(self) -> None:
        """Let go."""
        os.close(self._fd)

    def remove(self) -> None:
        """Let go, and take the file away. Nobody must be waiting for it."""
        with suppress(OSError):
            self.path.unlink()
        self.close()
        with suppress(OSError):  # Windows keeps what is open
            self.path.unlink()


class Leases:
    """Those of one profile. Whoever calls anything but `locked` and `try_lock` holds the profile's lock."""

    def __init__(self, home: Home, profile: str) -> None:
        self.profile = profile
        self._folder = home.leases_dir / profile
        self._borrowed = self._folder / "borrowed"

    def try_lock(self) -> Lock | None:
        """The profile's lock, if it is free."""
        try:
            return Lock(self._folder / "lock")
        except BlockingIOError:
            return None

    @contextmanager
    def locked(self, patience_s: float = PATIENCE_S) -> Iterator[None]:
        """Hold the profile's lock; raises Busy."""
        end = time.monotonic() + patience_s
        while (lock := self.try_lock()) is None:
            if time.monotonic() > end:
                raise Busy(f"another ringlet-mitm is starting or stopping the proxy of '{self.profile}'; try again")
            time.sleep(PERIOD_S)
        try:
            yield
        finally:
            lock.close()

    def take(self, words: str) -> Lock:
        """A lease of this process; `words` say who it is."""
        return Lock(self._folder / f"{os.getpid()}-{time.monotonic_ns():x}{LEASE}", words)

    def held(self) -> list[str]:
        """The words of those who live; what others have left is taken away."""
        found = []
        for path in sorted(self._folder.glob(f"*{LEASE}")):
            try:
                Lock(path).remove()
            except BlockingIOError:
                with suppress(OSError):
                    found.append(path.read_text(encoding="utf-8"))
        return found

    def borrow(self, pid: int) -> None:
        """Say that the proxy of that process is there for the holders of leases alone; it does so itself."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._borrowed.write_text(str(pid))

    def keep(self) -> None:
        """Say that the proxy stays, whoever ends."""
        self._borrowed.unlink(missing_ok=True)

    def is_borrowed(self, pid: int) -> bool:
        """Whether that proxy is there for the holders of leases alone."""
        try:
            return self._borrowed.read_text() == str(pid)
        except OSError:
            return False


def _locks(fd: int) -> bool:
    try:
        if sys.platform == "win32":
            os.lseek(fd, FAR, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            os.lseek(fd, 0, os.SEEK_SET)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
