"""Which conversation a request is of: what it says itself, else a hash that stays."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from bodies import ANSWERED, CALLED, CODEX_TOOLS, RESULT, RESULTS, USED, call, seen, user

from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI

OLD_USER_ID = "user_0f8e_account__session_7f3a2b1c-0000-4000-8000-00000000aaaa"
NEW_USER_ID = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "s-new"})
SESSIONS: dict[str, tuple[WireFormat, dict[str, Any], dict[str, str], str]] = {
    "Claude Code's header": (MESSAGES, {"metadata": {"user_id": NEW_USER_ID}}, {"X-Claude-Code-Session-Id": "h"}, "h"),
    "Claude Code's user id as text": (MESSAGES, {"metadata": {"user_id": OLD_USER_ID}}, {}, OLD_USER_ID[-36:]),
    "Claude Code's user id as JSON": (MESSAGES, {"metadata": {"user_id": NEW_USER_ID}}, {}, "s-new"),
    "OpenCode's header": (CHAT, {}, {"User-Agent": "opencode/1.18", "x-session-affinity": "a"}, "a"),
    "Codex' header": (RESPONSES, {}, {"user-agent": "codex_exec/0.1", "session-id": "c"}, "c"),
    "pi's header": (RESPONSES, {}, {"session_id": "p"}, "p"),
    "Vibe's header": (CHAT, {}, {"user-agent": "mistral-vibe/3.0", "x-affinity": "v"}, "v"),
    "an empty header": (RESPONSES, {"prompt_cache_key": "k"}, {"session-id": ""}, "k"),
    "prompt_cache_key on Responses": (RESPONSES, {"prompt_cache_key": "k"}, {}, "k"),
    "prompt_cache_key on Chat": (CHAT, {"prompt_cache_key": "k"}, {}, "k"),
    "metadata": (CHAT, {"prompt_cache_key": None, "metadata": {"session_id": "m"}}, {}, "m"),
    "nothing to tell by": (CHAT, {}, {}, ""),
}


@pytest.mark.parametrize(("wire_format", "body", "headers", "session"), SESSIONS.values(), ids=SESSIONS)
def test_sessions(wire_format: WireFormat, body: dict[str, Any], headers: dict[str, str], session: str) -> None:
    assert seen(wire_format, body, headers=headers).features.session == session


@pytest.mark.parametrize(
    "user_id",
    ["person-17", "{", "[1]", "{}", '{"session_id":null}', "[" * 50_000, '{"a":' + "9" * 5000 + "}", "", 5, None, {}],
)
def test_a_persons_user_id_is_no_session(user_id: Any) -> None:
    named = seen(MESSAGES, {"metadata": {"user_id": user_id}, "messages": [user("hi there")]})
    assert named.features.session == seen(MESSAGES, {"messages": [user("hi there")]}).features.session != ""


TURNS: dict[str, tuple[WireFormat, list[dict[str, Any]]]] = {
    "cache_control moves on": (
        MESSAGES,
        [
            {"messages": [user([{"type": "text", "text": "fix it", "cache_control": {"type": "ephemeral"}}])]},
            {"messages": [user([{"type": "text", "text": "fix it"}]), USED, RESULT]},
            {"messages": [user("fix it"), USED, RESULT, {"role": "assistant", "content": "ok"}, user("thanks")]},
        ],
    ),
    "the system prompt's as well": (
        MESSAGES,
        [
            {"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}], "messages": [user()]},
            {"system": [{"type": "text", "text": "s"}], "messages": [user(), USED, RESULT]},
            {"system": "s", "messages": [user(), USED, RESULT]},
        ],
    ),
    "on Chat": (
        CHAT,
        [{"messages": [user()]}, {"messages": [{"role": "developer", "content": "x"}, user(), call(), RESULTS]}],
    ),
    "on Responses": (
        RESPONSES,
        [{"input": [CODEX_TOOLS, user()]}, {"input": [CODEX_TOOLS, user(), {"type": "reasoning"}]}],
    ),
    "a string on Responses": (RESPONSES, [{"input": "hi"}, {"input": [user("hi")]}]),
    "on Gemini": (
        GEMINI,
        [
            {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
            {"contents": [{"role": "user", "parts": [{"text": "hi"}]}, CALLED, ANSWERED]},
        ],
    ),
    "without roles": (GEMINI, [{"contents": [{"parts": [{"text": "hi"}]}]}, {"contents": {"parts": {"text": "hi"}}}]),
}


@pytest.mark.parametrize(("wire_format", "turns"), TURNS.values(), ids=TURNS)
def test_one_conversation_is_one_session(wire_format: WireFormat, turns: list[dict[str, Any]]) -> None:
    sessions = {seen(wire_format, turn).features.session for turn in turns}
    assert len(sessions) == 1
    assert re.fullmatch("[0-9a-f]{16}", sessions.pop())


DIFFERENT: dict[str, list[tuple[dict[str, Any], dict[str, str]]]] = {
    "other first words": [({"messages": [user("a")]}, {}), ({"messages": [user("b")]}, {})],
    "another system prompt": [({"system": s, "messages": [user()]}, {}) for s in ("a", "b", None)],
    "another agent": [({"messages": [user()]}, {"user-agent": agent}) for agent in ("claude-cli/2", "opencode/1", "")],
    "words on the other side": [
        ({"system": "a", "messages": [user("b")]}, {}),
        ({"system": "b", "messages": [user("a")]}, {}),
    ],
}


@pytest.mark.parametrize("requests", DIFFERENT.values(), ids=DIFFERENT)
def test_different_conversations_are_different_sessions(requests: list[tuple[dict[str, Any], dict[str, str]]]) -> None:
    sessions = [seen(MESSAGES, body, headers=headers).features.session for body, headers in requests]
    assert len(set(sessions)) == len(sessions)
