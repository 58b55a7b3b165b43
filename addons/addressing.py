"""Which requests are meant for the proxy itself, and which vendor a request without a host means."""

from __future__ import annotations

import re

from mitmproxy import http

from ringlet_mitm.rules.shapes import WireFormat

LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|\[?::1\]?", re.IGNORECASE)

# In base-URL mode nobody says a host: the vendor whose format it is.
VENDORS: dict[WireFormat, str] = {
    WireFormat.MESSAGES: "api.anthropic.com",
    WireFormat.CHAT: "api.openai.com",
    WireFormat.RESPONSES: "api.openai.com",
    WireFormat.GEMINI: "generativelanguage.googleapis.com",
}


def asks_proxy(flow: http.HTTPFlow) -> bool:
    """Whether a request is for the proxy itself: plain HTTP straight to the address it listens on."""
    own = flow.client_conn.sockname
    if flow.client_conn.tls or own is None or flow.request.port != own[1]:
        return False
    return flow.request.host == own[0] or LOOPBACK.fullmatch(flow.request.host) is not None
