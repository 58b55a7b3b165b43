"""Requests of Chat: the identity, what is read of them, and what is written of other formats' requests."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from canonicals import conversations, wild_conversations
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import VALUES, places
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from strict_types import validator

from ringlet_mitm.addons.wire.canonical import (
    AnswerFormat,
    CacheMark,
    CallKind,
    ChoiceMode,
    Conversation,
    Effort,
    Foreign,
    Media,
    MediaKind,
    Message,
    Options,
    Reasoning,
    Refusal,
    Role,
    ServerTool,
    ServerToolKind,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ringlet_mitm.addons.wire.chat.request import parse_request, render_request
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.identifiers import seal
from ringlet_mitm.rules.shapes import WireFormat

FIXTURES = Path(__file__).parents[4] / "fixtures" / "wire" / "chat"
REQUESTS: dict[str, Any] = json.loads((FIXTURES / "requests.json").read_text())
WHOLE = validator(CompletionCreateParamsNonStreaming)
STREAMED = validator(CompletionCreateParamsStreaming)
PATH = "/v1/chat/completions"
CHAT, MESSAGES, GEMINI = WireFormat.CHAT, WireFormat.MESSAGES, WireFormat.GEMINI
USER, ASSISTANT, SYSTEM = Role.USER, Role.ASSISTANT, Role.SYSTEM
HI = Message(USER, (Text("hi"),))
CALL = ToolCall("c1", "look", '{"a":1}')
TOOL = Tool("look", "Looks.", {"type": "object", "properties": {}})
PNG = Media(MediaKind.IMAGE, "image/png", data="iVBOR")


def same(one: Any, other: Any) -> bool:
    """The same JSON; 1, 1.0 and true are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def rendered(*messages: Message, model: str = "some-model", **fields: Any) -> dict[str, Any]:
    return render_request(Conversation(model, messages or (HI,), **fields)).body


def lost(*messages: Message, model: str = "some-model", **fields: Any) -> list[str]:
    return [loss.what for loss in render_request(Conversation(model, messages or (HI,), **fields)).losses]


@pytest.mark.parametrize("name", REQUESTS)
def test_parse_and_render_are_the_identity(name: str) -> None:
    body = copy.deepcopy(REQUESTS[name])
    found = render_request(parse_request(body, PATH))
    assert found.losses == ()
    assert same(found.body, REQUESTS[name])
    assert same(body, REQUESTS[name])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(REQUESTS)), st.data())
def test_whatever_stands_anywhere_comes_back(name: str, data: st.DataObject) -> None:
    body = copy.deepcopy(REQUESTS[name])
    where, key = data.draw(st.sampled_from(places(body)))
    where[key] = data.draw(VALUES)
    try:
        found = parse_request(body, PATH)
    except Untranslatable:
        assert not isinstance(body.get("messages"), list)
        return
    assert same(render_request(found).body, body)


@pytest.mark.parametrize("body", [{}, {"messages": "hi"}, {"messages": None, "model": "m"}])
def test_a_request_without_messages_is_refused_in_words(body: dict[str, Any]) -> None:
    with pytest.raises(Untranslatable, match="messages"):
        parse_request(body, PATH)


