from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.accumulating import Accumulator, events_of
from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Finished,
    Foreign,
    Ping,
    Refusal,
    Reply,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

USAGE = Usage(input_tokens=10, output_tokens=3)
REPLIES = {
    "text": Reply("id-1", "m", (Text("Hello"),), Stop.END, USAGE, created=7),
    "all kinds": Reply(
        "id-1",
        "m",
        (
            Thinking("Hm.", "c2ln", WireFormat.MESSAGES),
            Thinking("", "ZGF0YQ", WireFormat.MESSAGES, redacted=True),
            Text("Let me look."),
            ToolCall("c1", "bash", '{"command":"ls"}'),
            ToolCall("c2", "bash", "{}"),
            Refusal("No."),
            Foreign(WireFormat.MESSAGES, {"type": "server_tool_use", "id": "s1"}),
        ),
        Stop.TOOL_CALLS,
        USAGE,
        stop_said="tool_use",
    ),
    "nothing": Reply("", "", (), Stop.MAX_TOKENS),
    "a stop sequence": Reply("id", "m", (Text("a"),), Stop.STOP_SEQUENCE, stop_sequence="END"),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_apart_and_together_again(reply: Reply) -> None:
    kept = Accumulator()
    for event in events_of(reply):
        kept.feed(event)
    assert kept.reply == reply


def test_interleaved_blocks_keep_their_order() -> None:
    kept = Accumulator()
    for event in (
        Started("id", "m"),
        BlockStarted(0, ToolCall("a", "one", "")),
        BlockStarted(1, ToolCall("b", "two", "")),
        Delta(1, '{"x":'),
        Delta(0, "{"),
        Ping(),
        Delta(1, "1}"),
        Delta(0, "}"),
        Finished(Stop.TOOL_CALLS),
        UsageSeen(USAGE),
        Ended(),
    ):
        kept.feed(event)
    assert kept.reply.blocks == (ToolCall("a", "one", "{}"), ToolCall("b", "two", '{"x":1}'))
    assert kept.reply.usage == USAGE


def test_a_final_form_replaces_what_was_put_together() -> None:
    kept = Accumulator()
    for event in (
        BlockStarted(0, Thinking("")),
        Delta(0, "half"),
        Signed(0, "sig", WireFormat.RESPONSES),
        BlockEnded(0, Thinking("whole", "sig2", WireFormat.RESPONSES, id="rs_1")),
        Delta(9, "of a block that never began"),
    ):
        kept.feed(event)
    assert kept.reply.blocks == (Thinking("whole", "sig2", WireFormat.RESPONSES, id="rs_1"),)
