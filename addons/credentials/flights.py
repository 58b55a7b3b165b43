"""One thread for what many requests want at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Flights(Generic[T]):
    """Work that blocks, by name: who comes while it runs waits for the same answer, or the same error.

    An agent that hangs up takes its own wait with it and not the work of the others.
    """

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}

    async def once(self, name: str, work: Callable[[], T]) -> T:
        """What `work` gives in a thread, once for all who ask meanwhile."""
        task = self._running.get(name)
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(asyncio.to_thread(work))
            self._running[name] = task
            task.add_done_callback(lambda done: self._landed(name, done))
        return await asyncio.shield(task)

    def _landed(self, name: str, task: asyncio.Task[T]) -> None:
        if self._running.get(name) is task:
            del self._running[name]
        if not task.cancelled():
            task.exception()  # seen, also where everybody who waited has hung up
