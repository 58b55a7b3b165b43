"""Requests: what Google documents comes back as it was; what other formats say becomes what Google takes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from ringlet_mitm.addons.wire.canonical import (
    AnswerFormat,
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
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.gemini.request import model_in, parse_request, render_request
from ringlet_mitm.addons.wire.gemini.signatures import UNSIGNED, sealed
from ringlet_mitm.addons.wire.identifiers import seal_base64
from ringlet_mitm.rules.shapes import WireFormat

CAPTURES = sorted((Path(__file__).parents[4] / "fixtures" / "captures").glob("gemini-*.json"))
PATH = "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
HI = {"role": "user", "parts": [{"text": "hi"}]}
OBJECT = {"type": "object", "properties": {"city": {"type": "string"}}}


class Body(BaseModel):
    """A request as the SDK's types have it; the types of the SDK forbid fields that they do not know."""

    model_config = ConfigDict(extra="forbid")
    contents: list[types.Content]
    systemInstruction: types.Content | None = None  # noqa: N815
    tools: list[types.Tool] | None = None
    toolConfig: types.ToolConfig | None = None  # noqa: N815
    generationConfig: types.GenerationConfig | None = None  # noqa: N815


def body(*contents: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"contents": list(contents) or [HI], **fields}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


CALL = {"functionCall": {"name": "weather", "args": {"city": "Rome"}}}
SIGNED = {**CALL, "thoughtSignature": "c2lnbmF0dXJl"}
ANSWER = {"functionResponse": {"name": "weather", "response": {"result": "sunny"}}}
PNG = {"inlineData": {"mimeType": "image/png", "data": "aWY="}}

IDENTITY: dict[str, dict[str, Any]] = {
    "no role": body({"parts": [{"text": "hi"}]}),
    "no parts": body({"role": "user"}),
    "a role of function": body(HI, model(CALL), {"role": "function", "parts": [ANSWER]}),
    "consecutive users": body(HI, HI),
    "parallel calls": body(HI, model(SIGNED, CALL), user(ANSWER, ANSWER)),
    "ids": body(
        HI,
        model({"functionCall": {"id": "a", "name": "f", "args": {}}}),
        user({"functionResponse": {"id": "a", "name": "f", "response": {"output": "x"}}}),
    ),
    "a call without args": body(HI, model({"functionCall": {"name": "f"}})),
    "an empty call": body(HI, model({"functionCall": {}})),
    "an error": body(HI, model(CALL), user({"functionResponse": {"name": "weather", "response": {"error": "no"}}})),
    "an object as result": body(
        HI, model(CALL), user({"functionResponse": {"name": "weather", "response": {"a": 1, "b": [2]}}})
    ),
    "no response": body(HI, model(CALL), user({"functionResponse": {"name": "weather"}})),
    "a picture in a result": body(
        HI,
        model(CALL),
        user({"functionResponse": {"name": "weather", "response": {"image": {"$ref": "a.png"}}, "parts": [PNG]}}),
    ),
    "a thought": body(HI, model({"text": "hm", "thought": True}, {"text": "yes"})),
    "a signed thought": body(HI, model({"text": "hm", "thought": True, "thoughtSignature": "c2ln"})),
    "an empty signed thought": body(HI, model({"text": "", "thought": True, "thoughtSignature": "c2ln"})),
    "a signed text": body(HI, model({"text": "yes", "thoughtSignature": "c2ln"})),
    "an empty signed text": body(HI, model({"text": "yes"}, {"text": "", "thoughtSignature": "c2ln"})),
    "only a signature": body(HI, model({"thoughtSignature": "c2ln"})),
    "two signatures": body(
        HI, model({"text": "", "thoughtSignature": "YQ=="}, {"text": "", "thoughtSignature": "Yg=="})
    ),
    "thought false": body(HI, model({"text": "yes", "thought": False})),
    "code": body(
        HI,
        model(
            {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "c2ln"},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        ),
    ),
    "media": body(
        user(
            PNG,
            {
                "fileData": {
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/x",
                    "mimeType": "video/mp4",
                }
            },
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}, "videoMetadata": {"fps": 1}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "aWY=", "displayName": "x"}},
            {"inlineData": {"mimeType": "image/png", "data": ""}},
        )
    ),
    "snake case": body(
        user({"inline_data": {"mime_type": "image/png", "data": "aWY="}}, {"file_data": {"file_uri": "gs://a/b"}}),
        model({"function_call": {"name": "f", "args": {}}, "thought_signature": "c2ln"}),
        user({"function_response": {"name": "f", "response": {"output": "x"}}}),
        system_instruction={"parts": [{"text": "be"}]},
        tools=[{"function_declarations": [{"name": "f", "description": "d", "parameters_json_schema": OBJECT}]}],
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
        generation_config={"max_output_tokens": 9, "stop_sequences": ["x"], "thinking_config": {"thinking_budget": 1}},
    ),
    "everything in the config": body(
        HI,
        generationConfig={
            "stopSequences": ["a", "b"],
            "responseMimeType": "application/json",
            "responseSchema": {"type": "ARRAY", "items": {"type": "STRING", "nullable": True}},
            "candidateCount": 2,
            "maxOutputTokens": 100,
            "temperature": 0,
            "topP": 0.5,
            "topK": 40.0,
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": -0.1,
            "responseLogprobs": True,
            "logprobs": 3,
            "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": False},
            "mediaResolution": "MEDIA_RESOLUTION_LOW",
            "responseModalities": ["TEXT"],
        },
        safetySettings=[{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
        cachedContent="cachedContents/x",
        labels={"team": "a"},
    ),
    "nulls": body(
        HI,
        generationConfig={"stopSequences": None, "temperature": None, "thinkingConfig": None},
        tools=None,
        toolConfig=None,
        systemInstruction=None,
        cachedContent=None,
    ),
    "wrong types": body(
        HI,
        generationConfig={"temperature": "hot", "maxOutputTokens": True, "stopSequences": "x", "topK": 1.5},
        tools=[{"functionDeclarations": "x"}, 7],
        toolConfig={"functionCallingConfig": {"mode": "SOME"}},
        systemInstruction={"parts": [{"text": 1}, "x"]},
    ),
    "tools": body(
        HI,
        tools=[
            {"googleSearch": {}, "codeExecution": {}},
            {
                "functionDeclarations": [
                    {"name": "f"},
                    {"name": "g", "parameters": {"type": "OBJECT", "properties": {}}},
                ]
            },
            {"functionDeclarations": [{"description": "no name", "behavior": "BLOCKING"}]},
            {"urlContext": {}},
        ],
        toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}, "retrievalConfig": {"languageCode": "en"}},
    ),
    "choice of several": body(
        HI, toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}}
    ),
    "choice of none": body(HI, toolConfig={"functionCallingConfig": {"mode": "NONE"}}),
    "a model in the body": body(HI, model="models/x"),
    "a text among the parts": body(user({"text": "a"}, "b", None, {})),  # type: ignore[arg-type]
    "no object among the contents": {"contents": [HI, "x"]},
}


