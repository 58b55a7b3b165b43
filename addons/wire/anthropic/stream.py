"""The stream of the Messages API, read. `writing.py` writes it.

    event                 state before     gives
    message_start         nothing          Started, with the usage of the input
    ping                  any              Ping
    content_block_start   started          BlockStarted; of a vendor's own block nothing yet
    content_block_delta   block open       Delta, Signed
    content_block_stop    block open       BlockEnded; of a vendor's own block BlockStarted before it
    message_delta         started          UsageSeen, Finished
    message_stop          started          Ended
    error                 not over         Failed

A block's place among all is ours: gateways number them from 0 again, or not at all. A call whose arguments come whole
in `content_block_start` gives them when it stops, since most send an empty object there and the arguments after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec import DecodeError, Raw, Struct

from ringlet_mitm.addons.wire.anthropic.content import NO_ARGUMENTS, parse_block
from ringlet_mitm.addons.wire.anthropic.writing import Renderer
from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Native,
    Ping,
    Signed,
    Started,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.addons.wire.codec import read_json
from ringlet_mitm.addons.wire.faults import error_in, in_words_of
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.sse import SseEvent, SseParser
from ringlet_mitm.addons.wire.stops import stop_of
from ringlet_mitm.addons.wire.usage_fields import MessagesUsage
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.shapes import WireFormat

__all__ = ["Parser", "Renderer"]

HERE = WireFormat.MESSAGES
HELD_LIMIT = 4 * 1024 * 1024  # of the arguments of a vendor's own tool, which come in pieces
READ_HEAD = ("id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage")
STOP_ASIDES = ("stop_details", "container")


class Piece(Struct):
    """What a delta says; one of the first four is there."""

    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Raw | None = None
    container: Raw | None = None


class StreamEvent(Struct):
    """An event; what is read rarely stays bytes."""

    type: str = ""
    index: int | None = None
    delta: Piece | None = None
    usage: MessagesUsage | None = None
    content_block: Raw | None = None
    message: Raw | None = None
    error: Raw | None = None


class Head(Struct):
    """The usage of a message_start."""

    usage: MessagesUsage | None = None


_event = LenientDecoder(StreamEvent)
_head = LenientDecoder(Head)


@dataclass(slots=True)
class _Open:
    """A block that is being written; `arguments` is what stood in it from the beginning."""

    index: int
    block: Block
    arguments: str = ""
    written: bool = False
    held: list[str] = field(default_factory=list)
    held_size: int = 0


class Parser:
    """Reads a stream; what it cannot read it reads over."""

    def __init__(self) -> None:
        self._sse = SseParser()
        self._started = self._finished = self._over = self._calls = False
        self._count = 0
        self._open: dict[int, _Open] = {}
        self._usage: MessagesUsage | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        return self._read(self._sse.feed(data))

    def close(self) -> list[Event]:
        """What was left; an answer whose stop was said is complete without its last event."""
        events = self._read(self._sse.close())
        if self._finished and not self._over:
            self._over = True
            events.append(Ended())
        return events

    def _read(self, found: list[SseEvent]) -> list[Event]:
        events: list[Event] = []
        for item in found:
            if self._over:
                break
            try:
                event = _event.decode(item.data)
            except (DecodeError, UnicodeDecodeError, RecursionError):
                continue
            kind = event.type or ("error" if event.error is not None else item.name)
            read = READERS.get(kind)
            if read is None:
                continue
            if not self._started and kind in CONTENT:
                self._started = True
                events.append(Started("", ""))
            try:
                events += read(self, event)
            except (ValueError, DecodeError, RecursionError):
                continue
        return events

    def _message_start(self, event: StreamEvent) -> list[Event]:
        if self._started:
            return []
        self._started = True
        said = _object(event.message)
        self._usage = _head.decode(event.message).usage if event.message is not None else None
        usage = self._usage.usage() if self._usage is not None else None
        left = {name: value for name, value in said.items() if name not in READ_HEAD}
        names = [said[name] if isinstance(said.get(name), str) else "" for name in ("id", "model")]
        return [Started(names[0], names[1], usage, native=Native(HERE, left))]

    def _block_start(self, event: StreamEvent) -> list[Event]:
        said = _object(event.content_block)
        given = said.get("input")
        if said.get("type") == "tool_use" and not isinstance(given, dict):
            said["input"] = {}  # gateways leave it out, or send ""
        block = parse_block(said)
        opened = _Open(self._count, block)
        self._count += 1
        events = self._block_stop(event)  # one that was never ended
        self._open[_number(event)] = opened
        match block:
            case Text(text):
                began: Block = Text("", block.cache, block.native)
            case Thinking(text) if not block.redacted:
                began = Thinking("")
            case ToolCall():
                self._calls = True
                opened.arguments, text = block.arguments, ""
                began = ToolCall(block.id, block.name, "", native=block.native)
            case Foreign():
                return events
            case _:
                began, text = block, ""
        events.append(BlockStarted(opened.index, began))
        if text:
            events.append(Delta(opened.index, text))
        if isinstance(block, Thinking) and block.signature and not block.redacted:
            events.append(Signed(opened.index, block.signature, block.signer or HERE))
        return events

    def _block_delta(self, event: StreamEvent) -> list[Event]:
        opened, piece = self._open.get(_number(event)), event.delta
        if opened is None or piece is None:
            return []
        if piece.signature is not None and isinstance(opened.block, Thinking):
            return [Signed(opened.index, piece.signature, HERE)]
        text = piece.text or piece.thinking or piece.partial_json
        if not text:
            return []
        if isinstance(opened.block, Foreign):
            opened.held_size += len(text)
            if opened.held_size <= HELD_LIMIT:
                opened.held.append(text)
            return []
        opened.written = True
        return [Delta(opened.index, text)]

    def _block_stop(self, event: StreamEvent) -> list[Event]:
        opened = self._open.pop(_number(event), None)
        return [] if opened is None else self._end(opened)

    def _end(self, opened: _Open) -> list[Event]:
        index, block = opened.index, opened.block
        if isinstance(block, Foreign):
            return [BlockStarted(index, _completed(block, opened)), BlockEnded(index)]
        if isinstance(block, ToolCall) and not opened.written:
            return [Delta(index, opened.arguments or NO_ARGUMENTS), BlockEnded(index)]
        return [BlockEnded(index)]

    def _message_delta(self, event: StreamEvent) -> list[Event]:
        events: list[Event] = []
        if event.usage is not None:
            self._usage = event.usage.over(self._usage)
            events.append(UsageSeen(self._usage.usage()))
        piece = event.delta
        if piece is None or piece.stop_reason is None or self._finished:
            return events
        self._finished = True
        for number in list(self._open):
            events += self._end(self._open.pop(number))
        stop = stop_of(piece.stop_reason, HERE, calls=self._calls)
        asides = {name: read_json(bytes(raw)) for name in STOP_ASIDES if (raw := getattr(piece, name)) is not None}
        events.append(Finished(stop, piece.stop_sequence, piece.stop_reason, Native(HERE, asides)))
        return events

    def _message_stop(self, event: StreamEvent) -> list[Event]:
        self._over = True
        return [Ended()]

    def _error(self, event: StreamEvent) -> list[Event]:
        self._over = True
        said = read_json(bytes(event.error)) if event.error is not None else None
        error = error_in({"error": said}) or ProviderError("api_error", "")
        return [Failed(error, in_words_of(HERE, 200, error)[0])]

    def _ping(self, event: StreamEvent) -> list[Event]:
        return [Ping()]


READERS: dict[str, Callable[[Parser, StreamEvent], list[Event]]] = {
    "message_start": Parser._message_start,
    "content_block_start": Parser._block_start,
    "content_block_delta": Parser._block_delta,
    "content_block_stop": Parser._block_stop,
    "message_delta": Parser._message_delta,
    "message_stop": Parser._message_stop,
    "error": Parser._error,
    "ping": Parser._ping,
}
CONTENT = ("content_block_start", "message_delta", "message_stop")


def _object(raw: Raw | None) -> dict[str, Any]:
    found = read_json(bytes(raw)) if raw is not None else None
    return found if isinstance(found, dict) else {}


def _number(event: StreamEvent) -> int:
    return event.index if event.index is not None else -1


def _completed(block: Foreign, opened: _Open) -> Foreign:
    """A vendor's own block with the arguments that came in pieces."""
    if not opened.held or opened.held_size > HELD_LIMIT:
        return block
    try:
        arguments = read_json("".join(opened.held))
    except ValueError:
        return block
    return Foreign(HERE, {**block.data, "input": arguments})
