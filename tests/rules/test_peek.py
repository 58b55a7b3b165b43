"""Features of what real agents sent and of hand-written traps; spans; nothing that comes in breaks it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bodies import ANSWERED, CALLED, ENVELOPED, asked, captures, compact, host_as_provider, seen, user

from ringlet_mitm.rules.peek import Peek, Unreadable, peek
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI
NO_ID = "00000000-0000-4000-8000-000000000000"

# format, model, stream, messages, tools, tool result, system, thinking, images, max tokens, agent,
# session ("#": a hash)
CAPTURES: dict[str, tuple[Any, ...]] = {
    "claude-002-post-v1-messages": (
        *(MESSAGES, "claude-haiku-4-5-20251001", True, 1, 0, False, True, False, 0, 32_000, "claude", NO_ID),
    ),
    "claude-008-post-v1-messages": (
        *(MESSAGES, "claude-opus-4-8", True, 2, 9, False, True, True, 0, 64_000, "claude", NO_ID),
    ),
    "claude-009-post-v1-messages": (
        *(MESSAGES, "claude-opus-4-8", True, 4, 9, True, True, True, 0, 64_000, "claude", NO_ID),
    ),
    "codex-007-post-v1-responses": (
        *(RESPONSES, "gpt-6.1-sol", True, 7, 11, False, True, True, 0, None, "codex", NO_ID),
    ),
    "gemini-003-post-v1beta-models-gemini-3-5-flash-lite-gen": (
        *(GEMINI, "gemini-3.5-flash-lite", False, 2, 0, False, True, True, 0, None, "gemini", "#"),
    ),
    "gemini-004-post-v1beta-models-gemini-3-8-flash-streamge": (
        *(GEMINI, "gemini-3.8-flash", True, 1, 15, False, True, True, 0, None, "gemini", "#"),
    ),
    "gemini-005-post-v1beta-models-gemini-3-8-flash-streamge": (
        *(GEMINI, "gemini-3.8-flash", True, 3, 15, True, True, True, 0, None, "gemini", "#"),
    ),
    "opencode-003-post-v1-messages": (
        *(MESSAGES, "claude-haiku-4-5-20251001", True, 1, 0, False, True, True, 0, 48_000, "opencode"),
        "ses_e045449afffeNUS2te38sLL5M7",
    ),
    "opencode-004-post-v1-messages": (
        *(MESSAGES, "claude-sonnet-4-5", True, 1, 10, False, True, False, 0, 32_000, "opencode"),
        "ses_e045449afffeNUS2te38sLL5M7",
    ),
    "opencode-005-post-v1-messages": (
        *(MESSAGES, "claude-sonnet-4-5", True, 3, 10, True, True, False, 0, 32_000, "opencode"),
        "ses_e045449afffeNUS2te38sLL5M7",
    ),
    "opencode-oai-003-post-v1-responses": (
        *(RESPONSES, "gpt-5.4-nano", True, 3, 0, False, True, False, 0, None, "opencode"),
        "ses_e04543234ffeI03JWZHCMiKFXD",
    ),
    "opencode-oai-004-post-v1-responses": (
        *(RESPONSES, "gpt-5", True, 2, 9, False, True, True, 0, None, "opencode"),
        "ses_e04543234ffeI03JWZHCMiKFXD",
    ),
    "opencode-oai-005-post-v1-responses": (
        *(RESPONSES, "gpt-5", True, 4, 9, True, True, True, 0, None, "opencode"),
        "ses_e04543234ffeI03JWZHCMiKFXD",
    ),
}


def test_every_capture_has_a_row() -> None:
    assert set(CAPTURES) == set(captures())


@pytest.mark.parametrize(("name", "expected"), CAPTURES.items(), ids=CAPTURES)
def test_captures(name: str, expected: tuple[Any, ...]) -> None:
    request = captures()[name]
    found = peek(request, host_as_provider)
    assert isinstance(found, Peek)
    features = found.features
    session = "#" if re.fullmatch("[0-9a-f]{16}", features.session) else features.session
    assert (
        *(features.format, features.model, features.stream, features.messages, features.tools, features.tool_result),
        *(features.has_system, features.thinking, features.images, features.max_output_tokens, features.agent, session),
    ) == expected
    assert features.provider == f"of {request.host}"
    assert (features.path, features.headers, features.body_bytes) == (request.path, request.headers, len(request.body))
    assert 0 < features.token_bounds.low + 1 <= features.token_bounds.high <= features.body_bytes
    assert features.exact_tokens is None


THINKING: dict[str, tuple[WireFormat, dict[str, Any], bool]] = {
    "absent": (MESSAGES, {}, False),
    "null": (MESSAGES, {"thinking": None}, False),
    "enabled": (MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
    "adaptive": (MESSAGES, {"thinking": {"type": "adaptive"}}, True),
    "disabled": (MESSAGES, {"thinking": {"type": "disabled"}}, False),
    "empty": (MESSAGES, {"thinking": {}}, False),
    "effort": (CHAT, {"reasoning_effort": "low"}, True),
    "effort null": (CHAT, {"reasoning_effort": None}, False),
    "effort none": (CHAT, {"reasoning_effort": "none"}, False),
    "effort None": (CHAT, {"reasoning_effort": "None"}, False),
    "Kimi's off": (CHAT, {"reasoning_effort": None, "thinking": {"type": "disabled"}}, False),
    "Kimi's on": (CHAT, {"reasoning_effort": None, "thinking": {"type": "enabled"}}, True),
    "OpenRouter's effort": (CHAT, {"reasoning": {"effort": "high"}}, True),
    "OpenRouter's none": (CHAT, {"reasoning": {"effort": "none"}}, False),
    "OpenRouter's on": (CHAT, {"reasoning": {"enabled": True}}, True),
    "OpenRouter's off": (CHAT, {"reasoning": {"enabled": False, "max_tokens": 100}}, False),
    "OpenRouter's budget": (CHAT, {"reasoning": {"max_tokens": 2000}}, True),
    "OpenRouter's no budget": (CHAT, {"reasoning": {"max_tokens": 0}}, False),
    "Qwen's on": (CHAT, {"enable_thinking": True}, True),
    "Qwen's off": (CHAT, {"enable_thinking": False}, False),
    "vLLM's off": (CHAT, {"chat_template_kwargs": {"enable_thinking": False}}, False),
    "reasoning": (RESPONSES, {"reasoning": {"effort": "medium", "summary": "auto"}}, True),
    "reasoning none": (RESPONSES, {"reasoning": {"effort": "none"}}, False),
    "reasoning null": (RESPONSES, {"reasoning": {"effort": None}}, False),
    "reasoning is null": (RESPONSES, {"reasoning": None}, False),
    "thinkingLevel": (GEMINI, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}, True),
    "thinkingBudget": (GEMINI, {"generationConfig": {"thinkingConfig": {"thinkingBudget": -1}}}, True),
    "thinkingBudget 0": (GEMINI, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, False),
    "thinkingBudget '0'": (GEMINI, {"generationConfig": {"thinkingConfig": {"thinkingBudget": "0"}}}, False),
    "thinking_budget 0": (GEMINI, {"generation_config": {"thinking_config": {"thinking_budget": 0}}}, False),
    "an empty thinkingConfig": (GEMINI, {"generationConfig": {"thinkingConfig": {}}}, False),
    "no thinkingConfig": (GEMINI, {"generationConfig": {"temperature": 1}}, False),
}


@pytest.mark.parametrize(("wire_format", "body", "thinks"), THINKING.values(), ids=THINKING)
def test_thinking(wire_format: WireFormat, body: dict[str, Any], thinks: bool) -> None:
    assert seen(wire_format, body).features.thinking is thinks


PATHS = {
    "/v1beta/models/gemini-3.8-flash:generateContent": ("gemini-3.8-flash", False),
    "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse": ("gemini-3.8-flash", True),
    "/v1beta/models/gemini-3.8-flash:generateContent?x=:streamGenerateContent": ("gemini-3.8-flash", False),
    "/v1/projects/p/locations/l/publishers/google/models/g-1:streamGenerateContent": ("g-1", True),
    "/v1beta/tunedModels/mine%20too:generateContent?key=k": ("mine too", False),
}


@pytest.mark.parametrize(("path", "expected"), PATHS.items(), ids=PATHS)
def test_geminis_model_and_stream_stand_in_the_path(path: str, expected: tuple[str, bool]) -> None:
    features = seen(GEMINI, {"contents": []}, path=path).features
    assert (features.model, features.stream) == expected


def test_code_assist_wraps_a_gemini_body() -> None:
    """cloudcode-pa's `/v1internal:…`: the request is one level deeper, the model a key beside it."""
    inside = {
        "contents": [CALLED, ANSWERED],
        "systemInstruction": {"parts": [{"text": "x"}]},
        "tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}],
        "generationConfig": {"maxOutputTokens": 9, "thinkingConfig": {"thinkingBudget": 0}},
        "session_id": "s-1",
    }
    body = {"model": "gemini-2.5-pro", "project": "p", "user_prompt_id": "u", "request": inside}
    found = seen(GEMINI, body, path=ENVELOPED)
    features = found.features
    assert (features.model, features.stream, features.messages, features.tools) == ("gemini-2.5-pro", True, 2, 2)
    assert (features.tool_result, features.has_system, features.max_output_tokens) == (True, True, 9)
    assert (features.thinking, features.session) == (False, "s-1")
    raw = compact(body)
    span = found.spans.model
    assert span is not None
    assert raw[span.start : span.end] == b'"gemini-2.5-pro"'


@pytest.mark.parametrize("body", [b"{}", b'{"request":null}', b'{"request":[]}', b'{"request":"x"}', b'{"request":{}}'])
def test_an_envelope_with_nothing_in_it(body: bytes) -> None:
    found = peek(asked(GEMINI, body, path=ENVELOPED), host_as_provider)
    assert isinstance(found, Unreadable) or found.features.messages == 0


def test_headers_by_name() -> None:
    request = asked(CHAT, {}, headers={"X-Tag": "a", "x-tag": "b", "Empty": ""})
    assert (request.header("x-tag"), request.header("empty"), request.header("none")) == ("a", "", "")


def test_what_is_printed_holds_no_headers_and_no_body() -> None:
    request = asked(CHAT, {"messages": [user("private words")]}, headers={"authorization": "Bearer sk-secret"})
    printed = repr(request) + repr(peek(request, host_as_provider).features)  # type: ignore[union-attr]
    assert "sk-secret" not in printed
    assert "private words" not in printed