@pytest.mark.parametrize(
    "path", [PATH, "/v1beta/models/gemini-2.5-pro:generateContent", "/v1/models/gemma-3:generateContent"]
)
@pytest.mark.parametrize("case", IDENTITY)
def test_identity(case: str, path: str) -> None:
    before = json.dumps(IDENTITY[case])
    rendered = render_request(parse_request(IDENTITY[case], path))
    assert json.loads(json.dumps(rendered.body)) == IDENTITY[case]
    assert not rendered.losses
    assert json.dumps(IDENTITY[case]) == before


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem[:10])
def test_identity_of_captures(capture: Path) -> None:
    found = json.loads(capture.read_text())
    conversation = parse_request(found["body"], found["path"])
    assert render_request(conversation).body == found["body"]
    assert conversation.stream == ("stream" in found["path"])
    assert conversation.model.startswith("gemini-3")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (PATH, ("gemini-3.8-flash", "streamGenerateContent")),
        ("/v1/projects/p/locations/l/publishers/google/models/m:generateContent", ("m", "generateContent")),
        ("/v1beta/tunedModels/t-1:generateContent", ("t-1", "generateContent")),
        ("/v1beta/models/org%2Fm:generateContent?key=x:y", ("org/m", "generateContent")),
        ("", ("", "")),
    ],
)
def test_model_in(path: str, wanted: tuple[str, str]) -> None:
    assert model_in(path) == wanted


def test_calls_without_ids_get_stable_ones_and_their_results() -> None:
    other = {"functionCall": {"name": "time", "args": {}}}
    when = {"functionResponse": {"name": "time", "response": {"output": "noon"}}}
    contents = (HI, model(CALL, other, CALL), user(ANSWER, when, ANSWER), model(CALL))
    blocks = [block for one in parse_request(body(*contents), PATH).messages for block in one.blocks]
    calls = [block.id for block in blocks if isinstance(block, ToolCall)]
    results = [block.call_id for block in blocks if isinstance(block, ToolResult)]
    assert len(set(calls)) == 4
    assert results == [calls[0], calls[1], calls[2]]
    again = [block for one in parse_request(body(*contents[:2]), PATH).messages for block in one.blocks]
    assert [block.id for block in again if isinstance(block, ToolCall)] == calls[:3]


