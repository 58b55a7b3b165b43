"""The blocks of a stream that have begun and not ended, by their places in the answer."""

from __future__ import annotations

from dataclasses import dataclass

from ringlet_mitm.addons.wire.canonical import Block, BlockEnded, BlockStarted, Delta, Event, Json, Started

Key = tuple[int, int]  # place of the item, place of the part in it
WHOLE = -1  # of an item that is one block


@dataclass(slots=True)
class Open:
    """A block that has begun: its number, the message that it begins, how many characters of it were given, and which
    of an item's texts they came from."""

    index: int
    begins: Json | None = None
    sent: int = 0
    source: tuple[str, int] = ("", 0)


class Blocks:
    """Begins, lengthens and ends blocks; what that means for the agent waits in `out`. A place is used once."""

    def __init__(self) -> None:
        self.out: list[Event] = []
        self.open: dict[Key, Open] = {}
        self.count = 0
        self.started = False
        self.kinds: set[type[Block]] = set()
        self._ended: set[Key] = set()

    def used(self, key: Key) -> bool:
        """Whether a block stands there or stood there."""
        return key in self.open or key in self._ended

    def ended(self, key: Key) -> bool:
        """Whether a block stood there and is complete."""
        return key in self._ended

    def of_item(self, place: int) -> list[Key]:
        """Those of an item that are open."""
        return [key for key in self.open if key[0] == place]

    def begin_answer(self, started: Started) -> None:
        """The answer begins, once."""
        if not self.started:
            self.started = True
            self.out.append(started)

    def start(self, key: Key, block: Block, begins: Json | None = None) -> None:
        """A block begins, unless the place is used."""
        if self.used(key):
            return
        self.begin_answer(Started("", ""))
        self.kinds.add(type(block))
        self.open[key] = Open(self.count, begins)
        self.out.append(BlockStarted(self.count, block))
        self.count += 1

    def grow(self, key: Key, text: str) -> None:
        """More text of an open block."""
        block = self.open.get(key)
        if block is not None and text:
            block.sent += len(text)
            self.out.append(Delta(block.index, text))

    def top_up(self, key: Key, text: str) -> None:
        """The whole text of an open block: what of it was not given yet."""
        block = self.open.get(key)
        if block is not None:
            self.grow(key, text[block.sent :])

    def end(self, key: Key, final: Block | None) -> None:
        """An open block is complete."""
        self._ended.add(key)
        self.out.append(BlockEnded(self.open.pop(key).index, final))
