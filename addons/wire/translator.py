"""From one wire format to another: a request there, its answer back.

A request is parsed, fitted to what the other format can hold, and rendered. Of it stays a `Translation`, which turns
the answer back: whole, or as a stream whose bytes may be split anywhere. Nothing here does I/O or looks at a clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ringlet_mitm.addons.wire.accumulating import Accumulator, events_of
from ringlet_mitm.addons.wire.canonical import (
    Conversation,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Ping,
    Reply,
    Started,
    UsageSeen,
)
from ringlet_mitm.addons.wire.codec import AnswerContext, Codec, Untranslatable, read_json, write_json
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.demanding import as_demanded
from ringlet_mitm.addons.wire.faults import error_body, error_in, in_words_of
from ringlet_mitm.addons.wire.fitting import Fitted, fit
from ringlet_mitm.addons.wire.prompted_tools import ToolCallReader
from ringlet_mitm.addons.wire.restoring import Restorer
from ringlet_mitm.addons.wire.sealing import UnsignedThoughts, signed
from ringlet_mitm.rules.demands import Demands
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss, WireFormat

BYTES_PER_TOKEN = 4
JSON_TYPE = "application/json"
NO_DEMANDS = Demands()
BROKEN_OFF = ProviderError("api_error", "ringlet-mitm: the provider's answer broke off before its end")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the other end takes: `streams` and `whole` say which kinds of answer it gives."""

    format: WireFormat
    model: str
    native_tools: bool = True
    vision: bool = True
    streams: bool = True
    whole: bool = True
    demands: Demands = NO_DEMANDS


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated request, and all that its answer needs. `streams` says whether the provider was asked to stream."""

    agent: Codec
    provider: Codec
    conversation: Conversation
    path: str
    fitted: Fitted
    body: bytes
    losses: tuple[Loss, ...]
    streams: bool

    @property
    def content_type(self) -> str:
        """Of the stream that the agent gets; Gemini without `alt=sse` is one JSON array, piece by piece."""
        array = self.agent.format is WireFormat.GEMINI and "alt=sse" not in self.path.partition("?")[2]
        return JSON_TYPE if array else self.agent.content_type

    @property
    def seals_thoughts(self) -> bool:
        """Whether thoughts that nobody signed have to be marked as another vendor's."""
        return self.agent.format is WireFormat.MESSAGES and self.provider.format is not WireFormat.MESSAGES

    @property
    def agents_model(self) -> str:
        """The model's name to answer under, "" for the provider's own.

        Claude Code 2.1 sends thoughts back only to the model that they are said to be of, and it goes on asking for its
        own: under another name every thought would be lost. The row has the name of the model that answered.
        """
        return self.conversation.model if self.seals_thoughts else ""

    @property
    def names_answers(self) -> bool:
        """Whether answers get ids of ours: what an agent of Responses may go on from, we have to find again."""
        return self.agent.format is WireFormat.RESPONSES

    def context(self, answer_id: str, model: str, estimated_input: int, created: int) -> AnswerContext:
        """What the answer is rendered with."""
        return AnswerContext(self.conversation, self.path, model, answer_id, estimated_input, created)


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """A whole answer, translated. `reply` is None where the provider told of an error instead."""

    status: int
    body: bytes
    content_type: str
    reply: Reply | None = None
    error: ProviderError | None = None
    losses: tuple[Loss, ...] = ()


