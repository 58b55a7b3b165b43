"""Signs of life that come before anything else of a stream."""

from __future__ import annotations

import json

import pytest

from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.metering import READERS, Meter
from ringlet_mitm.addons.wire.pings import PINGS, ping_of
from ringlet_mitm.addons.wire.sse import SseParser
from ringlet_mitm.rules.shapes import WireFormat

SSE = "/v1beta/models/m:streamGenerateContent?alt=sse"


@pytest.mark.parametrize("wire_format", [*PINGS, WireFormat.GEMINI])
def test_a_ping_says_nothing(wire_format: WireFormat) -> None:
    ping = ping_of(wire_format, SSE, "m-1", "abc")
    assert ping.endswith(b"\n\n")
    events = CODECS[wire_format].parser().feed(ping)
    assert [type(event).__name__ for event in events] in ([], ["Ping"], ["Started"])
    meter = Meter(wire_format, streamed=True)
    meter.feed(ping)
    assert (meter.usage, meter.error, meter.ended) == (None, None, False)


def test_anthropics_is_an_event_and_openais_a_comment() -> None:
    (event,) = SseParser().feed(PINGS[WireFormat.MESSAGES])
    assert (event.name, json.loads(event.data)) == ("ping", {"type": "ping"})
    assert SseParser().feed(PINGS[WireFormat.CHAT]) == []


def test_what_has_no_ping_gets_none() -> None:
    assert ping_of(WireFormat.GEMINI, "/v1beta/models/m:streamGenerateContent", "m", "a") == b""
    assert ping_of(WireFormat.OLLAMA, "/api/chat", "m", "a") == b""
    assert set(PINGS) | {WireFormat.GEMINI} == set(READERS) - {WireFormat.OLLAMA, WireFormat.CONVERSE}
