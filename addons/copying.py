"""Sends copies by a plain HTTP client, in the caller's thread, and reads their answers for usage; nothing is kept.

What does not work: mitmproxy's replay. A replayed flow runs through every hook and stream of the proxy, on the event
loop that the agents' streams need. An asynchronous client would read answers on that loop as well. So a thread sends
and reads; what an answer says is read by the very relays that read the agents' ones.
"""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from ringlet_mitm.addons.answering import answer_context
from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.copies import Outcome
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.relay import Reading, Relay
from ringlet_mitm.addons.sending import Http, begun
from ringlet_mitm.addons.translating import TranslatingRelay, reading_of
from ringlet_mitm.addons.wire.encodings import decode_whole
from ringlet_mitm.addons.wire.faults import classify
from ringlet_mitm.addons.wire.metering import WHOLE_LIMIT
from ringlet_mitm.addons.wire.translator import BROKEN_OFF, StreamTranslation, Translation, whole_answer
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.peek import Peek
from ringlet_mitm.rules.reliability import Timeouts

# Longer than any answer takes that an agent would have waited for.
LONGEST_S = 600.0
PLAIN = ("", "identity")


class HttpCourier:
    """One client for all copies, which keeps its connections."""

    def __init__(self, detours: tuple[Detour, ...] = (), upstream_ca: Path | None = None) -> None:
        self._client = Http(detours, upstream_ca).client()

    def carry(self, exchange: Exchange, timeouts: Timeouts) -> Outcome:
        """See `Courier`."""
        assert exchange.outbound is not None
        answer = begun(self._client, exchange.outbound, timeouts)
        if isinstance(answer, Failure):
            return Outcome(_now_us(), failure=answer)
        try:
            return _Answer(exchange, answer).read((timeouts.total_ms / 1000) or LONGEST_S)
        finally:
            answer.close()


class _Answer:
    """One answer while it is read."""

    def __init__(self, exchange: Exchange, answer: httpx.Response) -> None:
        self._exchange = exchange
        self._answer = answer
        self._kind = answer.headers.get("content-type", "").lower()
        self._packing = answer.headers.get("content-encoding", "").strip().lower()
        self._first_byte_us: int | None = None
        self._reading: Reading | None = None

    def read(self, longest_s: float) -> Outcome:
        """All of it, for so long at the most."""
        outbound, status = self._exchange.outbound, self._answer.status_code
        translation = outbound.translation if outbound is not None else None
        relay = None if translation is not None and not self._streams(translation) else self._relay(translation)
        body, broken = bytearray(), None
        end = time.monotonic() + longest_s
        try:
            for piece in self._answer.iter_raw():
                self._first_byte_us = self._first_byte_us or _now_us()
                if relay is not None:
                    relay(piece)
                elif len(body) < WHOLE_LIMIT:
                    body += piece
                if time.monotonic() > end:
                    broken = FailureKind.TIMED_OUT
                    break
        except httpx.TimeoutException:
            broken = FailureKind.TIMED_OUT
        except httpx.HTTPError:
            broken = FailureKind.BROKEN_STREAM
        if relay is not None:
            relay.abort() if broken else relay(b"")
        elif translation is not None and not broken:
            self._whole(translation, bytes(body))
        return Outcome(_now_us(), status, self._first_byte_us, self._reading, self._failure(broken))

    def _failure(self, broken: FailureKind | None) -> Failure | None:
        reading, status = self._reading, self._answer.status_code
        error = reading.error if reading is not None else None
        if error == BROKEN_OFF:
            return Failure(broken or FailureKind.BROKEN_STREAM, status, error)
        if status >= 400 or error is not None:
            return Failure(classify(status, error), status, error)
        if broken is not None and not (reading is not None and reading.complete):
            return Failure(broken, status)
        return None if reading is not None and reading.complete else Failure(FailureKind.BROKEN_STREAM, status)

    def _streams(self, translation: Translation) -> bool:
        """As with the agents' answers: an error and one that came whole are translated whole."""
        asked = translation.streams and translation.conversation.stream
        return asked and self._answer.status_code < 400 and not self._kind.startswith("application/json")

    def _relay(self, translation: Translation | None) -> Relay | TranslatingRelay:
        exchange, packing = self._exchange, "" if self._packing in PLAIN else self._packing
        if translation is not None:
            stream = StreamTranslation(translation, answer_context(exchange, translation))
            return TranslatingRelay(stream, content_encoding=packing, on_first_byte=_nothing, on_end=self._ends)
        seen, good = exchange.turn.peek if exchange.turn is not None else None, self._answer.status_code < 400
        asked = isinstance(seen, Peek) and seen.features.stream and good
        return Relay(
            exchange.targets[0].format,
            streamed="event-stream" in self._kind or ("json" not in self._kind and asked),
            content_encoding=packing,
            on_first_byte=_nothing,
            on_end=self._ends,
        )

    def _whole(self, translation: Translation, body: bytes) -> None:
        plain = body if self._packing in PLAIN else decode_whole(body, self._packing) or b""
        context = answer_context(self._exchange, translation)
        self._reading = reading_of(whole_answer(translation, context, self._answer.status_code, plain))

    def _ends(self, reading: Reading) -> None:
        self._reading = reading


def _nothing() -> None:
    """When a first byte came is asked of the wire."""


def _now_us() -> int:
    return time.time_ns() // 1000
