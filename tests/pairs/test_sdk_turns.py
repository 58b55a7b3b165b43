"""The vendors' own SDKs, each on every other vendor's wire format: a tool turn and its answer, streamed and whole.

What an SDK's accumulator gives is what an agent acts on: the call with its arguments, the reason to stop, the usage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
from clients import StartProxy, rows
from google import genai
from google.genai import types

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

# Provider, its model, and where its calls go. Each of these speaks one wire format only.
TARGETS = {
    "messages": ("anthropic", "claude-haiku-4-5", "/v1/messages"),
    "chat": ("only-chat", "llama-3.3-70b-versatile", "/openai/v1/chat/completions"),
    "responses": ("only-responses", "gpt-5-mini", "/v1/responses"),
    "gemini": ("only-gemini", "gemini-2.5-flash", ":generateContent"),
}
PROVIDERS = {
    "only-chat": """
name = "only-chat"
shape = "openai"
endpoint = "https://api.groq.com/openai/v1"
key-env = "GROQ_API_KEY"
""",
    "only-responses": """
name = "only-responses"
shape = "openai"
endpoint = "https://api.openai.com/v1"
key-env = "OPENAI_API_KEY"
hosts = ["only-responses.example"]
[paths]
openai-responses = "/responses"
""",
    "only-gemini": """
name = "only-gemini"
shape = "gemini"
endpoint = "https://generativelanguage.googleapis.com/v1beta"
key-env = "GEMINI_API_KEY"
hosts = ["only-gemini.example"]
""",
}
RULES = "".join(
    f'[[rule]]\nmatch = {{ model-matches = "*on-{name}*" }}\nto = "{provider}"\nmodel = "{model}"\n'
    for name, (provider, model, _) in TARGETS.items()
)
SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
ASKED = "say hi with the shell"
SYSTEM = "You are terse."


@dataclass(frozen=True, slots=True)
class Turn:
    """What an agent sees of two turns: the call, then the text after its result."""

    tool: str
    arguments: dict[str, Any]
    stop: str
    text: str
    last_stop: str
    input_tokens: int
    output_tokens: int


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy(RULES, providers=PROVIDERS)


@pytest.fixture(autouse=True)
def through_the_proxy(proxy: RunningProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a shell would set."""
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.ca_file))


def messages(model: str, stream: bool) -> Turn:
    """Anthropic's SDK."""
    tools: Any = [{"name": "Bash", "description": "Run it.", "input_schema": SCHEMA}]
    asked: list[Any] = [{"role": "user", "content": ASKED}]
    with anthropic.Anthropic(api_key="sk-ant-a", max_retries=0) as api:

        def ask() -> Any:
            words: Any = {"model": model, "max_tokens": 500, "system": SYSTEM, "tools": tools, "messages": asked}
            if not stream:
                return api.messages.create(**words)
            with api.messages.stream(**words) as events:
                return events.get_final_message()

        first = ask()
        (call,) = [block for block in first.content if block.type == "tool_use"]
        asked += [
            {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "hi"}]},
        ]
        last = ask()
    text = "".join(block.text for block in last.content if block.type == "text")
    usage = last.usage
    given = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return Turn(call.name, call.input, first.stop_reason, text, last.stop_reason, given, usage.output_tokens)


def chat(model: str, stream: bool) -> Turn:
    """OpenAI's SDK, Chat."""
    tools: Any = [{"type": "function", "function": {"name": "Bash", "description": "Run it.", "parameters": SCHEMA}}]
    asked: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASKED}]
    with openai.OpenAI(api_key="sk-a", max_retries=0) as api:

        def ask() -> Any:
            if not stream:
                return api.chat.completions.create(model=model, messages=asked, tools=tools)
            options: Any = {"include_usage": True}
            with api.chat.completions.stream(
                model=model, messages=asked, tools=tools, stream_options=options
            ) as events:
                return events.get_final_completion()

        first = ask()
        choice = first.choices[0]
        (call,) = choice.message.tool_calls
        asked += [
            {
                "role": "assistant",
                "content": choice.message.content,
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.function.name, "arguments": call.function.arguments},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "hi"},
        ]
        last = ask()
    done = last.choices[0]
    return Turn(
        call.function.name,
        json.loads(call.function.arguments),
        choice.finish_reason,
        done.message.content,
        done.finish_reason,
        last.usage.prompt_tokens,
        last.usage.completion_tokens,
    )


