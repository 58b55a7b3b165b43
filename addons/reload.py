"""Rules follow their files: an edit is in force within a second, a broken one changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.rules.errors import RingletError

logger = logging.getLogger(__name__)

INTERVAL_S = 0.3
Stamp = tuple[tuple[str, int, int], ...]


class Reload:
    """Looks at the files' times and sizes, and swaps the ruling as a whole.

    `load` reads all files and returns a new ruling or raises; `watched` names the files and folders to look at.
    """

    def __init__(self, live: Live, load: Callable[[], Ruling], watched: Callable[[], list[Path]]) -> None:
        self._live = live
        self._load = load
        self._watched = watched
        self._seen = self._stamp()
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
        """Reload if a file changed since the last look."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._live.ruling = self._load()
        except (RingletError, OSError) as error:
            logger.warning("rules not changed, the old ones stay in force: %s", error)
        else:
            logger.warning("rules reloaded: %d rules", len(self._live.ruling.book.rules))

    def _stamp(self) -> Stamp:
        found = []
        for path in self._watched():
            try:
                status = path.stat()
            except OSError:
                found.append((str(path), 0, 0))
            else:
                found.append((str(path), status.st_mtime_ns, status.st_size))
        return tuple(found)
