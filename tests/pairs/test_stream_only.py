"""Providers that answer as a stream only: an agent that asked for a whole answer gets one."""

from __future__ import annotations

import json

import pytest
from canonicals import event_streams_of, replies
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.accumulating import Accumulator
from ringlet_mitm.addons.wire.canonical import Conversation, Event, Message, Reply, Role, Text, ToolCall
from ringlet_mitm.addons.wire.codec import AnswerContext
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.translator import Translation, Wanted, translate, whole_answer
from ringlet_mitm.rules.demands import Demands
from ringlet_mitm.rules.shapes import SHAPES, WireFormat

MODEL = "gpt-5.2"
ASKED = Conversation(MODEL, (Message(Role.USER, (Text("hi"),)),))
PATHS = {
    WireFormat.GEMINI: "/v1beta/models/m:generateContent",
    WireFormat.CONVERSE: "/model/m/converse",
}
PAIRS = [(agent, provider) for agent in SHAPES for provider in WireFormat]
few = settings(max_examples=5, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))


def asked(agent: WireFormat, provider: WireFormat) -> Translation:
    path = PATHS.get(agent, "/v1/x")
    body = CODECS[agent].render_request(ASKED).body
    parsed = CODECS[agent].parse_request(json.loads(json.dumps(body)), path)
    return translate(parsed, path, agent, Wanted(provider, MODEL, whole=False))


def written(wire_format: WireFormat, events: list[Event]) -> bytes:
    context = AnswerContext(ASKED, "/v1/x?alt=sse", "m", "id", 1, 1)
    renderer = CODECS[wire_format].renderer(context)
    return b"".join(renderer.feed(event) for event in events)


def core(reply: Reply) -> tuple[str, list[tuple[str, object]], str]:
    calls = [(one.name, json.loads(one.arguments or "{}")) for one in reply.blocks if isinstance(one, ToolCall)]
    return "".join(one.text for one in reply.blocks if isinstance(one, Text)), calls, reply.stop


@pytest.mark.parametrize(("agent", "provider"), PAIRS)
@few
@given(st.data())
def test_the_stream_is_gathered(agent: WireFormat, provider: WireFormat, data: st.DataObject) -> None:
    translation = asked(agent, provider)
    assert translation.streams
    raw = written(provider, data.draw(event_streams_of(data.draw(replies()))))
    answer = whole_answer(translation, translation.context("abc", "m", 7, 1), 200, raw)
    assert (answer.status, answer.content_type) == (200, "application/json")
    parser, kept = CODECS[provider].parser(), Accumulator()
    for event in (*parser.feed(raw), *parser.close()):
        kept.feed(event)
    assert core(CODECS[agent].parse_reply(json.loads(answer.body))) == core(kept.reply)


def test_a_stream_that_breaks_off_is_an_error_and_no_answer() -> None:
    translation = asked(WireFormat.MESSAGES, WireFormat.RESPONSES)
    raw = b'data: {"type":"response.created","response":{"id":"r","model":"m","output":[]}}\n\n'
    answer = whole_answer(translation, translation.context("abc", "m", 7, 1), 200, raw)
    assert (answer.status, json.loads(answer.body)["type"]) == (500, "error")
    assert answer.reply is None


def test_an_error_in_the_stream_is_the_answer() -> None:
    translation = asked(WireFormat.CHAT, WireFormat.RESPONSES)
    raw = b'data: {"type":"error","code":"rate_limit_exceeded","message":"slow down"}\n\n'
    answer = whole_answer(translation, translation.context("abc", "m", 7, 1), 200, raw)
    assert answer.status == 429
    assert "slow down" in json.loads(answer.body)["error"]["message"]


def test_the_providers_wishes_are_met() -> None:
    path, body = "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "a"}], "max_tokens": 9}
    parsed = CODECS[WireFormat.CHAT].parse_request(body, path)
    demands = Demands(refuse=("max_output_tokens",), force={"store": False})
    found = translate(parsed, path, WireFormat.CHAT, Wanted(WireFormat.RESPONSES, MODEL, whole=False, demands=demands))
    sent = json.loads(found.body)
    assert (sent["stream"], sent["store"], "max_output_tokens" in sent) == (True, False, False)
    assert "max_output_tokens" in [loss.what for loss in found.losses]
