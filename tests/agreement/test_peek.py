"""Peek against a plain reading of the same body, over all captures and made-up bodies of the four formats.

The reading below is what the features mean, written with `json.loads` and no thought of time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from bodies import Body, asked, captures, host_as_provider
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import any_bodies

from ringlet_mitm.rules.peek import AgentRequest, Peek, peek
from ringlet_mitm.rules.shapes import WireFormat

OFF = (None, "none", "disabled")


def listed(value: Any) -> list[Any]:
    """A list as it is; one thing that is not empty as a list of it."""
    if isinstance(value, list):
        return value
    return [value] if value not in (None, "", {}) else []


def either(body: Body, *names: str) -> Any:
    """The first of these keys that is not null."""
    return next((body[name] for name in names if body.get(name) is not None), None)


def below(value: Any) -> Iterator[Body]:
    """Every object in a value, outermost first; pictures are not looked into, nor what a model called a tool with."""
    if isinstance(value, dict):
        yield value
        if not is_picture(value):
            for key, inside in value.items():
                if key not in ("input", "arguments", "args"):
                    yield from below(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from below(inside)


def is_picture(block: Body) -> bool:
    inline = block.get("inlineData") or block.get("inline_data")
    if isinstance(inline, dict):
        return str(inline.get("mimeType") or inline.get("mime_type")).startswith("image/")
    return block.get("type") in ("input_image", "image_url") or (block.get("type") == "image" and "source" in block)


def images(*values: Any) -> int:
    return sum(is_picture(block) for value in values for block in below(value))


def grouped(tools: list[Any]) -> int:
    return sum(len(tool["tools"]) if tool["type"] == "namespace" else 1 for tool in tools)


def model(body: Body) -> str:
    """Lone surrogates, which no UTF-8 can hold, are U+FFFD."""
    return (body.get("model") or "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fits(value: int | None) -> int | None:
    return value if value is not None and 0 <= value < 2**63 else None


def messages_tool_result(messages: list[Body]) -> bool:
    since: list[Body] = []
    for message in messages:
        since = [] if message["role"] == "assistant" else [*since, message]
    return any(block.get("type") == "tool_result" for message in since for block in blocks_of(message["content"]))


def blocks_of(content: Any) -> list[Body]:
    return [block for block in listed(content) if isinstance(block, dict)]


def of_messages(body: Body) -> Body:
    messages = listed(body.get("messages"))
    return {
        "model": model(body),
        "stream": body.get("stream") is True,
        "messages": len(messages),
        "tools": len(listed(body.get("tools"))),
        "tool_result": messages_tool_result(messages),
        "has_system": bool(body.get("system")) or any(message["role"] == "system" for message in messages[:4]),
        "thinking": (body.get("thinking") or {}).get("type") not in OFF,
        "images": images(messages, body.get("system"), body.get("tools")),
        "max_output_tokens": fits(body.get("max_tokens")),
    }


def of_chat(body: Body) -> Body:
    messages = listed(body.get("messages"))
    roles = [message["role"] for message in messages]
    last = max((place for place, role in enumerate(roles) if role == "assistant"), default=-1)
    effort = either(body, "reasoning_effort")
    return {
        "model": model(body),
        "stream": body.get("stream") is True,
        "messages": len(messages),
        "tools": len(listed(body.get("tools"))),
        "tool_result": "tool" in roles[last + 1 :],
        "has_system": any(role in ("system", "developer") for role in roles[:4]),
        "thinking": (effort if effort is not None else (body.get("thinking") or {}).get("type")) not in OFF,
        "images": images(messages),
        "max_output_tokens": fits(either(body, "max_completion_tokens", "max_tokens")),
    }


def of_responses(body: Body) -> Body:
    items = listed(body.get("input"))
    kinds = [
        (item.get("type", "message"), item.get("role")) if isinstance(item, dict) else ("", "user") for item in items
    ]
    spoken = [kind.endswith("_call") or kind == "reasoning" or role == "assistant" for kind, role in kinds]
    last = max((place for place, own in enumerate(spoken) if own), default=-1)
    more = [item["tools"] for item, (kind, _) in zip(items[:4], kinds, strict=False) if kind == "additional_tools"]
    return {
        "model": model(body),
        "stream": body.get("stream") is True,
        "messages": len(items),
        "tools": grouped(listed(body.get("tools"))) + sum(map(grouped, more)),
        "tool_result": any(kind.endswith("_output") for kind, _ in kinds[last + 1 :]),
        "has_system": bool(body.get("instructions"))
        or any(kind == "message" and role in ("system", "developer") for kind, role in kinds[:4]),
        "thinking": (body.get("reasoning") or {}).get("effort") not in OFF,
        "images": images(items),
        "max_output_tokens": fits(body.get("max_output_tokens")),
    }


def of_gemini(body: Body) -> Body:
    contents = listed(body.get("contents"))
    roles = [content["role"] for content in contents]
    last = max((place for place, role in enumerate(roles) if role == "model"), default=-1)
    since = [part for content in contents[last + 1 :] for part in content["parts"]]
    settings_ = either(body, "generationConfig", "generation_config") or {}
    thinking = either(settings_, "thinkingConfig", "thinking_config")
    tools = listed(body.get("tools"))
    declared = [either(tool, "functionDeclarations", "function_declarations") for tool in tools]
    return {
        "messages": len(contents),
        "tools": sum(1 if functions is None else len(functions) for functions in declared),
        "tool_result": any("functionResponse" in part or "function_response" in part for part in since),
        "has_system": either(body, "systemInstruction", "system_instruction") is not None,
        "thinking": bool(thinking) and either(thinking, "thinkingBudget", "thinking_budget") != 0,
        "images": images(contents),
        "max_output_tokens": fits(either(settings_, "maxOutputTokens", "max_output_tokens")),
    }


READINGS: dict[WireFormat, Callable[[Body], Body]] = {
    WireFormat.MESSAGES: of_messages,
    WireFormat.CHAT: of_chat,
    WireFormat.RESPONSES: of_responses,
    WireFormat.GEMINI: of_gemini,
}


def agrees(request: AgentRequest) -> None:
    found = peek(request, host_as_provider)
    assert isinstance(found, Peek), found
    plain = READINGS[request.format](json.loads(request.body))
    assert {key: getattr(found.features, key) for key in plain} == plain


@pytest.mark.parametrize("name", sorted(captures()))
def test_captures(name: str) -> None:
    agrees(captures()[name])


@settings(max_examples=500, deadline=None)
@given(any_bodies(), st.booleans())
def test_made_up_bodies(made: tuple[WireFormat, Body], escaped: bool) -> None:
    wire_format, body = made
    agrees(asked(wire_format, json.dumps(body, ensure_ascii=escaped).encode("utf-8", "replace")))
