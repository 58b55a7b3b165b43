"""Requests: what OpenAI documents and agents send comes back as it was, other formats' become what OpenAI takes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from canonicals import conversations, wild_conversations
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import VALUES, responses_bodies
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from strict_types import validator

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    Conversation,
    Foreign,
    Media,
    MediaKind,
    Message,
    Options,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Untranslatable, write_json
from ringlet_mitm.addons.wire.identifiers import seal
from ringlet_mitm.addons.wire.responses.request import parse_request, render_request
from ringlet_mitm.rules.shapes import WireFormat

PATH = "/v1/responses"
CAPTURES = sorted((Path(__file__).parents[4] / "fixtures" / "captures").glob("*-v1-responses.json"))
PICTURE = "data:image/png;base64,iVBORw0KGgo="
Body = dict[str, Any]
PUBLISHED = validator(ResponseCreateParamsNonStreaming)


def user(*parts: Body) -> Body:
    return {"role": "user", "content": list(parts)}


def same(body: Body) -> None:
    rendered = render_request(parse_request(body, PATH))
    assert json.dumps(rendered.body, sort_keys=True) == json.dumps(body, sort_keys=True)
    assert rendered.losses == ()


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_what_agents_send_comes_back(path: Path) -> None:
    same(json.loads(path.read_bytes())["body"])


ITEMS: dict[str, Body] = {
    "text content": {"role": "user", "content": "hi"},
    "empty text": {"role": "user", "content": ""},
    "no parts": {"role": "user", "content": []},
    "typed": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    "system": {"role": "system", "content": "be brief"},
    "developer": {"type": "message", "role": "developer", "content": "be brief", "id": "msg_1"},
    "role that is new": {"type": "message", "role": "critic", "content": "hm"},
    "no content": {"type": "message", "role": "user"},
    "null content": {"type": "message", "role": "user", "content": None},
    "parts that are none": {"role": "user", "content": ["hi", {"type": "input_text", "text": "hi"}]},
    "breakpoint": user(
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    ),
    "breakpoint null": user({"type": "input_text", "text": "a", "prompt_cache_breakpoint": None}),
    "output": {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "phase": "commentary",
        "content": [
            {"type": "output_text", "text": "a", "annotations": [{"type": "file_path"}], "logprobs": []},
            {"type": "refusal", "refusal": "no"},
        ],
    },
    "assistant's plain text": {"role": "assistant", "content": "hi"},
    "assistant with input text": {"role": "assistant", "content": [{"type": "input_text", "text": "hi"}]},
    "image url": user({"type": "input_image", "image_url": "https://x.test/a.png", "detail": "low"}),
    "image data": user({"type": "input_image", "image_url": PICTURE}),
    "image data in capitals": user({"type": "input_image", "image_url": "DATA:image/PNG;BASE64,AAAA"}),
    "image data, plain": user({"type": "input_image", "image_url": "data:image/svg+xml,%3Csvg/%3E"}),
    "image file": user({"type": "input_image", "file_id": "file-1", "detail": "original"}),
    "image, all at once": user({"type": "input_image", "file_id": "f", "image_url": PICTURE, "detail": None}),
    "image without any": user({"type": "input_image", "image_url": None}),
    "image in chat's words": user({"type": "input_image", "image_url": {"url": PICTURE}}),
    "file data": user({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}),
    "file data, bare": user({"type": "input_file", "filename": "a.csv", "file_data": "AAAA"}),
    "file url": user({"type": "input_file", "file_url": "https://x.test/a.pdf"}),
    "file id": user({"type": "input_file", "file_id": "file-1", "detail": "high"}),
    "audio": user({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}),
    "audio without a format": user({"type": "input_audio", "input_audio": {"data": "AAAA"}}),
    "part that is new": user({"type": "input_hologram", "x": 1}),
    "call": {
        "type": "function_call",
        "call_id": "c",
        "name": "f",
        "arguments": "{}",
        "id": "fc_1",
        "status": "completed",
    },
    "call, empty": {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
    "call in a namespace": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n"},
    "call, namespace null": {
        "type": "function_call",
        "call_id": "c",
        "name": "f",
        "arguments": "{}",
        "namespace": None,
    },
    "call, arguments as object": {"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": 1}},
    "call with input": {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "input": "x"},
    "custom call": {
        "type": "custom_tool_call",
        "call_id": "c",
        "name": "exec",
        "input": "ls",
        "namespace": "functions",
    },
    "output text": {"type": "function_call_output", "call_id": "c", "output": "hi\n"},
    "output empty": {"type": "function_call_output", "call_id": "c", "output": ""},
    "output list": {
        "type": "function_call_output",
        "call_id": "c",
        "output": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PICTURE}],
    },
    "output of one text": {
        "type": "function_call_output",
        "call_id": "c",
        "output": [{"type": "input_text", "text": "a"}],
    },
    "output of no parts": {"type": "function_call_output", "call_id": "c", "output": []},
    "output with a refusal": {
        "type": "function_call_output",
        "call_id": "c",
        "output": [{"type": "refusal", "refusal": ""}],
    },
    "output null": {"type": "function_call_output", "call_id": "c", "output": None},
    "output for nobody": {"type": "function_call_output", "call_id": None, "output": "x"},
    "custom output": {"type": "custom_tool_call_output", "call_id": "c", "output": "hi", "id": "ctco_1"},
    "reasoning": {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        "content": [{"type": "reasoning_text", "text": "c"}],
        "encrypted_content": "gAAAA==",
        "status": None,
    },
    "reasoning without an id": {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA=="},
    "reasoning that is stored": {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None},
    "reasoning, odd": {"type": "reasoning", "id": 7, "summary": "x", "encrypted_content": ["y"]},
    "web search": {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
    "reference": {"type": "item_reference", "id": "msg_1"},
    "reference without a type": {"id": "msg_1"},
    "local shell": {"type": "local_shell_call", "id": "l", "call_id": "c", "action": {"type": "exec"}, "status": "x"},
    "apply patch": {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
    "compaction": {"type": "compaction", "encrypted_content": "x"},
    "additional tools": {
        "type": "additional_tools",
        "role": "developer",
        "tools": [{"type": "function", "name": "f"}, 3],
    },
    "additional tools, odd": {"type": "additional_tools", "tools": "none"},
    "type that is no text": {"type": 7},
    "nothing": {},
}


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS.keys())
def test_an_item_comes_back(item: Body) -> None:
    same({"model": "gpt-5", "input": [item]})


@pytest.mark.parametrize(
    "fields",
    [
        {"input": "hi"},
        {"input": ""},
        {"input": []},
        {"input": None},
        {"input": ["hi", {"role": "user", "content": "hi"}, None]},
        {"prompt": {"id": "pmpt_1", "version": "2", "variables": {}}},
        {"instructions": "be brief"},
        {"instructions": ""},
        {"instructions": None},
        {"stream": False},
        {"stream": 1},
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"user": "u"},
        {"safety_identifier": "u"},
        {"safety_identifier": "s", "user": "u"},
        {"safety_identifier": "u", "user": "u"},
        {"safety_identifier": "", "user": "u"},
        {"max_output_tokens": 1, "temperature": 0, "top_p": 1.0, "top_logprobs": 0},
        {"max_output_tokens": None, "temperature": True, "top_p": "1", "top_logprobs": 1.5},
        {"reasoning": None},
        {"reasoning": {}},
        {"reasoning": {"effort": None, "summary": None}},
        {"reasoning": {"effort": "high", "summary": "detailed", "context": "all_turns", "mode": "pro"}},
        {"reasoning": {"effort": "ludicrous", "generate_summary": "auto"}},
        {"text": {}},
        {"text": {"format": {"type": "text"}, "verbosity": "low"}},
        {"text": {"format": {"type": "json_object"}}},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": None}}},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True, "description": "d"}}},
        {"text": {"format": {"type": "json_schema"}, "verbosity": None}},
        {"store": True, "previous_response_id": "resp_1"},
        {"store": None, "previous_response_id": None, "conversation": {"id": "conv_1"}},
        {"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]},
        {"include": None, "background": True, "truncation": "auto", "metadata": {"a": "b"}, "max_tool_calls": 3},
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "service_tier": "flex"},
        {"prompt_cache_key": 7, "service_tier": None, "parallel_tool_calls": None, "client_metadata": {"a": 1}},
        {"parallel_tool_calls": False, "context_management": [{"type": "compaction"}]},
    ],
    ids=lambda fields: json.dumps(fields)[:60],
)
def test_a_setting_comes_back(fields: Body) -> None:
    same({"model": "gpt-5", **fields})


@settings(max_examples=60, deadline=None)
@given(responses_bodies())
def test_any_request_comes_back(body: Body) -> None:
    same(body)


SOME_SETTINGS = ("model", "instructions", "tools", "tool_choice", "reasoning", "text", "include", "store", "user")


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(SOME_SETTINGS, VALUES)
        | {"input": st.one_of(st.text(), st.lists(st.one_of(VALUES, st.sampled_from(list(ITEMS.values())))))},
    )
)
def test_garbage_comes_back_too(body: Body) -> None:
    same(body)


@pytest.mark.parametrize("found", [7, {"role": "user"}, True], ids=str)
def test_input_that_is_no_input_is_refused(found: Any) -> None:
    with pytest.raises(Untranslatable, match="neither a text nor a list"):
        parse_request({"model": "gpt-5", "input": found}, PATH)


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(Untranslatable, match="not a JSON object"):
        parse_request([], PATH)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["input", "tools", "text", "metadata", "reasoning"])
def test_deep_nesting_is_refused_or_comes_back(key: str) -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [{"type": "function", "name": "f", "format": deep, "parameters": {"a": deep}}]
    try:
        rendered = render_request(parse_request({"model": "m", key: deep}, PATH))
    except Untranslatable as refused:
        assert "deep" in str(refused)
    else:
        assert rendered.body[key] is deep or rendered.body[key][0].keys() == deep[0].keys()


# What it means


def parsed(*items: Body, **fields: Any) -> Conversation:
    return parse_request({"model": "gpt-5", "input": list(items), **fields}, PATH)


def test_a_text_is_a_user_message() -> None:
    (message,) = parse_request({"model": "m", "input": "hi"}, PATH).messages
    assert message.role is Role.USER
    assert message.blocks == (Text("hi"),)


def test_tools_among_the_messages_are_tools_of_the_conversation() -> None:
    exec_tool = {"type": "custom", "name": "exec", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
    sleep = {"type": "function", "name": "sleep", "parameters": {"type": "object"}}
    namespace = {"type": "namespace", "name": "functions", "description": "", "tools": [exec_tool, sleep]}
    conversation = parsed({"type": "additional_tools", "role": "developer", "tools": [namespace]})
    found = [tool for tool in conversation.tools if isinstance(tool, Tool)]
    assert [(tool.namespace, tool.name, tool.kind) for tool in found] == [
        ("functions", "exec", CallKind.CUSTOM),
        ("functions", "sleep", CallKind.FUNCTION),
    ]
    assert conversation.messages[0].blocks == ()


def test_a_pass_may_change_what_the_request_says_once() -> None:
    conversation = parse_request({"model": "m", "input": "hi", "stream": True}, PATH)
    more = replace(conversation, model="n", messages=(*conversation.messages, Message(Role.USER, (Text("on"),))))
    body = render_request(more).body
    assert body["model"] == "n"
    assert [item["content"][0]["text"] for item in body["input"]] == ["hi", "on"]


def test_sealed_thoughts_are_opened() -> None:
    item = {"type": "reasoning", "id": "rs_x", "summary": [{"type": "summary_text", "text": "hm"}]}
    conversation = parsed(item | {"encrypted_content": seal(WireFormat.MESSAGES, "sig")})
    assert conversation.messages[0].blocks == (Thinking("hm", "sig", WireFormat.MESSAGES),)
    rendered = render_request(conversation)
    assert rendered.body.get("input") == []
    assert [loss.what for loss in rendered.losses] == ["thinking"]


# From other formats


def rendered(*messages: Message, model: str = "gpt-5", **fields: Any) -> tuple[Body, list[str]]:
    found = render_request(Conversation(model, messages, **fields))
    return found.body, [loss.what for loss in found.losses]


def test_what_is_written_keeps_nothing_at_the_vendor() -> None:
    body, losses = rendered(Message(Role.USER, (Text("hi"),)), system=(Text("be"), Text("brief")))
    assert body == {
        "model": "gpt-5",
        "instructions": "be\n\nbrief",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    assert losses == []


def test_an_assistants_turn_becomes_items_in_order() -> None:
    turn = Message(
        Role.ASSISTANT,
        (
            Thinking("hm", "enc", WireFormat.RESPONSES, "rs_1"),
            Text("one"),
            Text(""),
            Text("two"),
            ToolCall("c1", "f", ""),
            Text("three"),
        ),
    )
    body, losses = rendered(turn)
    thought, said, call, more = body["input"]
    assert thought == {
        "type": "reasoning",
        "id": "rs_1",
        "encrypted_content": "enc",
        "summary": [{"type": "summary_text", "text": "hm"}],
    }
    assert [part["text"] for part in said["content"]] == ["one", "two"]
    assert (said["role"], said["status"], said["content"][0]["type"]) == ("assistant", "completed", "output_text")
    assert call == {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    assert more["content"][0]["text"] == "three"
    assert len({said["id"], more["id"]}) == 2
    assert losses == []


def test_a_longer_conversation_begins_with_the_same_items() -> None:
    first = (Message(Role.USER, (Text("hi"),)), Message(Role.ASSISTANT, (Text("ho"),)))
    short, _ = rendered(*first)
    longer, _ = rendered(*first, Message(Role.USER, (Text("on"),)))
    assert longer["input"][:2] == short["input"]


@pytest.mark.parametrize("signer", [WireFormat.MESSAGES, WireFormat.GEMINI, None], ids=str)
def test_other_vendors_thoughts_stay_here(signer: WireFormat | None) -> None:
    body, losses = rendered(Message(Role.ASSISTANT, (Thinking("hm", "sig", signer), Text("so"))))
    assert [item["type"] for item in body["input"]] == ["message"]
    assert losses == ["thinking"]


@pytest.mark.parametrize(
    ("result", "output", "losses"),
    [
        (ToolResult("c", (Text("a"), Text("b"))), "a\nb", []),
        (ToolResult("c", ()), "", []),
        (ToolResult("c", (Text("no"),), is_error=True), "no", ["tool error mark"]),
        (
            ToolResult("c", (Text("see"), Media(MediaKind.IMAGE, "image/png", "AAAA"))),
            [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
            ],
            [],
        ),
        (ToolResult("c", (Foreign(WireFormat.MESSAGES, {"type": "tool_reference"}),)), "", ["tool_reference"]),
    ],
    ids=["texts", "empty", "error", "picture", "foreign"],
)
def test_a_tools_result(result: ToolResult, output: Any, losses: list[str]) -> None:
    body, found = rendered(Message(Role.USER, (result,)))
    assert body["input"] == [{"type": "function_call_output", "call_id": "c", "output": output}]
    assert found == losses


def test_a_custom_tools_result_has_its_own_type() -> None:
    body, _ = rendered(Message(Role.USER, (ToolResult("c", (Text("x"),), kind=CallKind.CUSTOM),)))
    assert body["input"][0]["type"] == "custom_tool_call_output"


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (Media(MediaKind.IMAGE, url="https://x.test/a"), {"image_url": "https://x.test/a", "detail": "auto"}),
        (
            Media(MediaKind.IMAGE, "image/png", "AA", detail="low"),
            {"image_url": "data:image/png;base64,AA", "detail": "low"},
        ),
        (
            Media(MediaKind.DOCUMENT, "application/pdf", "AA"),
            {"file_data": "data:application/pdf;base64,AA", "filename": "document.pdf"},
        ),
        (
            Media(MediaKind.DOCUMENT, url="https://x.test/a.pdf", name="a.pdf"),
            {"file_url": "https://x.test/a.pdf", "filename": "a.pdf"},
        ),
    ],
    ids=["picture by url", "picture", "document", "document by url"],
)
def test_a_medium(media: Media, part: Body) -> None:
    body, losses = rendered(Message(Role.USER, (media,)))
    (found,) = body["input"][0]["content"]
    assert {key: value for key, value in found.items() if key != "type"} == part
    assert losses == []


@pytest.mark.parametrize("kind", [MediaKind.AUDIO, MediaKind.VIDEO])
def test_sound_and_film_are_left_out(kind: MediaKind) -> None:
    body, losses = rendered(Message(Role.USER, (Text("hear"), Media(kind, "x/y", "AA"))))
    assert len(body["input"][0]["content"]) == 1
    assert losses == [kind.value]


def test_a_message_without_anything_is_left_out() -> None:
    body, _ = rendered(Message(Role.USER, (Text(""),)), Message(Role.SYSTEM, ()), Message(Role.USER, (Text("hi"),)))
    assert len(body["input"]) == 1


def test_several_answers_are_refused() -> None:
    with pytest.raises(Untranslatable, match="3 answers"):
        rendered(options=Options(candidates=3))


def with_ids(conversation: Conversation) -> Conversation:
    """Thoughts of OpenAI's have ids in the published types."""

    def named(block: Any) -> Any:
        return replace(block, id="rs_1") if isinstance(block, Thinking) else block

    messages = (replace(message, blocks=tuple(map(named, message.blocks))) for message in conversation.messages)
    return replace(conversation, messages=tuple(messages))


