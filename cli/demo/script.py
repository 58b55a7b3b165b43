"""What the stand-in vendor's model answers: decided from the request alone, so that every run is the same."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

# The vendor counts in its own way, unlike ours: words, digits and signs, a little more than one token each.
TOKENS = re.compile(rb"[A-Za-z]{1,6}|[0-9]{1,2}|[^\sA-Za-z0-9]{1,2}")
TOKENS_EACH = 0.78
# What a message refers to by a number is named in the answer to it: so that answers can be told apart.
REFERENCE = re.compile(rb"\[ref [0-9]+\]")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants called."""

    name: str
    arguments: dict[str, Any]

    @property
    def json(self) -> str:
        """The arguments as the model writes them."""
        return json.dumps(self.arguments)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says. Token counts are disjoint: `fresh` input, cache reads and writes, output, thinking."""

    model: str
    text: tuple[str, ...]
    tool: ToolCall | None
    thinking: str
    fresh: int
    cache_read: int
    cache_5m: int
    cache_1h: int
    output: int
    reasoning: int

    @property
    def prompt(self) -> int:
        """All input tokens."""
        return self.fresh + self.cache_read + self.cache_5m + self.cache_1h


def answer(host: str, model: str, body: dict[str, Any], raw: bytes) -> Answer:
    """A call of the first offered tool; without tools or after a result a sentence, or JSON where that is asked for."""
    tool = None if _has_result(raw) else _tool(body)
    form = asked_form(body)
    sentence = f"This is {model} at {host}. I have read your message and have nothing to add."
    if (reference := REFERENCE.search(raw)) is not None:
        sentence += f" {reference[0].decode()}"
    said = json.dumps(made_up("", form)) if form else sentence
    text = () if tool else tuple(said.split(" "))
    thinking = "Thinking about it." if b'"thinking":' in raw and b'"disabled"' not in raw else ""
    counted = int(len(TOKENS.findall(raw)) * TOKENS_EACH) + 3
    cached = b"cache_control" in raw
    read = counted * 7 // 10 if cached else 0
    written = counted // 10 if cached else 0
    hour = written // 2 if b'"1h"' in raw else 0
    written_out = len(" ".join(text).split()) * 4 // 3 + (len(tool.json) // 3 if tool else 0) + 2
    return Answer(
        model=model,
        text=tuple(word if index == 0 else f" {word}" for index, word in enumerate(text)),
        tool=tool,
        thinking=thinking,
        fresh=counted - read - written,
        cache_read=read,
        cache_5m=written - hour,
        cache_1h=hour,
        output=written_out,
        reasoning=len(thinking.split()),
    )


def _has_result(raw: bytes) -> bool:
    """Whether the conversation has reached a tool's result."""
    return any(
        word in raw
        for word in (b'"tool_result"', b'"role":"tool"', b'"role": "tool"', b"call_output", b"functionResponse")
    )


def _tool(body: dict[str, Any]) -> ToolCall | None:
    for tool in _tools(body):
        name = tool.get("name")
        schema = tool.get("input_schema") or tool.get("parameters") or _json_schema(tool)
        if isinstance(name, str) and isinstance(schema, dict):
            return ToolCall(name, _arguments(schema))
    return None


def _json_schema(tool: dict[str, Any]) -> Any:
    return tool.get("parametersJsonSchema") or tool.get("parameters_json_schema") or {}


def _tools(body: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for tool in body.get("tools") or ():
        if not isinstance(tool, dict):
            continue
        declared = tool.get("functionDeclarations")
        found += declared if isinstance(declared, list) else [tool.get("function") or tool]
    # A shell is what every coding agent has, and its arguments are easy to make up.
    return sorted(found, key=lambda tool: tool.get("name") not in ("Bash", "bash", "shell", "run_shell_command"))


def _arguments(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    return {name: made_up(name, properties.get(name) or {}) for name in schema.get("required") or ()}


# Where each format has the JSON schema of the answer.
FORMS = (
    ("generationConfig", "responseJsonSchema"),
    ("generationConfig", "responseSchema"),
    ("response_format", "json_schema", "schema"),
    ("text", "format", "schema"),
    ("output_config", "format", "schema"),
    ("output_format", "schema"),
)


def asked_form(body: dict[str, Any]) -> dict[str, Any]:
    """The schema that the answer has to keep to, {} where none is asked for."""
    for path in FORMS:
        found: Any = body
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, dict):
            return found
    return {}


def made_up(name: str, schema: dict[str, Any]) -> Any:
    """A value that fits a schema; for the key `name` of an object, where that says something."""
    if schema.get("enum"):
        return schema["enum"][0]
    if isinstance(schema.get("properties"), dict):
        return {key: made_up(key, inner) for key, inner in schema["properties"].items() if isinstance(inner, dict)}
    made: dict[str, Any] = {"integer": 1, "number": 1, "boolean": False, "array": [], "object": {}}
    kind = str(schema.get("type", "string")).lower()
    return made.get(kind, "echo ringlet" if name in ("command", "cmd") else "ringlet")
