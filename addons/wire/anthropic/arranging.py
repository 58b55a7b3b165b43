"""Another format's messages in the order that Messages wants.

The user speaks first, then both in turn; a tool's results begin the user's message; no text is blank; a picture is the
user's; a system message stands in front, or between a user's and an assistant's message where the model takes it there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ringlet_mitm.addons.wire.anthropic.families import Family
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.media import fitting_media
from ringlet_mitm.addons.wire.canonical import (
    Block,
    Conversation,
    Foreign,
    Media,
    Message,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.rules.shapes import WireFormat

HERE = WireFormat.MESSAGES
GO_ON = Text("Continue.")
EMPTY_ERROR = Text("The tool failed and said nothing.")


@dataclass(slots=True)
class _Turn:
    role: Role
    blocks: list[Block]


def fitting_system(conversation: Conversation, losses: Losses) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """The system prompt, with the system messages at the beginning, and the messages behind them."""
    messages = conversation.messages
    begin = next((at for at, message in enumerate(messages) if message.role is not Role.SYSTEM), len(messages))
    blocks: list[Block] = [*conversation.system]
    for message in messages[:begin]:
        blocks += message.blocks
    return tuple(_texts(blocks, losses)), messages[begin:]


def arranged(messages: Iterable[Message], family: Family, losses: Losses) -> tuple[Message, ...]:
    """The messages of another format, in order; the last may be the assistant's."""
    turns: list[_Turn] = []
    for message in messages:
        _add(turns, message.role, list(CLEANED[message.role](message.blocks, losses)))
    turns = _with_system_in_place(turns, family, losses)
    if not turns or turns[0].role is Role.ASSISTANT:
        turns.insert(0, _Turn(Role.USER, [GO_ON]))
    for turn in turns:
        if turn.role is Role.USER:
            turn.blocks.sort(key=lambda block: not isinstance(block, ToolResult))
    return tuple(Message(turn.role, tuple(turn.blocks)) for turn in turns)


def ended(messages: tuple[Message, ...], family: Family, thinks: bool, losses: Losses) -> tuple[Message, ...]:
    """A conversation that ends with the assistant is one to go on writing at, where the model does that."""
    *before, last = messages
    if last.role is not Role.ASSISTANT:
        return messages
    text = last.blocks[-1]
    if thinks or not family.prefill or not isinstance(text, Text):
        losses.note("beginning of the answer", "this model does not go on writing at one; it is asked to continue")
        return (*messages, Message(Role.USER, (GO_ON,)))
    stripped = replace(text, text=text.text.rstrip())
    return (*before, Message(Role.ASSISTANT, (*last.blocks[:-1], stripped)))


def _add(turns: list[_Turn], role: Role, blocks: list[Block]) -> None:
    if not blocks:
        return
    if turns and turns[-1].role is role:
        turns[-1].blocks += blocks
    else:
        turns.append(_Turn(role, blocks))


def _with_system_in_place(turns: list[_Turn], family: Family, losses: Losses) -> list[_Turn]:
    """System messages that may not stand where they are become the user's words."""
    placed: list[_Turn] = []
    for at, turn in enumerate(turns):
        if turn.role is not Role.SYSTEM:
            _add(placed, turn.role, turn.blocks)
            continue
        after_user = bool(placed) and placed[-1].role is Role.USER
        before_user = at + 1 < len(turns) and turns[at + 1].role is Role.USER
        if family.system_turns and after_user and not before_user:
            placed.append(turn)
            continue
        losses.note("system message", "it cannot stand in the middle here and is told in the user's message")
        _add(placed, Role.USER, [_reminder(block) for block in turn.blocks])
    return placed


def _reminder(block: Block) -> Block:
    text = block.text if isinstance(block, Text) else ""
    return Text(f"<system-reminder>\n{text}\n</system-reminder>", block.cache if isinstance(block, Text) else None)


def _texts(blocks: Iterable[Block], losses: Losses) -> Iterable[Text]:
    for block in blocks:
        if isinstance(block, Text | Refusal):
            if block.text.strip():
                yield Text(block.text, block.cache if isinstance(block, Text) else None)
        elif isinstance(block, Foreign):
            losses.note(block.what, "only its own vendor knows this block")
        else:
            losses.note(f"{_name(block)} in a system message", "there is room for text only")


def _asked(blocks: Iterable[Block], losses: Losses) -> Iterable[Block]:
    """What a user's message may hold."""
    for block in blocks:
        if isinstance(block, ToolResult):
            yield _result(block, losses)
        elif isinstance(block, Media):
            found = fitting_media(block, losses)
            if found is not None:
                yield found
        elif isinstance(block, Foreign) and block.format is HERE:
            yield block
        elif isinstance(block, Thinking | ToolCall):
            losses.note(f"{_name(block)} of a user", "only the assistant's message holds one")
        else:
            yield from _texts((block,), losses)


def _said(blocks: Iterable[Block], losses: Losses) -> Iterable[Block]:
    """What the assistant's message may hold."""
    for block in blocks:
        if isinstance(block, ToolCall):
            yield replace(block, namespace="", native=None)
        elif isinstance(block, Thinking):
            if block.signer is HERE and block.signature:
                yield block
            elif block.text or block.signature:
                losses.note("thinking", "only thoughts that this vendor signed go back to it")
        elif isinstance(block, Foreign) and block.format is HERE:
            yield block
        elif isinstance(block, Media | ToolResult):
            losses.note(f"{_name(block)} in an answer", "the assistant's message has no room for one")
        else:
            yield from _texts((block,), losses)


CLEANED = {Role.USER: _asked, Role.ASSISTANT: _said, Role.SYSTEM: _texts}


def _result(block: ToolResult, losses: Losses) -> ToolResult:
    content = tuple(_asked(block.content, losses))
    held = tuple(item for item in content if isinstance(item, Text | Media | Foreign))
    error = block.is_error
    if error and not held:
        held = (EMPTY_ERROR,)
    if error and not all(isinstance(item, Text) for item in held):
        losses.note("error flag of a result", "one with more than text in it cannot have it")
        error = False
    return ToolResult(block.call_id, held, error, cache=block.cache)


def _name(block: Block) -> str:
    return block.kind.value if isinstance(block, Media) else NAMES.get(type(block), "block")


NAMES: dict[type, str] = {Thinking: "thinking", ToolCall: "tool call", ToolResult: "tool result"}
