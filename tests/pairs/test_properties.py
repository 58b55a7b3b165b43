"""Whatever an agent says and a provider answers: what both are about survives every pair of formats."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from canonicals import conversations, event_streams_of, replies
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.accumulating import Accumulator
from ringlet_mitm.addons.wire.canonical import (
    Block,
    Conversation,
    Event,
    Message,
    Reply,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import AnswerContext
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.translator import StreamTranslation, Translation, Wanted, translate, whole_answer
from ringlet_mitm.rules.shapes import SHAPES, WireFormat

METHODS = {
    WireFormat.GEMINI: ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse"),
    WireFormat.CONVERSE: ("/model/m/converse", "/model/m/converse-stream"),
}
MODELS = {
    WireFormat.MESSAGES: "claude-sonnet-4-5",
    WireFormat.CHAT: "llama-3.3-70b",
    WireFormat.RESPONSES: "gpt-5.2",
    WireFormat.GEMINI: "gemini-2.5-flash",
    WireFormat.OLLAMA: "qwen3",
    WireFormat.CONVERSE: "amazon.nova-pro-v1:0",
}
PAIRS = [(agent, provider) for agent in SHAPES for provider in WireFormat if agent is not provider]
pairs = pytest.mark.parametrize(("agent", "provider"), PAIRS)
SPEAKERS = (Role.USER, Role.ASSISTANT)
few = settings(max_examples=10, phases=[Phase.generate], deadline=None, suppress_health_check=list(HealthCheck))
ASKED = Conversation("m", (Message(Role.USER, (Text("hi"),)),), usage_chunk=True)


def path_of(agent: WireFormat, *, stream: bool) -> str:
    return METHODS.get(agent, ("/v1/x", "/v1/x"))[stream]


def sent(agent: WireFormat, provider: WireFormat, conversation: Conversation) -> Translation:
    """The conversation as the agent writes it, translated."""
    body = CODECS[agent].render_request(conversation).body
    path = path_of(agent, stream=conversation.stream)
    parsed = CODECS[agent].parse_request(json.loads(json.dumps(body)), path)
    return translate(parsed, path, agent, Wanted(provider, MODELS[provider]))


def bare(text: str) -> str:
    """Without white space, which some vendors refuse at an end."""
    return "".join(text.split())


def words(blocks: tuple[Block, ...]) -> list[str]:
    return [block.text for block in blocks if isinstance(block, Text)]


def essence(conversation: Conversation) -> dict[str, Any]:
    """What nobody may lose: who said what, which calls, which results. Where system texts stand is the format's."""
    blocks = [(message.role, block) for message in conversation.messages for block in message.blocks]
    return {
        **{role: [bare(one.text) for who, one in blocks if who is role and isinstance(one, Text)] for role in SPEAKERS},
        "calls": [(one.name, json.loads(one.arguments or "{}")) for _, one in blocks if isinstance(one, ToolCall)],
        "results": ["".join(words(one.content)) for _, one in blocks if isinstance(one, ToolResult)],
        "tools": [tool.name for tool in conversation.tools if hasattr(tool, "name")],
    }


@pairs
@few
@given(st.data())
def test_a_request_says_the_same(agent: WireFormat, provider: WireFormat, data: st.DataObject) -> None:
    conversation = data.draw(conversations(images=False))
    translation = sent(agent, provider, conversation)
    path = path_of(provider, stream=conversation.stream)
    arrived = CODECS[provider].parse_request(json.loads(translation.body), path)
    before, after = essence(translation.conversation), essence(arrived)
    assert after["calls"] == before["calls"]
    assert after["tools"] == before["tools"] or conversation.tool_choice is not None
    assert len(after["results"]) == len(before["results"])
    for one, other in zip(before["results"], after["results"], strict=True):
        assert one in other
    for role in SPEAKERS:
        whole = "".join(after[role])
        assert all(text in whole for text in before[role])


def answered(translation: Translation, raw: bytes, cuts: list[int]) -> bytes:
    """The agent's stream for a provider's, cut anywhere."""
    stream = StreamTranslation(translation, translation.context("abc", "m", 7, 1))
    edges = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    out = b"".join(stream.feed(raw[start:end]) for start, end in pairwise(edges))
    return out + stream.close()


def core(reply: Reply) -> dict[str, Any]:
    calls = [(one.name, json.loads(one.arguments or "{}")) for one in reply.blocks if isinstance(one, ToolCall)]
    return {"text": "".join(words(reply.blocks)), "calls": calls, "stop": reply.stop}


def read(wire_format: WireFormat, raw: bytes) -> Reply:
    parser, kept = CODECS[wire_format].parser(), Accumulator()
    for event in (*parser.feed(raw), *parser.close()):
        kept.feed(event)
    return kept.reply


def written(wire_format: WireFormat, events: list[Event]) -> bytes:
    renderer = CODECS[wire_format].renderer(AnswerContext(ASKED, path_of(wire_format, stream=True), "m", "id", 1, 1))
    return b"".join(renderer.feed(event) for event in events)


@pairs
@few
@given(st.data())
def test_a_stream_says_the_same_however_it_is_cut(agent: WireFormat, provider: WireFormat, data: st.DataObject) -> None:
    translation = sent(agent, provider, Conversation("m", ASKED.messages, stream=True, usage_chunk=True))
    reply = data.draw(replies())
    raw = written(provider, data.draw(event_streams_of(reply)))
    cuts = data.draw(st.lists(st.integers(0, 10**6), max_size=12))
    out = answered(translation, raw, cuts)
    assert out == answered(translation, raw, []) or agent is WireFormat.GEMINI
    got, given_out = read(agent, out), read(provider, raw)
    assert core(got) == core(given_out)
    if given_out.usage is not None and given_out.usage.total_output:
        assert got.usage is not None and got.usage.total_output == given_out.usage.total_output


@pairs
@few
@given(st.data())
def test_a_whole_answer_says_the_same_as_its_stream(
    agent: WireFormat, provider: WireFormat, data: st.DataObject
) -> None:
    reply = data.draw(replies())
    context = AnswerContext(ASKED, path_of(provider, stream=False), "m", "id", 1, 1)
    raw = json.dumps(CODECS[provider].render_reply(reply, context).body).encode()
    found = []
    for stream in (False, True):
        made = sent(agent, provider, Conversation("m", ASKED.messages, stream=stream, usage_chunk=True))
        answer = whole_answer(made, made.context("abc", "m", 7, 1), 200, raw)
        body = answer.body
        found.append(core(read(agent, body) if stream else CODECS[agent].parse_reply(json.loads(body))))
    assert found[0] == found[1] == core(CODECS[provider].parse_reply(json.loads(raw)))
