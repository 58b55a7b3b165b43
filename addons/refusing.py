"""Our own refusals, in the error format that the agent understands."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.wire.faults import error_body, own_words
from ringlet_mitm.rules.errors import LimitReached, NoKey, RingletError
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.shapes import WireFormat

# Gemini CLI goes on asking after a 429 without a time; nothing asks again after a 403.
NOT_SOON: dict[WireFormat, int] = {WireFormat.GEMINI: 403}


def refuse(flow: http.HTTPFlow, exchange: Exchange, error: RingletError) -> None:
    """Answer in the agent's own error format; no attempt was made."""
    status, said = _said(exchange.request.format, error)
    exchange.failure = Failure(FailureKind.NOT_SENT, status, said)
    body = error_body(exchange.request.format, status, said)
    flow.response = http.Response.make(status, body, {"content-type": "application/json"})
    if isinstance(error, LimitReached):
        flow.response.headers.update(_when(error.retry_after_s))


def _said(wire_format: WireFormat, error: RingletError) -> tuple[int, ProviderError]:
    text = f"ringlet-mitm: {error}"
    if isinstance(error, NoKey):
        return 401, ProviderError("authentication_error", text)
    if not isinstance(error, LimitReached):
        return 400, ProviderError("invalid_request_error", text)
    if error.retry_after_s is not None:
        return own_words(wire_format, FailureKind.RATE_LIMITED, text)
    status, said = own_words(wire_format, FailureKind.QUOTA, text)
    return NOT_SOON.get(wire_format, status), said


def _when(retry_after_s: int | None) -> dict[str, str]:
    """What SDKs go by: they ask again after a 429 unless they are told not to."""
    return {"x-should-retry": "false"} if retry_after_s is None else {"retry-after": str(retry_after_s)}
