"""Keys taken out of a flow, once its request has been sent."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.rules.redaction import masked_headers, masked_url


def conceal(request: http.Request) -> None:
    """Mask what a flow's request says to be let in: it was sent, and from here on only people and dumps look at it."""
    request.data.headers = http.Headers(masked_headers(request.headers.fields))
    if "?" in request.path:
        request.path = masked_url(request.path)
