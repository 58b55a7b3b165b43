"""Content parts of messages and of tool outputs, both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import Block, CacheMark, Foreign, Json, Media, Refusal, Text
from ringlet_mitm.addons.wire.responses.marks import FORMAT, NOTHING, Losses, own, public, rest, said
from ringlet_mitm.addons.wire.responses.media import (
    BREAKPOINT,
    cache_mark,
    marked,
    parse_audio,
    parse_file,
    parse_image,
    render_media,
)

INPUT_TEXT = "input_text"
OUTPUT_TEXT = "output_text"
REFUSAL = "refusal"
TEXTS = frozenset({INPUT_TEXT, OUTPUT_TEXT, "text", "summary_text", "reasoning_text"})
MEDIA: dict[str, Callable[[Mapping[str, Any]], Media | None]] = {
    "input_image": parse_image,
    "input_file": parse_file,
    "input_audio": parse_audio,
}
PART_TYPES = TEXTS | MEDIA.keys() | {REFUSAL, "computer_screenshot", "encrypted_content"}
_TEXT = frozenset({"type", "text", BREAKPOINT})
_REFUSAL = frozenset({"type", "refusal"})

Part = Text | Media | Refusal | Foreign

# Under this key the first part of a message keeps the message's own fields (id, status, phase): an answer's blocks are
# a flat list, and where one message ends and the next begins must not get lost. It never reaches the wire.
MESSAGE = " message"


def parse_part(part: Mapping[str, Any], text_type: str) -> Part:
    """A content part; `text_type` is what texts are called where it stands. What is new or odd is Foreign."""
    kind = part.get("type")
    if not isinstance(kind, str):
        return Foreign(FORMAT, part)
    if kind in TEXTS and isinstance(part.get("text"), str):
        return _text(part, kind, text_type)
    if kind == REFUSAL and isinstance(part.get("refusal"), str):
        return Refusal(part["refusal"], said(rest(part, _REFUSAL)))
    reader = MEDIA.get(kind)
    return (reader(part) if reader else None) or Foreign(FORMAT, part)


def _text(part: Mapping[str, Any], kind: str, text_type: str) -> Text:
    if len(part) == 2 and kind == text_type:
        return Text(part["text"], None, NOTHING)
    left = rest(part, _TEXT)
    if kind != text_type:
        left["type"] = kind
    cache: CacheMark | None = None
    if BREAKPOINT in part:
        cache = cache_mark(part)
        if cache is None:
            left[BREAKPOINT] = part[BREAKPOINT]
    return Text(part["text"], cache, said(left))


def parse_parts(parts: Any, text_type: str) -> tuple[Part, ...] | None:
    """A list of content parts; None where it is no such list."""
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return None
    return tuple(parse_part(part, text_type) for part in parts)


def render_part(block: Block, text_type: str, losses: Losses) -> Json | None:
    """The content part of a block; None where it has to be left out."""
    if isinstance(block, Text):
        return _render_text(block, text_type)
    if isinstance(block, Refusal):
        return {"type": REFUSAL, "refusal": block.text} | _fields(block)
    if isinstance(block, Media):
        if text_type == OUTPUT_TEXT and own(block.native) is None:
            losses.add(f"{block.kind.value} of the assistant's", "Responses takes only text from the assistant")
            return None
        return render_media(block, losses)
    if isinstance(block, Foreign) and block.format is FORMAT:
        return dict(block.data)
    if isinstance(block, Foreign):
        losses.add(block.what, "only the vendor that it comes from knows it")
    return None


def _render_text(block: Text, text_type: str) -> Json:
    part: Json = {"type": text_type, "text": block.text}
    if own(block.native) is None:
        return part | {"annotations": []} if text_type == OUTPUT_TEXT else part
    return marked(part, block.cache) | _fields(block)


def _fields(block: Text | Refusal) -> Json:
    fields = own(block.native)
    return public(fields) if fields else {}


def render_parts(blocks: tuple[Block, ...], text_type: str, losses: Losses) -> list[Json]:
    """The content parts of blocks, less what has to be left out."""
    parts = (render_part(block, text_type, losses) for block in blocks if not _is_blank(block))
    return [part for part in parts if part is not None]


def _is_blank(block: Block) -> bool:
    """An empty text of another format says nothing, and some vendors refuse it."""
    return isinstance(block, Text) and not block.text and own(block.native) is None
