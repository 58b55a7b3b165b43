"""Our own refusals, in the error format that the agent understands."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.wire.faults import error_body
from ringlet_mitm.rules.errors import NoKey, RingletError
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError


def refuse(flow: http.HTTPFlow, exchange: Exchange, error: RingletError) -> None:
    """Answer in the agent's own error format; no attempt was made."""
    status = 401 if isinstance(error, NoKey) else 400
    said = ProviderError("authentication_error" if status == 401 else "invalid_request_error", f"ringlet-mitm: {error}")
    exchange.failure = Failure(FailureKind.NOT_SENT, status, said)
    body = error_body(exchange.request.format, status, said)
    flow.response = http.Response.make(status, body, {"content-type": "application/json"})