def test_what_it_means() -> None:
    conversation = parse_request(IDENTITY["everything in the config"], PATH)
    assert conversation.options == Options(
        max_tokens=100,
        temperature=0,
        top_p=0.5,
        top_k=40,
        stop=("a", "b"),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        logprobs=True,
        top_logprobs=3,
        candidates=2,
    )
    assert conversation.reasoning == Reasoning(Effort.LOW, visible=False)
    assert conversation.answer_format == AnswerFormat({"type": "array", "items": {"type": ["string", "null"]}})
    tools = parse_request(IDENTITY["tools"], PATH).tools
    kinds = [tool.kind if isinstance(tool, ServerTool) else tool.name for tool in tools]
    assert kinds == [ServerToolKind.WEB_SEARCH, ServerToolKind.CODE_EXECUTION, "f", "g", "", ServerToolKind.WEB_FETCH]


@pytest.mark.parametrize("wrong", [{}, {"contents": None}, {"contents": []}, {"contents": "hi"}])
def test_no_contents_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(Untranslatable, match="contents"):
        parse_request(wrong, PATH)


def test_too_deep_is_said() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    call = {"functionCall": {"name": "f", "args": deep}}
    with pytest.raises(Untranslatable, match="deep"):
        parse_request(body(HI, model(call)), PATH)
    while deep:
        deep = deep.pop("a")


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PART_KEYS = (
    "text thought thoughtSignature thought_signature functionCall functionResponse inlineData fileData executableCode"
)
INNER_KEYS = [
    "id",
    "name",
    "args",
    "response",
    "parts",
    "data",
    "mimeType",
    "fileUri",
    "fileData",
    "inlineData",
    "output",
    "error",
    "displayName",
]
INNER = st.dictionaries(st.sampled_from(INNER_KEYS), JSONS | st.text(max_size=3), max_size=4)
PARTS = st.lists(st.dictionaries(st.sampled_from(PART_KEYS.split()), JSONS | INNER, max_size=3) | JSONS, max_size=4)
CONTENT = st.fixed_dictionaries({}, optional={"role": st.sampled_from(["user", "model", "x", None]), "parts": PARTS})
TOP = st.fixed_dictionaries(
    {"contents": st.lists(CONTENT | JSONS, min_size=1, max_size=4)},
    optional={
        key: JSONS
        | st.dictionaries(
            st.sampled_from(
                ["parts", "temperature", "topK", "thinkingConfig", "responseMimeType", "functionCallingConfig"]
            ),
            JSONS,
        )
        for key in ("systemInstruction", "tools", "toolConfig", "generationConfig", "generation_config", "labels")
    },
)


@settings(max_examples=300)
@given(TOP)
def test_identity_of_anything(found: dict[str, Any]) -> None:
    assert json.dumps(render_request(parse_request(found, PATH)).body, sort_keys=True) == json.dumps(
        found, sort_keys=True
    )


# From other formats


def asked(*messages: Message, model: str = "gemini-3.8-flash", **fields: Any) -> tuple[dict[str, Any], list[str]]:
    rendered = render_request(Conversation(model, messages, **fields))
    Body.model_validate(rendered.body)
    whats = [loss.what for loss in rendered.losses]
    assert len(whats) == len(set(whats))
    return rendered.body, whats


def says(role: Role, *blocks: Any) -> Message:
    return Message(role, blocks)


USER, ASSISTANT = Role.USER, Role.ASSISTANT
HELLO = says(USER, Text("hi"))
CALLS = (
    says(ASSISTANT, ToolCall("a", "f", '{"x":1}')),
    says(ASSISTANT, ToolCall("b", "g", "")),
    says(USER, ToolResult("a", (Text("one"), Text("two")))),
    says(USER, Text("and?"), ToolResult("b", (), is_error=True)),
)