def parse(body: bytes, path: str, wire_format: WireFormat) -> Conversation:
    """An agent's request; raises Untranslatable where it makes no sense."""
    try:
        found = read_json(body)
    except ValueError as error:
        raise Untranslatable(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Untranslatable("the body is not a JSON object")
    return CODECS[wire_format].parse_request(found, path)


def translate(conversation: Conversation, path: str, source: WireFormat, wanted: Wanted) -> Translation:
    """The request in the format that the provider takes; raises Untranslatable."""
    provider = CODECS[wanted.format]
    streams = (conversation.stream and wanted.streams) or not wanted.whole
    asked = replace(conversation, model=wanted.model, stream=streams)
    fitted = fit(asked, wanted.format, native_tools=wanted.native_tools, vision=wanted.vision)
    rendered = provider.render_request(fitted.conversation)
    body, left_out = as_demanded(rendered.body, wanted.demands)
    losses = _each_once((*fitted.losses, *rendered.losses, *left_out))
    return Translation(CODECS[source], provider, conversation, path, fitted, write_json(body), losses, streams)


def _each_once(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    return tuple({loss.what: loss for loss in losses}.values())


class StreamTranslation:
    """A provider's stream in, the agent's out. `text_bytes` is how much the model wrote, for an estimate."""

    def __init__(self, translation: Translation, context: AnswerContext, *, keep: bool = False) -> None:
        self._agent = translation.agent.format
        self._parser = translation.provider.parser()
        self._reader = ToolCallReader() if translation.fitted.prompted else None
        self._restorer = Restorer(translation.conversation, translation.fitted, translation.agent.format)
        self._renderer = translation.agent.renderer(context)
        self._names = translation.names_answers
        self._as_model = translation.agents_model
        self._unsigned = UnsignedThoughts(translation.provider.format) if translation.seals_thoughts else None
        self._kept = Accumulator() if keep else None
        self.usage: Usage | None = None
        self.model = ""
        self.stop_said = ""
        self.error: ProviderError | None = None
        self.ended = False
        self.text_bytes = 0

    @property
    def output_estimate(self) -> int:
        """Output tokens by the length of the text, for streams without usage."""
        return -(-self.text_bytes // BYTES_PER_TOKEN)

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What of the answer the agent's format could not say."""
        return _each_once(self._renderer.losses)

    @property
    def reply(self) -> Reply | None:
        """The whole answer, as the agent got it; only where it was to be kept."""
        return self._kept.reply if self._kept is not None else None

    def feed(self, data: bytes) -> bytes:
        """What the agent gets for `data`."""
        return self._pass(self._parser.feed(data))

    def close(self) -> bytes:
        """The provider's stream is over; one that broke off ends with the agent's error event, never like a success."""
        if self.ended:
            return b""
        out = self._pass(self._parser.close())
        return out if self.ended else out + self._pass([Failed(BROKEN_OFF, 502)])

    def ping(self) -> bytes:
        """A sign of life for an agent that waits."""
        return self._renderer.ping()

    def _pass(self, events: list[Event]) -> bytes:
        if self.ended or not events:
            return b""
        for event in events:
            self._note(event)
        events = [self._in_agents_words(event) if isinstance(event, Failed) else event for event in events]
        events = [self._named(event) if isinstance(event, Started) else event for event in events]
        if self._reader is not None:
            events = self._reader.feed(events)
        out = bytearray()
        events = self._restorer.events(events)
        if self._unsigned is not None:
            events = self._unsigned.events(events)
        for event in events:
            if self._kept is not None:
                self._kept.feed(event)
            out += self._renderer.feed(event)
        return bytes(out)

    def _named(self, event: Started) -> Started:
        """The beginning of an answer, with the names that the agent goes by."""
        if self._names:
            event = replace(event, id="")
        return replace(event, model=self._as_model) if self._as_model else event

    def _in_agents_words(self, event: Failed) -> Failed:
        status, said = in_words_of(self._agent, event.status, event.error)
        return Failed(said, status)

    def _note(self, event: Event) -> None:
        match event:
            case Delta(_, text):
                self.text_bytes += len(text)
            case Started():
                self.model = event.model
                self.usage = event.usage or self.usage
            case UsageSeen(usage):
                self.usage = usage
            case Finished():
                self.stop_said = event.stop_said or event.stop
            case Failed(error):
                self.error = error
                self.ended = True
            case Ended():
                self.ended = True


def whole_answer(translation: Translation, context: AnswerContext, status: int, body: bytes) -> WholeAnswer:
    """An answer that came in one piece: rendered whole, or as a stream where the agent waits for one."""
    try:
        found = read_json(body)
    except ValueError:
        found = None
    error = error_in(found)
    if status >= 400 or error is not None:
        return _told(translation, status, error, body)
    try:
        if found is None and translation.streams and not translation.conversation.stream:
            return _gathered(translation, context, body)
        if not isinstance(found, dict):
            raise Untranslatable("the provider's answer is not a JSON object")
        return _rendered(translation, context, translation.provider.parse_reply(found))
    except Untranslatable as reason:
        return _told(translation, 502, ProviderError("bad_gateway", f"ringlet-mitm: {reason}"), b"")


def _told(translation: Translation, status: int, error: ProviderError | None, body: bytes) -> WholeAnswer:
    """The provider's error in the agent's words. A text that is no JSON is kept as far as a person would read it."""
    status = status if status >= 400 else 500
    found = error or ProviderError("error", body[:500].decode("utf-8", "replace").strip())
    said_status, said = in_words_of(translation.agent.format, status, found)
    return WholeAnswer(said_status, error_body(translation.agent.format, said_status, said), JSON_TYPE, error=found)


def _gathered(translation: Translation, context: AnswerContext, body: bytes) -> WholeAnswer:
    """The stream of a provider that does nothing else, for an agent that wants the answer whole."""
    parser, gathered, ended = translation.provider.parser(), Accumulator(), False
    for event in (*parser.feed(body), *parser.close()):
        if isinstance(event, Failed):
            return _told(translation, event.status, event.error, b"")
        gathered.feed(event)
        ended = ended or isinstance(event, Ended)
    if not ended:
        return _told(translation, 502, BROKEN_OFF, b"")
    return _rendered(translation, context, gathered.reply)


def _rendered(translation: Translation, context: AnswerContext, reply: Reply) -> WholeAnswer:
    seen = ToolCallReader.whole(reply) if translation.fitted.prompted else reply
    restored = Restorer(translation.conversation, translation.fitted, translation.agent.format).reply(seen)
    if translation.seals_thoughts:
        restored = signed(restored, translation.provider.format)
    if translation.names_answers:
        restored = replace(restored, id="")
    shown = replace(restored, model=translation.agents_model) if translation.agents_model else restored
    if not translation.conversation.stream:
        answer = translation.agent.render_reply(shown, context)
        return WholeAnswer(200, write_json(answer.body), JSON_TYPE, restored, losses=answer.losses)
    renderer = translation.agent.renderer(context)
    events = events_of(shown)
    if translation.seals_thoughts:
        events = UnsignedThoughts(translation.provider.format).events(events)
    out = b"".join(renderer.feed(event) for event in events if not isinstance(event, Ping))
    return WholeAnswer(200, out, translation.content_type, restored, losses=_each_once(renderer.losses))
