"""What translating an answer needs to know of its exchange."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.wire.codec import AnswerContext
from ringlet_mitm.addons.wire.encodings import decode_whole
from ringlet_mitm.addons.wire.translator import Translation

BYTES_PER_TOKEN = 4


def answer_context(exchange: Exchange, translation: Translation) -> AnswerContext:
    """The context of its answer; the estimate is shown until the provider reports."""
    counted = exchange.counted_tokens
    estimate = (
        round(counted * exchange.calibration) if counted is not None else len(exchange.request.body) // BYTES_PER_TOKEN
    )
    return translation.context(
        answer_id(exchange.id),
        exchange.target.model if exchange.target else "",
        max(1, estimate),
        exchange.started_us // 1_000_000,
    )


def answer_id(exchange_id: str) -> str:
    """What an answer is called that has no name of its own; a format puts its `msg_`, `resp_` … in front."""
    return exchange_id.replace("-", "")


def packing_of(response: http.Message) -> str:
    """Its content-encoding, "" for none."""
    said = response.headers.get("content-encoding", "").strip().lower()
    return "" if said == "identity" else said


def plain_body(response: http.Response, body: bytes) -> bytes:
    """`body` of `response` without its content-encoding, empty where that fails."""
    packing = packing_of(response)
    return decode_whole(body, packing) or b"" if packing else body
