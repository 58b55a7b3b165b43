"""Whole answers of Chat: the identity, what is read, and what an agent gets of other formats' answers."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from canonicals import replies
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import VALUES, places
from openai.types.chat import ChatCompletion

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    Conversation,
    Foreign,
    Media,
    MediaKind,
    Refusal,
    Reply,
    Stop,
    Text,
    Thinking,
    ToolCall,
)
from ringlet_mitm.addons.wire.chat.reply import parse_reply, render_reply
from ringlet_mitm.addons.wire.chat.request import parse_request
from ringlet_mitm.addons.wire.codec import AnswerContext, Untranslatable
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

FIXTURES = Path(__file__).parents[4] / "fixtures" / "wire" / "chat"
REPLIES: dict[str, Any] = json.loads((FIXTURES / "replies.json").read_text())
CHAT, MESSAGES, GEMINI = WireFormat.CHAT, WireFormat.MESSAGES, WireFormat.GEMINI
CONTEXT = AnswerContext(Conversation("asked", ()), "/v1/chat/completions", "the-model", "chatcmpl-x", created=5)


def same(one: Any, other: Any) -> bool:
    """The same JSON; 1, 1.0 and true are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("name", REPLIES)
def test_parse_and_render_are_the_identity(name: str) -> None:
    found = render_reply(parse_reply(copy.deepcopy(REPLIES[name])), CONTEXT)
    assert found.losses == ()
    assert same(found.body, REPLIES[name])


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(REPLIES)), st.data())
def test_whatever_stands_anywhere_comes_back(name: str, data: st.DataObject) -> None:
    body = copy.deepcopy(REPLIES[name])
    where, key = data.draw(st.sampled_from(places(body)))
    where[key] = data.draw(VALUES)
    try:
        found = parse_reply(body)
    except Untranslatable:
        return
    assert same(render_reply(found, CONTEXT).body, body)


READ: dict[str, tuple[str, tuple[Any, ...], Stop, str]] = {
    "text": ("plain", (Text("Hello!"),), Stop.END, "stop"),
    "calls": (
        "calls",
        tuple(ToolCall(name, "get_weather", '{"city":"Bonn"}') for name in ("call_abc", "call_2")),
        Stop.TOOL_CALLS,
        "tool_calls",
    ),
    "calls that say stop": (
        "calls with stop",
        (ToolCall("call_abc", "get_weather", '{"city":"Bonn"}'),),
        Stop.TOOL_CALLS,
        "stop",
    ),
    "old call": (
        "old call",
        (ToolCall("call_chatcmpl-1", "get_weather", '{"city":"Bonn"}'),),
        Stop.TOOL_CALLS,
        "function_call",
    ),
    "custom call": ("custom call", (ToolCall("c", "run", "1", CallKind.CUSTOM),), Stop.TOOL_CALLS, "tool_calls"),
    "refusal": ("refusal", (Refusal("I'm sorry, I can't."),), Stop.REFUSAL, "stop"),
    "cut": ("cut", (Text("Hel"),), Stop.MAX_TOKENS, "length"),
    "filtered": ("filtered", (), Stop.SAFETY, "content_filter"),
    "first candidate": ("candidates", (Text("a"),), Stop.END, "stop"),
    "DeepSeek": ("DeepSeek", (Thinking("2+2", "reasoning_content", CHAT), Text("4")), Stop.END, "stop"),
    "OpenRouter": (
        "OpenRouter",
        (Thinking("2+2", '[{"type":"reasoning.summary","summary":3,"format":"x","index":0}]', CHAT), Text("4")),
        Stop.END,
        "stop",
    ),
    "Mistral": ("Mistral", (Thinking("2+2", "thinking", CHAT), Text("4")), Stop.END, "stop"),
    "spoken": ("sound", (Text("Hi"),), Stop.END, "stop"),
}


