from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from canonicals import replies
from hypothesis import given
from hypothesis import strategies as st
from made_up import VALUES

from ringlet_mitm.addons.wire.anthropic.reply import parse_reply, render_reply
from ringlet_mitm.addons.wire.anthropic.request import parse_request
from ringlet_mitm.addons.wire.canonical import (
    Block,
    Conversation,
    Effort,
    Foreign,
    Json,
    Media,
    MediaKind,
    Reasoning,
    Refusal,
    Reply,
    Stop,
    Text,
    Thinking,
    ToolCall,
)
from ringlet_mitm.addons.wire.codec import AnswerContext, Untranslatable
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

ASKED = Conversation("asked-model", ())
CONTEXT = AnswerContext(ASKED, "/v1/messages", "asked-model", "msg_made", estimated_input=123)
USAGE: Json = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 3},
    "server_tool_use": {"web_search_requests": 1},
    "service_tier": "standard",
}


def answer(*content: Json, stop: str | None = "end_turn", **more: Any) -> Json:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8"}
    return head | {"content": list(content), "stop_reason": stop, "stop_sequence": None, "usage": USAGE} | more


TEXT: Json = {"type": "text", "text": "hi"}
CALL: Json = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls"}}
ANSWERS: dict[str, Json] = {
    "text": answer(TEXT),
    "text with citations": answer(TEXT | {"citations": [{"type": "char_location", "cited_text": "x"}]}),
    "an empty text": answer({"type": "text", "text": ""}),
    "nothing": answer(),
    "thinking and a call": answer(
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "xx"},
        TEXT,
        CALL,
        stop="tool_use",
    ),
    "a stop sequence": answer(TEXT, stop="stop_sequence", stop_sequence="###"),
    "cut off": answer(TEXT, stop="max_tokens"),
    "the context is full": answer(TEXT, stop="model_context_window_exceeded"),
    "a pause": answer({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, stop="pause_turn"),
    "a refusal": answer(stop="refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": None}),
    "a word nobody knows": answer(TEXT, stop="tired"),
    "no word": answer(TEXT, stop=None),
    "a container": answer(TEXT, container={"id": "c", "expires_at": "2026-11-21T00:00:00Z"}),
}


def same(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in ANSWERS.items()])
def test_comes_back_as_it_was(body: Json) -> None:
    assert same(render_reply(parse_reply(body), CONTEXT).body, body)


@given(st.dictionaries(st.sampled_from(["id", "content", "usage", "stop_reason", "model"]), VALUES))
def test_whatever_comes_is_read_or_refused(body: Json) -> None:
    with suppress(Untranslatable):
        render_reply(parse_reply(body), CONTEXT)


@pytest.mark.parametrize("body", [{}, {"type": "error", "error": {}}, {"content": "hi"}])
def test_what_is_no_answer_is_refused(body: Json) -> None:
    with pytest.raises(Untranslatable):
        parse_reply(body)


def test_figures_are_apart() -> None:
    assert parse_reply(answer(TEXT)).usage == Usage(
        input_tokens=10, cache_read_tokens=100, cache_write_5m_tokens=5, output_tokens=4, reasoning_tokens=3
    )


def rendered(*blocks: Block, stop: Stop = Stop.END, context: AnswerContext = CONTEXT, **more: Any) -> Json:
    return render_reply(Reply("", "", blocks, stop, **more), context).body


def test_an_answer_without_id_model_and_usage_gets_ours() -> None:
    body = rendered(Text("x" * 8))
    assert (body["id"], body["model"]) == ("msg_made", "asked-model")
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (123, 2)


@pytest.mark.parametrize(
    ("stop", "calls", "word"),
    [
        (Stop.END, False, "end_turn"),
        (Stop.END, True, "tool_use"),
        (Stop.TOOL_CALLS, True, "tool_use"),
        (Stop.TOOL_CALLS, False, "end_turn"),
        (Stop.OTHER, True, "tool_use"),
        (Stop.MAX_TOKENS, True, "max_tokens"),
        (Stop.SAFETY, False, "refusal"),
        (Stop.STOP_SEQUENCE, False, "stop_sequence"),
        (Stop.CONTEXT_FULL, False, "model_context_window_exceeded"),
    ],
)
def test_the_stop_reason_is_what_an_agent_acts_upon(stop: Stop, calls: bool, word: str) -> None:
    assert rendered(*((ToolCall("c", "t", "{}"),) if calls else (Text("x"),)), stop=stop)["stop_reason"] == word


@pytest.mark.parametrize("signer", [WireFormat.GEMINI, WireFormat.RESPONSES, WireFormat.CHAT, WireFormat.MESSAGES])
def test_a_thought_comes_back_with_its_signature(signer: WireFormat) -> None:
    thought = Thinking("", "c2ln.x", signer)
    body = rendered(thought, ToolCall("c", "t", "{}"))
    next_turn = {"model": "m", "messages": [{"role": "assistant", "content": body["content"]}]}
    assert parse_request(next_turn, "").messages[0].blocks[0] == thought


def test_who_turned_thinking_off_gets_no_thoughts() -> None:
    quiet = replace(CONTEXT, conversation=replace(ASKED, reasoning=Reasoning(Effort.NONE)))
    assert rendered(Thinking("hm"), Text("x"), context=quiet)["content"] == [{"type": "text", "text": "x"}]


def test_what_an_answer_cannot_hold_is_left_out_and_told() -> None:
    blocks = (
        Media(MediaKind.IMAGE, "image/png", data="AA"),
        Foreign(WireFormat.RESPONSES, {"type": "web_search_call"}),
        Text(""),
        Refusal("no"),
    )
    found = render_reply(Reply("i", "m", blocks, Stop.END), CONTEXT)
    assert found.body["content"] == [{"type": "text", "text": "no"}]
    assert [loss.what for loss in found.losses] == ["image in an answer", "web_search_call"]


@pytest.mark.parametrize(
    ("arguments", "given"),
    [("", {}), ("{}", {}), ('{"a":1}', {"a": 1}), ("[1]", {"arguments": "[1]"}), ('{"a":', {"arguments": '{"a":'})],
)
def test_arguments_are_an_object(arguments: str, given: Json) -> None:
    assert rendered(ToolCall("c", "t", arguments))["content"][0]["input"] == given


@given(replies(thinking=WireFormat.MESSAGES))
def test_an_answer_from_elsewhere_says_the_same_here(reply: Reply) -> None:
    again = parse_reply(render_reply(reply, CONTEXT).body)
    assert (again.id, again.model, again.stop) == (reply.id, reply.model, reply.stop)
    assert [_plain(block) for block in again.blocks] == [_plain(block) for block in reply.blocks]


def _plain(block: Block) -> Any:
    return (block.id, block.name, json.loads(block.arguments)) if isinstance(block, ToolCall) else block
