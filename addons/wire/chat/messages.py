"""Messages both ways, one Chat message for one canonical one.

What another format says in one message and Chat in several, or not at all, is `transcript.py`'s to rearrange before it
comes here. Calls of the old kind (`function_call`, role `function`) have no ids; they get some, made of the position of
their message, so that other formats can tell which result is whose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
    CallKind,
    Foreign,
    Json,
    Media,
    MediaKind,
    Message,
    Native,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    fields_of,
)
from ringlet_mitm.addons.wire.chat.leftovers import leftovers, restored
from ringlet_mitm.addons.wire.chat.parts import read_content, read_mark, read_part, write_part
from ringlet_mitm.addons.wire.chat.thinking import GAP, thinking_fields, thoughts_in
from ringlet_mitm.addons.wire.chat.tool_calls import read_call, write_call
from ringlet_mitm.rules.shapes import WireFormat

CHAT = WireFormat.CHAT
ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "assistant": Role.ASSISTANT}
RESULTS = frozenset(("tool", "function"))
FAILED = "Error: "
OWN = Native(CHAT, {})
USUAL = {
    "user": {"role", "content"},
    "system": {"role", "content"},
    "tool": {"role", "content", "tool_call_id"},
}


class MessageReader:
    """Reads messages in their order; remembers which calls of the last assistant message wait for a result."""

    def __init__(self) -> None:
        self._position = 0
        self._waiting: list[ToolCall] = []

    def read(self, said: Mapping[str, Any]) -> Message:
        """The message, with what it says beyond."""
        role = said.get("role")
        role = role if isinstance(role, str) else ""
        if role in RESULTS:
            message = Message(Role.USER, (self._result(said),), OWN)
        elif role == "assistant":
            blocks = assistant_blocks(said, f"{self._position}")
            self._waiting = [block for block in blocks if isinstance(block, ToolCall)]
            message = Message(Role.ASSISTANT, blocks, OWN)
        else:
            blocks = _marked(read_content(said.get("content")), said)
            message = Message(ROLES.get(role, Role.USER), blocks, OWN)
        self._position += 1
        if _is_usual(said, role):
            return message
        return Message(message.role, message.blocks, leftovers(said, write_message(message)))

    def _result(self, said: Mapping[str, Any]) -> ToolResult:
        name = said.get("name")
        name = name if isinstance(name, str) else ""
        call_id = said.get("tool_call_id")
        call = self._answered(call_id if isinstance(call_id, str) else "", name)
        content = tuple(part for part in read_content(said.get("content")) if isinstance(part, Text | Media | Foreign))
        return ToolResult(
            call_id=call_id if isinstance(call_id, str) and call_id else call.id if call else "",
            content=content,
            name=name or (call.name if call else ""),
            kind=call.kind if call else CallKind.FUNCTION,
            cache=read_mark(said),
        )

    def _answered(self, call_id: str, name: str) -> ToolCall | None:
        """The call that a result answers; one without an id answers the first of its name, or the first of all."""
        if call_id:
            fitting = [call for call in self._waiting if call.id == call_id]
        else:
            fitting = [call for call in self._waiting if call.name == name] or self._waiting
        if not fitting:
            return None
        self._waiting = [call for call in self._waiting if call is not fitting[0]]
        return fitting[0]


def _is_usual(said: Mapping[str, Any], role: str) -> bool:
    """Whether it is like most messages, of which nothing is left; saves the comparison."""
    if set(said) != USUAL.get(role):
        return False
    content, call_id = said["content"], said.get("tool_call_id", "-")
    return type(content) is str and content != "" and type(call_id) is str and call_id != ""


def assistant_blocks(said: Mapping[str, Any], place: str) -> tuple[Block, ...]:
    """What the model said: thinking, text, pictures, calls. `place` makes ids for calls that have none."""
    blocks: list[Block] = [*thoughts_in(said), *_marked(read_content(said.get("content")), said)]
    refusal, audio, images = said.get("refusal"), said.get("audio"), said.get("images")
    if isinstance(refusal, str) and refusal:
        blocks.append(Refusal(refusal))
    if isinstance(audio, dict) and not said.get("content") and isinstance(audio.get("transcript"), str):
        blocks.append(Text(audio["transcript"]))
    parts = (read_part(image) for image in images if isinstance(image, dict)) if isinstance(images, list) else ()
    blocks += (part for part in parts if isinstance(part, Media))
    calls = said.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        if isinstance(call, dict):
            blocks += read_call(call, f"call_{place}_{number}")
    legacy = said.get("function_call")
    if isinstance(legacy, dict) and not calls:
        blocks += read_call({"function": legacy}, f"call_{place}")
    return tuple(blocks)


def write_message(message: Message) -> Json:
    """The message in Chat; tool results have to stand alone in theirs."""
    first = message.blocks[0] if message.blocks else None
    if isinstance(first, ToolResult):
        written = _written_result(first)
    elif message.role is Role.ASSISTANT:
        written = assistant_message(message.blocks)
    else:
        written = {"role": message.role.value, "content": _content(message.blocks) or ""}
    return restored(written, message.native)


def assistant_message(blocks: Sequence[Block]) -> Json:
    """What the model said, as a message of an answer or a request."""
    said: list[Block] = []
    thoughts: list[Thinking] = []
    calls: list[Json] = []
    extra: Json = {}
    for position, block in enumerate(blocks):
        match block:
            case Thinking(signature="thinking", signer=WireFormat.CHAT) | Text() | Foreign():
                said.append(block)
            case Thinking():
                if not signs_call(blocks, position):
                    thoughts.append(block)
            case ToolCall():
                signed = position > 0 and signs_call(blocks, position - 1)
                before = blocks[position - 1]
                calls.append(write_call(block, before.signature if signed and isinstance(before, Thinking) else ""))
            case Refusal():
                extra["refusal"] = extra.get("refusal", "") + block.text
            case Media(kind=MediaKind.IMAGE):
                extra.setdefault("images", []).append(write_image(block, len(extra.get("images", ()))))
    content = _content(said, spoken(blocks))
    empty = None if calls or extra or thoughts else ""
    message: Json = {
        "role": "assistant",
        "content": content if content else empty,
        **extra,
        **thinking_fields(thoughts),
    }
    return {**message, "tool_calls": calls} if calls else message


def write_image(media: Media, index: int) -> Json:
    """A picture that the model made, the way of OpenRouter."""
    return {"index": index, **write_part(media)}


def signs_call(blocks: Sequence[Block], position: int) -> bool:
    """Whether the block at `position` is a thought signature of Google's for the call behind it."""
    block = blocks[position]
    follows = blocks[position + 1] if position + 1 < len(blocks) else None
    return (
        isinstance(block, Thinking)
        and block.signer is WireFormat.GEMINI
        and not block.text
        and bool(block.signature)
        and isinstance(follows, ToolCall)
    )


