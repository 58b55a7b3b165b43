"""What is read cheaply and what is read whole: peek and meter against the codecs, over the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streams import FORMATS

from ringlet_mitm.addons.wire.accumulating import Accumulator
from ringlet_mitm.addons.wire.canonical import Effort, Media, MediaKind, Role, ToolResult
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.metering import Meter
from ringlet_mitm.addons.wire.stops import stop_of
from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import Answer, ToolCall
from ringlet_mitm.rules.peek import AgentRequest, Peek, peek
from ringlet_mitm.rules.shapes import format_of

FIXTURES = Path(__file__).parents[2] / "fixtures"
CAPTURES = sorted((FIXTURES / "captures").glob("*.json"))
ANSWERS = {
    "text": Answer("the-model", ("Hel", "lo"), None, "", 100, 40, 0, 0, 12, 0),
    "tool": Answer("the-model", (), ToolCall("Bash", {"command": "ls"}), "", 9, 0, 0, 0, 2, 0),
    "thinking": Answer("the-model", ("Hello",), None, "Hm.", 100, 40, 7, 5, 12, 3),
}
ASKED = {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_peek_and_parse_see_the_same_request(capture: Path) -> None:
    recorded = json.loads(capture.read_text())
    path, body = recorded["path"], recorded["body"]
    wire_format = format_of("POST", path)
    assert wire_format is not None
    raw = json.dumps(body).encode()
    seen = peek(AgentRequest(wire_format, "POST", "https", recorded["host"], 443, path, (), raw), lambda host: "")
    assert isinstance(seen, Peek)
    features, parsed = seen.features, CODECS[wire_format].parse_request(body, path)
    blocks = [block for message in parsed.messages for block in message.blocks]
    inside = [item for block in blocks if isinstance(block, ToolResult) for item in block.content]
    images = [one for one in (*blocks, *inside) if isinstance(one, Media) and one.kind is MediaKind.IMAGE]
    system = bool(parsed.system) or any(message.role is Role.SYSTEM for message in parsed.messages[:4])
    reasoning = parsed.reasoning
    assert (features.model, features.stream, features.tools, features.images, features.has_system) == (
        parsed.model,
        parsed.stream,
        len(parsed.tools),
        len(images),
        system,
    )
    assert features.max_output_tokens == parsed.options.max_tokens
    assert features.thinking == (
        reasoning is not None and reasoning.effort is not Effort.NONE and reasoning.budget != 0
    )
    last = next((message for message in reversed(parsed.messages) if message.role is not Role.SYSTEM), None)
    assert features.tool_result == (last is not None and any(isinstance(one, ToolResult) for one in last.blocks))


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("style", STYLES)
def test_meter_and_parse_see_the_same_stream(style: str, answer: Answer) -> None:
    wire_format = FORMATS[style]
    meter, parser, kept = Meter(wire_format, streamed=True), CODECS[wire_format].parser(), Accumulator()
    for frame in STYLES[style].stream(answer, ASKED):
        meter.feed(frame)
        for event in parser.feed(frame):
            kept.feed(event)
    meter.finish()
    for event in parser.close():
        kept.feed(event)
    reply = kept.reply
    assert (meter.usage, meter.model) == (reply.usage, reply.model)
    assert stop_of(meter.stop_reason, wire_format, calls=answer.tool is not None) is reply.stop


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("style", STYLES)
def test_meter_and_parse_see_the_same_answer(style: str, answer: Answer) -> None:
    wire_format, body = FORMATS[style], STYLES[style].whole(answer)
    meter = Meter(wire_format, streamed=False)
    meter.feed(json.dumps(body).encode())
    meter.finish()
    reply = CODECS[wire_format].parse_reply(body)
    assert (meter.usage, meter.model) == (reply.usage, reply.model)
    assert stop_of(meter.stop_reason, wire_format, calls=answer.tool is not None) is reply.stop
