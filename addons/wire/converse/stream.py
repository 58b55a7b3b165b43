"""ConverseStream: events in Amazon's event stream encoding, the kind in a header, a JSON object as payload.

    state    :event-type          what it means
    -        messageStart         the answer begins
    open     contentBlockStart    a block begins, only of calls (and what Bedrock runs itself, which is read over)
    open     contentBlockDelta    text, a thought, its signature, arguments: begins the block where nothing did
    open     contentBlockStop     the block is complete
    open     messageStop          why it stopped
    stopped  metadata             the figures, and the end
    any      :message-type is     `exception` or `error`: the end, in failure
    ended    anything             read over

Blocks have Bedrock's own numbers; ours count only those that are passed on. An event that is no JSON object is read
over; a checksum that is off ends the stream in failure, since what is missing then nobody can tell.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ringlet_mitm.addons.wire.canonical import (
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
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.addons.wire.codec import read_json
from ringlet_mitm.addons.wire.converse.content import thought_of
from ringlet_mitm.addons.wire.converse.families import signer_of
from ringlet_mitm.addons.wire.converse.media import CONVERSE
from ringlet_mitm.addons.wire.converse.reply import MORE_FIELDS, stop_sequence_in, usage_of
from ringlet_mitm.addons.wire.converse.stream_renderer import Renderer
from ringlet_mitm.addons.wire.eventstream import EventMessage, EventStreamParser
from ringlet_mitm.addons.wire.stops import stop_of
from ringlet_mitm.rules.failures import ProviderError

__all__ = ["Parser", "Renderer"]

STATUSES = {
    "internalServerException": 500,
    "modelStreamErrorException": 500,
    "modelErrorException": 500,
    "validationException": 400,
    "throttlingException": 429,
    "modelNotReadyException": 429,
    "serviceUnavailableException": 503,
    "modelTimeoutException": 504,
    "accessDeniedException": 403,
    "resourceNotFoundException": 404,
}
MOST_SIGNATURE = 1024 * 1024
MOST_OPEN = 1000


@dataclass(slots=True)
class Open:
    """A block that is open: our number for it, and its signature as far as it came."""

    index: int
    kind: type[Text] | type[Thinking] | type[ToolCall]
    redacted: bool = False
    signature: str = ""


class Parser:
    """A provider's stream; `model` is who was asked, where it is known."""

    def __init__(self, model: str = "") -> None:
        self._messages = EventStreamParser()
        self._signer = signer_of(model)
        self._started = False
        self._ended = False
        self._next = 0
        self._calls = False
        self._open: dict[int, Open] = {}
        self._skipped: set[int] = set()
        self._finished: Finished | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._ended:
            return []
        events: list[Event] = []
        for message in self._messages.feed(data):
            self._take(message, events)
        if self._messages.broken and not self._ended:
            self._ended = True
            why = f"ringlet-mitm: the provider's stream is damaged: {self._messages.broken}"
            events.append(Failed(ProviderError("api_error", why), 502))
        return events

    def close(self) -> list[Event]:
        """The end, where only the figures are missing."""
        if self._finished is None or self._ended:
            return []
        self._ended = True
        return [Ended()]

    def _take(self, message: EventMessage, events: list[Event]) -> None:
        if self._ended:
            return
        try:
            payload = read_json(message.payload) if message.payload else {}
        except ValueError:
            payload = None
        said: Json = payload if isinstance(payload, dict) else {}
        kind = message.said(":message-type")
        if kind in ("exception", "error"):
            self._ended = True
            events.append(_failed(message, said))
        elif said:
            self._handle(message.said(":event-type"), said, events)

    def _handle(self, kind: str, said: Json, events: list[Event]) -> None:
        handle = HANDLERS.get(kind)
        if handle is None or (self._finished is not None and kind != "metadata"):
            return
        if not self._started:
            self._started = True
            events.append(Started("", ""))
        handle(self, said, events)

    def _start_block(self, said: Json, events: list[Event]) -> None:
        number, start = said.get("contentBlockIndex"), said.get("start")
        if type(number) is not int or not isinstance(start, dict) or len(self._skipped) > MOST_OPEN:
            return
        call = start.get("toolUse")
        if not isinstance(call, dict) or "type" in call:
            self._skipped.add(number)
            return
        call_id, name = call.get("toolUseId"), call.get("name")
        block = ToolCall(call_id if isinstance(call_id, str) else "", name if isinstance(name, str) else "", "")
        self._calls = True
        self._begin(number, block, events)

    def _begin(self, number: int, block: Text | Thinking | ToolCall, events: list[Event]) -> Open:
        for known in [number, *self._open] if len(self._open) > MOST_OPEN else (number,):
            self._end(known, events)
        found = Open(self._next, type(block), isinstance(block, Thinking) and block.redacted)
        self._open[number] = found
        self._next += 1
        events.append(BlockStarted(found.index, block))
        return found

    def _end(self, number: int, events: list[Event]) -> None:
        found = self._open.pop(number, None)
        if found is not None:
            events.append(BlockEnded(found.index))

    def _delta(self, said: Json, events: list[Event]) -> None:
        number, delta = said.get("contentBlockIndex"), said.get("delta")
        if type(number) is not int or not isinstance(delta, dict) or number in self._skipped:
            return
        if isinstance(text := delta.get("text"), str):
            self._more(number, Text(""), text, events)
        call, thought = delta.get("toolUse"), delta.get("reasoningContent")
        if isinstance(call, dict) and isinstance(piece := call.get("input"), str):
            found = self._open.get(number)
            if found is not None and found.kind is ToolCall:
                events.append(Delta(found.index, piece))
        if isinstance(thought, dict):
            self._thought(number, thought, events)

    def _more(self, number: int, block: Text | Thinking, text: str, events: list[Event]) -> None:
        found = self._open.get(number)
        if found is None or found.kind is not type(block):
            found = self._begin(number, block, events)
        if text:
            events.append(Delta(found.index, text))

    def _thought(self, number: int, said: Json, events: list[Event]) -> None:
        if isinstance(text := said.get("text"), str):
            self._more(number, Thinking("", signer=CONVERSE), text, events)
        if isinstance(signature := said.get("signature"), str):
            self._sign(number, Thinking("", signer=CONVERSE), signature, events)
        if isinstance(data := said.get("redactedContent"), str):
            self._sign(number, Thinking("", signer=CONVERSE, redacted=True), data, events)

    def _sign(self, number: int, block: Thinking, signature: str, events: list[Event]) -> None:
        found = self._open.get(number)
        if found is None or found.kind is not Thinking or found.redacted is not block.redacted:
            found = self._begin(number, block, events)
        if len(found.signature) + len(signature) > MOST_SIGNATURE:
            return
        found.signature = _joined(found.signature, signature) if block.redacted else found.signature + signature
        signer = CONVERSE if block.redacted else self._signer
        thought = thought_of("", found.signature, signer)
        events.append(Signed(found.index, thought.signature, thought.signer or signer))

    def _stop_block(self, said: Json, events: list[Event]) -> None:
        number = said.get("contentBlockIndex")
        if type(number) is int:
            self._skipped.discard(number)
            self._end(number, events)

    def _stop(self, said: Json, events: list[Event]) -> None:
        for number in list(self._open):
            self._end(number, events)
        reason = said.get("stopReason")
        reason = reason if isinstance(reason, str) else ""
        sequence = stop_sequence_in(said.get(MORE_FIELDS))
        self._finished = Finished(stop_of(reason, CONVERSE, calls=self._calls), sequence, reason)
        events.append(self._finished)

    def _metadata(self, said: Json, events: list[Event]) -> None:
        if (usage := usage_of(said.get("usage"))) is not None:
            events.append(UsageSeen(usage))
        if self._finished is not None:
            self._ended = True
            events.append(Ended())


def _joined(one: str, other: str) -> str:
    """Two pieces of bytes in base64 as one."""
    try:
        return base64.b64encode(base64.b64decode(one) + base64.b64decode(other)).decode()
    except (binascii.Error, ValueError):
        return one + other


def _failed(message: EventMessage, said: Json) -> Failed:
    kind = message.said(":exception-type") or message.said(":error-code") or "error"
    text = next((said[key] for key in ("message", "Message", "originalMessage") if isinstance(said.get(key), str)), "")
    text = text or message.said(":error-message") or kind
    original = said.get("originalStatusCode")
    status = STATUSES.get(kind[:1].lower() + kind[1:], 500)
    if status == 500 and type(original) is int and 400 <= original < 600:
        status = original
    return Failed(ProviderError(kind, text), status)


def _nothing(parser: Parser, said: Json, events: list[Event]) -> None:
    """The beginning says only whose turn it is."""


HANDLERS: Mapping[str, Callable[[Parser, Json, list[Event]], None]] = {
    "messageStart": _nothing,
    "contentBlockStart": Parser._start_block,
    "contentBlockDelta": Parser._delta,
    "contentBlockStop": Parser._stop_block,
    "messageStop": Parser._stop,
    "metadata": Parser._metadata,
}
