from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from bedrock import (
    CLAUDE,
    EVERYTHING,
    GPT_OSS,
    HELLO,
    LLAMA,
    NOVA,
    NOVA_2,
    OPUS_46,
    PATH,
    TOOL,
    WEATHER,
    check,
    refusals,
    rendered,
    same,
)
from canonicals import conversations, wild_conversations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import VALUES

from ringlet_mitm.addons.wire.canonical import (
    AnswerFormat,
    CacheMark,
    ChoiceMode,
    Conversation,
    Effort,
    Json,
    Options,
    Reasoning,
    ServerTool,
    ServerToolKind,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.converse.request import parse_request, render_request
from ringlet_mitm.rules.shapes import WireFormat

BODIES: dict[str, Json] = {
    "only what has to be": {"messages": [HELLO]},
    "everything": EVERYTHING,
    "adaptive thinking, any tool": {
        "messages": [HELLO],
        "additionalModelRequestFields": {"thinking": {"type": "adaptive", "display": "omitted"}},
        "toolConfig": {"tools": [{"toolSpec": WEATHER}], "toolChoice": {"any": {}}},
    },
    "thinking off, auto": {
        "messages": [HELLO],
        "additionalModelRequestFields": {"thinking": {"type": "disabled"}},
        "toolConfig": {"tools": [{"toolSpec": WEATHER}], "toolChoice": {"auto": {}}},
    },
    "Nova's own fields": {
        "messages": [HELLO, HELLO],
        "additionalModelRequestFields": {"inferenceConfig": {"topK": 20}, "reasoningConfig": {"type": "enabled"}},
    },
    "a system message": {"messages": [HELLO, {"role": "system", "content": [{"text": "be nice"}]}]},
    "nothing inside": {
        "messages": [{"role": "user", "content": []}],
        "system": [],
        "inferenceConfig": {},
        "toolConfig": {"tools": []},
        "outputConfig": {},
        "additionalModelRequestFields": {},
    },
    "nulls": {
        "messages": [{"role": "user", "content": None}],
        "system": None,
        "inferenceConfig": {"maxTokens": None, "stopSequences": None},
        "toolConfig": None,
        "serviceTier": None,
    },
    "types that are off": {
        "messages": [
            {"role": "critic", "content": "hi", "x": 1},
            {"role": "user", "content": [{"text": 5}, {"text": "a", "image": {}}, {}, {"new": {"a": 1}}]},
            {"role": "user", "content": [{"text": "x"}, "y"]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a", "name": "b"}}, {"toolUse": 3}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": ["x"]}}, {"toolResult": {}}]},
            {"role": "user", "content": [{"cachePoint": {"type": "default", "ttl": 5}}, {"cachePoint": {}}]},
            {"role": "user", "content": [{"text": "x"}, {"cachePoint": {"type": "other", "y": 1}}]},
            {"role": "user", "content": [{"image": {"format": "bmp", "source": {"bytes": "A"}}}, {"image": None}]},
            {"role": "user", "content": [{"reasoningContent": {}}, {"reasoningContent": {"reasoningText": {}}}]},
        ],
        "inferenceConfig": {"maxTokens": 1.5, "temperature": True, "topP": 1, "stopSequences": "x", "new": 1},
        "toolConfig": {"tools": ["x", {"toolSpec": WEATHER}], "toolChoice": {"none": {}}, "new": 1},
        "outputConfig": {"effort": "none", "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {}}}},
        "additionalModelRequestFields": [1],
        "serviceTier": {"type": "flex", "x": 1},
        "system": [{"toolUse": {"toolUseId": "a", "name": "b", "input": {}}}, {"image": {}}],
    },
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BODIES.items()])
def test_parse_and_render_give_the_same(body: Json) -> None:
    assert same(render_request(parse_request(body, PATH)).body, body)


def test_the_bodies_are_such_as_the_vendor_takes() -> None:
    wire = {key: value for key, value in EVERYTHING.items() if key != "messages"}
    assert refusals(wire | {"messages": EVERYTHING["messages"]}) == ""


KEYS = st.sampled_from(
    [
        "text",
        "image",
        "document",
        "toolUse",
        "toolResult",
        "toolUseId",
        "name",
        "input",
        "content",
        "reasoningContent",
        "reasoningText",
        "signature",
        "redactedContent",
        "cachePoint",
        "type",
        "ttl",
        "source",
        "bytes",
        "format",
        "status",
        "json",
        "toolSpec",
        "inputSchema",
        "tools",
        "toolChoice",
        "any",
        "tool",
        "auto",
        "thinking",
        "budget_tokens",
        "textFormat",
        "structure",
        "jsonSchema",
        "schema",
        "effort",
        "citationsContent",
        "maxTokens",
    ]
)


ODD = st.recursive(
    VALUES | st.sampled_from(["png", "default", "AAAA"]),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=12,
)


ODD_MESSAGES = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "assistant", "x"]),
        st.lists(st.dictionaries(KEYS, ODD, max_size=2), max_size=3) | ODD,
    ),
    max_size=3,
)


