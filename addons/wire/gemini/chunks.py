"""A provider's stream of streamGenerateContent as events; `stream.py` has the table."""

from __future__ import annotations

from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Json,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
    native,
)
from ringlet_mitm.addons.wire.codec import read_json
from ringlet_mitm.addons.wire.faults import error_in
from ringlet_mitm.addons.wire.gemini.fields import GEMINI, inner, several, text
from ringlet_mitm.addons.wire.gemini.frames import Frames
from ringlet_mitm.addons.wire.gemini.parts import CallBook, blocks_of
from ringlet_mitm.addons.wire.gemini.reply import block_message, blocked, candidates_in, stem_of, usage_in
from ringlet_mitm.addons.wire.stops import stop_of

SAID_ALREADY = ("content", "index")
STATUSES = frozenset(str(status) for status in range(400, 600))


class Parser:
    """Google's stream: bytes in, events out."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._book: CallBook | None = None
        self._index = -1
        self._open: type[Text] | type[Thinking] | None = None
        self._calls = False
        self._usage: Json = {}
        self._finish = ""
        self._blocked = ""
        self._rest: Json = {}
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        return self._events(self._frames.feed(data))

    def close(self) -> list[Event]:
        """The end of the body: the answer's end if it gave a reason, else nothing."""
        events = self._events(self._frames.close())
        if self._over or not (self._finish or self._blocked):
            return events
        self._over = True
        stop = stop_of(self._finish, GEMINI, calls=self._calls) if self._finish else Stop.SAFETY
        self._end_block(events)
        said = self._finish or self._blocked
        return [*events, Finished(stop, stop_said=said, native=native(GEMINI, self._rest)), Ended()]

    def _events(self, chunks: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for chunk in chunks:
            try:
                said = read_json(chunk)
            except ValueError:
                continue
            if isinstance(said, dict) and not self._over:
                self._chunk(said, events)
        return events

    def _chunk(self, said: Json, events: list[Event]) -> None:
        error = error_in(said)
        if error is not None:
            self._over = True
            events.append(Failed(error, int(error.code) if error.code in STATUSES else 500))
            return
        if self._book is None:
            self._book = CallBook(stem_of(said))
            events.append(Started(text(said, "responseId"), text(said, "modelVersion"), usage_in(said)))
        first = next(iter(candidates_in(said)), {})
        for part in several(inner(first, "content"), "parts"):
            for block in blocks_of([part], self._book):
                self._block(block, events)
        self._ending(said, first, events)

    def _ending(self, said: Json, first: Json, events: list[Event]) -> None:
        self._rest |= {name: value for name, value in first.items() if name not in SAID_ALREADY}
        self._finish = text(first, "finishReason") or self._finish
        usage = inner(said, "usageMetadata")
        if usage and usage != self._usage:
            self._usage = usage
            found = usage_in(said)
            events += [UsageSeen(found)] if found is not None else []
        if blocked(said) and not self._blocked:
            self._blocked = blocked(said)
            for block in block_message(said):
                self._whole(block, events)

    def _block(self, block: Block, events: list[Event]) -> None:
        match block:
            case Text(native=None):
                self._more(Text(""), block.text, events)
            case Thinking(native=None) if block.text or not block.signature:
                self._more(Thinking(""), block.text, events)
                if block.signature and block.signer is not None:
                    events.append(Signed(self._index, block.signature, block.signer))
            case ToolCall():
                self._calls = True
                self._whole(replace(block, arguments=""), events, block.arguments)
            case _:
                self._whole(block, events)

    def _more(self, begin: Text | Thinking, said: str, events: list[Event]) -> None:
        """More text of a block, which begins if another kind of block was open."""
        if self._open is not type(begin):
            if not said and isinstance(begin, Text):
                return
            self._end_block(events)
            self._index += 1
            self._open = type(begin)
            events.append(BlockStarted(self._index, begin))
        if said:
            events.append(Delta(self._index, said))

    def _whole(self, block: Block, events: list[Event], said: str = "") -> None:
        self._end_block(events)
        self._index += 1
        events.append(BlockStarted(self._index, block))
        if said:
            events.append(Delta(self._index, said))
        events.append(BlockEnded(self._index))

    def _end_block(self, events: list[Event]) -> None:
        if self._open is not None:
            events.append(BlockEnded(self._index))
            self._open = None