def responses(model: str, stream: bool) -> Turn:
    """OpenAI's SDK, Responses."""
    tools: Any = [{"type": "function", "name": "Bash", "description": "Run it.", "parameters": SCHEMA, "strict": False}]
    asked: list[Any] = [{"role": "user", "content": ASKED}]
    with openai.OpenAI(api_key="sk-a", max_retries=0) as api:

        def ask() -> Any:
            words: Any = {"model": model, "instructions": SYSTEM, "input": asked, "tools": tools, "store": False}
            if not stream:
                return api.responses.create(**words)
            with api.responses.stream(**words) as events:
                return events.get_final_response()

        first = ask()
        (call,) = [item for item in first.output if item.type == "function_call"]
        asked += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
        asked.append({"type": "function_call_output", "call_id": call.call_id, "output": "hi"})
        last = ask()
    return Turn(
        call.name,
        json.loads(call.arguments),
        first.status,
        last.output_text,
        last.status,
        last.usage.input_tokens,
        last.usage.output_tokens,
    )


def gemini(model: str, stream: bool) -> Turn:
    """Google's SDK."""
    declared = types.FunctionDeclaration(name="Bash", description="Run it.", parameters_json_schema=SCHEMA)
    config = types.GenerateContentConfig(
        system_instruction=SYSTEM,
        tools=[types.Tool(function_declarations=[declared])],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked: list[Any] = [types.Content(role="user", parts=[types.Part(text=ASKED)])]
    api = genai.Client(api_key="AIza-a")

    def ask() -> tuple[list[types.Part], Any]:
        if not stream:
            answer = api.models.generate_content(model=model, contents=asked, config=config)
            return list(answer.candidates[0].content.parts or ()), answer
        parts: list[types.Part] = []
        last: Any = None
        for last in api.models.generate_content_stream(model=model, contents=asked, config=config):
            for candidate in last.candidates or ():
                parts += (candidate.content.parts if candidate.content else None) or ()
        return parts, last

    parts, first = ask()
    (call,) = [part.function_call for part in parts if part.function_call]
    result = types.Part(function_response=types.FunctionResponse(name=call.name, response={"output": "hi"}, id=call.id))
    asked += [types.Content(role="model", parts=parts), types.Content(role="user", parts=[result])]
    said, last = ask()
    usage = last.usage_metadata
    text = "".join(part.text or "" for part in said if not part.thought)
    return Turn(
        call.name,
        dict(call.args),
        str(first.candidates[0].finish_reason.value),
        text,
        str(last.candidates[0].finish_reason.value),
        usage.prompt_token_count,
        usage.candidates_token_count + (usage.thoughts_token_count or 0),
    )


# Each SDK, with its words for "I called a tool" and "I am done".
AGENTS: dict[str, tuple[Callable[[str, bool], Turn], str, str, str]] = {
    "messages": (messages, "claude-opus-4-8-on-{}", "tool_use", "end_turn"),
    "chat": (chat, "gpt-5-mini-on-{}", "tool_calls", "stop"),
    "responses": (responses, "gpt-5-mini-on-{}", "completed", "completed"),
    "gemini": (gemini, "gemini-3.8-flash-on-{}", "STOP", "STOP"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("agent", AGENTS)
def test_a_tool_turn(proxy: RunningProxy, vendor: Vendor, agent: str, target: str, stream: bool) -> None:
    run, model, called, done = AGENTS[agent]
    provider, routed, path = TARGETS[target]
    turn = run(model.format(target), stream)
    assert (turn.tool, turn.arguments, turn.stop) == ("Bash", {"command": "echo ringlet"}, called)
    assert (turn.text.startswith(f"This is {routed} at "), turn.last_stop) == (True, done)
    assert turn.text.endswith("nothing to add.")
    seen = vendor.seen[-1]
    assert seen.path.endswith(path if not (stream and target == "gemini") else ":streamGenerateContent")
    assert SYSTEM.encode() in seen.body
    row = rows(proxy)[-1]
    assert (row["provider"], row["routed_model"], row["usage_source"], row["status"]) == (
        provider,
        routed,
        "reported",
        200,
    )
    taken = row["output_tokens"] + row["reasoning_tokens"]
    given = row["input_tokens"] + row["cache_read_tokens"] + row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"]
    assert (turn.input_tokens, turn.output_tokens) == (given, taken)