TOP = st.sampled_from(
    ["system", "toolConfig", "inferenceConfig", "additionalModelRequestFields", "outputConfig", "serviceTier", "new"]
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(ODD_MESSAGES, st.dictionaries(TOP, ODD, max_size=3))
def test_odd_bodies_come_back_as_they_were(messages: list[Json], rest: Json) -> None:
    body = rest | {"messages": messages}
    assert same(render_request(parse_request(body, PATH)).body, body)


@pytest.mark.parametrize(
    ("body", "path", "why"),
    [
        ({"messages": [HELLO]}, "/v1/messages", "the path is not /model/MODEL/converse"),
        ({}, PATH, "the request has no list of messages"),
        ({"messages": ["hi"]}, PATH, "messages[0] is no object with a role and a content"),
    ],
)
def test_what_cannot_mean_anything(body: Json, path: str, why: str) -> None:
    with pytest.raises(Untranslatable) as raised:
        parse_request(body, path)
    assert str(raised.value).startswith(why)


def test_nested_too_deep() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    call = {"toolUse": {"toolUseId": "a", "name": "b", "input": deep}}
    with pytest.raises(Untranslatable):
        parse_request({"messages": [{"role": "assistant", "content": [call]}]}, PATH)


def test_what_a_request_says() -> None:
    found = parse_request(EVERYTHING, PATH)
    assert (found.model, found.stream) == (CLAUDE, True)
    assert found.system == (Text("be brief", CacheMark("1h")), Text("x"))
    assert found.options == Options(
        max_tokens=512, temperature=0.5, top_p=0.9, top_k=5, stop=("END",), service_tier="flex"
    )
    assert found.reasoning == Reasoning(Effort.HIGH, 2000)
    assert found.tool_choice == ToolChoice(ChoiceMode.NAMED, ("get_weather",))
    assert found.answer_format == AnswerFormat({"type": "object"}, "n", "d")
    first, second, server = (tool for tool in found.tools if not (isinstance(tool, Tool) and tool.name == ""))
    assert isinstance(first, Tool) and first.cache == CacheMark()
    assert isinstance(second, Tool) and second.strict is True
    assert isinstance(server, ServerTool) and server.kind is ServerToolKind.WEB_SEARCH


def test_whose_thoughts_they_are() -> None:
    thoughts = [block for block in parse_request(EVERYTHING, PATH).messages[1].blocks if isinstance(block, Thinking)]
    assert thoughts == [
        Thinking("hm", "EqQB", WireFormat.MESSAGES),
        Thinking("", "AAEC", WireFormat.CONVERSE, redacted=True),
        Thinking("unsigned", "", WireFormat.CONVERSE),
    ]
    of_nova = parse_request(EVERYTHING, f"/model/{NOVA}/converse").messages[1].blocks[0]
    assert of_nova == Thinking("hm", "EqQB", WireFormat.CONVERSE)


def test_what_another_vendor_signed_comes_back_sealed_and_is_unsealed() -> None:
    said = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "ringlet.gemini.abc"}}}
    body = {"messages": [{"role": "assistant", "content": [said]}]}
    found = parse_request(body, PATH)
    assert found.messages[0].blocks == (Thinking("hm", "abc", WireFormat.GEMINI),)
    assert render_request(found).body == body


def test_calls_one_at_a_time() -> None:
    body, losses = rendered(tools=(TOOL,), parallel_calls=False)
    asked = {"type": "auto", "disable_parallel_tool_use": True}
    assert (body["additionalModelRequestFields"], losses) == ({"tool_choice": asked}, [])
    body, _ = rendered(tools=(TOOL,), parallel_calls=False, tool_choice=ToolChoice(ChoiceMode.REQUIRED))
    assert body["additionalModelRequestFields"] == {"tool_choice": {"disable_parallel_tool_use": True}}
    assert rendered(tools=(TOOL,), parallel_calls=False, model=NOVA)[1] == ["parallel tool calls"]


MODELS = st.sampled_from([CLAUDE, OPUS_46, "us.anthropic.claude-opus-5-5", NOVA, NOVA_2, LLAMA, GPT_OSS, "x"])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(conversations(thinking=WireFormat.MESSAGES), MODELS)
def test_every_conversation_becomes_a_valid_request(conversation: Conversation, model: str) -> None:
    body = render_request(replace(conversation, model=model)).body
    assert refusals(body, model) == ""
    check(body)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(wild_conversations(), MODELS)
def test_no_conversation_is_too_odd(conversation: Conversation, model: str) -> None:
    try:
        body = render_request(replace(conversation, model=model)).body
    except Untranslatable:
        return
    check(body)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(conversations(thinking=WireFormat.MESSAGES))
def test_what_is_rendered_says_the_same_when_read(conversation: Conversation) -> None:
    conversation = replace(conversation, model=CLAUDE)
    found = parse_request(render_request(conversation).body, PATH)
    for kind in (ToolCall, ToolResult, Thinking):
        assert blocks_of(found, kind) == blocks_of(conversation, kind)
    assert [type(one) for one in every_block(found)] == [type(one) for one in every_block(conversation)]


def every_block(conversation: Conversation) -> list[Any]:
    return [block for message in conversation.messages for block in message.blocks]


def blocks_of(conversation: Conversation, kind: type[Any]) -> list[Any]:
    found = [block for block in every_block(conversation) if isinstance(block, kind)]
    if kind is ToolCall:
        return [(call.id, call.name, json.loads(call.arguments)) for call in found]
    if kind is ToolResult:
        return [(result.call_id, result.is_error) for result in found]
    return found
