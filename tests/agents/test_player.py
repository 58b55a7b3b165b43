"""The stand-in model speaks as the vendors do (their SDKs read it), and refuses what they refuse."""

from __future__ import annotations

import copy
import json
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from agents.player import Player
from agents.story import COMMAND, FILE, NEW, OLD, PATCH, PROMPT, Offer, steps
from agents.strictness import faults
from google import genai
from tornado.httputil import HTTPHeaders

from ringlet_mitm.cli.demo.upstream import Refusal, Seen, Vendor

Json = dict[str, Any]
Turn = tuple[str, str, list[tuple[str, Json]]]  # thought, text, calls
FOLDER = Path("/work")
CAPTURES = sorted((Path(__file__).parents[2] / "fixtures" / "captures").glob("*.json"))
SHELL = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
READ = {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]}
PARAMETERS = {"bash": SHELL, "read": READ}
FIRST_CALLS = [("bash", {"command": COMMAND}), ("read", {"file_path": str(FOLDER / FILE)})]


@pytest.fixture(scope="module")
def playing() -> Iterator[Vendor]:
    with Vendor() as vendor:
        vendor.model = Player(FOLDER, "secret", "127.0.0.1")
        yield vendor


def trusting(vendor: Vendor) -> ssl.SSLContext:
    """The certificate is for the vendors' names, and nobody resolves those here."""
    context = ssl.create_default_context(cafile=str(vendor.ca_file))
    context.check_hostname = False
    return context


def messages(vendor: Vendor, stream: bool) -> Turn:
    http = anthropic.DefaultHttpxClient(verify=trusting(vendor), trust_env=False)
    api = anthropic.Anthropic(api_key="k", base_url=f"https://127.0.0.1:{vendor.port}", http_client=http)
    asked: Json = {
        "model": "claude-opus-4-8",
        "max_tokens": 4000,
        "messages": [{"role": "user", "content": PROMPT}],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "tools": [{"name": name, "input_schema": schema} for name, schema in PARAMETERS.items()],
    }
    if stream:
        with api.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = api.messages.create(**asked)
    blocks = [block.model_dump() for block in message.content]
    assert [block["type"] for block in blocks] == ["thinking", "text", "tool_use", "tool_use"]
    assert blocks[0]["signature"]
    return blocks[0]["thinking"], blocks[1]["text"], [(block["name"], block["input"]) for block in blocks[2:]]


def chat(vendor: Vendor, stream: bool) -> Turn:
    http = openai.DefaultHttpxClient(verify=trusting(vendor), trust_env=False)
    api = openai.OpenAI(api_key="k", base_url=f"https://127.0.0.1:{vendor.port}/v1", http_client=http)
    tools: Any = [
        {"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in PARAMETERS.items()
    ]
    asked: Json = {"model": "m", "messages": [{"role": "user", "content": PROMPT}], "tools": tools}
    if stream:
        with api.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
            completion: Any = events.get_final_completion()
        assert completion.usage.total_tokens > 0
    else:
        completion = api.chat.completions.create(**asked)
    message = completion.choices[0].message
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls]
    return message.model_extra["reasoning"], message.content, calls


def responses(vendor: Vendor, stream: bool) -> Turn:
    http = openai.DefaultHttpxClient(verify=trusting(vendor), trust_env=False)
    api = openai.OpenAI(api_key="k", base_url=f"https://127.0.0.1:{vendor.port}/v1", http_client=http)
    tools: Any = [{"type": "function", "name": name, "parameters": schema} for name, schema in PARAMETERS.items()]
    asked: Json = {"model": "m", "input": PROMPT, "tools": tools, "reasoning": {"effort": "low"}}
    if stream:
        with api.responses.stream(**asked) as events:
            response: Any = events.get_final_response()
    else:
        response = api.responses.create(**asked)
    thought, text, *calls = response.output
    assert thought.encrypted_content
    said = [(call.name, json.loads(call.arguments)) for call in calls]
    return thought.summary[0].text, text.content[0].text, said


