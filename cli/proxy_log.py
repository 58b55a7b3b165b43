"""The log file of a proxy in the background: for its owner only, and bounded."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home

LARGEST = 1 << 20


def log_file(home: Home, profile: str) -> Path:
    """Where the profile's proxy writes."""
    return home.log_dir / f"{profile}.log"


def earlier(path: Path) -> Path:
    """Where goes what was in it before it became too large."""
    return path.with_name(f"{path.name}.1")


def open_log(path: Path) -> tuple[int, int]:
    """A descriptor to append with, and how long the file is now."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        if hasattr(os, "fchmod"):
            os.fchmod(fd, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=str(path)) from None
    bound(path, fd)
    return fd, os.fstat(fd).st_size


def text_from(path: Path, begin: int) -> str:
    """What was written behind `begin`, at most as much as the file may hold."""
    try:
        with path.open("rb") as file:
            file.seek(begin)
            return file.read(LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def bound(path: Path, fd: int) -> None:
    """Put the text of a file that is too large aside, and begin anew in the same file: others have it open as well."""
    with suppress(OSError):
        if os.fstat(fd).st_size > LARGEST:
            shutil.copy(path, earlier(path))
            os.ftruncate(fd, 0)


class BoundedLog(logging.StreamHandler[TextIO]):
    """Writes to stderr, which is that file."""

    def __init__(self, path: Path) -> None:
        super().__init__(sys.stderr)
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        super().emit(record)
        with suppress(OSError, ValueError):
            bound(self._path, self.stream.fileno())