def spoken(blocks: Sequence[Block]) -> str:
    """The text of an answer: blocks next to each other are one, others a paragraph apart."""
    text, before = "", False
    for block in blocks:
        if isinstance(block, Text) and block.text:
            text += (GAP if text and not before else "") + block.text
        before = isinstance(block, Text)
    return text


def is_plain(block: Block) -> bool:
    """Whether it is text and nothing else."""
    return isinstance(block, Text) and block.cache is None and not fields_of(block.native, CHAT)


def _content(blocks: Sequence[Block], text: str | None = None) -> str | list[Json]:
    if all(is_plain(block) for block in blocks):
        return GAP.join(block.text for block in blocks if isinstance(block, Text)) if text is None else text
    return [write_part(block) for block in blocks]


def _written_result(result: ToolResult) -> Json:
    content = _content(result.content)
    if result.is_error:
        content = FAILED + content if isinstance(content, str) else [{"type": "text", "text": FAILED.strip()}, *content]
    return {"role": "tool", "tool_call_id": result.call_id, "content": content}


def _marked(blocks: Iterable[Block], said: Mapping[str, Any]) -> tuple[Block, ...]:
    """The blocks, the last one with the cache breakpoint of the whole message."""
    found = tuple(blocks)
    mark = read_mark(said)
    if mark is None or not found or not isinstance(found[-1], Text | Media):
        return found
    return (*found[:-1], replace(found[-1], cache=mark))
