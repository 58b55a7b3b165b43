"""The way back: every answer to a model call passes through a relay that reads along and records at its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from mitmproxy import http

from ringlet_mitm.addons.exchange import Exchange, exchange_of
from ringlet_mitm.addons.relay import Reading, Relay
from ringlet_mitm.addons.wire.faults import classify
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.peek import Peek


class Answer:
    """Puts the relay onto the response; nothing is buffered, bytes leave in the call they came in."""

    def __init__(self, record: Callable[[Exchange], None]) -> None:
        self._record = record

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Install the relay; answers made by the proxy itself have their body already and are left alone."""
        exchange = exchange_of(flow)
        response = flow.response
        if exchange is None or response is None or response.raw_content:
            return
        exchange.status = response.status_code
        flow.response.stream = exchange.relay = self._relay(exchange, response)  # type: ignore[union-attr]

    def _relay(self, exchange: Exchange, response: http.Response) -> Relay:
        headers = response.headers
        encoding = headers.get("content-encoding", "").strip().lower()
        kind = headers.get("content-type", "").lower()
        packed = encoding not in ("", "identity")
        hide = exchange.outbound is not None and exchange.outbound.hide_usage_chunk
        hide = hide and not packed and response.status_code < 400
        length = headers.get("content-length", "")
        if hide and length:
            del headers["content-length"]
            if response.data.http_version == b"HTTP/1.1":
                headers["transfer-encoding"] = "chunked"

        def first_byte() -> None:
            exchange.first_byte_us = time.time_ns() // 1000

        def end(reading: Reading) -> None:
            self._end(exchange, reading)

        return Relay(
            exchange.target.format if exchange.target else exchange.request.format,
            streamed="event-stream" in kind or ("json" not in kind and _asked_to_stream(exchange)),
            content_length=int(length) if length.isascii() and length.isdigit() else None,
            content_encoding=encoding if packed else "",
            hide_usage_chunk=hide,
            on_first_byte=first_byte,
            on_end=end,
        )

    def _end(self, exchange: Exchange, reading: Reading) -> None:
        exchange.reading = reading
        exchange.failure = _failure(exchange, reading)
        self._record(exchange)


def _asked_to_stream(exchange: Exchange) -> bool:
    """Some gateways send events as text/plain or do not say what they send; Gemini's array says that it is JSON."""
    asked = exchange.turn.peek if exchange.turn is not None and (exchange.status or 0) < 400 else None
    return isinstance(asked, Peek) and asked.features.stream


def _failure(exchange: Exchange, reading: Reading) -> Failure | None:
    """What went wrong: in the provider's words where there are any, else what is known of the connections."""
    status = exchange.status or 0
    if status >= 400 or reading.error is not None:
        return Failure(classify(status, reading.error), status, reading.error)
    if reading.complete:
        return None
    return exchange.failure or Failure(FailureKind.BROKEN_STREAM, status)
