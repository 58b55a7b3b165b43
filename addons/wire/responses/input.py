"""Messages as the items of `input`.

An assistant's text of another format gets an id and a status: OpenAI does not ask for them, but servers that check
against its published types do. The id is the place in the list, so that a longer conversation begins with the same
bytes and hits the prompt cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

from ringlet_mitm.addons.wire.canonical import (
    Block,
    CallKind,
    Foreign,
    Json,
    Media,
    Message,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.responses.items import ADDITIONAL_TOOLS, CALLS, MESSAGE, text_type
from ringlet_mitm.addons.wire.responses.marks import FORMAT, Losses, own, public
from ringlet_mitm.addons.wire.responses.parts import INPUT_TEXT, PART_TYPES, render_parts
from ringlet_mitm.addons.wire.responses.thinking import render_thinking

_SPEAKERS = {Role.SYSTEM: "developer", Role.USER: "user", Role.ASSISTANT: "assistant"}


def render_input(messages: tuple[Message, ...], losses: Losses) -> list[Json]:
    """All messages as items."""
    items: list[Json] = []
    for message in messages:
        items.extend(_render_message(message, len(items), losses))
    return items


def additional_tools(message: Message) -> list[Json] | None:
    """The tools of an `additional_tools` item; None of any other message."""
    fields = own(message.native)
    if fields is None or fields.get("type") != ADDITIONAL_TOOLS:
        return None
    return [tool for tool in fields.get("tools", ()) if isinstance(tool, dict)]


def _render_message(message: Message, place: int, losses: Losses) -> Iterator[Json]:
    fields = own(message.native)
    if fields is not None and fields.get("type") == ADDITIONAL_TOOLS:
        yield dict(fields)
    elif fields is not None and all(_is_part(block, True) for block in message.blocks):
        parts = render_parts(message.blocks, text_type(message.role), losses)
        yield {"role": _SPEAKERS[message.role], "content": parts} | public(fields)
    else:
        for is_part, blocks in groupby(message.blocks, lambda block: _is_part(block, False)):
            run = tuple(blocks)
            made = [_message(run, message.role, place, losses)] if is_part else (_item(one, losses) for one in run)
            for item in made:
                if item is not None:
                    yield item
                    place += 1


def _is_part(block: Block, inside: bool) -> bool:
    """Whether it stands inside a message. A Foreign one says so itself where the message does not tell."""
    if isinstance(block, Foreign):
        return inside or block.format is not FORMAT or block.data.get("type") in PART_TYPES
    return isinstance(block, (Text, Media, Refusal))


def _message(blocks: tuple[Block, ...], role: Role, place: int, losses: Losses) -> Json | None:
    parts = render_parts(blocks, text_type(role), losses)
    if not parts:
        return None
    item: Json = {"type": MESSAGE, "role": _SPEAKERS[role], "content": parts}
    return item | {"id": f"msg_{place}", "status": "completed"} if role is Role.ASSISTANT else item


def _call(block: ToolCall, losses: Losses) -> Json:
    kind, key, _ = CALLS[block.kind]
    fields = own(block.native)
    blank = "{}" if block.kind is CallKind.FUNCTION and fields is None else ""
    item: Json = {"type": kind, "call_id": block.id, "name": block.name, key: block.arguments or blank}
    if block.namespace:
        item["namespace"] = block.namespace
    return item | (fields or {})


def _result(block: ToolResult, losses: Losses) -> Json:
    fields = own(block.native)
    item: Json = {"type": CALLS[block.kind][2], "call_id": block.call_id, "output": _output(block, losses)}
    if block.is_error:
        losses.add("tool error mark", "Responses has no field for it, the tool's text has to tell")
    return item | (fields or {})


def _output(block: ToolResult, losses: Losses) -> str | list[Json]:
    """As one text where it is nothing else: not every server takes lists here."""
    texts = [part.text for part in block.content if isinstance(part, Text) and own(part.native) is None]
    if len(texts) == len(block.content):
        return "\n".join(texts)
    parts = render_parts(block.content, INPUT_TEXT, losses)
    return parts or ("" if own(block.native) is None else parts)


def _foreign(block: Foreign, losses: Losses) -> Json:
    return dict(block.data)


def _item(block: Block, losses: Losses) -> Json | None:
    return _ITEMS[type(block)](block, losses)


_ITEMS: dict[type, Callable[..., Json | None]] = {
    ToolCall: _call,
    ToolResult: _result,
    Thinking: render_thinking,
    Foreign: _foreign,
}


def render_item(block: ToolCall | Thinking | Foreign, losses: Losses) -> Json | None:
    """One block as the item that it was."""
    return _item(block, losses)
