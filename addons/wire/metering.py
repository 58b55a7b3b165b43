"""Usage, model, stop reason and error read from an answer as it passes.

Every event is decoded with msgspec into a struct of the few fields that matter, about 1 µs each. Rejected: looking for
substrings such as `"usage"` and parsing only those events; a model that writes about APIs has them in its text.

How each format's stream ends: Messages with `message_stop`; Chat with `[DONE]`; Responses with `response.completed`,
`.incomplete` or `.failed`; Gemini with nothing but the end of the body, after a chunk that has a finish reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import DecodeError, Raw, Struct, ValidationError
from msgspec.json import Decoder, decode

from ringlet_mitm.addons.wire.faults import error_in, parse_error
from ringlet_mitm.addons.wire.sse import SseEvent, SseParser
from ringlet_mitm.addons.wire.usage_fields import ChatUsage, GeminiUsage, MessagesUsage, ResponsesUsage
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

WHOLE_LIMIT = 32 * 1024 * 1024
BYTES_PER_TOKEN = 4
UNREADABLE = (DecodeError, ValidationError, RecursionError, UnicodeDecodeError)


class _Delta(Struct):
    stop_reason: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None


class _Message(Struct):
    model: str | None = None
    stop_reason: str | None = None
    usage: MessagesUsage | None = None


class _MessagesEvent(_Message):
    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    error: Raw | None = None


class _ChatDelta(Struct):
    content: str | None = None


class _Choice(Struct):
    finish_reason: str | None = None
    delta: _ChatDelta | None = None
    usage: ChatUsage | None = None  # Moonshot


class _Groq(Struct):
    usage: ChatUsage | None = None


class _ChatChunk(Struct):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: ChatUsage | None = None
    x_groq: _Groq | None = None
    error: Raw | None = None


class _Incomplete(Struct):
    reason: str | None = None


class _Response(Struct):
    model: str | None = None
    status: str | None = None
    usage: ResponsesUsage | None = None
    incomplete_details: _Incomplete | None = None
    error: Raw | None = None


class _ResponsesEvent(_Response):
    type: str = ""
    response: _Response | None = None
    delta: Raw | None = None


class _Candidate(Struct, rename="camel"):
    finish_reason: str | None = None


class _GeminiChunk(Struct, rename="camel"):
    model_version: str | None = None
    candidates: list[_Candidate] | None = None
    usage_metadata: GeminiUsage | None = None
    error: Raw | None = None


class Meter:
    """Reads one answer. Feed it what passes, `finish` at the end; the attributes are right at any time.

    `usage` is None until, or unless, the provider reports it. `text_bytes` is how much visible text has passed, for an
    estimate where nothing is reported. Garbage is read over, never raised about.
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
        self._pieces: list[bytes] = []
        self._kept = 0

    @property
    def usage(self) -> Usage | None:
        """What the provider has reported so far."""
        return self._figures.usage() if self._figures is not None else None

    @property
    def output_estimate(self) -> int:
        """Output tokens by the length of the text, for answers without usage."""
        return -(-self.text_bytes // BYTES_PER_TOKEN)

    def feed(self, data: bytes) -> None:
        """Read on."""
        if self._parser is not None:
            for event in self._parser.feed(data):
                self._event(event)
        elif self._kept + len(data) <= WHOLE_LIMIT:
            self._pieces.append(data)
            self._kept += len(data)
        else:
            self._pieces.clear()
            self._kept = WHOLE_LIMIT + 1

    def finish(self) -> None:
        """The body is complete."""
        if self._parser is not None:
            for event in self._parser.close():
                self._event(event)
        elif self._pieces:
            body = b"".join(self._pieces)
            self._pieces.clear()
            self.text_bytes = len(body)
            for part in _parts(body):
                self._json(part)
            self.error = self.error or parse_error(body)

    def _event(self, event: SseEvent) -> None:
        if event.data == b"[DONE]":
            self.ended = True
        else:
            self._json(event.data)

    def _json(self, text: bytes | Raw) -> None:
        try:
            self._read(self, text)
        except UNREADABLE:
            return

    def _fail(self, error: Raw | None) -> None:
        if error is not None and bytes(error) != b"null":
            self.error = error_in({"error": decode(error)})


def _parts(body: bytes) -> list[Raw]:
    """A whole JSON answer, or the pieces of the array that Gemini streams without `alt=sse`."""
    try:
        return decode(body, type=list[Raw]) if body.lstrip()[:1] == b"[" else [Raw(body)]
    except UNREADABLE:
        return []


_messages = Decoder(_MessagesEvent)
_chat = Decoder(_ChatChunk)
_responses = Decoder(_ResponsesEvent)
_gemini = Decoder(_GeminiChunk)


def _read_messages(meter: Meter, text: bytes | Raw) -> None:
    event = _messages.decode(text)
    delta = event.delta
    if delta is not None:
        meter.text_bytes += len(delta.text or delta.thinking or delta.partial_json or "")
        meter.stop_reason = delta.stop_reason or meter.stop_reason
    for message in (event.message, event):
        if message is not None:
            meter.model = message.model or meter.model
            meter.stop_reason = message.stop_reason or meter.stop_reason
            if message.usage is not None:
                earlier = meter._figures
                meter._figures = message.usage.over(earlier if isinstance(earlier, MessagesUsage) else None)
    meter._fail(event.error)
    meter.ended = meter.ended or event.type == "message_stop"


def _read_chat(meter: Meter, text: bytes | Raw) -> None:
    chunk = _chat.decode(text)
    meter.model = chunk.model or meter.model
    found = chunk.usage or (chunk.x_groq.usage if chunk.x_groq else None)
    for choice in chunk.choices or ():
        meter.stop_reason = choice.finish_reason or meter.stop_reason
        found = found or choice.usage
        if choice.delta is not None and choice.delta.content:
            meter.text_bytes += len(choice.delta.content)
    if found is not None and found.prompt_tokens is not None:
        meter._figures = found
    meter._fail(chunk.error)


ENDS = {"response.completed", "response.incomplete", "response.failed"}


def _read_responses(meter: Meter, text: bytes | Raw) -> None:
    event = _responses.decode(text)
    if event.delta is not None:
        meter.text_bytes += max(0, len(bytes(event.delta)) - 2)
    answer = event.response or event
    meter.model = answer.model or meter.model
    if answer.usage is not None:
        meter._figures = answer.usage
    reason = answer.incomplete_details.reason if answer.incomplete_details else None
    if event.type in ENDS or not event.type:
        meter.stop_reason = reason or answer.status or meter.stop_reason
    meter._fail(answer.error)
    if event.type == "error":
        meter.error = error_in({"error": decode(text)})
    meter.ended = meter.ended or event.type in ENDS


def _read_gemini(meter: Meter, text: bytes | Raw) -> None:
    chunk = _gemini.decode(text)
    meter.model = chunk.model_version or meter.model
    if chunk.usage_metadata is not None:
        meter._figures = chunk.usage_metadata
    for candidate in chunk.candidates or ():
        meter.stop_reason = candidate.finish_reason or meter.stop_reason
    meter._fail(chunk.error)


READERS: dict[WireFormat, Callable[[Meter, Any], None]] = {
    WireFormat.MESSAGES: _read_messages,
    WireFormat.CHAT: _read_chat,
    WireFormat.RESPONSES: _read_responses,
    WireFormat.GEMINI: _read_gemini,
}
