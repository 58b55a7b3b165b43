"""The items of `input` and `output`: messages, calls, their outputs, thoughts; all others are Foreign.

Sources: OpenAI "Responses", ResponseInputItem and ResponseOutputItem; what Codex CLI 0.169 sends; accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    Foreign,
    Message,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.responses.marks import FORMAT, rest, said
from ringlet_mitm.addons.wire.responses.parts import INPUT_TEXT, OUTPUT_TEXT, parse_parts
from ringlet_mitm.addons.wire.responses.thinking import REASONING, parse_thinking

MESSAGE = "message"
ADDITIONAL_TOOLS = "additional_tools"
ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM, "developer": Role.SYSTEM}
# Type of a call, where its arguments stand, type of its output; by kind of tool.
CALLS = {
    CallKind.FUNCTION: ("function_call", "arguments", "function_call_output"),
    CallKind.CUSTOM: ("custom_tool_call", "input", "custom_tool_call_output"),
}
_MESSAGE = frozenset({"role", "content"})
_CALL = frozenset({"type", "call_id", "name", "namespace", "arguments", "input"})
_RESULT = frozenset({"type", "call_id", "output"})


def parse_item(item: Mapping[str, Any]) -> Message:
    """An item as a message with one block, a message item as a message with its parts."""
    kind = item.get("type", MESSAGE)
    reader = READERS.get(kind) if isinstance(kind, str) else None
    return (reader(item) if reader else None) or Message(_speaker(kind), (Foreign(FORMAT, item),))


def _speaker(kind: Any) -> Role:
    return Role.USER if isinstance(kind, str) and kind.endswith("_output") else Role.ASSISTANT


def _parse_message(item: Mapping[str, Any]) -> Message | None:
    spoken, content = item.get("role"), item.get("content")
    role = ROLES.get(spoken) if isinstance(spoken, str) else None
    if role is None:
        return None
    left = rest(item, _MESSAGE)
    if spoken == "system":
        left["role"] = spoken
    if isinstance(content, str):
        left["content"] = content
        return Message(role, (Text(content),) if content else (), said(left))
    blocks = parse_parts(content, text_type(role))
    return None if blocks is None else Message(role, blocks, said(left))


def text_type(role: Role) -> str:
    """What texts are called in a message of `role`."""
    return OUTPUT_TEXT if role is Role.ASSISTANT else INPUT_TEXT


def _parse_additional_tools(item: Mapping[str, Any]) -> Message | None:
    """Nothing but a place in the list: its tools are among those of the conversation."""
    return Message(Role.SYSTEM, (), said(item)) if isinstance(item.get("tools"), list) else None


def parse_call(item: Mapping[str, Any], kind: CallKind) -> ToolCall | None:
    """A call of the agent's tool; None where its id, name or arguments are no texts."""
    key = CALLS[kind][1]
    call_id, name, arguments = item.get("call_id"), item.get("name"), item.get(key)
    if not (isinstance(call_id, str) and isinstance(name, str) and isinstance(arguments, str)):
        return None
    left, namespace = rest(item, _CALL), item.get("namespace")
    other = "input" if kind is CallKind.FUNCTION else "arguments"
    if other in item:
        left[other] = item[other]
    if "namespace" in item and not (isinstance(namespace, str) and namespace):
        left["namespace"] = namespace
    return ToolCall(call_id, name, arguments, kind, namespace if isinstance(namespace, str) else "", native=said(left))


def _parse_result(item: Mapping[str, Any], kind: CallKind) -> ToolResult | None:
    call_id, output = item.get("call_id"), item.get("output")
    if not isinstance(call_id, str):
        return None
    left = rest(item, _RESULT)
    if isinstance(output, str):
        return ToolResult(call_id, (Text(output),) if output else (), kind=kind, native=said(left))
    content = parse_parts(output, INPUT_TEXT) if isinstance(output, list) else None
    if content is None or not isinstance(output, list):
        return None
    if not content:
        left["output"] = output
    parts = zip(content, output, strict=True)
    kept = tuple(Foreign(FORMAT, part) if isinstance(block, Refusal) else block for block, part in parts)
    return ToolResult(call_id, kept, kind=kind, native=said(left))


def _called(kind: CallKind) -> Callable[[Mapping[str, Any]], Message | None]:
    def read(item: Mapping[str, Any]) -> Message | None:
        block = parse_call(item, kind)
        return None if block is None else Message(Role.ASSISTANT, (block,))

    return read


def _answered(kind: CallKind) -> Callable[[Mapping[str, Any]], Message | None]:
    def read(item: Mapping[str, Any]) -> Message | None:
        block = _parse_result(item, kind)
        return None if block is None else Message(Role.USER, (block,))

    return read


def _thought(item: Mapping[str, Any]) -> Message:
    return Message(Role.ASSISTANT, (parse_thinking(item),))


READERS: dict[str, Callable[[Mapping[str, Any]], Message | None]] = {
    MESSAGE: _parse_message,
    ADDITIONAL_TOOLS: _parse_additional_tools,
    REASONING: _thought,
}
for _kind, (_call, _, _output) in CALLS.items():
    READERS[_call] = _called(_kind)
    READERS[_output] = _answered(_kind)
