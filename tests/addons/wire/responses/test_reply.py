"""Whole answers: OpenAI's come back as they were, other vendors' become what its SDK takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from canonicals import replies
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import VALUES
from openai.types.responses import Response
from pydantic import TypeAdapter

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
from ringlet_mitm.addons.wire.codec import AnswerContext, Untranslatable
from ringlet_mitm.addons.wire.identifiers import seal
from ringlet_mitm.addons.wire.responses.reply import parse_reply, render_reply
from ringlet_mitm.addons.wire.responses.request import parse_request, render_request
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

Body = dict[str, Any]
ASKED: Body = {
    "model": "gpt-5",
    "input": "hi",
    "instructions": "be brief",
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
    "tool_choice": "auto",
    "temperature": 0.5,
    "metadata": {"a": "b"},
    "truncation": "auto",
}
CONTEXT = AnswerContext(
    parse_request(ASKED, "/v1/responses"), "/v1/responses", "asked-model", "made_id", 12, 1_763_700_000
)
PUBLISHED = TypeAdapter(Response)
FIGURES = {
    "input_tokens": 328,
    "input_tokens_details": {"cached_tokens": 100},
    "output_tokens": 52,
    "output_tokens_details": {"reasoning_tokens": 20},
    "total_tokens": 380,
}
SAID = {"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}
MESSAGE = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [SAID]}
CALL = {"type": "function_call", "id": "fc_1", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUTS: dict[str, list[Body]] = {
    "message": [MESSAGE],
    "two messages": [MESSAGE, MESSAGE | {"id": "msg_2", "phase": "final_answer"}],
    "message of parts": [MESSAGE | {"content": [SAID, SAID | {"annotations": [{"type": "file_path"}]}]}, CALL],
    "refusal": [MESSAGE | {"content": [{"type": "refusal", "refusal": "no"}]}],
    "empty message": [MESSAGE | {"content": []}],
    "message of odd parts": [MESSAGE | {"content": [SAID, {"type": "hologram"}]}],
    "message of no parts": [MESSAGE | {"content": "Hi"}],
    "call": [CALL],
    "call in a namespace": [CALL | {"namespace": "n"}],
    "custom call": [{"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "exec", "input": "ls"}],
    "reasoning": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}, CALL],
    "open reasoning": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    ],
    "search": [{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}}, MESSAGE],
    "odd": [{}, {"type": 7}, {"type": "function_call"}, {"type": "message", "role": "user", "content": []}],
    "none": [],
}


def answer(output: list[Body], **more: Any) -> Body:
    head = {"id": "resp_1", "object": "response", "created_at": 1_763_700_000, "status": "completed", "model": "gpt-5"}
    return head | {"output": output, "usage": FIGURES, "error": None, "incomplete_details": None} | more


def same(body: Body) -> None:
    written = render_reply(parse_reply(body), CONTEXT)
    assert json.dumps(written.body, sort_keys=True) == json.dumps(body, sort_keys=True)
    assert written.losses == ()


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_an_answer_comes_back(output: list[Body]) -> None:
    same(answer(output))


@pytest.mark.parametrize(
    "more",
    [
        {"usage": None},
        {"usage": {}},
        {"usage": {"input_tokens": 2**70, "output_tokens": "x", "extra": {"a": [1]}}},
        {"created_at": 1.5},
        {"created_at": 1e300, "id": None, "model": 7},
        {"created_at": "now", "status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        {"tools": [{"type": "web_search"}], "instructions": [], "output": [3, None, MESSAGE]},
    ],
    ids=lambda more: json.dumps(more)[:60],
)
def test_its_other_fields_come_back(more: Body) -> None:
    same(answer([MESSAGE]) | more)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.one_of(
            VALUES,
            st.dictionaries(st.sampled_from(["type", "role", "content", "text", "call_id", "name", "id"]), VALUES),
            st.sampled_from([item for output in OUTPUTS.values() for item in output]),
        ),
        max_size=4,
    ),
    VALUES,
)
def test_garbage_comes_back_too(output: list[Any], usage: Any) -> None:
    same(answer(output, usage=usage))


@pytest.mark.parametrize(
    ("output", "more", "stop"),
    [
        ([MESSAGE], {}, Stop.END),
        ([MESSAGE, CALL], {}, Stop.TOOL_CALLS),
        ([MESSAGE | {"content": [{"type": "refusal", "refusal": "no"}]}], {}, Stop.REFUSAL),
        ([MESSAGE], {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, Stop.MAX_TOKENS),
        ([CALL], {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, Stop.MAX_TOKENS),
        ([], {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, Stop.SAFETY),
    ],
    ids=["end", "calls", "refusal", "cut", "cut in a call", "filtered"],
)
def test_why_it_stopped(output: list[Body], more: Body, stop: Stop) -> None:
    assert parse_reply(answer(output, **more)).stop is stop


def test_what_it_means() -> None:
    reasoning = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "encrypted_content": "gAAA",
    }
    reply = parse_reply(answer([reasoning, MESSAGE, CALL]))
    thought, said, call = (replace(block, native=None) for block in reply.blocks if not isinstance(block, Foreign))
    assert thought == Thinking("a\n\nb", "gAAA", WireFormat.RESPONSES, "rs_1")
    assert said == Text("Hi")
    assert call == ToolCall("c", "f", "{}")
    assert reply.usage == Usage(input_tokens=228, cache_read_tokens=100, output_tokens=32, reasoning_tokens=20)
    assert (reply.id, reply.model, reply.created, reply.stop_said) == ("resp_1", "gpt-5", 1_763_700_000, "completed")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], "not a JSON object"),
        ({}, "without saying why"),
        ({"output": None, "error": {"message": "over quota"}}, "over quota"),
        (answer([], status="failed", error={"code": "server_error", "message": "broken"}), "broken"),
    ],
    ids=["list", "nothing", "error", "failed"],
)
def test_what_is_no_answer_is_refused(body: Any, why: str) -> None:
    with pytest.raises(Untranslatable, match=why):
        parse_reply(body)


# From other formats

BLOCKS = (
    Thinking("hm", "sig", WireFormat.MESSAGES),
    Text("Hello"),
    Text(""),
    Text(" you"),
    ToolCall("toolu_1", "bash", '{"a":1}'),
    ToolCall("toolu_2", "exec", "ls", CallKind.CUSTOM, "functions"),
    Refusal("no"),
    Media(MediaKind.IMAGE, "image/png", "QUJD"),
)


def written(*blocks: Any, stop: Stop = Stop.END, **more: Any) -> Body:
    return render_reply(Reply("msg_01", "claude", blocks, stop, **more), CONTEXT).body


def test_blocks_become_items() -> None:
    reasoning, said, call, custom, refused, picture = written(*BLOCKS)["output"]
    assert reasoning["encrypted_content"] == seal(WireFormat.MESSAGES, "sig")
    assert reasoning["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert [part["text"] for part in said["content"]] == ["Hello", " you"]
    assert (call["call_id"], call["name"], call["arguments"], call["status"]) == (
        "toolu_1",
        "bash",
        '{"a":1}',
        "completed",
    )
    assert (custom["type"], custom["input"], custom["namespace"]) == ("custom_tool_call", "ls", "functions")
    assert refused["content"] == [{"type": "refusal", "refusal": "no"}]
    assert (picture["type"], picture["result"]) == ("image_generation_call", "QUJD")


def test_ids_are_of_openais_form_and_each_its_own() -> None:
    body = written(*BLOCKS)
    ids = [item["id"] for item in body["output"]]
    assert [name.split("_")[0] for name in ids] == ["rs", "msg", "fc", "ctc", "msg", "ig"]
    assert len(set(ids)) == len(ids)
    assert body["id"] == "resp_msg_01"


@pytest.mark.parametrize(
    "found", ["", "gen-1763700000-" + "x" * 80, "chatcmpl é/1", "resp_67"], ids=["none", "long", "odd", "own"]
)
def test_ids_are_short_and_plain(found: str) -> None:
    body = render_reply(Reply(found, "", (Text("a"), Thinking("b")), Stop.END), CONTEXT).body
    for item in body["output"]:
        assert len(item["id"]) <= 64
        assert item["id"].replace("-", "_").replace("_", "a").isalnum()
        assert item["id"].isascii()


def test_the_request_is_repeated() -> None:
    body = written(Text("hi"))
    assert {key: body[key] for key in ("instructions", "tools", "temperature", "metadata", "truncation")} == {
        key: ASKED[key] for key in ("instructions", "tools", "temperature", "metadata", "truncation")
    }
    assert "input" not in body
    assert render_reply(Reply("", "", (), Stop.END), CONTEXT).body["model"] == "asked-model"


@pytest.mark.parametrize(
    ("stop", "status", "reason"),
    [
        (Stop.END, "completed", None),
        (Stop.TOOL_CALLS, "completed", None),
        (Stop.STOP_SEQUENCE, "completed", None),
        (Stop.REFUSAL, "completed", None),
        (Stop.PAUSE, "completed", None),
        (Stop.MAX_TOKENS, "incomplete", "max_output_tokens"),
        (Stop.CONTEXT_FULL, "incomplete", "max_output_tokens"),
        (Stop.SAFETY, "incomplete", "content_filter"),
    ],
)
def test_how_a_stop_is_said(stop: Stop, status: str, reason: str | None) -> None:
    body = written(Text("hi"), stop=stop)
    assert body["status"] == status
    assert body["incomplete_details"] == (None if reason is None else {"reason": reason})


def test_usage_is_estimated_where_there_is_none() -> None:
    assert written()["usage"]["input_tokens"] == 12
    assert written(usage=Usage(input_tokens=3, cache_read_tokens=4, output_tokens=5))["usage"] | {} == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12,
    }


def test_what_has_no_place_is_declared() -> None:
    blocks = (Foreign(WireFormat.MESSAGES, {"type": "server_tool_use"}), Media(MediaKind.AUDIO, "audio/wav", "AA"))
    found = render_reply(Reply("m", "c", blocks, Stop.STOP_SEQUENCE, stop_sequence="END"), CONTEXT)
    assert found.body["output"] == []
    assert [loss.what for loss in found.losses] == ["server_tool_use", "media", "stop sequence"]


def test_an_answer_that_was_changed_is_written_in_full() -> None:
    """A pass that took calls out of a text gives blocks that never were items."""
    reply = parse_reply(answer([MESSAGE]))
    body = render_reply(replace(reply, blocks=(*reply.blocks, ToolCall("c", "f", "{}"))), CONTEXT).body
    assert [item["type"] for item in body["output"]] == ["message", "function_call"]
    assert body["output"][0]["id"] == "msg_1"


@pytest.mark.parametrize(
    "thought",
    [
        Thinking("hm", "sig", WireFormat.MESSAGES),
        Thinking("", "data", WireFormat.MESSAGES, redacted=True),
        Thinking("", "c2ln", WireFormat.GEMINI),
        Thinking("open"),
    ],
    ids=["signed", "redacted", "unspoken", "nobody's"],
)
def test_thoughts_come_back_with_the_next_turn(thought: Thinking) -> None:
    items = written(thought)["output"]
    (message,) = parse_request({"model": "m", "input": items}, "").messages
    assert message.blocks == (thought,)


def test_openais_own_thoughts_go_back_byte_by_byte() -> None:
    thought = Thinking("hm", "gAAA", WireFormat.RESPONSES, "rs_1")
    items = written(thought, Text("so"))["output"]
    again = render_request(Conversation("gpt-5", parse_request({"model": "m", "input": items}, "").messages)).body[
        "input"
    ]
    assert again[0] == {
        "type": "reasoning",
        "id": "rs_1",
        "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "hm"}],
    }
    assert again[1]["content"][0]["text"] == "so"


@settings(max_examples=80, deadline=None)
@given(replies(thinking=WireFormat.MESSAGES))
def test_what_is_written_fits_the_published_types(reply: Reply) -> None:
    PUBLISHED.validate_python(render_reply(reply, CONTEXT).body)


@settings(max_examples=80, deadline=None)
@given(replies(thinking=WireFormat.RESPONSES))
def test_what_is_written_is_read_as_it_was_meant(reply: Reply) -> None:
    read = parse_reply(render_reply(reply, CONTEXT).body)

    def told(found: Reply) -> list[Any]:
        return [
            replace(block, native=None, id="") if isinstance(block, Thinking) else bare(block) for block in found.blocks
        ]

    def bare(block: Any) -> Any:
        return (
            replace(block, native=None, arguments=block.arguments or "{}")
            if isinstance(block, ToolCall)
            else replace(block, native=None)
        )

    assert told(read) == told(reply)
    assert (read.stop, read.usage or reply.usage) == (reply.stop, reply.usage or read.usage)
