"""What vendors refuse with a 400 that is easily got wrong in a translation; each rule is one of their references'.

Types of single fields are the SDKs' affair and tested elsewhere; these are about what belongs together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from agents.reading import gemini_declared, objects, response_tools

Json = dict[str, Any]
Faults = Iterator[str]
CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
NAMES = {
    "messages": re.compile(r"[a-zA-Z0-9_-]{1,128}"),
    "chat": re.compile(r"[a-zA-Z0-9_-]{1,64}"),
    "responses": re.compile(r"[a-zA-Z0-9_-]{1,128}"),
    "gemini": re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}"),
}
GEMINI_FIELDS = {
    "model",
    "contents",
    "tools",
    "toolConfig",
    "safetySettings",
    "systemInstruction",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "store",
}
# What Google's Schema (`parameters`, `responseSchema`) has no field for.
NO_SCHEMA_FIELD = {"$schema", "$ref", "$defs", "const", "oneOf", "allOf", "not", "patternProperties", "propertyNames"}
SENTINELS = {"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}


def faults(style: str, body: Json) -> list[str]:
    """What the vendor would say against the request; [] where it takes it."""
    names = list(TOOL_NAMES[style](body))
    said = [f"tools: name {name!r}" for name in names if not NAMES[style].fullmatch(name)]
    said += [f"tools: {name!r} twice" for name in sorted(set(names)) if names.count(name) > 1]
    return said + list(CHECKS[style](body))


def _messages(body: Json) -> Faults:
    messages = list(objects(body["messages"]))
    if not messages or messages[0].get("role") != "user":
        yield "messages: first message must use the user role"
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        blocks = list(objects(message.get("content")))
        results = [block.get("tool_use_id", "") for block in blocks if block.get("type") == "tool_result"]
        if sorted(results) != sorted(open_calls):
            yield f"messages.{index}: results of {results} after calls {open_calls}"
        open_calls = [block.get("id", "") for block in blocks if block.get("type") == "tool_use"]
        yield from (f"messages.{index}: tool_use id {call!r}" for call in open_calls if not CALL_ID.fullmatch(call))
        if any(block.get("type") == "text" and not str(block.get("text", "")).strip() for block in blocks):
            yield f"messages.{index}: text content blocks must be non-empty"
        if not message.get("content") and index < len(messages) - 1:
            yield f"messages.{index}: all messages must have non-empty content"
    if open_calls:
        yield f"messages: calls {open_calls} without results"
    yield from _messages_settings(body)


def _messages_settings(body: Json) -> Faults:
    thinking = body.get("thinking") or {}
    if thinking.get("type") in ("enabled", "adaptive"):
        if thinking.get("budget_tokens", 0) >= body["max_tokens"]:
            yield "max_tokens must be greater than thinking.budget_tokens"
        if body.get("temperature", 1) != 1 or "top_k" in body:
            yield "temperature may only be set to 1 when thinking is enabled"
        if thinking["type"] == "enabled" and _unthought(body):
            yield "when thinking is enabled, a final assistant message must start with a thinking block"
        if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
            yield "Thinking may not be enabled when tool_choice forces tool use"
    for index, tool in enumerate(objects(body.get("tools"))):
        schema = tool.get("input_schema")
        if "type" not in tool and (not isinstance(schema, dict) or schema.get("type") != "object"):
            yield f"tools.{index}.input_schema.type: must be 'object'"
        if isinstance(schema, dict) and {"oneOf", "allOf", "anyOf"} & set(schema):
            yield f"tools.{index}.input_schema: no oneOf, allOf or anyOf at the top level"


def _unthought(body: Json) -> bool:
    """Whether the calls that are answered last come without the thought before them."""
    messages = list(objects(body["messages"]))
    answered = any(block.get("type") == "tool_result" for block in objects(messages[-1].get("content")))
    said = next((list(objects(one.get("content"))) for one in reversed(messages) if one.get("role") == "assistant"), [])
    return answered and bool(said) and said[0].get("type") not in ("thinking", "redacted_thinking")


def _chat(body: Json) -> Faults:
    open_calls: list[str] = []
    for index, message in enumerate(objects(body["messages"])):
        role = message.get("role")
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                yield f"messages.{index}: 'tool' must answer a preceding message with 'tool_calls'"
            else:
                open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            yield f"messages.{index}: an assistant message with 'tool_calls' must be followed by answers: {open_calls}"
        calls = list(objects(message.get("tool_calls")))
        open_calls = [str(call.get("id")) for call in calls]
        if role == "assistant" and not calls and not message.get("content") and not message.get("refusal"):
            yield f"messages.{index}: neither content nor tool_calls"
        if any(not isinstance(call["function"].get("arguments"), str) for call in calls if "function" in call):
            yield f"messages.{index}: arguments must be a string"
    if open_calls:
        yield f"messages: no answers to {open_calls}"


PREFIXES = {"reasoning": "rs_", "message": "msg_", "function_call": "fc_", "custom_tool_call": "ctc_"}


def _responses(body: Json) -> Faults:
    calls: set[str] = set()
    answered: set[str] = set()
    for index, item in enumerate(objects(body["input"])):
        kind = str(item.get("type"))
        if kind.endswith("tool_call") or kind == "function_call":
            calls.add(f"{kind} {item.get('call_id')}")
        if kind.endswith("call_output"):
            called = f"{kind.removesuffix('_output')} {item.get('call_id')}"
            if called not in calls:
                yield f"input.{index}: no tool call found for {kind} with call_id {item.get('call_id')}"
            answered.add(called)
        prefix = PREFIXES.get(kind, "")
        if item.get("id") and item.get("role") != "user" and not str(item["id"]).startswith(prefix):
            yield f"input.{index}.id: expected an ID that begins with {prefix!r}, got {item['id']!r}"
    yield from (f"input: no tool output found for {call}" for call in sorted(calls - answered))


def _gemini(body: Json) -> Faults:
    yield from (f"Unknown name {name!r}: Cannot find field" for name in sorted(set(body) - GEMINI_FIELDS))
    contents = list(objects(body["contents"]))
    open_calls: list[str] = []
    for index, content in enumerate(contents):
        parts = list(objects(content.get("parts")))
        if not parts:
            yield f"contents.{index}.parts: must not be empty"
        if content.get("role", "user") not in ("user", "model"):
            yield f"contents.{index}.role: {content.get('role')!r}"
        answers = [part["functionResponse"].get("name") for part in parts if "functionResponse" in part]
        if answers != open_calls:
            yield f"contents.{index}: function responses {answers} must equal the function calls {open_calls}"
        open_calls = [part["functionCall"].get("name") for part in parts if "functionCall" in part]
        if any(
            not isinstance(part["functionResponse"].get("response"), dict)
            for part in parts
            if answers and "functionResponse" in part
        ):
            yield f"contents.{index}: function_response.response must be an object"
    yield from _gemini_signed(contents)
    for one in gemini_declared(body):
        yield from _schema_faults(one["name"], one.get("parameters"))


def _gemini_signed(contents: list[Json]) -> Faults:
    """Gemini 3: the first call of each step since the user last spoke has to be signed."""
    spoken = [
        index
        for index, content in enumerate(contents)
        if content.get("role") != "model" and any("functionResponse" not in part for part in objects(content["parts"]))
    ]
    for content in contents[spoken[-1] if spoken else 0 :]:
        calls = [part for part in objects(content.get("parts")) if "functionCall" in part]
        if calls and not calls[0].get("thoughtSignature"):
            name = calls[0]["functionCall"].get("name")
            yield f"Function call is missing a thought_signature in functionCall parts: {name}"


def _schema_faults(name: str, schema: Any) -> Faults:
    """In any depth."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        yield from (f"{name}: parameters: Unknown name {field!r}" for field in sorted(set(node) & NO_SCHEMA_FIELD))
        if isinstance(node.get("type"), list):
            yield f"{name}: parameters: type: Proto field is not repeating"
        waiting += [*(node.get("properties") or {}).values(), node.get("items"), *(node.get("anyOf") or ())]


TOOL_NAMES: dict[str, Callable[[Json], Iterator[str]]] = {
    "messages": lambda body: (tool["name"] for tool in objects(body.get("tools")) if "name" in tool),
    "chat": lambda body: (tool["function"]["name"] for tool in objects(body.get("tools")) if "function" in tool),
    "responses": lambda body: (tool["name"] for space, tool in response_tools(body) if "name" in tool and not space),
    "gemini": lambda body: (one["name"] for one in gemini_declared(body)),
}
CHECKS: dict[str, Callable[[Json], Faults]] = {
    "messages": _messages,
    "chat": _chat,
    "responses": _responses,
    "gemini": _gemini,
}
