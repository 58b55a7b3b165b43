"""A failed attempt as a value, and what the agent is told when nothing else is left."""

from __future__ import annotations

import re
import time

from mitmproxy import http

from ringlet_mitm.addons.answering import plain_body
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.holding import CUT_OFF, FirstEvent, NoStream, Whole
from ringlet_mitm.addons.stream_port import Setback, Trouble
from ringlet_mitm.addons.wire.faults import classify, error_body, error_event, in_words_of, own_words, parse_error
from ringlet_mitm.addons.wire.retry_hints import may_retry, retry_after_ms
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.targets import Target

KINDS = {
    Trouble.UNREACHABLE: FailureKind.UNREACHABLE,
    Trouble.BROKEN: FailureKind.UNREACHABLE,
    Trouble.TIMED_OUT: FailureKind.TIMED_OUT,
    Trouble.TURNED_AWAY: FailureKind.RATE_LIMITED,
}
# Those that come with an answer of the provider's.
ANSWERED = (Trouble.ANSWER, Trouble.FIRST_EVENT)
# What is said in our words as it was. Of the rest the agent's own account is not to blame: a bad gateway.
TOLD = frozenset(
    {
        FailureKind.RATE_LIMITED,
        FailureKind.OVERLOADED,
        FailureKind.SERVER_ERROR,
        FailureKind.UNREACHABLE,
        FailureKind.BROKEN_STREAM,
        FailureKind.TIMED_OUT,
    }
)
UNREADABLE = "unreadable"
SHOWN = 300
TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def failure_of(exchange: Exchange, setback: Setback, response: http.Response | None) -> Failure:
    """What happened; `response` is the head of what came of an answer, None where nothing did."""
    if response is None:
        error = ProviderError(setback.trouble.value.replace(" ", "_"), setback.message)
        if setback.trouble is Trouble.BROKEN and exchange.status is not None:
            return Failure(FailureKind.BROKEN_STREAM, exchange.status, error)
        return Failure(KINDS[setback.trouble], None, error)
    headers = response.headers.fields
    plain = plain_body(response, setback.body)
    gate = exchange.gate
    said = gate.problem if isinstance(gate, FirstEvent | NoStream | Whole) else parse_error(plain)
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
    """An answer in the agent's own error format, for a provider that gave none, or too late for a status."""
    wire_format, waiting = exchange.request.format, exchange.waiting
    if waiting is not None and waiting.begun:
        said = failure.status is not None and failure.error is not None
        status, error = (
            in_words_of(wire_format, failure.status or 0, failure.error) if said else _ours(exchange, failure)
        )
        body, kind = error_event(wire_format, status, error), waiting.content_type
    else:
        status, error = _ours(exchange, failure)
        body, kind = error_body(wire_format, status, error), "application/json"
    return http.Response.make(status, body, {"content-type": kind})


def _ours(exchange: Exchange, failure: Failure) -> tuple[int, ProviderError]:
    name = _name(exchange.target) if exchange.target else "the provider"
    said = (failure.error.message if failure.error else "") or f"answered {failure.status or 'nothing'}"
    kind = failure.kind if failure.kind in TOLD else FailureKind.UNREACHABLE
    return own_words(exchange.request.format, kind, f"ringlet-mitm: {name}: {said}{_tries(exchange)}")


def _name(target: Target) -> str:
    return target.provider or target.endpoint.host


def _tries(exchange: Exchange) -> str:
    """How often, and at whom, where it was more than once."""
    sent = [one for one in exchange.attempts if one.failure is None or one.failure.kind is not FailureKind.NOT_SENT]
    if len(sent) < 2:
        return ""
    return f" ({len(sent)} attempts at {', '.join(dict.fromkeys(_name(one.target) for one in sent))})"


def _as_text(body: bytes) -> str:
    """The words of a page."""
    return " ".join(TAGS.sub(" ", body[: 64 * SHOWN].decode("utf-8", "replace")).split())[:SHOWN]