@settings(max_examples=80, deadline=None)
@given(conversations(thinking=WireFormat.RESPONSES).map(with_ids))
def test_what_is_written_fits_the_published_types(conversation: Conversation) -> None:
    body = render_request(replace(conversation, stream=False)).body
    PUBLISHED.validate_python(body)


@settings(max_examples=80, deadline=None)
@given(wild_conversations())
def test_whatever_stands_there_it_is_written(conversation: Conversation) -> None:
    try:
        rendered = render_request(conversation)
    except Untranslatable:
        return
    json.loads(write_json(rendered.body))
    assert len({loss.what for loss in rendered.losses}) == len(rendered.losses)


@settings(max_examples=60, deadline=None)
@given(conversations(thinking=WireFormat.RESPONSES).map(lambda found: replace(found, answer_format=None)))
def test_what_is_written_is_read_as_it_was_meant(conversation: Conversation) -> None:
    """Less what belongs to another format, texts of one result are one, and each item is a message."""
    read = parse_request(render_request(conversation).body, PATH)

    def texts(found: Conversation) -> list[str]:
        return [
            b.text for message in found.messages for b in message.blocks if isinstance(b, (Text, Thinking)) and b.text
        ]

    def calls(found: Conversation) -> list[tuple[str, str, str]]:
        blocks = [block for message in found.messages for block in message.blocks]
        return [(b.id, b.name, b.arguments or "{}") for b in blocks if isinstance(b, ToolCall)]

    assert texts(read) == texts(conversation)
    assert calls(read) == calls(conversation)
    assert [tool.name for tool in read.tools if isinstance(tool, Tool)] == [
        tool.name for tool in conversation.tools if isinstance(tool, Tool)
    ]
