"""What a request says, as far as the player needs it, read from each upstream format by the vendors' references.

Nothing here is shared with the product's codecs: they would check themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from agents.story import Offer

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Thought:
    """A signed thought that came back; `text` None where the format hides it."""

    signature: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `results` are the texts of what tools answered, `forced` the tool that has to be called."""

    offers: tuple[Offer, ...]
    results: tuple[str, ...]
    thoughts: tuple[Thought, ...]
    thinks: bool
    forced: str = ""


def objects(value: Any) -> Iterator[Json]:
    """The objects of a list; none where there is no list."""
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def text_of(content: Any) -> str:
    """The text of a string, of a list of parts, or of any JSON."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(part.get("text", part)) if isinstance(part, dict) else str(part) for part in content)
    return json.dumps(content, ensure_ascii=False)


def _offer(name: str, schema: Any, *, custom: bool = False, namespace: str = "") -> Offer:
    known = schema if isinstance(schema, dict) else {}
    return Offer(name, known.get("properties") or {}, tuple(known.get("required") or ()), custom, namespace)


def _messages(body: Json) -> Asked:
    blocks = [block for message in objects(body["messages"]) for block in objects(message.get("content"))]
    choice = body.get("tool_choice") or {}
    return Asked(
        tuple(_offer(tool["name"], tool.get("input_schema")) for tool in objects(body.get("tools")) if "name" in tool),
        tuple(text_of(block.get("content", "")) for block in blocks if block.get("type") == "tool_result"),
        tuple(
            Thought(block.get("signature", ""), block.get("thinking"))
            for block in blocks
            if block.get("type") == "thinking"
        ),
        (body.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
        choice.get("name", ""),
    )


def _chat(body: Json) -> Asked:
    messages = list(objects(body["messages"]))
    functions = [tool["function"] for tool in objects(body.get("tools")) if "function" in tool]
    choice = body.get("tool_choice")
    return Asked(
        tuple(_offer(function["name"], function.get("parameters")) for function in functions),
        tuple(text_of(message.get("content")) for message in messages if message.get("role") == "tool"),
        (),
        body.get("reasoning_effort") != "none",
        choice.get("function", {}).get("name", "") if isinstance(choice, dict) else "",
    )


def response_tools(body: Json) -> Iterator[tuple[str, Json]]:
    """Each tool with its namespace, from `tools` and from items that add tools."""
    items = objects(body["input"])
    more = [item.get("tools") for item in items if item.get("type") == "additional_tools"]
    for listed in (body.get("tools"), *more):
        for tool in objects(listed):
            if tool.get("type") == "namespace":
                yield from ((tool["name"], inner) for inner in objects(tool.get("tools")))
            else:
                yield "", tool


def _responses(body: Json) -> Asked:
    items = list(objects(body["input"]))
    choice = body.get("tool_choice")
    return Asked(
        tuple(
            _offer(tool["name"], tool.get("parameters"), custom=tool["type"] == "custom", namespace=namespace)
            for namespace, tool in response_tools(body)
            if tool.get("type") in ("function", "custom")
        ),
        tuple(text_of(item.get("output", "")) for item in items if str(item.get("type")).endswith("call_output")),
        tuple(
            Thought(item["encrypted_content"])
            for item in items
            if item.get("type") == "reasoning" and item.get("encrypted_content")
        ),
        "reasoning" in body and (body["reasoning"] or {}).get("effort") != "none",
        choice.get("name", "") if isinstance(choice, dict) else "",
    )


# What is below is the agent's own and no field of Google's.
OPAQUE = {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"}


def in_camel_case(value: Any) -> Any:
    """A body of Gemini with its fields as the reference spells them: Google takes snake_case too, its SDK sends it."""
    if isinstance(value, list):
        return [in_camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub("_([a-z])", lambda found: found[1].upper(), key): inner for key, inner in value.items()}
    return {key: inner if key in OPAQUE else in_camel_case(inner) for key, inner in named.items()}


def gemini_parts(body: Json) -> list[Json]:
    """All parts of all contents."""
    return [part for content in objects(body["contents"]) for part in objects(content.get("parts"))]


def gemini_declared(body: Json) -> list[Json]:
    """The functions."""
    return [one for tool in objects(body.get("tools")) for one in objects(tool.get("functionDeclarations"))]


def _gemini(body: Json) -> Asked:
    parts = gemini_parts(body)
    config = body.get("generationConfig") or {}
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = calling.get("allowedFunctionNames") or [""]
    return Asked(
        tuple(
            _offer(one["name"], one.get("parametersJsonSchema") or one.get("parameters"))
            for one in gemini_declared(body)
        ),
        tuple(text_of(part["functionResponse"].get("response")) for part in parts if "functionResponse" in part),
        tuple(Thought(part["thoughtSignature"]) for part in parts if part.get("thoughtSignature")),
        bool((config.get("thinkingConfig") or {}).get("includeThoughts")),
        allowed[0] if calling.get("mode") == "ANY" else "",
    )


READERS: dict[str, Callable[[Json], Asked]] = {
    "messages": _messages,
    "chat": _chat,
    "responses": _responses,
    "gemini": _gemini,
}