def test_deep_nesting_does_no_harm() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = {"a": [deep]}
    body = {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": deep}]}]}
    assert render_request(parse_request(body, PATH)).body == body


# What is read


def blocks_of(name: str, number: int) -> tuple[Any, ...]:
    return parse_request(REQUESTS[name], PATH).messages[number].blocks


def bare(block: Any) -> Any:
    return replace(block, native=None) if hasattr(block, "native") else block


READ: dict[str, tuple[str, int, tuple[Any, ...]]] = {
    "text": ("plain", 0, (Text("How is it in Bonn?"),)),
    "developer is the system": ("developer", 0, (Text("Be brief."),)),
    "picture by address": (
        "picture by address",
        0,
        (Text("What is this?"), Media(MediaKind.IMAGE, url="https://example.com/a.png", detail="high")),
    ),
    "picture as text": ("picture as text (Mistral)", 0, (Media(MediaKind.IMAGE, url="https://example.com/a.png"),)),
    "sound": ("sound", 0, (Media(MediaKind.AUDIO, "audio/wav", data="UklGRg=="),)),
    "film": ("film (Kimi)", 0, (Media(MediaKind.VIDEO, url="ms://abc"),)),
    "files": (
        "files",
        0,
        (
            Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERi0=", name="a.pdf"),
            Media(MediaKind.DOCUMENT, file_id="file-6F2ksmvXxt4VdoqmHRw6kL"),
            Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERi0="),
        ),
    ),
    "cache mark of a part": ("cache_control (OpenRouter, Qwen)", 0, (Text("long", CacheMark("1h")),)),
    "cache mark of a message": ("cache_control (OpenRouter, Qwen)", 1, (Text("hi", CacheMark()),)),
    "call": ("one call", 1, (ToolCall("call_abc", "get_weather", '{"city":"Bonn"}'),)),
    "result": ("one call", 2, (ToolResult("call_abc", (Text("18 °C"),), name="get_weather"),)),
    "empty result": ("parallel calls, results as parts", 3, (ToolResult("call_def", (), name="get_weather"),)),
    "custom call": ("custom call", 1, (ToolCall("c1", "run", "print(1)", CallKind.CUSTOM),)),
    "custom result": ("custom call", 2, (ToolResult("c1", (Text("1"),), name="run", kind=CallKind.CUSTOM),)),
    "old call": ("old functions", 1, (ToolCall("call_1", "get_weather", '{"city":"Bonn"}'),)),
    "old result": ("old functions", 2, (ToolResult("call_1", (Text("18"),), name="get_weather"),)),
    "call without id": (
        "calls without id, type, index",
        1,
        (ToolCall("call_1_0", "get_weather", '{"city":"Bonn"}'),),
    ),
    "its result": ("calls without id, type, index", 2, (ToolResult("call_1_0", (Text("18"),), name="get_weather"),)),
    "thought signature of Google's": (
        "thought signature (Google)",
        1,
        (Thinking("", "CvQB…", GEMINI), ToolCall("call_abc", "get_weather", '{"city":"Bonn"}')),
    ),
    "DeepSeek's thinking": (
        "reasoning_content (DeepSeek)",
        1,
        (Thinking("Look it up.", "reasoning_content", CHAT), ToolCall("call_abc", "get_weather", '{"city":"Bonn"}')),
    ),
    "Groq's thinking": ("reasoning (Groq)", 1, (Thinking("Hm.", "reasoning", CHAT), Text("ok"))),
    "Mistral's thinking": ("thinking as a part (Mistral)", 1, (Thinking("Hm.", "thinking", CHAT), Text("ok"))),
    "refusal": ("refused before", 1, (Refusal("No."),)),
    "refusal as part": ("refusal as part", 1, (Refusal("No."),)),
}


@pytest.mark.parametrize(("name", "number", "blocks"), READ.values(), ids=READ)
def test_reads(name: str, number: int, blocks: tuple[Any, ...]) -> None:
    assert tuple(bare(block) for block in blocks_of(name, number)) == blocks


ASKED: dict[str, tuple[dict[str, Any], Reasoning | None]] = {
    "nothing": ({}, None),
    "null": ({"reasoning_effort": None}, None),
    "effort": ({"reasoning_effort": "xhigh"}, Reasoning(Effort.XHIGH)),
    "switched off": ({"thinking": {"type": "disabled"}, "reasoning_effort": None}, Reasoning(Effort.NONE)),
    "switched on": ({"thinking": {"type": "enabled"}}, Reasoning(budget=-1)),
    "budget": ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Reasoning(budget=2048)),
    "OpenRouter's effort": ({"reasoning": {"effort": "low"}}, Reasoning(Effort.LOW)),
    "OpenRouter's tokens": ({"reasoning": {"max_tokens": 900, "exclude": True}}, Reasoning(budget=900, visible=False)),
    "OpenRouter's switch": ({"reasoning": {"enabled": True}}, Reasoning(budget=-1)),
    "Qwen's": ({"enable_thinking": True, "thinking_budget": 4096}, Reasoning(budget=4096)),
    "vLLM's": ({"chat_template_kwargs": {"enable_thinking": False}}, Reasoning(Effort.NONE)),
}


@pytest.mark.parametrize(("fields", "asked"), ASKED.values(), ids=ASKED)
def test_reads_how_hard_to_think(fields: dict[str, Any], asked: Reasoning | None) -> None:
    body = {"model": "m", "messages": [], **fields}
    assert parse_request(body, PATH).reasoning == asked


