"""WebSockets on model paths: answered 426, at which Codex and others fall back to HTTP at once (seen 2026-11).

Any other refusal is tried six more times with growing pauses, so this is answered here and fast. HTTP is what we can
route.
"""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.rules.shapes import format_of


class WebSockets:
    """Turns WebSocket handshakes on model paths into plain requests."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Answer the handshake; other WebSockets pass."""
        request = flow.request
        if request.headers.get("upgrade", "").lower() != "websocket" or format_of("POST", request.path) is None:
            return
        flow.response = http.Response.make(426, b"", {"upgrade": "HTTP/1.1", "connection": "close"})
