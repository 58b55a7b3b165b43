"""One block at a time: events of interleaved blocks, put in order.

The format gives each event an `output_index`, but agents append what comes to the item that began last (Codex CLI
does). So the events of a later block wait until the earlier ones have ended.
"""

from __future__ import annotations

from collections.abc import Iterator

from ringlet_mitm.addons.wire.canonical import BlockEnded, BlockStarted, Delta, Signed

BlockEvent = BlockStarted | Delta | Signed | BlockEnded


class OneAtATime:
    """Takes events of blocks in any order, gives them block by block."""

    def __init__(self) -> None:
        self._current: int | None = None
        self._waiting: dict[int, list[BlockEvent]] = {}

    def feed(self, event: BlockEvent) -> Iterator[BlockEvent]:
        """What may go out now. Events of blocks that never began, or have ended, are left out."""
        if isinstance(event, BlockStarted):
            yield from self._start(event)
        elif event.index == self._current:
            yield event
            if isinstance(event, BlockEnded):
                yield from self._next()
        elif event.index in self._waiting:
            self._waiting[event.index].append(event)

    def close(self) -> Iterator[BlockEvent]:
        """The rest: what is still open ends."""
        while self._current is not None:
            ending = BlockEnded(self._current)
            yield ending
            yield from self._next()

    def _start(self, event: BlockStarted) -> Iterator[BlockEvent]:
        if self._current is None:
            self._current = event.index
            yield event
        elif event.index != self._current:
            self._waiting.setdefault(event.index, []).append(event)

    def _next(self) -> Iterator[BlockEvent]:
        """Blocks that waited, up to and with the first that goes on."""
        self._current = None
        while self._waiting and self._current is None:
            index = next(iter(self._waiting))
            self._current = index
            for event in self._waiting.pop(index):
                yield event
                if isinstance(event, BlockEnded):
                    self._current = None
                    break
