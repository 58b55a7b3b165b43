"""The turns on a WebSocket that is passed through: each becomes an exchange, as an HTTP call would be.

A turn begins with the client's `response.create` and ends with the server's `response.completed`, `.incomplete`,
`.failed` or `error`. What is told in between belongs to the turn of its `stream_id`, without one to the oldest that is
open. A warming-up (`generate: false`, Codex opens with one) leaves a row only where the vendor says that it used
tokens (OpenAI's guide "WebSocket mode", accessed 2026-11-21; Codex 0.169.0).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from msgspec import Struct

from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.relay import Reading
from ringlet_mitm.addons.usage.rows import new_id
from ringlet_mitm.addons.wire.faults import classify
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.metering import UNREADABLE, Meter
from ringlet_mitm.addons.wire.websocket import Message, MessageReader
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.shapes import WireFormat

BEGINS = "response.create"
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
# One connection carries a handful of conversations; whoever opens more without an end is not followed.
MOST_TURNS = 64
TOO_LONG = "not read: a message of {:,} bytes"


class Said(Struct):
    """What tells messages of both sides apart."""

    type: str = ""
    stream_id: str | None = None
    status: int | None = None
    generate: bool | None = None
    previous_response_id: str | None = None


_said = LenientDecoder(Said)


@dataclass(slots=True, eq=False)
class OpenTurn:
    """A turn that has begun and not ended. `part` is true where it goes on from an answer by its id."""

    exchange: Exchange
    stream_id: str | None
    warms_up: bool
    part: bool
    meter: Meter = field(default_factory=lambda: Meter(WireFormat.RESPONSES, streamed=True))
    bytes_out: int = 0
    status: int | None = None

    def reading(self, *, complete: bool) -> Reading:
        """What has passed."""
        meter = self.meter
        return Reading(
            usage=meter.usage,
            model=meter.model,
            stop_reason=meter.stop_reason,
            error=meter.error,
            bytes_out=self.bytes_out,
            output_estimate=meter.output_estimate,
            complete=complete,
        )


@dataclass(frozen=True, slots=True)
class Passed:
    """What ended in some bytes: messages, and whether turns have begun that are to be routed."""

    messages: list[Message]
    begins: bool = False


class SocketTurns:
    """Those of one WebSocket. `handshake` is what all of them have in common, `record` gets each when it has ended.

    `closed` is whether it was the agent that closed it first, and by what code, as far as a frame said so.
    """

    def __init__(self, handshake: AgentRequest, extensions: str, record: Callable[[Exchange], None]) -> None:
        self.client = MessageReader(from_client=True, extensions=extensions)
        self.server = MessageReader(from_client=False, extensions=extensions)
        self.closed: tuple[bool, int] | None = None
        self._handshake = handshake
        self._record = record
        self._open: list[OpenTurn] = []
        self._unrouted: list[OpenTurn] = []

    @property
    def open(self) -> list[OpenTurn]:
        """The turns that are under way, the oldest first."""
        return list(self._open)

    @property
    def idle(self) -> bool:
        """Whether it can be closed without anybody missing anything."""
        return not self._open and self.client.between and self.server.between

    def from_client(self, data: bytes) -> Passed:
        """What the agent sends."""
        messages = self.client.feed(data)
        self._note_close(self.client)
        began = [self._begin(message) for message in messages]
        return Passed(messages, any(began))

    def from_server(self, data: bytes) -> Passed:
        """What the provider sends; a turn that ends in it is recorded before this returns."""
        messages = self.server.feed(data)
        self._note_close(self.server)
        for message in messages:
            self._hear(message)
        return Passed(messages)

    def unrouted(self) -> list[OpenTurn]:
        """The turns that have begun since this was asked last, and are still under way."""
        found, self._unrouted = self._unrouted, []
        return [turn for turn in found if turn in self._open]

    def ended(self, why: FailureKind) -> None:
        """The connection is gone: what was under way has no end."""
        for turn in tuple(self._open):
            self._end(turn, why)

    def _note_close(self, reader: MessageReader) -> None:
        """The other end answers a close frame with one."""
        if self.closed is None and reader.closed is not None:
            self.closed = reader is self.client, reader.closed

    def _begin(self, message: Message) -> bool:
        said = _read(message)
        if not (message.is_too_long and message.is_text) and (said is None or said.type != BEGINS):
            return False
        exchange = Exchange(new_id(), _now_us(), replace(self._handshake, body=message.content))
        if message.is_too_long:
            exchange.note = TOO_LONG.format(message.size)
        said = said or Said()
        turn = OpenTurn(exchange, said.stream_id, said.generate is False, said.previous_response_id is not None)
        if len(self._open) >= MOST_TURNS:
            self._end(self._open[0], FailureKind.BROKEN_STREAM)
        self._open.append(turn)
        self._unrouted.append(turn)
        return True

    def _hear(self, message: Message) -> None:
        said = _read(message)
        turn = self._of(said.stream_id if said is not None else None)
        if turn is None:
            return
        turn.bytes_out += message.size
        if turn.exchange.first_byte_us is None:
            turn.exchange.first_byte_us = _now_us()
        if said is None:
            return
        turn.meter.read(message.content)
        if said.type in ENDS:
            turn.status = said.status if said.type == "error" else None
            self._end(turn)

    def _of(self, stream_id: str | None) -> OpenTurn | None:
        named = (turn for turn in self._open if stream_id is not None and turn.stream_id == stream_id)
        return next(named, None) or next(iter(self._open), None)

    def _end(self, turn: OpenTurn, cut: FailureKind | None = None) -> None:
        self._open.remove(turn)
        exchange, reading = turn.exchange, turn.reading(complete=cut is None)
        if turn.warms_up and reading.usage is None and reading.error is None:
            return
        if exchange.first_byte_us is not None:
            exchange.status = turn.status or 200
        exchange.reading = reading
        if reading.error is not None:
            exchange.failure = Failure(classify(exchange.status or 0, reading.error), exchange.status, reading.error)
        elif cut is not None:
            exchange.failure = Failure(cut, exchange.status)
        self._record(exchange)
        exchange.let_go()


def _read(message: Message) -> Said | None:
    """None for what is no JSON object, or was not kept."""
    if not message.is_text or not message.content:
        return None
    try:
        return _said.decode(message.content)
    except UNREADABLE:
        return None


def _now_us() -> int:
    return time.time_ns() // 1000