CHOICES: dict[str, tuple[Any, ToolChoice | None]] = {
    "auto": ("auto", ToolChoice()),
    "none": ("none", ToolChoice(ChoiceMode.NONE)),
    "required": ("required", ToolChoice(ChoiceMode.REQUIRED)),
    "Mistral's any": ("any", ToolChoice(ChoiceMode.REQUIRED)),
    "function": ({"type": "function", "function": {"name": "a"}}, ToolChoice(ChoiceMode.NAMED, ("a",))),
    "custom": ({"type": "custom", "custom": {"name": "a"}}, ToolChoice(ChoiceMode.NAMED, ("a",))),
    "allowed": (
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "a"}}]},
        },
        ToolChoice(ChoiceMode.REQUIRED, ("a",)),
    ),
    "unheard of": ("perhaps", None),
}


@pytest.mark.parametrize(("said", "choice"), CHOICES.values(), ids=CHOICES)
def test_reads_the_choice_of_tools(said: Any, choice: ToolChoice | None) -> None:
    assert parse_request({"messages": [], "tool_choice": said}, PATH).tool_choice == choice


def test_reads_the_knobs() -> None:
    found = parse_request(REQUESTS["all knobs"], PATH)
    assert found.options == Options(
        max_tokens=100,
        temperature=0.2,
        top_p=1,
        stop=("END",),
        seed=7,
        presence_penalty=0,
        frequency_penalty=0.5,
        logprobs=True,
        top_logprobs=3,
        candidates=1,
        user="u-1",
        cache_key="k-1",
        service_tier="flex",
        verbosity="low",
    )
    assert (found.stream, found.usage_chunk, found.store) == (True, True, False)


def test_reads_tools_of_every_kind() -> None:
    tools = parse_request(REQUESTS["custom call"], PATH).tools
    assert [bare(tool) for tool in tools] == [
        Tool(
            "run",
            "Runs code",
            kind=CallKind.CUSTOM,
            grammar={"type": "grammar", "syntax": "lark", "definition": 'start: "a"'},
        ),
        Tool("say", kind=CallKind.CUSTOM, grammar={"type": "text"}),
    ]
    kinds = [type(tool) for tool in parse_request(REQUESTS["server tools (Groq, Kimi)"], PATH).tools]
    assert kinds == [ServerTool, Tool, ServerTool]
    (search,) = parse_request(REQUESTS["search"], PATH).tools
    assert isinstance(search, ServerTool)
    assert (search.kind, search.what) == (ServerToolKind.WEB_SEARCH, "web_search_options")


def test_a_sealed_signature_comes_home() -> None:
    data = seal(MESSAGES, "sig==")
    message = {
        "role": "assistant",
        "content": "ok",
        "reasoning_content": "First.\n\nThen.",
        "reasoning_details": [
            {"type": "reasoning.encrypted", "data": data, "id": "t0+6:", "index": 0},
            {"type": "reasoning.encrypted", "data": data, "id": "t8+5:rs_2", "index": 1},
        ],
    }
    found = parse_request({"messages": [message]}, PATH).messages[0].blocks
    assert found == (
        Thinking("First.", "sig==", MESSAGES),
        Thinking("Then.", "sig==", MESSAGES, "rs_2"),
        Text("ok"),
    )


def test_a_sealed_signature_of_other_text_is_dropped() -> None:
    detail = {"type": "reasoning.encrypted", "data": seal(MESSAGES, "s"), "id": "t0+60:"}
    message = {"role": "assistant", "reasoning_content": "short", "reasoning_details": [detail, detail]}
    assert parse_request({"messages": [message]}, PATH).messages[0].blocks == (Thinking("short"),)


def test_sealed_signatures_do_not_reach_a_vendor_of_chat() -> None:
    detail = {"type": "reasoning.encrypted", "data": seal(MESSAGES, "s"), "id": "t0+5:"}
    message = {"role": "assistant", "content": "ok", "reasoning_content": "hmmmm", "reasoning_details": [detail]}
    found = render_request(parse_request({"model": "m", "messages": [message]}, PATH))
    assert found.body["messages"] == [{"role": "assistant", "content": "ok"}]
    assert [loss.what for loss in found.losses] == ["thinking"]


# What is written of other formats' requests

