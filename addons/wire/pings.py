"""Signs of life before the first event of a stream that nobody translates: what an agent reads over, by format."""

from __future__ import annotations

import json

from ringlet_mitm.addons.wire.sse import SseEvent, render
from ringlet_mitm.rules.shapes import WireFormat

COMMENT = b": ping\n\n"
PINGS = {
    WireFormat.MESSAGES: render(SseEvent("ping", b'{"type": "ping"}')),
    WireFormat.CHAT: COMMENT,
    WireFormat.RESPONSES: COMMENT,
}


def ping_of(wire_format: WireFormat, path: str, model: str, answer_id: str) -> bytes:
    """One ping; b"" where the format has none that may come first.

    Google's Python SDK takes a comment for JSON (3.4): it gets a chunk that says nothing. A Gemini array has no pings:
    its answer is no stream of events.
    """
    if wire_format is WireFormat.GEMINI and "alt=sse" in path:
        return render(SseEvent("", json.dumps({"modelVersion": model, "responseId": answer_id}).encode()))
    return PINGS.get(wire_format, b"")
