"""Conversations in a few words, for tests of what happens to them."""

from __future__ import annotations

from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import (
    Block,
    Conversation,
    Json,
    Message,
    Role,
    ServerTool,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.pairing import NO_RESULT

SCHEMA: Json = {"type": "object", "properties": {}}


def user(*blocks: Block) -> Message:
    """A message of the user's."""
    return Message(Role.USER, blocks)


def assistant(*blocks: Block) -> Message:
    """A message of the assistant's."""
    return Message(Role.ASSISTANT, blocks)


def call(call_id: str, name: str = "a", **fields: str) -> ToolCall:
    """A call without arguments."""
    return ToolCall(call_id, name, "{}", **fields)  # type: ignore[arg-type]


def result(call_id: str, text: str = "done", name: str = "") -> ToolResult:
    """A result of one text."""
    return ToolResult(call_id, (Text(text),), name=name)


def said(*messages: Message, tools: tuple[Tool | ServerTool, ...] = (), **fields: object) -> Conversation:
    """A conversation of these."""
    return replace(Conversation("m", messages, tools=tools), **fields)  # type: ignore[arg-type]


ASKED = user(Text("go"))


def shape(conversation: Conversation) -> list[str]:
    """What stands where: a line a message."""
    return [f"{message.role[0]}: {' '.join(map(_word, message.blocks))}" for message in conversation.messages]


def _word(block: Block) -> str:
    match block:
        case ToolCall():
            return f"call({block.id})"
        case ToolResult(call_id, content):
            texts = [one.text for one in content if isinstance(one, Text)]
            return f"result({call_id}{'!' if texts == [NO_RESULT] else ''})"
        case Text(text):
            return text.split("]")[0] if text.startswith("[") else text
        case _:
            return type(block).__name__