WRITTEN: dict[str, tuple[tuple[Message, ...], list[dict[str, Any]]]] = {
    "text blocks are paragraphs": (
        (Message(USER, (Text("a"), Text(""), Text("b"))),),
        [{"role": "user", "content": "a\n\nb"}],
    ),
    "a picture makes parts": (
        (Message(USER, (Text("a"), PNG)),),
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "a"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR"}},
                ],
            }
        ],
    ),
    "calls of several messages stand together": (
        (
            Message(ASSISTANT, (Text("a"),)),
            Message(ASSISTANT, (CALL,)),
            Message(ASSISTANT, (ToolCall("c2", "look", ""),)),
            Message(USER, (ToolResult("c1", (Text("r1"),)),)),
            Message(USER, (ToolResult("c2", ()),)),
        ),
        [
            {
                "role": "assistant",
                "content": "a",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}},
                    {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "r1"},
            {"role": "tool", "tool_call_id": "c2", "content": ""},
        ],
    ),
    "results come before what the user says": (
        (Message(ASSISTANT, (CALL,)), Message(USER, (Text("go on"), ToolResult("c1", (Text("r"),), is_error=True)))),
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "Error: r"},
            {"role": "user", "content": "go on"},
        ],
    ),
    "thinking of another vendor is left out": (
        (Message(ASSISTANT, (Thinking("hm", "s", MESSAGES), Text("a"))),),
        [{"role": "assistant", "content": "a"}],
    ),
    "a message of nothing else goes with it": (
        (Message(ASSISTANT, (Thinking("hm", "s", MESSAGES),)), HI),
        [{"role": "user", "content": "hi"}],
    ),
    "thinking of Chat goes home": (
        (Message(ASSISTANT, (Thinking("hm", "reasoning_content", CHAT), Text("a"))),),
        [{"role": "assistant", "content": "a", "reasoning_content": "hm"}],
    ),
    "details go home": (
        (
            Message(
                ASSISTANT, (Thinking("hm", '[{"type":"reasoning.text","text":2,"signature":"s"}]', CHAT), Text("a"))
            ),
        ),
        [
            {
                "role": "assistant",
                "content": "a",
                "reasoning": "hm",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}],
            }
        ],
    ),
    "a text file is text": (
        (Message(USER, (Media(MediaKind.DOCUMENT, "text/plain", data="aGk=", name="a.txt"),)),),
        [{"role": "user", "content": "a.txt:\nhi"}],
    ),
}


@pytest.mark.parametrize(("messages", "written"), WRITTEN.values(), ids=WRITTEN)
def test_writes(messages: tuple[Message, ...], written: list[dict[str, Any]]) -> None:
    assert rendered(*messages)["messages"] == written


def test_the_system_field_is_one_message_in_front() -> None:
    body = rendered(HI, system=(Text("a"), Foreign(MESSAGES, {"type": "x"}), Text("b")))
    assert body["messages"] == [{"role": "system", "content": "a\n\nb"}, {"role": "user", "content": "hi"}]


PICTURED = (
    Message(ASSISTANT, (CALL, ToolCall("c2", "look", "{}"))),
    Message(USER, (ToolResult("c1", (Text("see"), PNG), name="look"),)),
    Message(USER, (ToolResult("c2", (PNG,)), Text("and now?"))),
)


def test_pictures_of_results_follow_the_last_result() -> None:
    first, second, user = rendered(*PICTURED)["messages"][1:]
    assert (first["role"], first["content"]) == ("tool", "see")
    assert (second["role"], second["content"]) == ("tool", "(see the user's message behind the results)")
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text", "image_url", "text"]
    assert user["content"][0]["text"] == "From the result of look (c1):"


def test_mistral_takes_no_user_behind_a_tool() -> None:
    messages = rendered(*PICTURED, model="mistral-large-latest")["messages"]
    assert [message["role"] for message in messages] == ["assistant", "tool", "tool"]
    assert messages[-1]["content"][-1] == {"type": "text", "text": "and now?"}


def test_a_late_system_message_stays_where_it_may() -> None:
    messages = (HI, Message(ASSISTANT, (Text("a"),)), Message(SYSTEM, (Text("b"),)))
    assert rendered(*messages, model="gpt-4.1")["messages"][-1] == {"role": "system", "content": "b"}
    assert rendered(*messages)["messages"][-1] == {"role": "user", "content": "b"}
    assert lost(*messages) == ["system message"]