def test_parallel_calls_and_results_stand_together() -> None:
    found, lost = asked(HELLO, *CALLS, model="gemini-2.5-pro")
    assert found["contents"] == [
        HI,
        model(
            {"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}},
            {"functionCall": {"id": "b", "name": "g", "args": {}}},
        ),
        user(
            {"functionResponse": {"id": "a", "name": "f", "response": {"output": "one\ntwo"}}},
            {"functionResponse": {"id": "b", "name": "g", "response": {"error": ""}}},
            {"text": "and?"},
        ),
    ]
    assert not lost


def test_the_first_unsigned_call_of_this_turn_is_signed() -> None:
    found, _ = asked(HELLO, *CALLS, says(ASSISTANT, Text("done")), HELLO, *CALLS)
    marks = [
        part.get("thoughtSignature") for one in found["contents"] for part in one["parts"] if "functionCall" in part
    ]
    assert marks == [None, None, UNSIGNED, None]


def test_own_signatures_come_back_and_others_never_leave() -> None:
    thoughts = (
        says(ASSISTANT, Thinking("", "c2ln", WireFormat.GEMINI), ToolCall("a", "f", "{}")),
        says(USER, ToolResult("a", (Text("x"),))),
        says(ASSISTANT, Thinking("secret", "sig", WireFormat.MESSAGES), ToolCall("b", "f", "{}")),
        says(USER, ToolResult("b", (Text("x"),))),
        says(ASSISTANT, Thinking("plain"), Text("done")),
    )
    found, lost = asked(HELLO, *thoughts)
    parts = [part for one in found["contents"] if one["role"] == "model" for part in one["parts"]]
    assert [part.get("thoughtSignature") for part in parts] == ["c2ln", UNSIGNED, None]
    assert "secret" not in json.dumps(found)
    assert "plain" not in json.dumps(found)
    assert lost == ["thinking"]


def test_what_a_gemini_agent_carries_for_others_stays_here() -> None:
    carried = sealed([Thinking("deep", "sig", WireFormat.MESSAGES)])
    found = parse_request(body(HI, model({"text": "ok"}, {**CALL, "thoughtSignature": carried})), PATH)
    thought, said, call = found.messages[1].blocks
    assert thought == Thinking("deep", "sig", WireFormat.MESSAGES)
    assert isinstance(said, Text)
    assert isinstance(call, ToolCall)
    rendered = render_request(found)
    assert rendered.body["contents"][1]["parts"][-1]["thoughtSignature"] == UNSIGNED
    assert [loss.what for loss in rendered.losses] == ["thinking"]
    plain = seal_base64(WireFormat.RESPONSES, "x")
    blocks = parse_request(body(HI, model({**CALL, "thoughtSignature": plain})), PATH).messages[1].blocks
    assert blocks[0] == Thinking("", "x", WireFormat.RESPONSES)


def test_a_thought_that_the_agent_kept_is_not_there_twice() -> None:
    alone = sealed([Thinking("", "sig", WireFormat.MESSAGES)])
    carried = sealed([Thinking("deep", "sig", WireFormat.MESSAGES)])
    parts = ({"text": "deep", "thought": True, "thoughtSignature": alone}, {**CALL, "thoughtSignature": carried})
    blocks = parse_request(body(HI, model(*parts)), PATH).messages[1].blocks
    assert blocks[0] == Thinking("deep", "sig", WireFormat.MESSAGES)
    assert len(blocks) == 2


PICTURE = Media(MediaKind.IMAGE, "image/png", data="aWY=")


@pytest.mark.parametrize("name", ["gemini-3.8-flash", "gemini-2.5-flash"])
def test_pictures_in_results(name: str) -> None:
    call = says(ASSISTANT, ToolCall("a", "f", "{}"))
    found, _ = asked(HELLO, call, says(USER, ToolResult("a", (Text("see"), PICTURE))), model=name)
    result = {"id": "a", "name": "f", "response": {"output": "see"}}
    inside = user({"functionResponse": {**result, "parts": [PNG]}})
    behind = user({"functionResponse": result}, PNG)
    assert found["contents"][-1] == (inside if name.startswith("gemini-3") else behind)


PDF = {"inlineData": {"mimeType": "application/pdf", "data": "aWY="}}


def at(mime: str, url: str) -> dict[str, Any]:
    return {"fileData": {"mimeType": mime, "fileUri": url}}


MEDIA = {
    "data": (PICTURE, PNG, []),
    "data without a type": (Media(MediaKind.DOCUMENT, data="aWY="), PDF, []),
    "a data URL": (Media(MediaKind.IMAGE, url="data:image/png;base64,aWY="), PNG, []),
    "a URL": (Media(MediaKind.IMAGE, url="https://x.test/a.webp?b"), at("image/webp", "https://x.test/a.webp?b"), []),
    "a URL that says nothing": (
        Media(MediaKind.IMAGE, url="https://x.test/a"),
        at("image/jpeg", "https://x.test/a"),
        [],
    ),
    "a broken URL": (Media(MediaKind.IMAGE, url="http://[x"), at("image/jpeg", "http://[x"), []),
    "another vendor's file": (Media(MediaKind.IMAGE, file_id="file-1"), None, ["file"]),
    "detail": (Media(MediaKind.IMAGE, "image/png", data="aWY=", detail="high"), PNG, ["image detail"]),
}


@pytest.mark.parametrize("case", MEDIA)
def test_media(case: str) -> None:
    media, part, wanted = MEDIA[case]
    found, lost = asked(says(USER, Text("hi"), media))
    assert found["contents"] == [user({"text": "hi"}, *([part] if part else []))]
    assert lost == wanted


def level(name: str, visible: bool) -> dict[str, Any]:
    return {"thinkingLevel": name, "includeThoughts": visible}


def budget(tokens: int, visible: bool) -> dict[str, Any]:
    return {"thinkingBudget": tokens, "includeThoughts": visible}


THINKING = {
    "level": ("gemini-3.8-flash", Reasoning(Effort.HIGH), level("HIGH", True), []),
    "too high": ("gemini-3.8-flash", Reasoning(Effort.MAX), level("HIGH", True), []),
    "pro has no middle": ("gemini-3-pro-preview", Reasoning(Effort.MEDIUM), level("HIGH", True), []),
    "budget as level": ("gemini-3.1-pro", Reasoning(budget=2000), level("LOW", True), ["thinking budget"]),
    "dynamic": ("gemini-3.1-pro", Reasoning(budget=-1, visible=False), {"includeThoughts": False}, []),
    "off by level": ("gemini-3.8-flash", Reasoning(Effort.NONE), level("MINIMAL", False), ["thinking off"]),
    "budget": ("gemini-2.5-flash", Reasoning(budget=2000), budget(2000, True), []),
    "too much": ("gemini-2.5-flash", Reasoning(budget=99999), budget(24576, True), []),
    "level as budget": ("gemini-2.5-pro", Reasoning(Effort.LOW), budget(1024, True), []),
    "off": ("gemini-2.5-flash-lite", Reasoning(Effort.NONE), budget(0, False), []),
    "never off": ("gemini-2.5-pro", Reasoning(budget=0), budget(128, False), ["thinking off"]),
    "both": ("gemini-2.5-pro", Reasoning(Effort.HIGH, 4000), budget(4000, True), []),
    "does not think": ("gemini-2.0-flash", Reasoning(Effort.HIGH), None, ["thinking"]),
    "an alias": ("gemini-flash-latest", Reasoning(Effort.LOW), level("LOW", True), []),
}


@pytest.mark.parametrize("case", THINKING)
def test_thinking(case: str) -> None:
    name, reasoning, wanted, wanted_losses = THINKING[case]
    found, lost = asked(HELLO, model=name, reasoning=reasoning)
    assert found.get("generationConfig", {}).get("thinkingConfig") == wanted
    assert lost == wanted_losses


CHOICES = {
    "auto": (ToolChoice(), {"mode": "AUTO"}),
    "auto among": (ToolChoice(ChoiceMode.AUTO, ("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    "required": (ToolChoice(ChoiceMode.REQUIRED), {"mode": "ANY"}),
    "named": (ToolChoice(ChoiceMode.NAMED, ("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    "none": (ToolChoice(ChoiceMode.NONE), {"mode": "NONE"}),
}
F = Tool("f", "does", {"type": "object", "properties": {"a": {"const": 1}}})


@pytest.mark.parametrize("case", CHOICES)
def test_choice(case: str) -> None:
    choice, wanted = CHOICES[case]
    found, _ = asked(HELLO, tools=(F,), tool_choice=choice)
    assert found["toolConfig"] == {"functionCallingConfig": wanted}


def test_tools() -> None:
    fitted = {"type": "object", "properties": {"a": {"enum": [1], "type": "integer"}}}
    found, _ = asked(HELLO, tools=(F,))
    assert found["tools"] == [
        {"functionDeclarations": [{"name": "f", "description": "does", "parametersJsonSchema": fitted}]}
    ]
    found, lost = asked(HELLO, tools=(F, Tool("g", schema={})), model="gemini-2.0-flash")
    said = {"type": "object", "properties": {"a": {"type": "integer", "description": "(enum: [1])"}}}
    declared = [{"name": "f", "description": "does", "parameters": said}, {"name": "g"}]
    assert found["tools"] == [{"functionDeclarations": declared}]
    assert lost == ["schema enum"]


def test_server_tools() -> None:
    search = ServerTool(
        ServerToolKind.WEB_SEARCH, WireFormat.MESSAGES, {"type": "web_search_20250305", "name": "web_search"}
    )
    shell = ServerTool(ServerToolKind.OTHER, WireFormat.RESPONSES, {"type": "local_shell"})
    assert asked(HELLO, tools=(search, shell)) == (body(tools=[{"googleSearch": {}}]), ["local_shell"])
    _, lost = asked(HELLO, tools=(F, search))
    assert lost == ["web_search_20250305"]


def test_options() -> None:
    options = Options(
        max_tokens=9, top_k=4, stop=tuple("abcdef"), user="u", service_tier="flex", verbosity="low", seed=1
    )
    found, lost = asked(HELLO, options=options, parallel_calls=False, tools=(F,))
    assert found["generationConfig"] == {"maxOutputTokens": 9, "topK": 4, "stopSequences": list("abcde"), "seed": 1}
    assert lost == ["parallel tool calls", "stop sequences", "user", "service tier", "verbosity"]


def test_several_answers_are_refused() -> None:
    with pytest.raises(Untranslatable, match="ask for one"):
        asked(HELLO, options=Options(candidates=2))
    assert "generationConfig" in asked(HELLO, options=Options(candidates=1))[0]


def test_answer_format() -> None:
    wanted = AnswerFormat({"type": "array", "items": {"const": "x"}}, "n", strict=True)
    found, _ = asked(HELLO, answer_format=wanted)
    schema = {"type": "array", "items": {"enum": ["x"], "type": "string"}}
    assert found["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": schema}
    found, lost = asked(HELLO, answer_format=wanted, tools=(F,), model="gemini-2.5-flash")
    assert "generationConfig" not in found
    assert lost == ["answer format"]


def called(said: str) -> dict[str, Any]:
    call = {"id": "a", "name": "f", "args": {"input": said}}
    return model({"functionCall": call, "thoughtSignature": UNSIGNED})


ODD = {
    "empty texts": (
        (says(USER, Text(""), Text("hi")), says(ASSISTANT, Text("")), says(USER, Text("you?"))),
        [user({"text": "hi"}, {"text": "you?"})],
    ),
    "the model first": (
        (says(ASSISTANT, Text("a")), HELLO),
        [user({"text": "(the conversation begins with the model)"}), model({"text": "a"}), HI],
    ),
    "nothing": ((), [user({"text": "(nothing was said)"})]),
    "system in the middle": ((HELLO, says(Role.SYSTEM, Text("now"))), [user({"text": "hi"}, {"text": "now"})]),
    "no JSON": ((HELLO, says(ASSISTANT, ToolCall("a", "f", "{x"))), [HI, called("{x")]),
    "free text": ((HELLO, says(ASSISTANT, ToolCall("a", "f", "ls", CallKind.CUSTOM))), [HI, called("ls")]),
    "an orphan": (
        (says(USER, ToolResult("z", (Text("x"),))),),
        [user({"functionResponse": {"id": "z", "name": "unknown_tool", "response": {"output": "x"}}})],
    ),
    "a foreign block": ((says(USER, Foreign(WireFormat.MESSAGES, {"type": "container_upload"}), Text("hi")),), [HI]),
}


@pytest.mark.parametrize("case", ODD)
def test_odd(case: str) -> None:
    messages, contents = ODD[case]
    found, _ = asked(*messages)
    assert found["contents"] == contents


def test_system_at_the_beginning() -> None:
    found, lost = asked(says(Role.SYSTEM, Text("b")), HELLO, system=(Text("a"), Text("")))
    assert found["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert found["contents"] == [HI]
    assert not lost


def test_half_a_megabyte_is_translated_in_time() -> None:
    capture = json.loads(CAPTURES[2].read_text())
    one = capture["body"]["contents"]
    small = [*one[1:], {"role": "user", "parts": [{"text": "x" * 1500}]}]
    large = {**capture["body"], "contents": one[:1] + small * (450_000 // len(json.dumps(small)))}
    took = []
    for _ in range(5):
        began = time.process_time()
        rendered = render_request(parse_request(large, capture["path"]))
        took.append(time.process_time() - began)
    assert rendered.body == large
    print(f"{len(json.dumps(large))} bytes: {min(took) * 1000:.2f} ms")
    assert min(took) < 0.05
