from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    Delta,
    Event,
    Finished,
    Reply,
    Signed,
    Stop,
    Text,
    Thinking,
)
from ringlet_mitm.addons.wire.sealing import UnsignedThoughts, signed
from ringlet_mitm.rules.shapes import WireFormat

GEMINI, MESSAGES = WireFormat.GEMINI, WireFormat.MESSAGES
OPEN = BlockStarted(0, Thinking(""))
SEAL = Signed(0, "", GEMINI)
DONE = Finished(Stop.END)
STREAMS: dict[str, tuple[list[Event], list[Event]]] = {
    "unsigned": ([OPEN, Delta(0, "a"), BlockEnded(0)], [OPEN, Delta(0, "a"), SEAL, BlockEnded(0)]),
    "signed": ([OPEN, Signed(0, "x", GEMINI), BlockEnded(0)], [OPEN, Signed(0, "x", GEMINI), BlockEnded(0)]),
    "signed at its end": ([OPEN, BlockEnded(0, Thinking("a", "x", GEMINI))],) * 2,
    "still open": ([OPEN, DONE], [OPEN, SEAL, DONE]),
    "redacted": ([BlockStarted(0, Thinking("", "x", MESSAGES, redacted=True)), BlockEnded(0)],) * 2,
    "text": ([BlockStarted(0, Text("")), BlockEnded(0)],) * 2,
}


@pytest.mark.parametrize(("events", "expected"), STREAMS.values(), ids=STREAMS)
def test_thoughts_of_a_stream(events: list[Event], expected: list[Event]) -> None:
    assert UnsignedThoughts(GEMINI).events(events) == expected
    one_by_one = UnsignedThoughts(GEMINI)
    assert [out for event in events for out in one_by_one.events([event])] == expected


def test_thoughts_of_a_whole_answer() -> None:
    reply = Reply("i", "m", (Thinking("a"), Thinking("b", "x", MESSAGES), Text("c")), Stop.END)
    assert signed(reply, GEMINI).blocks == (Thinking("a", "", GEMINI), Thinking("b", "x", MESSAGES), Text("c"))
    plain = Reply("i", "m", (Text("c"),), Stop.END)
    assert signed(plain, GEMINI) is plain
