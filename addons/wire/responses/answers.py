"""The items of an answer as blocks, and blocks as the items that they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import Block, Foreign, Json, Refusal, Text, Thinking, ToolCall
from ringlet_mitm.addons.wire.responses import items
from ringlet_mitm.addons.wire.responses.input import render_item
from ringlet_mitm.addons.wire.responses.marks import FORMAT, Losses, own, rest, said
from ringlet_mitm.addons.wire.responses.parts import MESSAGE, OUTPUT_TEXT, parse_part, render_parts
from ringlet_mitm.addons.wire.responses.thinking import REASONING, parse_thinking

CALL_KINDS = {call: kind for kind, (call, _, _) in items.CALLS.items()}
_CONTENT = frozenset({"content"})


def message_fields(item: Mapping[str, Any]) -> Json:
    """A message's own fields."""
    return rest(item, _CONTENT)


def parse_answer_part(part: Any, begins: Json | None) -> Text | Refusal | None:
    """A part of a message; the first one carries the fields of the message that it `begins`. None where it is odd."""
    block = parse_part(part, OUTPUT_TEXT) if isinstance(part, dict) else None
    if not isinstance(block, (Text, Refusal)):
        return None
    if begins is None:
        return block
    return replace(block, native=said({**(own(block.native) or {}), MESSAGE: begins}))


def blocks_of(item: Mapping[str, Any]) -> tuple[Block, ...]:
    """What an item of an answer says; one that is new or odd is Foreign."""
    kind = item.get("type")
    if kind == items.MESSAGE and item.get("role") == "assistant":
        return _parts_of(item) or (Foreign(FORMAT, item),)
    if kind == REASONING:
        return (parse_thinking(item),)
    if isinstance(kind, str) and kind in CALL_KINDS:
        return (items.parse_call(item, CALL_KINDS[kind]) or Foreign(FORMAT, item),)
    return (Foreign(FORMAT, item),)


def _parts_of(item: Mapping[str, Any]) -> tuple[Block, ...]:
    content = item.get("content")
    found: list[Block] = []
    for place, part in enumerate(content if isinstance(content, list) else ()):
        block = parse_answer_part(part, None if place else message_fields(item))
        if block is None:
            return ()
        found.append(block)
    return tuple(found)


def items_of(blocks: Iterable[Block], losses: Losses) -> list[Json] | None:
    """The items that these blocks were read from; None where a block came from elsewhere, or was changed since."""
    found: list[Json] = []
    for group in _groups(blocks):
        item = _item(group, losses)
        if item is None:
            return None
        found.append(item)
    return found


def _groups(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Blocks of one item: a message has as many as it has parts."""
    group: list[Block] = []
    for block in blocks:
        goes_on = isinstance(block, (Text, Refusal)) and begun_by(block) is None
        if group and not (goes_on and isinstance(group[0], (Text, Refusal))):
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def begun_by(block: Text | Refusal) -> Json | None:
    """The fields of the message that this part begins."""
    found = (own(block.native) or {}).get(MESSAGE)
    return found if isinstance(found, dict) else None


def _item(group: list[Block], losses: Losses) -> Json | None:
    first = group[0]
    if isinstance(first, (Text, Refusal)):
        fields = begun_by(first)
        if fields is None or any(own(part.native) is None for part in group if isinstance(part, (Text, Refusal))):
            return None
        return fields | {"content": render_parts(tuple(group), OUTPUT_TEXT, losses)}
    if isinstance(first, Foreign):
        return dict(first.data) if first.format is FORMAT else None
    if isinstance(first, (ToolCall, Thinking)) and own(first.native) is not None:
        return render_item(first, losses)
    return None


def has_calls(blocks: Iterable[Block]) -> bool:
    """Whether the agent has something to do."""
    return any(isinstance(block, ToolCall) for block in blocks)


def declines(blocks: Iterable[Block]) -> bool:
    """Whether the model refuses and says nothing else."""
    told = [block for block in blocks if isinstance(block, (Text, Refusal))]
    return bool(told) and all(isinstance(block, Refusal) for block in told)