def gemini(vendor: Vendor, stream: bool) -> Turn:
    options = genai.types.HttpOptions(
        base_url=f"https://127.0.0.1:{vendor.port}", client_args={"verify": trusting(vendor), "trust_env": False}
    )
    api = genai.Client(api_key="k", http_options=options)
    declared: Any = [{"name": name, "parameters_json_schema": schema} for name, schema in PARAMETERS.items()]
    config = genai.types.GenerateContentConfig(
        tools=[genai.types.Tool(function_declarations=declared)],
        thinking_config=genai.types.ThinkingConfig(include_thoughts=True),
    )
    asked: Json = {"model": "gemini-3.8-flash", "contents": PROMPT, "config": config}
    answers = list(api.models.generate_content_stream(**asked)) if stream else [api.models.generate_content(**asked)]
    parts = [part for answer in answers for part in answer.candidates[0].content.parts]
    calls = [part for part in parts if part.function_call]
    assert [bool(part.thought_signature) for part in calls] == [True, False]
    thought = "".join(part.text for part in parts if part.thought)
    text = "".join(part.text for part in parts if part.text and not part.thought)
    return thought, text, [(part.function_call.name, part.function_call.args) for part in calls]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("ask", [messages, chat, responses, gemini])
def test_the_vendors_sdk_reads_the_first_step(
    ask: Callable[[Vendor, bool], Turn], stream: bool, playing: Vendor
) -> None:
    play = steps(tuple(Offer(name, schema["properties"]) for name, schema in PARAMETERS.items()), FOLDER)
    assert play is not None
    assert ask(playing, stream) == (play[0].thought, play[0].text, FIRST_CALLS)


TOOLS: dict[str, tuple[Offer, Any]] = {
    "an editor of strings": (
        Offer(
            "functions__Edit",
            {"file_path": {}, "old_string": {}, "new_string": {}, "instruction": {}},
            ("instruction",),
        ),
        {"file_path": str(FOLDER / FILE), "old_string": OLD, "new_string": NEW, "instruction": "sky"},
    ),
    "a patch": (Offer("apply_patch", {"patchText": {}}), {"patchText": PATCH}),
    "a patch as free text": (Offer("apply_patch", custom=True), PATCH),
}


@pytest.mark.parametrize(("tool", "arguments"), TOOLS.values(), ids=TOOLS)
def test_the_edit_is_made_with_the_tool_for_it(tool: Offer, arguments: Any) -> None:
    play = steps((tool, Offer("bash", {"command": {}})), FOLDER)
    assert play is not None
    assert [call.arguments for call in play[1].calls] == [arguments]


SHELLS = [Offer("exec", custom=True), Offer("exec", {"input": {}}), Offer("bash", {"cmd": {}})]


@pytest.mark.parametrize("shell", SHELLS, ids=["of free text", "of free text in an object", "of commands"])
def test_without_one_it_is_made_by_the_shell(shell: Offer) -> None:
    play = steps((shell,), FOLDER)
    assert play is not None
    assert [call.tool for step in play for call in step.calls] == [shell, shell]


def test_without_a_shell_it_is_no_turn_of_the_task() -> None:
    assert steps((Offer("read", {"file_path": {}}),), FOLDER) is None


def asked_with(signature: str, thinking: str = "t") -> Json:
    """The second turn of Messages, with a thought that came back."""
    body: Json = copy.deepcopy(GOOD["messages"])
    body["messages"][1]["content"][0] = {"type": "thinking", "thinking": thinking, "signature": signature}
    return body


def test_only_its_own_thoughts_are_taken_and_only_its_own_key() -> None:
    player = Player(FOLDER, "secret", "api.anthropic.com", signed={("messages", "s"): "t", ("gemini", "g"): "t"})
    here = Seen("api.anthropic.com", "POST", "/v1/messages", "", HTTPHeaders({"x-api-key": "sk-secret"}), b"{}")
    there = replace(here, host="api.minimax.io")
    player("messages", here, asked_with("s") | {"model": "m", "tools": []}, False)
    assert player.refused == []
    for seen, body, word in (
        (here, asked_with("g"), "invalid signature"),
        (here, asked_with("s", "changed"), "must not be modified"),
        (there, asked_with("s"), "own key went to api.minimax.io"),
    ):
        with pytest.raises(Refusal, match=word):
            player("messages", seen, body | {"model": "m"}, False)


