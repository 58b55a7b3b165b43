"""What other processes spend in the same profile: reread from the ledger once a minute, while there are limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from ringlet_mitm.addons.books import Books, books_of
from ringlet_mitm.addons.usage.spending import Since, Spent
from ringlet_mitm.addons.usage.turns import Pauses
from ringlet_mitm.rules.errors import LedgerError

logger = logging.getLogger(__name__)

PERIOD_S = 60.0
# However long reading takes, it takes no more than a twentieth of the time.
REST = 20
# Requests wait no longer for the first reading, all of them together.
PATIENCE_S = 5.0
FAILED = Pauses(5.0, PERIOD_S, said_at=1)


class Elsewhere:
    """Keeps the last known sums; `read` asks the ledger for newer ones, as `SpentApart.read` does."""

    def __init__(self, read: Callable[[Since], Awaitable[Spent]]) -> None:
        self.books = Books()
        self._read = read
        self._come = asyncio.Event()
        self._patience_ends: float | None = None
        self._failures = 0

    async def turn(self, since: Since) -> float:
        """Read once; gives the seconds to wait before the next time. A failure is said, and the last sums stay."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            self.books = books_of(await self._read(since), since)
        except LedgerError as error:
            return self._failed(error)
        finally:
            self._come.set()
        if self._failures:
            logger.warning("limits count again what the ledger says")
        self._failures = 0
        return max(PERIOD_S, REST * (clock() - begun))

    async def ready(self) -> None:
        """Wait for the first reading, up to 5 s from the first request that had to; then it goes on without."""
        if self._come.is_set():
            return
        clock = asyncio.get_running_loop().time
        if self._patience_ends is None:
            self._patience_ends = clock() + PATIENCE_S
            await self._waited(PATIENCE_S)
            if not self._come.is_set():
                logger.warning("limits do not count yet what was spent before: the ledger is still being read")
        else:
            await self._waited(self._patience_ends - clock())

    async def _waited(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._come.wait(), seconds)

    def _failed(self, error: LedgerError) -> float:
        self._failures += 1
        if self._failures == FAILED.said_at:
            logger.warning("limits count only what is known until the ledger can be read: %s", error)
        return FAILED.after(self._failures)