@pytest.mark.parametrize("model", ["deepseek-v4-pro", "kimi-k2.5"])
def test_who_wants_its_reasoning_back_gets_a_blank_for_it(model: str) -> None:
    turn = (HI, Message(ASSISTANT, (CALL,)), Message(USER, (ToolResult("c1", (Text("r"),)),)))
    assert rendered(*turn, model=model)["messages"][1]["reasoning_content"] == " "
    off = rendered(*turn, model=model, reasoning=Reasoning(Effort.NONE))
    assert "reasoning_content" not in off["messages"][1]
    assert off["thinking"] == {"type": "disabled"}


FIELDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "tokens": ("some-model", {"options": Options(max_tokens=5)}, {"max_tokens": 5}),
    "tokens of a reasoning model": ("gpt-5", {"options": Options(max_tokens=5)}, {"max_completion_tokens": 5}),
    "no sampling for it": ("o3", {"options": Options(temperature=0.5, stop=("x",))}, {}),
    "sampling": ("gpt-4.1", {"options": Options(temperature=0.5, stop=("x",))}, {"temperature": 0.5, "stop": ["x"]}),
    "four stops": ("m", {"options": Options(stop=tuple("abcde"))}, {"stop": list("abcd")}),
    "Mistral's seed": ("mistral-small", {"options": Options(seed=5, user="u")}, {"random_seed": 5}),
    "long user id": (
        "gpt-4.1",
        {"options": Options(user="u" * 65)},
        {"user": sha256(b"u" * 65).hexdigest()},
    ),
    "stream": ("m", {"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    "effort": ("gpt-5", {"reasoning": Reasoning(Effort.MAX)}, {"reasoning_effort": "high"}),
    "effort of a budget": ("o3", {"reasoning": Reasoning(budget=2000)}, {"reasoning_effort": "low"}),
    "own choice": ("o3", {"reasoning": Reasoning(budget=-1)}, {}),
    "no effort for who takes none": ("gpt-4.1", {"reasoning": Reasoning(Effort.HIGH)}, {}),
    "switch": ("glm-4.7", {"reasoning": Reasoning(Effort.HIGH)}, {"thinking": {"type": "enabled"}}),
    "switch and word": (
        "deepseek-v4-flash",
        {"reasoning": Reasoning(Effort.MEDIUM)},
        {"thinking": {"type": "enabled"}, "reasoning_effort": "high"},
    ),
    "OpenRouter's tokens": (
        "anthropic/claude-sonnet-5",
        {"reasoning": Reasoning(budget=4000)},
        {"reasoning": {"max_tokens": 4000}},
    ),
    "JSON": ("m", {"answer_format": AnswerFormat()}, {"response_format": {"type": "json_object"}}),
    "allowed tools are all that others see": (
        "m",
        {"tools": (TOOL, Tool("other")), "tool_choice": ToolChoice(ChoiceMode.AUTO, ("other",))},
        {
            "tools": [
                {"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {}}}}
            ],
            "tool_choice": "auto",
        },
    ),
    "no choice without tools": ("m", {"tool_choice": ToolChoice(), "parallel_calls": False}, {}),
    "OpenAI's search": (
        "gpt-4o-search-preview",
        {"tools": (ServerTool(ServerToolKind.WEB_SEARCH, MESSAGES, {"type": "web_search_20250305"}),)},
        {"web_search_options": {}},
    ),
}


@pytest.mark.parametrize(("model", "fields", "written"), FIELDS.values(), ids=FIELDS)
def test_writes_fields(model: str, fields: dict[str, Any], written: dict[str, Any]) -> None:
    body = rendered(model=model, **fields)
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == written


LOST: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "nothing": ("m", {}, []),
    "top_k": ("m", {"options": Options(top_k=5)}, ["top_k"]),
    "sampling": ("gpt-5.1", {"options": Options(temperature=1, top_p=1)}, ["temperature", "top_p"]),
    "effort": ("gpt-4.1", {"reasoning": Reasoning(Effort.LOW)}, ["thinking effort"]),
    "effort in another word": ("gpt-5", {"reasoning": Reasoning(Effort.XHIGH)}, ["thinking effort"]),
    "tools or thought": ("gpt-5.5", {"reasoning": Reasoning(Effort.LOW), "tools": (TOOL,)}, ["thinking effort"]),
    "search": (
        "m",
        {"tools": (ServerTool(ServerToolKind.WEB_SEARCH, MESSAGES, {"type": "web_search_20250305"}),)},
        ["web_search_20250305"],
    ),
    "schema": ("deepseek-chat", {"answer_format": AnswerFormat({"type": "object"})}, ["answer schema"]),
    "cache marks": ("m", {"system": (Text("a", CacheMark()),)}, ["cache_control"]),
    "no cache marks for Claude": ("anthropic/claude-opus-5", {"system": (Text("a", CacheMark()),)}, []),
    "each once": (
        "m",
        {"system": (Foreign(MESSAGES, {"type": "x"}), Foreign(MESSAGES, {"type": "x"}))},
        ["x"],
    ),
}


@pytest.mark.parametrize(("model", "fields", "whats"), LOST.values(), ids=LOST)
def test_says_what_is_lost(model: str, fields: dict[str, Any], whats: list[str]) -> None:
    assert lost(model=model, **fields) == whats


def test_tools_switch_thinking_off_where_the_model_has_either() -> None:
    assert rendered(model="gpt-5.5", tools=(TOOL,))["reasoning_effort"] == "none"
    assert "reasoning_effort" not in rendered(model="gpt-5.5")


def test_deepseek_is_told_the_schema_in_words() -> None:
    form = AnswerFormat({"type": "object", "properties": {"a": {"type": "string"}}})
    body = rendered(model="deepseek-chat", answer_format=form)
    assert body["response_format"] == {"type": "json_object"}
    assert '"properties"' in body["messages"][0]["content"]


def test_claude_at_a_gateway_keeps_its_cache_marks() -> None:
    body = rendered(model="anthropic/claude-opus-5", system=(Text("a", CacheMark("1h")),))
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert body["messages"][0] == {"role": "system", "content": [part]}


def test_a_google_signature_stays_on_its_call_for_google_only() -> None:
    turn = Message(ASSISTANT, (Thinking("", "sig", GEMINI), CALL))
    (call,) = rendered(turn, model="gemini-3-pro")["messages"][0]["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "sig"}}
    (call,) = rendered(turn)["messages"][0]["tool_calls"]
    assert "extra_content" not in call
    assert lost(turn) == ["thinking signature"]


def test_several_candidates_of_another_format_are_refused() -> None:
    with pytest.raises(Untranslatable, match="candidates"):
        rendered(options=Options(candidates=2))


@settings(max_examples=150, deadline=None)
@given(conversations(), st.sampled_from(["gpt-4.1", "gpt-5", "gpt-5.6", "o3", "some-model"]))
def test_what_is_written_is_what_the_sdk_describes(conversation: Conversation, model: str) -> None:
    body = render_request(replace(conversation, model=model)).body
    (STREAMED if conversation.stream else WHOLE).validate_python(body)


@settings(max_examples=150, deadline=None)
@given(wild_conversations(), st.sampled_from(["gpt-5", "mistral-large", "deepseek-chat", "gemini-3-pro", "x"]))
def test_any_conversation_is_written_or_refused_in_words(conversation: Conversation, model: str) -> None:
    try:
        body = render_request(replace(conversation, model=model)).body
    except Untranslatable:
        return
    assert render_request(parse_request(body, PATH)).body == body


@settings(max_examples=150, deadline=None)
@given(conversations(images=False))
def test_what_is_written_reads_the_same(conversation: Conversation) -> None:
    found = parse_request(render_request(conversation).body, PATH)
    assert (found.model, found.stream) == (conversation.model, conversation.stream)
    assert _said(found) == _said(conversation)
    assert [tool.name for tool in found.tools if isinstance(tool, Tool)] == [
        tool.name for tool in conversation.tools if isinstance(tool, Tool)
    ]


def _said(conversation: Conversation) -> list[Any]:
    """Roles, texts, calls and results, in order; texts that follow each other as one."""
    said: list[Any] = [("system", _text(conversation.system))] if conversation.system else []
    for message in conversation.messages:
        results = [block for block in message.blocks if isinstance(block, ToolResult)]
        said += [(result.call_id, _result_text(result)) for result in results]
        text = _text(message.blocks)
        calls = [block for block in message.blocks if isinstance(block, ToolCall)]
        if text or calls:
            said.append((message.role.value, text, [(call.id, call.name, call.arguments) for call in calls]))
    if said and conversation.system == () and said[0][0] == "system":
        said[0] = said[0][:2]
    return said


def _result_text(result: ToolResult) -> str:
    return ("Error: " if result.is_error else "") + _text(result.content)


def _text(blocks: Any) -> str:
    return "\n\n".join(block.text for block in blocks if isinstance(block, Text))
