"""The way back: every answer to a model call passes through a relay that reads along and records at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from mitmproxy import http

from ringlet_mitm.addons.answering import answer_context, answer_id, packing_of, plain_body
from ringlet_mitm.addons.exchange import Exchange, exchange_of
from ringlet_mitm.addons.holding import NoStream, gate_for
from ringlet_mitm.addons.relay import Reading, Relay
from ringlet_mitm.addons.sessions import Sessions
from ringlet_mitm.addons.stream_port import Gate
from ringlet_mitm.addons.translating import TranslatingRelay, reading_of
from ringlet_mitm.addons.wire.canonical import Message, Reply, Role
from ringlet_mitm.addons.wire.faults import classify, error_event, in_words_of
from ringlet_mitm.addons.wire.translator import StreamTranslation, Translation, whole_answer
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.peek import Peek
from ringlet_mitm.rules.shapes import WireFormat


class Answer:
    """Puts the relay onto the response; nothing is buffered, bytes leave in the call they came in.

    `begins` is told when a good answer begins.
    """

    def __init__(
        self, record: Callable[[Exchange], None], sessions: Sessions, begins: Callable[[Exchange], None]
    ) -> None:
        self._record = record
        self._sessions = sessions
        self._begins = begins

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Install the relay; answers made by the proxy itself have their body already and are left alone."""
        exchange = exchange_of(flow)
        response = flow.response
        if exchange is None or response is None or response.raw_content:
            return
        exchange.status = response.status_code
        translation = exchange.outbound.translation if exchange.outbound is not None else None
        exchange.gate = self._gate(exchange, response)
        if translation is not None:
            if _streams(translation, response):
                flow.response.stream = exchange.relay = self._translating(exchange, translation, response)  # type: ignore[union-attr]
            return
        flow.response.stream = exchange.relay = self._relay(exchange, response)  # type: ignore[union-attr]

    def response(self, flow: http.HTTPFlow) -> None:
        """Translate an answer that came whole; only here its status can still be changed."""
        exchange = exchange_of(flow)
        response = flow.response
        translation = exchange.outbound.translation if exchange is not None and exchange.outbound is not None else None
        if exchange is None or response is None or translation is None or exchange.relay is not None:
            return
        if exchange.row is not None or not exchange.attempts or exchange.told:
            return
        body = response.raw_content or b""
        plain = plain_body(response, body)
        answer = whole_answer(translation, answer_context(exchange, translation), response.status_code, plain)
        if exchange.waiting is not None and exchange.waiting.begun and answer.error is not None:
            _, said = in_words_of(translation.agent.format, answer.status, answer.error)
            answer = replace(answer, body=error_event(translation.agent.format, answer.status, said))
        response.status_code = answer.status
        response.headers.pop("content-encoding", None)
        response.headers["content-type"] = answer.content_type
        response.content = answer.body
        exchange.first_byte_us = exchange.first_byte_us or time.time_ns() // 1000
        exchange.answer_losses = answer.losses
        exchange.close_attempt(time.time_ns() // 1000)
        exchange.status = answer.status
        self._keep(exchange, answer.reply)
        self._end(exchange, reading_of(answer))

    def _gate(self, exchange: Exchange, response: http.Response) -> Gate | None:
        """What the answer has to pass. Only streams and errors have one: a whole answer is what it says it is."""
        target = exchange.target
        if target is None or not exchange.attempts:
            return None
        kind = response.headers.get("content-type", "").lower()
        if _too_late_for(exchange, response, kind):
            return NoStream()
        return gate_for(
            target.format,
            response.status_code,
            streamed=_is_stream(exchange, kind),
            whole=kind.startswith("application/json") and not _asked_to_stream(exchange),
            packed=bool(packing_of(response)),
        )

    def _translating(self, exchange: Exchange, translation: Translation, response: http.Response) -> TranslatingRelay:
        headers, packing = response.headers, packing_of(response)
        for name in ("content-length", "content-encoding"):
            headers.pop(name, None)
        headers["content-type"] = translation.content_type
        if response.data.http_version == b"HTTP/1.1":
            headers["transfer-encoding"] = "chunked"
        keep = self._keeps(exchange)
        stream = StreamTranslation(translation, answer_context(exchange, translation), keep=keep)

        def first_byte() -> None:
            self._first_byte(exchange)

        def end(reading: Reading) -> None:
            exchange.answer_losses = stream.losses
            self._keep(exchange, stream.reply)
            self._end(exchange, reading)

        return TranslatingRelay(
            stream,
            content_encoding=packing,
            on_first_byte=first_byte,
            on_end=end,
        )

    def _keeps(self, exchange: Exchange) -> bool:
        """Whether the agent may go on from this answer by its id alone (Responses; Codex says `store: false`)."""
        translation = exchange.outbound.translation if exchange.outbound is not None else None
        return (
            translation is not None
            and translation.agent.format is WireFormat.RESPONSES
            and translation.conversation.store is not False
        )

    def _keep(self, exchange: Exchange, reply: Reply | None) -> None:
        translation = exchange.outbound.translation if exchange.outbound is not None else None
        if reply is not None and translation is not None and self._keeps(exchange):
            said = Message(Role.ASSISTANT, reply.blocks)
            self._sessions.keep(answer_id(exchange.id), (*translation.conversation.messages, said))

    def _relay(self, exchange: Exchange, response: http.Response) -> Relay:
        headers, packing = response.headers, packing_of(response)
        hide = exchange.outbound is not None and exchange.outbound.hide_usage_chunk
        hide = hide and not packing and response.status_code < 400
        length = headers.get("content-length", "")
        streamed = _is_stream(exchange, headers.get("content-type", "").lower())
        if (hide or (streamed and not packing)) and length:  # a stream that breaks off ends otherwise
            del headers["content-length"]
            if response.data.http_version == b"HTTP/1.1":
                headers["transfer-encoding"] = "chunked"

        def first_byte() -> None:
            self._first_byte(exchange)

        def end(reading: Reading) -> None:
            self._end(exchange, reading)

        return Relay(
            exchange.target.format if exchange.target else exchange.request.format,
            streamed=streamed,
            content_length=int(length) if length.isascii() and length.isdigit() else None,
            content_encoding=packing,
            unpacks=_begun(exchange),
            hide_usage_chunk=hide,
            on_first_byte=first_byte,
            on_end=end,
        )

    def _first_byte(self, exchange: Exchange) -> None:
        exchange.first_byte_us = time.time_ns() // 1000
        if (exchange.status or 0) < 400:
            self._begins(exchange)

    def _end(self, exchange: Exchange, reading: Reading) -> None:
        exchange.reading = reading
        exchange.failure = _failure(exchange, reading)
        self._record(exchange)


def _streams(translation: Translation, response: http.Response) -> bool:
    """Whether the answer is a stream for the agent too; an error and one that came whole are translated whole."""
    kind = response.headers.get("content-type", "").lower()
    asked = translation.streams and translation.conversation.stream
    return asked and response.status_code < 400 and not kind.startswith("application/json")


def _is_stream(exchange: Exchange, kind: str) -> bool:
    """Whether an answer of that content type comes as events."""
    return "event-stream" in kind or ("json" not in kind and _asked_to_stream(exchange))


def _begun(exchange: Exchange) -> bool:
    """Whether the agent has the head of a stream already, from a ping."""
    return exchange.waiting is not None and exchange.waiting.begun


def _too_late_for(exchange: Exchange, response: http.Response, kind: str) -> bool:
    """Whether an answer that passes as it comes is no stream, and the agent's has begun."""
    passes = exchange.outbound is not None and exchange.outbound.translation is None
    return passes and _begun(exchange) and response.status_code < 400 and not _is_stream(exchange, kind)


def _asked_to_stream(exchange: Exchange) -> bool:
    """Some gateways send events as text/plain or do not say what they send; Gemini's array says that it is JSON."""
    asked = exchange.turn.peek if exchange.turn is not None and (exchange.status or 0) < 400 else None
    return isinstance(asked, Peek) and asked.features.stream


def _failure(exchange: Exchange, reading: Reading) -> Failure | None:
    """What went wrong: in the provider's words where there are any, else what is known of the connections."""
    status, known = exchange.status or 0, exchange.failure
    if known is not None and exchange.attempts and exchange.attempts[-1].ended_us is not None:
        return known  # from when it was decided that this answer is given back
    if status >= 400 or reading.error is not None:
        return Failure(classify(status, reading.error), status, reading.error)
    if reading.complete:
        return None
    return exchange.failure or Failure(FailureKind.BROKEN_STREAM, status)