@pytest.mark.parametrize(("name", "blocks", "stop", "said"), READ.values(), ids=READ)
def test_reads(name: str, blocks: tuple[Any, ...], stop: Stop, said: str) -> None:
    found = parse_reply(REPLIES[name])
    assert tuple(replace(block, native=None) for block in found.blocks) == blocks  # type: ignore[call-overload]
    assert (found.stop, found.stop_said) == (stop, said)


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("plain", Usage(input_tokens=19, output_tokens=10)),
        ("DeepSeek", Usage(input_tokens=1, cache_read_tokens=8, output_tokens=5)),
        ("Moonshot's usage", Usage(input_tokens=9, output_tokens=5)),
        ("cut", None),
    ],
)
def test_reads_usage_wherever_it_is(name: str, usage: Usage | None) -> None:
    assert parse_reply(REPLIES[name]).usage == usage


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "no choices"),
        ({"choices": []}, "no choices"),
        ({"error": {"message": "overloaded", "code": 502}}, "overloaded"),
        ({"choices": "x"}, "no choices"),
    ],
    ids=["empty", "none", "error", "odd"],
)
def test_what_is_no_answer_is_refused_in_words(body: dict[str, Any], text: str) -> None:
    with pytest.raises(Untranslatable, match=text):
        parse_reply(body)


def message_of(*blocks: Any, stop: Stop = Stop.END) -> dict[str, Any]:
    body = render_reply(Reply("", "", blocks, stop), CONTEXT).body
    ChatCompletion.model_validate(body)
    return body["choices"][0]["message"]  # type: ignore[no-any-return]


def test_texts_side_by_side_are_one_and_others_a_paragraph_apart() -> None:
    call = ToolCall("c", "f", "{}")
    assert message_of(Text("a"), Text("b"), call, Text("c"))["content"] == "ab\n\nc"


def test_a_foreign_signature_goes_along_sealed_and_comes_back() -> None:
    blocks = (Thinking("a", "s1", MESSAGES), Thinking("b", "", None), Thinking("", "s2", MESSAGES, redacted=True))
    message = message_of(*blocks, Thinking("", "g", GEMINI), ToolCall("c", "f", "{}"))
    assert message["reasoning_content"] == "a\n\nb"
    assert [detail["id"] for detail in message["reasoning_details"]] == ["t0+1:", "r4+0:"]
    assert parse_request({"messages": [message]}, "/").messages[0].blocks == (
        Thinking("a", "s1", MESSAGES),
        Thinking("b"),
        Thinking("", "s2", MESSAGES, redacted=True),
        Thinking("", "g", GEMINI),
        ToolCall("c", "f", "{}"),
    )


def test_what_the_answer_does_not_say_is_the_context_s() -> None:
    body = render_reply(Reply("", "", (Text("a"),), Stop.PAUSE), CONTEXT).body
    assert (body["id"], body["model"], body["created"]) == ("chatcmpl-x", "the-model", 5)
    assert body["choices"][0]["finish_reason"] == "stop"
    assert "usage" not in body


def test_what_chat_cannot_say_is_declared() -> None:
    blocks = (Foreign(MESSAGES, {"type": "server_tool_use"}), Media(MediaKind.AUDIO, data="x"), Text("a"))
    found = render_reply(Reply("", "", blocks, Stop.END), CONTEXT)
    assert [loss.what for loss in found.losses] == ["server_tool_use", "audio"]


@settings(max_examples=150, deadline=None)
@given(replies(thinking=MESSAGES))
def test_what_is_written_reads_the_same(reply: Reply) -> None:
    body = render_reply(reply, CONTEXT).body
    ChatCompletion.model_validate(body)
    found = parse_reply(body)
    assert (found.id, found.model, found.blocks, found.stop) == (reply.id, reply.model, reply.blocks, reply.stop)
    some = reply.usage is not None and (reply.usage.total_input or reply.usage.total_output)
    assert found.usage == (reply.usage if some else None)
