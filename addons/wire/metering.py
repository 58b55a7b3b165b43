"""Usage, model, stop reason and error read from an answer as it passes.

Every event is decoded with msgspec into a struct of the few fields that matter, about 3 µs each, SSE included.
Rejected: looking for substrings such as `"usage"` and parsing only those events; a model that writes about APIs has
them in its text.

How each format's stream ends: Messages with `message_stop`; Chat with `[DONE]`; Responses with `response.completed`,
`.incomplete` or `.failed`; Gemini with nothing but the end of the body, after a chunk that has a finish reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import DecodeError, Raw
from msgspec.json import decode

from ringlet_mitm.addons.wire.answer_fields import (
    ChatChunk,
    GeminiEvent,
    Message,
    MessagesEvent,
    ResponsesEvent,
    size_of,
)
from ringlet_mitm.addons.wire.faults import error_in, parse_error
from ringlet_mitm.addons.wire.lenient import LenientDecoder
from ringlet_mitm.addons.wire.sse import SseEvent, SseParser
from ringlet_mitm.addons.wire.usage_fields import ChatUsage, GeminiUsage, MessagesUsage, ResponsesUsage
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

WHOLE_LIMIT = 32 * 1024 * 1024
BYTES_PER_TOKEN = 4
UNREADABLE = (DecodeError, UnicodeDecodeError, RecursionError)


class Meter:
    """Reads one answer. Feed it what passes, `finish` at the end; the attributes are right at any time.

    `usage` is None until, or unless, the provider reports it. `text_bytes` is how much text the model has written,
    thinking and arguments of calls included, for an estimate where nothing is reported. Garbage is read over, never
    raised about.
    """

    def __init__(self, wire_format: WireFormat, *, streamed: bool) -> None:
        self.model = ""
        self.stop_reason = ""
        self.error: ProviderError | None = None
        self.ended = False
        self.text_bytes = 0
        self._figures: MessagesUsage | ChatUsage | ResponsesUsage | GeminiUsage | None = None
        self._read = READERS[wire_format]
        self._parser = SseParser() if streamed else None
        self._body = bytearray()
        self._passed = 0

    @property
    def usage(self) -> Usage | None:
        """What the provider has reported so far; nothing but zeros is no report."""
        found = self._figures.usage() if self._figures is not None else None
        return found if found is not None and (found.total_input or found.total_output) else None

    @property
    def overflowed(self) -> bool:
        """Whether something in the stream was too long to be read."""
        return self._parser is not None and self._parser.overflowed

    @property
    def output_estimate(self) -> int:
        """Output tokens by the length of the text, for answers without usage."""
        return -(-self.text_bytes // BYTES_PER_TOKEN)

    def feed(self, data: bytes) -> None:
        """Read on."""
        if self._parser is not None:
            for event in self._parser.feed(data):
                self._event(event)
            return
        self._passed += len(data)
        if self._passed <= WHOLE_LIMIT:
            self._body += data
        else:
            self._body.clear()

    def read(self, event: bytes) -> None:
        """One event that came as a message of its own."""
        self._json(event)

    def finish(self) -> None:
        """The body is complete, or nothing more comes of it; a second call does nothing."""
        if self._parser is not None:
            for event in self._parser.close():
                self._event(event)
        elif self._passed:
            self._whole(bytes(self._body))
            self.text_bytes = self.text_bytes or self._passed
            self._body.clear()
            self._passed = 0

    def _whole(self, body: bytes) -> None:
        for part in _parts(body):
            self._json(part)
        if self._figures is None and self.error is None:
            self.error = parse_error(body)

    def _event(self, event: SseEvent) -> None:
        if event.data.startswith(b"[DONE]"):
            self.ended = True
        else:
            self._json(event.data)

    def _json(self, text: bytes | Raw) -> None:
        try:
            self._read(self, text)
        except UNREADABLE:
            return

    def _fail(self, error: Raw | None) -> None:
        if error is not None:
            self.error = error_in({"error": decode(error)}) or self.error


def _parts(body: bytes) -> list[Raw]:
    """A whole JSON answer, or the pieces of the array that Gemini streams without `alt=sse`."""
    start = body.lstrip()[:1]
    try:
        return decode(body, type=list[Raw]) if start == b"[" else [Raw(body)] if start else []
    except UNREADABLE:
        return []


_messages = LenientDecoder(MessagesEvent)
_chat = LenientDecoder(ChatChunk)
_responses = LenientDecoder(ResponsesEvent)
_gemini = LenientDecoder(GeminiEvent)


def _read_messages(meter: Meter, text: bytes | Raw) -> None:
    event = _messages.decode(text)
    delta = event.delta
    if delta is not None:
        meter.text_bytes += delta.size()
        meter.stop_reason = delta.stop_reason or meter.stop_reason
    if event.message is not None:
        _read_message(meter, event.message)
    _read_message(meter, event)
    meter._fail(event.error)
    meter.ended = meter.ended or event.type == "message_stop"


def _read_message(meter: Meter, message: Message) -> None:
    for block in message.content or ():
        meter.text_bytes += block.size()
    meter.model = message.model or meter.model
    meter.stop_reason = message.stop_reason or meter.stop_reason
    if message.usage is not None:
        earlier = meter._figures
        meter._figures = message.usage.over(earlier if isinstance(earlier, MessagesUsage) else None)


def _read_chat(meter: Meter, text: bytes | Raw) -> None:
    chunk = _chat.decode(text)
    meter.model = chunk.model or meter.model
    found = chunk.usage
    for choice in chunk.choices or ():
        meter.stop_reason = choice.finish_reason or meter.stop_reason
        found = found or choice.usage
        said = choice.delta or choice.message
        if said is not None:
            meter.text_bytes += said.size()
    if chunk.x_groq is not None:
        found = found or chunk.x_groq.usage
        meter._fail(chunk.x_groq.error)
    if found is not None and found.prompt_tokens is not None:
        meter._figures = found
    meter._fail(chunk.error)


ENDS = {"response.completed", "response.incomplete", "response.failed"}


def _read_responses(meter: Meter, text: bytes | Raw) -> None:
    event = _responses.decode(text)
    meter.text_bytes += size_of(event.delta)
    answer = event.response or event
    meter.model = answer.model or meter.model
    if answer.usage is not None:
        meter._figures = answer.usage
    reason = answer.incomplete_details.reason if answer.incomplete_details else None
    if event.type in ENDS or not event.type:
        meter.stop_reason = reason or answer.status or meter.stop_reason
    if event.type == "error" and answer.error is None:
        meter.error = error_in({"error": decode(text)})
    meter._fail(answer.error)
    meter.ended = meter.ended or event.type in ENDS


def _read_gemini(meter: Meter, text: bytes | Raw) -> None:
    event = _gemini.decode(text)
    chunk = event.response or event
    meter.model = chunk.model_version or meter.model
    if chunk.usage_metadata is not None:
        meter._figures = chunk.usage_metadata
    if chunk.prompt_feedback is not None:
        meter.stop_reason = chunk.prompt_feedback.block_reason or meter.stop_reason
    for candidate in chunk.candidates or ():
        meter.stop_reason = candidate.finish_reason or meter.stop_reason
        for part in (candidate.content.parts if candidate.content else None) or ():
            meter.text_bytes += part.size()
    meter._fail(event.error or chunk.error)


READERS: dict[WireFormat, Callable[[Meter, Any], None]] = {
    WireFormat.MESSAGES: _read_messages,
    WireFormat.CHAT: _read_chat,
    WireFormat.RESPONSES: _read_responses,
    WireFormat.GEMINI: _read_gemini,
}
