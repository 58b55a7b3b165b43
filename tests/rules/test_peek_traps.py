"""Features of hand-written bodies: what agents and SDKs were seen to send, and what nobody should."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from bodies import ANSWERED, CALLED, CODEX_TOOLS, RESULT, RESULTS, USED, call, seen, user

from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI

# format, body, what it must be seen as
FEATURES: dict[str, tuple[WireFormat, Any, dict[str, Any]]] = {
    "nothing": (
        CHAT,
        {},
        {"model": "", "messages": 0, "tools": 0, "stream": False, "session": "", "has_system": False},
    ),
    "everything null": (
        MESSAGES,
        dict.fromkeys(["model", "messages", "system", "tools", "stream", "max_tokens", "thinking", "metadata"]),
        {"model": "", "messages": 0, "tools": 0, "stream": False, "max_output_tokens": None, "thinking": False},
    ),
    "everything of a wrong kind": (
        MESSAGES,
        {
            "model": 5,
            "messages": {"a": 1},
            "system": 7,
            "tools": "x",
            "stream": "true",
            "max_tokens": "9",
            "thinking": [],
        },
        {"model": "", "messages": 1, "stream": False, "max_output_tokens": None, "thinking": False},
    ),
    # the system prompt
    "a system prompt": (MESSAGES, {"system": "be brief"}, {"has_system": True}),
    "in blocks": (MESSAGES, {"system": [{"type": "text", "text": "be brief"}]}, {"has_system": True}),
    "an empty one is none": (MESSAGES, {"system": ""}, {"has_system": False}),
    "no blocks are none": (MESSAGES, {"system": []}, {"has_system": False}),
    "role system inside messages": (
        MESSAGES,
        {"messages": [user(), {"role": "system", "content": "x"}]},
        {"has_system": True, "messages": 2},
    ),
    "a late remark is no system prompt": (
        MESSAGES,
        {"messages": [*[user()] * 4, {"role": "system", "content": "x"}]},
        {"has_system": False},
    ),
    "role system on Chat": (CHAT, {"messages": [{"role": "system", "content": "x"}, user()]}, {"has_system": True}),
    "role developer": (CHAT, {"messages": [{"role": "developer", "content": "x"}, user()]}, {"has_system": True}),
    "role developer on Responses": (
        RESPONSES,
        {"input": [{"role": "developer", "content": "x"}]},
        {"has_system": True},
    ),
    "instructions": (RESPONSES, {"instructions": "x", "input": "hi"}, {"has_system": True}),
    "systemInstruction": (GEMINI, {"systemInstruction": {"parts": [{"text": "x"}]}}, {"has_system": True}),
    "system_instruction": (GEMINI, {"system_instruction": {"parts": [{"text": "x"}]}}, {"has_system": True}),
    "null before snake_case": (
        GEMINI,
        {"systemInstruction": None, "system_instruction": {"parts": [{"text": "x"}]}},
        {"has_system": True},
    ),
    # messages
    "input as a string": (RESPONSES, {"input": "hi"}, {"messages": 1, "tool_result": False}),
    "an empty string": (RESPONSES, {"input": ""}, {"messages": 0}),
    "contents without a list": (GEMINI, {"contents": {"parts": {"text": "hi"}}}, {"messages": 1}),
    "messages that are no objects": (CHAT, {"messages": [None, 1, "x", []]}, {"messages": 4, "tool_result": False}),
    # tools
    "a tool": (MESSAGES, {"tools": [{"name": "a", "input_schema": {}}]}, {"tools": 1}),
    "old functions": (CHAT, {"functions": [{"name": "a"}, {"name": "b"}]}, {"tools": 2}),
    "no tools": (CHAT, {"tools": []}, {"tools": 0}),
    "server tools": (RESPONSES, {"tools": [{"type": "web_search"}, {"type": "image_generation"}]}, {"tools": 2}),
    "namespaces": (RESPONSES, {"tools": CODEX_TOOLS["tools"]}, {"tools": 4}),
    "additional_tools": (
        RESPONSES,
        {"input": [CODEX_TOOLS, user()], "tools": [{"type": "function", "name": "e"}]},
        {"tools": 5, "messages": 2, "has_system": False},
    ),
    "additional_tools without a list": (RESPONSES, {"input": [{"type": "additional_tools"}]}, {"tools": 0}),
    "functionDeclarations": (
        GEMINI,
        {"tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}]},
        {"tools": 2},
    ),
    "function_declarations": (GEMINI, {"tools": [{"function_declarations": [{"name": "a"}]}]}, {"tools": 1}),
    "a tool of Google's": (GEMINI, {"tools": [{"googleSearch": {}}, {"codeExecution": {}}]}, {"tools": 2}),
    "both in one": (GEMINI, {"tools": [{"functionDeclarations": [{"name": "a"}], "urlContext": {}}]}, {"tools": 2}),
    "no declarations": (GEMINI, {"tools": [{"functionDeclarations": []}]}, {"tools": 0}),
    "tools without a list": (GEMINI, {"tools": {"functionDeclarations": [{"name": "a"}]}}, {"tools": 1}),
    # tool results
    "a tool result": (MESSAGES, {"messages": [user(), USED, RESULT]}, {"tool_result": True}),
    "and words after it": (MESSAGES, {"messages": [user(), USED, RESULT, user()]}, {"tool_result": True}),
    "and a remark of the system": (
        MESSAGES,
        {"messages": [USED, RESULT, {"role": "system", "content": "x"}]},
        {"tool_result": True},
    ),
    "an answer after it": (
        MESSAGES,
        {"messages": [USED, RESULT, {"role": "assistant", "content": "ok"}]},
        {"tool_result": False},
    ),
    "an answer and a question": (
        MESSAGES,
        {"messages": [USED, RESULT, {"role": "assistant", "content": "ok"}, user()]},
        {"tool_result": False},
    ),
    "only spoken of": (MESSAGES, {"messages": [user('{"type":"tool_result"}')]}, {"tool_result": False}),
    "a server tool's is the model's": (
        MESSAGES,
        {"messages": [{"role": "assistant", "content": [{"type": "web_search_tool_result", "content": []}]}]},
        {"tool_result": False},
    ),
    "between strings": (MESSAGES, {"messages": [user(["x", *RESULT["content"]])]}, {"tool_result": True}),
    "several on Chat": (CHAT, {"messages": [user(), call(), RESULTS, RESULTS, RESULTS]}, {"tool_result": True}),
    "an old function's": (
        CHAT,
        {"messages": [call(), {"role": "function", "name": "n", "content": "ok"}]},
        {"tool_result": True},
    ),
    "an answer on Chat": (
        CHAT,
        {"messages": [call(), RESULTS, {"role": "assistant", "content": "ok"}]},
        {"tool_result": False},
    ),
    "none yet": (CHAT, {"messages": [user(), call()]}, {"tool_result": False}),
    "a function's output": (
        RESPONSES,
        {
            "input": [
                {"type": "function_call", "call_id": "c"},
                {"type": "function_call_output", "call_id": "c", "output": ""},
            ]
        },
        {"tool_result": True},
    ),
    "a custom tool's output": (
        RESPONSES,
        {"input": [{"type": "custom_tool_call_output", "output": "x"}]},
        {"tool_result": True},
    ),
    "reasoning after it": (
        RESPONSES,
        {"input": [{"type": "function_call_output", "output": "x"}, {"type": "reasoning", "summary": []}, user()]},
        {"tool_result": False},
    ),
    "a call after it": (
        RESPONSES,
        {"input": [{"type": "function_call_output", "output": "x"}, {"type": "custom_tool_call", "input": "x"}]},
        {"tool_result": False},
    ),
    "functionResponse": (GEMINI, {"contents": [CALLED, ANSWERED]}, {"tool_result": True}),
    "function_response": (
        GEMINI,
        {"contents": [CALLED, {"role": "function", "parts": [{"function_response": {"name": "n"}}]}]},
        {"tool_result": True},
    ),
    "functionResponse without a list": (
        GEMINI,
        {"contents": [CALLED, {"role": "user", "parts": {"functionResponse": {"name": "n"}}}]},
        {"tool_result": True},
    ),
    "a model's turn after it": (
        GEMINI,
        {"contents": [ANSWERED, {"role": "model", "parts": []}]},
        {"tool_result": False},
    ),
    # max tokens
    "the newer name first": (CHAT, {"max_tokens": 5, "max_completion_tokens": 7}, {"max_output_tokens": 7}),
    "the older one": (CHAT, {"max_tokens": 5}, {"max_output_tokens": 5}),
    "null before the older": (CHAT, {"max_tokens": 5, "max_completion_tokens": None}, {"max_output_tokens": 5}),
    "zero": (MESSAGES, {"max_tokens": 0}, {"max_output_tokens": 0}),
    "a whole float": (MESSAGES, {"max_tokens": 4096.0}, {"max_output_tokens": 4096}),
    "a broken number": (MESSAGES, {"max_tokens": 0.5}, {"max_output_tokens": None}),
    "no limit": (MESSAGES, {"max_tokens": -1}, {"max_output_tokens": None}),
    "true is no number": (MESSAGES, {"max_tokens": True}, {"max_output_tokens": None}),
    "the largest": (MESSAGES, {"max_tokens": 2**63 - 1}, {"max_output_tokens": 2**63 - 1}),
    "too large": (MESSAGES, {"max_tokens": 2**63}, {"max_output_tokens": None}),
    "a huge float": (MESSAGES, b'{"max_tokens":1e300}', {"max_output_tokens": None}),
    "an infinite one": (MESSAGES, b'{"max_tokens":1e999}', {"max_output_tokens": None}),
    "5,000 digits": (MESSAGES, b'{"max_tokens":' + b"9" * 5000 + b"}", {"max_output_tokens": None}),
    "maxOutputTokens": (GEMINI, {"generationConfig": {"maxOutputTokens": 9}}, {"max_output_tokens": 9}),
    "max_output_tokens": (GEMINI, {"generation_config": {"max_output_tokens": 9}}, {"max_output_tokens": 9}),
    "on Responses": (RESPONSES, {"max_output_tokens": 9, "max_tokens": 1}, {"max_output_tokens": 9}),
    # streams
    "a stream": (CHAT, {"stream": True}, {"stream": True}),
    "one is not true": (CHAT, {"stream": 1}, {"stream": False}),
    "Gemini says it in the path": (GEMINI, {"stream": False}, {"stream": True, "model": "gemini-3.8-flash"}),
    # what msgspec alone would refuse
    "half an emoji": (
        CHAT,
        b'{"messages":[{"role":"user","content":"\\ud83d"},{"role":"tool","content":"\\\\ud83d \\ude00"}],"model":"m"}',
        {"messages": 2, "model": "m", "tool_result": True},
    ),
    "broken UTF-8": (
        CHAT,
        b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
        {"model": "m", "messages": 1},
    ),
    "an escaped key": (CHAT, b'{"m\\u006fdel":"m"}', {"model": "m"}),
}


@pytest.mark.parametrize(("wire_format", "body", "expected"), FEATURES.values(), ids=FEATURES)
def test_features(wire_format: WireFormat, body: Any, expected: dict[str, Any]) -> None:
    features = asdict(seen(wire_format, body).features)
    assert {key: features[key] for key in expected} == expected
