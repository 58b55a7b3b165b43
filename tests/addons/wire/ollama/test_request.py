from __future__ import annotations

from typing import Any

import pytest
from canonicals import conversations, wild_conversations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import VALUES
from ollama_api import PNG, VENDOR, same

from ringlet_mitm.addons.wire.canonical import (
    AnswerFormat,
    Conversation,
    Effort,
    Json,
    Options,
    Reasoning,
    Tool,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.ollama.request import parse_request, render_request
from ringlet_mitm.rules.shapes import WireFormat

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather in a given city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


HELLO = {"role": "user", "content": "hi"}


CALLED = {"role": "assistant", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Tokyo"}}}]}


BODIES: dict[str, Json] = {
    "only what has to be": {"model": "llama3.2", "messages": [HELLO]},
    "every message": {
        "model": "qwen3",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "look", "images": [PNG, "AAAA"]},
            {"role": "assistant", "content": "", "thinking": "hm", **CALLED},
            {"role": "tool", "content": "11 degrees", "tool_name": "get_weather"},
            {"role": "assistant", "content": "cold"},
        ],
        "stream": True,
    },
    "ids of calls": {
        "model": "qwen3",
        "messages": [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "call_1", "function": {"index": 0, "name": "a", "arguments": {"x": 1.0, "y": True}}},
                    {"id": "call_2", "type": "function", "function": {"name": "a", "arguments": {}}},
                ],
            },
            {"role": "tool", "content": "1", "tool_name": "a", "tool_call_id": "call_2"},
            {"role": "tool", "content": "2", "tool_call_id": "call_1"},
        ],
    },
    "every knob": {
        "model": "gpt-oss",
        "messages": [HELLO],
        "tools": [WEATHER],
        "format": {"type": "object", "properties": {}},
        "think": "high",
        "keep_alive": "5m",
        "stream": False,
        "truncate": False,
        "logprobs": True,
        "top_logprobs": 3,
        "options": {
            "num_predict": 100,
            "temperature": 0,
            "top_p": 0.9,
            "top_k": 20,
            "min_p": 0.0,
            "seed": 42,
            "stop": ["\n", "user:"],
            "num_ctx": 1024,
            "presence_penalty": 1.5,
            "frequency_penalty": 1.0,
            "use_mmap": True,
        },
    },
    "knobs that are switched off": {
        "model": "qwen3",
        "messages": [{"role": "user", "content": None, "images": None}],
        "tools": [],
        "format": "json",
        "think": False,
        "keep_alive": 0,
        "options": {"num_predict": -1, "stop": "END", "seed": None},
    },
    "nulls": {"model": None, "messages": [HELLO], "tools": None, "think": None, "format": None, "options": None},
    "types that are off": {
        "model": 3,
        "messages": [
            {"role": "developer", "content": [{"type": "text", "text": "x"}]},
            {"role": "tool", "content": 5, "tool_name": 6},
            {"role": "assistant", "tool_calls": [None, {"function": {"name": "a"}}], "images": [1]},
            {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": '{"x":1}'}}], "thinking": ""},
            {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": None}}]},
        ],
        "tools": [WEATHER, "what"],
        "options": [],
        "think": "very",
        "stream": "yes",
        "logprobs": 1,
        "top_logprobs": True,
    },
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BODIES.items()])
def test_parse_and_render_give_the_same(body: Json) -> None:
    assert same(render_request(parse_request(body, "/api/chat")).body, body)


KEYS = st.sampled_from(
    [
        "role",
        "content",
        "images",
        "thinking",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "tool_name",
        "id",
        "options",
        "stop",
        "think",
        "format",
    ]
)


ODD = st.recursive(VALUES, lambda inner: st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=2))


ODD_MESSAGES = st.lists(
    st.builds(
        lambda role, rest: rest | {"role": role}, st.sampled_from(["user", "tool", "x"]), st.dictionaries(KEYS, ODD)
    )
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(ODD_MESSAGES, st.dictionaries(KEYS | st.sampled_from(["tools", "model", "stream"]), ODD, max_size=4))
def test_odd_bodies_come_back_as_they_were(messages: list[Json], rest: Json) -> None:
    body = rest | {"messages": messages}
    assert same(render_request(parse_request(body, "/api/chat")).body, body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param({}, "the request has no list of messages", id="no messages"),
        pytest.param({"messages": {}}, "the request has no list of messages", id="messages are no list"),
        pytest.param({"messages": [HELLO, "hi"]}, "messages[1] is no object with a role", id="a message is a text"),
    ],
)
def test_what_cannot_mean_anything(body: Json, why: str) -> None:
    with pytest.raises(Untranslatable) as raised:
        parse_request(body, "/api/chat")
    assert str(raised.value) == why


def test_nested_too_deep() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    called = {"role": "assistant", "tool_calls": [{"function": {"name": "a", "arguments": deep}}]}
    with pytest.raises(Untranslatable):
        parse_request({"messages": [called]}, "/api/chat")


def test_what_a_request_says() -> None:
    found = parse_request(BODIES["every knob"], "/api/chat")
    assert found.options == Options(
        max_tokens=100,
        temperature=0,
        top_p=0.9,
        top_k=20,
        stop=("\n", "user:"),
        seed=42,
        presence_penalty=1.5,
        frequency_penalty=1.0,
        logprobs=True,
        top_logprobs=3,
    )
    assert (found.reasoning, found.stream) == (Reasoning(effort=Effort.HIGH), False)
    assert found.answer_format == AnswerFormat(schema={"type": "object", "properties": {}})
    assert [tool.name for tool in found.tools if isinstance(tool, Tool)] == ["get_weather"]


def test_a_request_is_streamed_where_it_does_not_say() -> None:
    assert parse_request(BODIES["only what has to be"], "/api/chat").stream


@given(conversations(thinking=WireFormat.MESSAGES))
def test_every_conversation_becomes_a_valid_request(conversation: Conversation) -> None:
    VENDOR.validate_python(render_request(conversation).body)


@given(wild_conversations())
def test_no_conversation_is_too_odd(conversation: Conversation) -> None:
    VENDOR.validate_python(render_request(conversation).body)


@given(conversations(images=False))
def test_what_is_rendered_says_the_same_when_read(conversation: Conversation) -> None:
    found = parse_request(render_request(conversation).body, "/api/chat")
    assert calls_in(found) == calls_in(conversation)
    assert results_in(found) == results_in(conversation)
    assert found.options.max_tokens == conversation.options.max_tokens


def calls_in(conversation: Conversation) -> list[tuple[str, str]]:
    return [(one.id, one.name) for each in conversation.messages for one in each.blocks if isinstance(one, ToolCall)]


def results_in(conversation: Conversation) -> list[tuple[str, str]]:
    blocks = [block for message in conversation.messages for block in message.blocks]
    return [(block.call_id, block.name) for block in blocks if isinstance(block, ToolResult)]
