"""A failed attempt as a value, and what the agent is told when nothing else is left."""

from __future__ import annotations

import re
import time

from mitmproxy import http

from ringlet_mitm.addons.answering import plain_body
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.holding import CUT_OFF, FirstEvent, Whole
from ringlet_mitm.addons.stream_port import Setback, Trouble
from ringlet_mitm.addons.wire.faults import classify, error_body, error_event, in_words_of, parse_error
from ringlet_mitm.addons.wire.retry_hints import may_retry, retry_after_ms
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError

KINDS = {
    Trouble.UNREACHABLE: FailureKind.UNREACHABLE,
    Trouble.BROKEN: FailureKind.UNREACHABLE,
    Trouble.TIMED_OUT: FailureKind.TIMED_OUT,
}
# Those that come with an answer of the provider's.
ANSWERED = (Trouble.ANSWER, Trouble.FIRST_EVENT)
# What we answer for a provider that did not.
STATUSES = {FailureKind.TIMED_OUT: 504}
BAD_GATEWAY = 502
UNREADABLE = "unreadable"
SHOWN = 300
TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def failure_of(exchange: Exchange, setback: Setback, response: http.Response | None) -> Failure:
    """What happened; `response` is the head of what came of an answer, None where nothing did."""
    if response is None:
        kind = setback.trouble.value.replace(" ", "_")
        return Failure(KINDS[setback.trouble], None, ProviderError(kind, setback.message))
    headers = response.headers.fields
    plain = plain_body(response, setback.body)
    gate = exchange.gate
    said = gate.problem if isinstance(gate, FirstEvent | Whole) else parse_error(plain)
    status = response.status_code
    return Failure(
        classify(status, said),
        status,
        said or ProviderError(UNREADABLE, _as_text(plain)),
        retry_after_ms(headers, plain, time.time()),
        may_retry(headers),
    )


def is_no_answer(exchange: Exchange, failure: Failure) -> bool:
    """Whether an agent could make nothing of what came: a page of some gateway, from where it did not ask for.

    What passes through goes out as it came, and what is translated has the provider's words in the agent's format.
    """
    target, error = exchange.target, failure.error
    if target is None or target.as_asked or (exchange.outbound is not None and exchange.outbound.translated):
        return False
    return error is not None and error.type in (UNREADABLE, CUT_OFF)


def made_answer(exchange: Exchange, failure: Failure) -> http.Response:
    """An answer in the agent's own error format, for a provider that gave none."""
    target = exchange.target
    name = target.provider or target.endpoint.host if target else "the provider"
    said = (failure.error.message if failure.error else "") or f"answered {failure.status or 'nothing'}"
    tries = f" after {len(exchange.attempts)} attempts" if len(exchange.attempts) > 1 else ""
    error = ProviderError("api_error", f"ringlet-mitm: {name}: {said}{tries}")
    wire_format = exchange.request.format
    status, error = in_words_of(wire_format, STATUSES.get(failure.kind) or max(failure.status or 0, BAD_GATEWAY), error)
    if exchange.waiting is not None and exchange.waiting.begun:
        body, kind = error_event(wire_format, status, error), exchange.waiting.content_type
    else:
        body, kind = error_body(wire_format, status, error), "application/json"
    return http.Response.make(status, body, {"content-type": kind})


def _as_text(body: bytes) -> str:
    """The words of a page."""
    return " ".join(TAGS.sub(" ", body[: 64 * SHOWN].decode("utf-8", "replace")).split())[:SHOWN]
