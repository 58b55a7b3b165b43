"""Rules follow their files: an edit is in force within a second, a broken one changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.rules.errors import ConfigError, RingletError

logger = logging.getLogger(__name__)

INTERVAL_S = 0.3
Stamp = tuple[tuple[str, tuple[int, ...]], ...]


class Reload:
    """Looks at the files' times and sizes, and swaps the ruling as a whole.

    `load` reads all files and returns a new ruling or raises; `watched` names the files and folders to look at.
    A change is acted on when two looks in a row see the same: an editor that writes in place leaves an empty file for a
    moment, and empty rules are valid ones that let everything pass.
    """

    def __init__(self, live: Live, load: Callable[[], Ruling], watched: Callable[[], list[Path]]) -> None:
        self._live = live
        self._load = load
        self._watched = watched
        self._loaded = self._last = self._stamp()
        self._task: asyncio.Task[None] | None = None

    def running(self) -> None:
        """Start watching."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def done(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_S)
            self.look()

    def look(self) -> None:
        """Reload if a file changed, and has not changed again since the last look."""
        stamp = self._stamp()
        settled, self._last = stamp == self._last, stamp
        if stamp == self._loaded or not settled:
            return
        self._loaded = stamp
        try:
            self._live.ruling = self._load()
        except (RingletError, OSError) as error:
            logger.warning("rules not changed, the old ones stay in force: %s", _said(error))
        else:
            logger.warning("rules reloaded: %d rules", len(self._live.ruling.book.rules))

    def _stamp(self) -> Stamp:
        try:
            return tuple((str(path), _state(path)) for path in self._watched())
        except OSError:  # a folder that may not be looked into; `load` says so
            return ()


def _said(error: Exception) -> str:
    """All that is wrong, not only the first of it."""
    others = error.others if isinstance(error, ConfigError) else ()
    return "; ".join(map(str, (error, *others)))


def _state(path: Path) -> tuple[int, ...]:
    """What changes with any edit: also one within the same second that keeps the size, a rename over it, or a chmod."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
