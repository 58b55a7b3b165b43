from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from anthropic.types import message_create_params as plain_params
from anthropic.types.beta import message_create_params as beta_params
from bodies import captures, png
from canonicals import conversations, wild_conversations
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import VALUES
from strict_types import validator

from ringlet_mitm.addons.wire.anthropic.arranging import EMPTY_ERROR
from ringlet_mitm.addons.wire.anthropic.families import family_of
from ringlet_mitm.addons.wire.anthropic.options import SAMPLING
from ringlet_mitm.addons.wire.anthropic.request import parse_request, render_request
from ringlet_mitm.addons.wire.canonical import (
    CacheMark,
    Conversation,
    Json,
    Media,
    Message,
    Options,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Untranslatable, read_json, write_json
from ringlet_mitm.rules.shapes import WireFormat

PATH = "/v1/messages"
CAPTURED = {
    name: json.loads(request.body) for name, request in captures().items() if name.startswith(("claude", "opencode-0"))
}
EPHEMERAL = {"type": "ephemeral"}
HI: Json = {"role": "user", "content": "hi"}
MODELS = [
    "claude-sonnet-4-5",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-3-5-haiku-latest",
    "kimi-k2",
]
HAS_CONFIG = "output_config" in plain_params.MessageCreateParamsBase.__annotations__
PARAMS = plain_params if HAS_CONFIG else beta_params
KNOWN = PARAMS.MessageCreateParamsBase.__annotations__  # of the second API version without temperature and the like
VENDORS_TYPE = validator(PARAMS.MessageCreateParamsNonStreaming | PARAMS.MessageCreateParamsStreaming)


def asked(*blocks: Json, role: str = "user", **more: Any) -> Json:
    return {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": role, "content": list(blocks)}], **more}


def result(content: Any, **more: Any) -> Json:
    return asked({"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **more})


TEXT: Json = {"type": "text", "text": "hi"}
PICTURE: Json = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png(2, 2)}}
PDF: Json = {
    "type": "document",
    "title": "a paper",
    "context": "for the first chapter",
    "citations": {"enabled": True},
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
}
CALL: Json = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls", "n": 1, "f": 1.5}}
TOOL: Json = {"name": "t", "description": "d", "input_schema": {"type": "object", "properties": {}}}

DOCUMENTED: dict[str, Json] = {
    "content as a string": {"model": "m", "max_tokens": 1, "messages": [HI]},
    "content as an empty string": {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": ""}]},
    "content as no blocks": asked(),
    "system as a string": asked(TEXT, system="be brief"),
    "system as an empty string": asked(TEXT, system=""),
    "system as null": asked(TEXT, system=None),
    "system as blocks with breakpoints": asked(
        TEXT, system=[TEXT | {"cache_control": EPHEMERAL | {"ttl": "1h", "scope": "global"}}, TEXT]
    ),
    "system in the middle": {
        "model": "m",
        "max_tokens": 1,
        "messages": [HI, {"role": "system", "content": [TEXT]}, {"role": "assistant", "content": "ok"}, HI],
    },
    "text with citations": asked(TEXT | {"citations": None}, role="assistant"),
    "picture as base64": asked(PICTURE | {"cache_control": EPHEMERAL}),
    "picture by URL": asked({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}),
    "picture by file id": asked({"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
    "document PDF": asked(PDF),
    "document of text": asked(
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "käse \ud800"}}
    ),
    "document of blocks": asked(
        {"type": "document", "source": {"type": "content", "content": [TEXT]}, "cache_control": EPHEMERAL}
    ),
    "document by URL": asked({"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}),
    "search result": asked({"type": "search_result", "source": "s", "title": "t", "content": [TEXT]}),
    "thinking": asked({"type": "thinking", "thinking": "hm", "signature": "c2ln"}, CALL, role="assistant"),
    "thinking left out": asked({"type": "thinking", "thinking": "", "signature": "c2ln"}, role="assistant"),
    "thinking nobody signed": asked({"type": "thinking", "thinking": "hm", "signature": ""}, role="assistant"),
    "thinking without a signature": asked({"type": "thinking", "thinking": "hm"}, role="assistant"),
    "redacted thinking": asked({"type": "redacted_thinking", "data": "xx"}, role="assistant"),
    "redacted thinking and more": asked({"type": "redacted_thinking", "data": "xx", "more": 1}, role="assistant"),
    "call with its caller": asked(CALL | {"caller": {"type": "direct"}, "cache_control": EPHEMERAL}, role="assistant"),
    "call without arguments": asked(CALL | {"input": {}}, role="assistant"),
    "result as a string": result("done"),
    "result as an empty string": result(""),
    "result of nothing": asked({"type": "tool_result", "tool_use_id": "toolu_1"}),
    "result as no blocks": result([]),
    "result null": result(None),
    "result of a picture": result([TEXT, PICTURE], cache_control=EPHEMERAL),
    "result of a document": result([PDF]),
    "result of references": result([{"type": "tool_reference", "tool_name": "t"}]),
    "result is an error": result("no", is_error=True),
    "result is no error": result([TEXT], is_error=False),
    "server tool turn": asked(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        role="assistant",
    ),
    "tools": asked(TEXT, tools=[TOOL | {"cache_control": EPHEMERAL | {"ttl": "5m"}}, TOOL | {"type": "custom"}]),
    "tools without any": asked(TEXT, tools=[]),
    "tool with all that it may have": asked(
        TEXT,
        tools=[
            TOOL | {"defer_loading": True, "eager_input_streaming": None, "strict": True, "input_examples": [{}]},
            TOOL | {"type": None, "description": "", "cache_control": None, "allowed_callers": ["direct"]},
        ],
    ),
    "tools of the vendor": asked(
        TEXT,
        tools=[
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "bash_20250124", "name": "bash", "cache_control": EPHEMERAL},
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 1000},
            {"type": "mcp_toolset", "mcp_server_name": "x"},
        ],
    ),
    "choice auto": asked(TEXT, tools=[TOOL], tool_choice={"type": "auto", "disable_parallel_tool_use": True}),
    "choice any": asked(TEXT, tools=[TOOL], tool_choice={"type": "any", "disable_parallel_tool_use": False}),
    "choice of a tool": asked(TEXT, tools=[TOOL], tool_choice={"type": "tool", "name": "t"}),
    "choice none": asked(TEXT, tools=[TOOL], tool_choice={"type": "none"}),
    "choice null": asked(TEXT, tools=[TOOL], tool_choice=None),
    "thinking by a budget": asked(TEXT, thinking={"type": "enabled", "budget_tokens": 2048, "display": "summarized"}),
    "thinking as it likes": asked(TEXT, thinking={"type": "adaptive", "display": "omitted"}),
    "thinking as hard as": asked(TEXT, thinking={"type": "adaptive"}, output_config={"effort": "xhigh"}),
    "thinking off": asked(TEXT, thinking={"type": "disabled"}, output_config={"effort": "low"}),
    "thinking between tools": asked(TEXT, thinking={"type": "between_tools"}),
    "effort alone": asked(TEXT, output_config={"effort": "max"}),
    "effort null": asked(TEXT, output_config={"effort": None}),
    "format": asked(TEXT, output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}),
    "format in beta": asked(TEXT, output_format={"type": "json_schema", "schema": {"type": "object"}}),
    "format and more": asked(
        TEXT,
        output_config={
            "format": {"type": "json_schema", "schema": {}, "name": "n"},
            "effort": "low",
            "task_budget": {"type": "tokens", "total": 20000},
        },
    ),
    "knobs": asked(
        TEXT,
        temperature=1,
        top_p=0.5,
        top_k=5,
        stop_sequences=["\n\n"],
        service_tier="standard_only",
        metadata={"user_id": "u"},
        stream=False,
    ),
    "knobs of nothing": asked(TEXT, stop_sequences=None, metadata={}, temperature=None, service_tier=None),
    "stops of nothing": asked(TEXT, stop_sequences=[], metadata={"user_id": None, "more": 1}),
    "breakpoint at the top": asked(TEXT, cache_control=EPHEMERAL | {"ttl": "1h"}, stream=True),
    "further fields": asked(
        TEXT, context_management={"edits": []}, container=None, mcp_servers=[], inference_geo="us", speed="fast"
    ),
    "further fields of a message": {
        "model": "m",
        "max_tokens": 1,
        "messages": [HI | {"id": "msg_1"}, {"role": "developer", "content": "x"}],
    },
}


def there_and_back(body: Json) -> Json:
    return render_request(parse_request(copy.deepcopy(body), PATH)).body


def same(one: Json, other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in {**CAPTURED, **DOCUMENTED}.items()])
def test_comes_back_as_it_was(body: Json) -> None:
    assert same(there_and_back(body), body)


def _spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """All places in a body: container and key."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _spots(inner)


@pytest.mark.parametrize("kind", [[], {}, 7, None])
def test_a_tools_odd_type_comes_back(kind: object) -> None:
    tool = {"name": "t", "description": "d", "input_schema": {"type": "object"}, "type": kind}
    body = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
    assert same(there_and_back(body), body)


@given(st.data())
def test_odd_things_anywhere_come_back_or_are_refused(data: st.DataObject) -> None:
    body = copy.deepcopy(data.draw(st.sampled_from(list(DOCUMENTED.values()))))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(_spots(body))))
        if isinstance(container, dict) and data.draw(st.booleans()):
            container.pop(key) if data.draw(st.booleans()) else container.update({"odd": data.draw(VALUES)})
        else:
            container[key] = data.draw(VALUES)
        if not list(_spots(body)):
            break
    try:
        again = there_and_back(body)
    except Untranslatable:
        return
    assert same(again, read_json(write_json(body)))


@given(st.dictionaries(st.sampled_from(["model", "messages", "system", "tools", "thinking", "stream"]), VALUES))
def test_whatever_comes_is_read_or_refused(body: Json) -> None:
    with suppress(Untranslatable):
        render_request(parse_request(body, PATH))


def _deep(times: int) -> Json:
    value: Json = {}
    for _ in range(times):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": None},
        {"model": 4, "messages": []},
        {"model": "m", "messages": ["hi"]},
        {"model": "m", "messages": [{"role": "user"}]},
        {"model": "m", "messages": [{"content": "hi"}]},
        asked(CALL | {"input": _deep(100_000)}),
    ],
    ids=["empty", "null", "model a number", "message a text", "no content", "no role", "too deep"],
)
def test_what_cannot_mean_anything_is_refused(body: Json) -> None:
    with pytest.raises(Untranslatable):
        parse_request(body, PATH)


def test_a_changed_model_and_stream_go_out_whatever_came_in() -> None:
    conversation = parse_request(asked(TEXT, stream=False), PATH)
    body = render_request(replace(conversation, model="other", stream=True)).body
    assert (body["model"], body["stream"]) == ("other", True)


@pytest.mark.parametrize(
    ("user", "session"),
    [
        ('{"device_id":"d","session_id":"s-1"}', "s-1"),
        ("user_0_account__session_s-2", "s-2"),
        ("somebody", None),
        ("{broken", None),
    ],
)
def test_the_session_of_claude_code_groups_requests_for_the_cache(user: str, session: str | None) -> None:
    assert parse_request(asked(TEXT, metadata={"user_id": user}), PATH).options.cache_key == session


def refused(body: Json) -> list[str]:
    """What the vendor would answer 400 to, as far as its documents and others' issues tell."""
    messages: list[Json] = body["messages"]
    roles = [message["role"] for message in messages if message["role"] != "system"]
    found = [] if roles[:1] == ["user"] else ["the first message is not the user's"]
    found += [f"two of {one} in a row" for one, two in pairwise(roles) if one == two]
    for block in _blocks(body):
        if block.get("type") == "text" and not block["text"].strip():
            found.append("a blank text")
        if block.get("type") == "tool_result" and block.get("is_error") and not block.get("content"):
            found.append("an empty error")
        if block.get("type") == "thinking" and not block["signature"]:
            found.append("an unsigned thought")
    for message in messages:
        kinds = [block.get("type") == "tool_result" for block in message["content"]]
        if not kinds or kinds != sorted(kinds, reverse=True):
            found.append("an empty message, or results behind other things")
        if message["role"] == "assistant" and {"image", "document"} & {
            block.get("type") for block in message["content"]
        }:
            found.append("a medium of the assistant")
    last = messages[-1]["content"][-1]
    if roles[-1] == "assistant" and last.get("type") == "text" and last["text"] != last["text"].rstrip():
        found.append("white space at the end")
    return found + _refused_knobs(body) + (["more than four breakpoints"] if _marks(body) > 4 else [])


def _refused_knobs(body: Json) -> list[str]:
    family = family_of(body["model"])
    thinking = body.get("thinking", {})
    on = thinking.get("type") in ("enabled", "adaptive")
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    checks = {
        "no room for an answer": thinking.get("type") == "enabled"
        and not 1024 <= thinking["budget_tokens"] < body["max_tokens"],
        "a temperature with thinking": on and bool({"temperature", "top_p", "top_k"} & body.keys()),
        "a forced tool with thinking": on and forced,
        "a forced tool": forced and not family.forced,
        "thinking that cannot be off": thinking.get("type") == "disabled" and family.always,
        "a budget": thinking.get("type") == "enabled" and family.adaptive,
        "adaptive thinking": thinking.get("type") == "adaptive" and not family.adaptive,
        "a temperature": bool({"temperature", "top_p", "top_k"} & body.keys()) and not family.sampling,
        "a beginning of the answer": body["messages"][-1]["role"] == "assistant" and (on or not family.prefill),
        "a choice without tools": "tool_choice" in body and not body.get("tools"),
        "too many tokens": bool(family.most_tokens) and body["max_tokens"] > family.most_tokens,
        "calls without tools": not body.get("tools") and any(one.get("type") == "tool_use" for one in _blocks(body)),
        "a blank stop": any(not text.strip() for text in body.get("stop_sequences", ())),
    }
    return [what for what, wrong in checks.items() if wrong]


def _blocks(body: Json) -> Iterator[Json]:
    yield from body.get("system", ())
    for message in body["messages"]:
        for block in message["content"]:
            yield block
            yield from block["content"] if isinstance(block.get("content"), list) else ()


def _marks(body: Json) -> int:
    parts = [body, *body.get("tools", ()), *_blocks(body)]
    return sum("cache_control" in part for part in parts)


@settings(deadline=None)
@given(conversations(thinking=WireFormat.MESSAGES), st.sampled_from(MODELS))
def test_what_comes_from_elsewhere_is_what_the_vendor_takes(conversation: Conversation, model: str) -> None:
    body = render_request(replace(conversation, model=model)).body
    assert refused(body) == []
    VENDORS_TYPE.validate_python({name: value for name, value in body.items() if name in KNOWN or name not in SAMPLING})


@settings(deadline=None)
@given(wild_conversations(), st.sampled_from(MODELS))
def test_what_comes_out_of_order_is_put_in_order(conversation: Conversation, model: str) -> None:
    assert refused(render_request(replace(conversation, model=model)).body) == []


@given(conversations(images=True))
def test_nothing_said_is_lost_on_the_way_here(conversation: Conversation) -> None:
    asked_for = replace(conversation, model="claude-sonnet-4-5", answer_format=None)
    again = parse_request(render_request(asked_for).body, PATH)
    assert _said(again) == _said(conversation)
    offered = [tool.name for tool in conversation.tools if isinstance(tool, Tool)]
    assert [tool.name for tool in again.tools if isinstance(tool, Tool)] == offered


def _said(conversation: Conversation) -> list[Any]:
    """Texts, pictures, calls and results, whatever message they are in."""
    found: list[Any] = [block.text for block in conversation.system if isinstance(block, Text)]
    for message in conversation.messages:
        for block in message.blocks:
            match block:
                case Text(text) | Media(data=text):
                    found.append(text)
                case ToolCall(call_id, name, arguments):
                    found.append((call_id, name, json.loads(arguments)))
                case ToolResult(call_id, content):
                    parts = [getattr(part, "text", getattr(part, "data", "")) for part in content]
                    found.append((call_id, [part for part in parts if part != EMPTY_ERROR.text]))
    return found


LONG = Conversation(
    model="claude-sonnet-4-5",
    messages=(
        Message(Role.USER, (Text("one"),)),
        Message(Role.ASSISTANT, (ToolCall("c1", "t", "{}"),)),
        Message(Role.USER, (ToolResult("c1", (Text("r"),)),)),
    ),
    system=(Text("be"), Text("brief")),
)


def test_breakpoints_are_set_where_the_source_has_none() -> None:
    body = render_request(LONG).body
    assert [("cache_control" in block) for block in body["system"]] == [False, True]
    assert body["tools"][-1]["cache_control"] == EPHEMERAL
    assert ["cache_control" in message["content"][-1] for message in body["messages"]] == [True, False, True]
    assert _marks(body) == 4


def test_breakpoints_of_the_source_stay_and_are_four_at_most() -> None:
    texts = tuple(Text(str(at), CacheMark("1h")) for at in range(6))
    body = render_request(Conversation("claude-sonnet-4-5", (Message(Role.USER, texts),), (Text("s"),))).body
    marks = [block.get("cache_control") for block in body["messages"][0]["content"]]
    assert marks == [None, None, *[{"type": "ephemeral", "ttl": "1h"}] * 4]
    assert "cache_control" not in body["system"][0]


def test_thoughts_of_others_stay_away_and_are_told() -> None:
    said = Message(Role.ASSISTANT, (Thinking("hm", "sig", WireFormat.GEMINI), Text("yes")))
    rendered = render_request(replace(LONG, messages=(LONG.messages[0], said, LONG.messages[0])))
    assert [block["type"] for block in rendered.body["messages"][1]["content"]] == ["text"]
    assert [loss.what for loss in rendered.losses] == ["thinking"]


def test_a_sealed_thought_is_its_vendors() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "ringlet.gemini.c2ln"}
    conversation = parse_request(asked(thought, TEXT, role="assistant"), PATH)
    assert conversation.messages[0].blocks[0] == Thinking("hm", "c2ln", WireFormat.GEMINI)
    rendered = render_request(conversation)
    assert rendered.body["messages"][0]["content"] == [TEXT]
    assert [loss.what for loss in rendered.losses] == ["thinking"]


def test_several_answers_at_once_are_refused() -> None:
    with pytest.raises(Untranslatable, match="3 answers"):
        render_request(replace(LONG, options=Options(candidates=3)))


def test_half_a_megabyte_takes_ten_milliseconds() -> None:
    turns = []
    for at in range(150):
        call = {"type": "tool_use", "id": f"toolu_{at}", "name": "Bash", "input": {"command": "ls " * 400}}
        back = {
            "type": "tool_result",
            "tool_use_id": f"toolu_{at}",
            "content": [{"type": "text", "text": "word " * 400}],
        }
        turns += [{"role": "assistant", "content": [TEXT, call]}, {"role": "user", "content": [back]}]
    body = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [HI, *turns], "tools": [TOOL]}
    assert len(write_json(body)) > 500_000
    times = []
    for _ in range(5):
        begin = time.process_time()
        render_request(replace(parse_request(body, PATH), native=None))
        times.append(time.process_time() - begin)
    assert min(times) < 0.03  # 0.004 s measured; the machine may be busy