def style_of(path: str) -> str:
    return "gemini" if "Content" in path else "responses" if "/responses" in path else "messages"


@pytest.mark.parametrize("file", CAPTURES, ids=lambda file: file.stem)
def test_what_real_agents_send_is_taken(file: Path) -> None:
    capture = json.loads(file.read_text())
    assert faults(style_of(capture["path"]), capture["body"]) == []


CALL = {"type": "tool_use", "id": "c", "name": "bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": "r"}
THOUGHT = {"type": "thinking", "thinking": "t", "signature": "s"}
CHAT_CALL = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": "{}"}}
GOOD: dict[str, Json] = {
    "messages": {
        "max_tokens": 100,
        "thinking": {"type": "enabled", "budget_tokens": 50},
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [THOUGHT, CALL]},
            {"role": "user", "content": [RESULT]},
        ],
        "tools": [{"name": "bash", "input_schema": {"type": "object"}}],
    },
    "chat": {
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": None, "tool_calls": [CHAT_CALL]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
        ],
        "tools": [{"type": "function", "function": {"name": "bash", "parameters": {}}}],
    },
    "responses": {
        "input": [
            {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "bash", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "r"},
        ],
        "tools": [{"type": "function", "name": "bash", "parameters": {}}],
    },
    "gemini": {
        "contents": [
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "bash", "args": {}}, "thoughtSignature": "s"}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "bash", "response": {"output": "r"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "bash", "parameters": {"type": "OBJECT"}}]}],
    },
}
# Where something else is put (None: the item is taken away), and a word of the refusal.
BROKEN: list[tuple[str, list[Any], Any, str]] = [
    ("messages", ["messages", 2], None, "without results"),
    ("messages", ["messages", 1, "content", 1], None, "after calls"),
    ("messages", ["messages", 1, "content", 0], None, "start with a thinking block"),
    ("messages", ["messages", 0], None, "user role"),
    ("messages", ["messages", 0, "content"], [{"type": "text", "text": ""}], "non-empty"),
    ("messages", ["max_tokens"], 50, "budget_tokens"),
    ("messages", ["temperature"], 0.5, "temperature"),
    ("messages", ["tool_choice"], {"type": "any"}, "forces tool use"),
    ("messages", ["tools", 0, "name"], "a.b", "name 'a.b'"),
    ("messages", ["tools", 0, "input_schema"], {"anyOf": []}, "'object'"),
    ("chat", ["messages", 2], None, "no answers"),
    ("chat", ["messages", 2, "tool_call_id"], "d", "must answer"),
    ("chat", ["messages", 1, "tool_calls", 0, "function", "arguments"], {}, "string"),
    ("chat", ["messages", 1, "tool_calls"], None, "neither content"),
    ("responses", ["input", 1], None, "no tool output"),
    ("responses", ["input", 0], None, "no tool call"),
    ("responses", ["input", 0, "id"], "toolu_1", "fc_"),
    ("responses", ["input", 1, "type"], "custom_tool_call_output", "no tool call"),
    ("gemini", ["contents", 1, "parts", 0, "thoughtSignature"], None, "thought_signature"),
    ("gemini", ["contents", 1], None, "function calls"),
    ("gemini", ["contents", 0, "parts"], [], "empty"),
    ("gemini", ["contents", 2, "parts", 0, "functionResponse", "response"], "r", "object"),
    ("gemini", ["tools", 0, "functionDeclarations", 0, "parameters"], {"oneOf": []}, "oneOf"),
    ("gemini", ["top_k"], 3, "top_k"),
]


@pytest.mark.parametrize("style", GOOD)
def test_a_whole_turn_is_taken(style: str) -> None:
    assert faults(style, GOOD[style]) == []


@pytest.mark.parametrize(("style", "place", "value", "word"), BROKEN, ids=[f"{row[0]} {row[3]}" for row in BROKEN])
def test_what_vendors_refuse_is_refused(style: str, place: list[Any], value: Any, word: str) -> None:
    body: Any = copy.deepcopy(GOOD[style])
    *way, last = place
    node = body
    for key in way:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    assert any(word in fault for fault in faults(style, body))
