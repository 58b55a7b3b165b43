"""What the messages of a request tell besides their text: a system prompt, whose turn it is, tools, pictures.

One table of vendor words for all four formats: they do not collide, and agents send one vendor's words in another's
format often enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from ringlet_mitm.rules.images import image_tokens
from ringlet_mitm.rules.remembering import Remembered
from ringlet_mitm.rules.shapes import SEAL_MARKS, WireFormat
from ringlet_mitm.rules.skeleton import ABSENT

SYSTEM_ROLES = frozenset({"system", "developer"})
MODEL_ROLES: frozenset[str | None] = frozenset({"assistant", "model"})
RESULT_ROLES = frozenset({"tool", "function"})
# Items of Responses that are the model's own words; a call's type ends in `_call`.
MODEL_TYPES = frozenset({"reasoning", "item_reference", "compaction"})
OFFERS_TOOLS = "additional_tools"
DECLARATIONS = frozenset({"functionDeclarations", "function_declarations"})
# The system prompt stands in front; one message further on is no system prompt but a remark.
FRONT = 4
# Results of parallel calls come one message each; more than this many have not been seen after one answer.
LAST_TURN = 64

# Without one of these a message holds no picture; looking for them costs less than taking it apart.
PICTURE_MARKS: dict[WireFormat, tuple[bytes, ...]] = {
    WireFormat.MESSAGES: (b'"image"',),
    WireFormat.CHAT: (b'"image_url"', b'"image"'),
    WireFormat.RESPONSES: (b'"input_image"', b'"computer_screenshot"'),
    WireFormat.GEMINI: (b'nlineData"', b'nline_data"', b'fileData"', b'file_data"'),
}
# Blocks whose `image_url` is the picture; the last one is what a computer-use tool answers.
LINKED_PICTURES = ("image_url", "input_image", "computer_screenshot")
# What a model wrote into a call is its own words, whatever it looks like.
INPUTS = frozenset({"input", "arguments", "args"})


class Item(msgspec.Struct):
    """The outside of a message."""

    role: str | None = None
    type: str | None = None
    content: Raw = ABSENT
    parts: Raw = ABSENT
    tools: Raw = ABSENT


class _Block(msgspec.Struct):
    type: str | None = None
    # Not `Raw | None`, of which msgspec takes only the null.
    functionResponse: Raw = ABSENT  # noqa: N815
    function_response: Raw = ABSENT


class _Tool(msgspec.Struct):
    type: str | None = None
    tools: list[Raw] | None = None


_item = msgspec.json.Decoder(Item).decode
_blocks = msgspec.json.Decoder(list[_Block]).decode
_block = msgspec.json.Decoder(_Block).decode
_keyed = msgspec.json.Decoder(dict[str, Raw]).decode
_tool = msgspec.json.Decoder(_Tool).decode
_any = msgspec.json.Decoder().decode
_raw_list = msgspec.json.Decoder(list[Raw]).decode


class Contents(NamedTuple):
    """What stands in messages: pictures, their tokens, and whether there may be a signature sealed by us."""

    images: int = 0
    tokens: int = 0
    sealed: bool = False


NOTHING = Contents()
_seen: dict[WireFormat, Remembered[Contents]] = {one: Remembered(8_192) for one in WireFormat}


def item_of(raw: Raw) -> Item:
    """The outside of a message; an empty one where it is none."""
    try:
        return _item(raw)
    except (ValueError, RecursionError):
        return Item()


def has_system_message(messages: Sequence[Raw]) -> bool:
    """Whether a system prompt stands in front of the conversation."""
    front = (item_of(raw) for raw in islice(messages, FRONT))
    return any(item.role in SYSTEM_ROLES and item.type != OFFERS_TOOLS for item in front)


def first_words(messages: Sequence[Raw]) -> Raw | None:
    """The message that a conversation begins with: the first that is a person's, the very first where none says so."""
    return next((raw for raw in messages[:32] if item_of(raw).role == "user"), messages[0] if messages else None)


def carries_tool_result(messages: Sequence[Raw]) -> bool:
    """Whether a tool's result came after the model's last words."""
    for raw in messages[: -LAST_TURN - 1 : -1]:
        item = item_of(raw)
        kind = item.type or ""
        if item.role in MODEL_ROLES or kind in MODEL_TYPES or kind.endswith("_call"):
            return False
        if item.role in RESULT_ROLES or kind.endswith("_output") or _holds_result(item):
            return True
    return False


def _holds_result(item: Item) -> bool:
    content = item.content if item.parts is ABSENT else item.parts
    try:
        return any(map(_is_result, _blocks(content)))
    except (ValueError, RecursionError):
        return any(map(_is_result, _single_blocks(content)))


def _single_blocks(content: Raw) -> Iterator[_Block]:
    """The blocks of a list with other things in between, or the one that stands without a list (Gemini takes that)."""
    try:
        pieces = _raw_list(content)
    except (ValueError, RecursionError):
        pieces = [content]
    for piece in pieces:
        try:
            yield _block(piece)
        except (ValueError, RecursionError):
            continue


def _is_result(block: _Block) -> bool:
    return (
        (block.type or "").endswith("tool_result")
        or block.functionResponse != ABSENT
        or block.function_response != ABSENT
    )


def tools_offered(wire_format: WireFormat, tools: Sequence[Raw], messages: Sequence[Raw]) -> int:
    """How many tools the model may call; those in namespaces and Codex's `additional_tools` items count one by one."""
    if wire_format is WireFormat.GEMINI:
        return sum(map(_declared, tools))
    if wire_format is not WireFormat.RESPONSES:
        return len(tools)
    found = sum(map(_grouped, tools))
    for raw in islice(messages, FRONT):
        item = item_of(raw)
        if item.type == OFFERS_TOOLS:
            try:
                found += sum(map(_grouped, _raw_list(item.tools)))
            except (ValueError, RecursionError):
                continue
    return found


def _declared(raw: Raw) -> int:
    """Gemini's functions stand in lists; each of the vendor's own tools (`googleSearch`) is a key beside them."""
    try:
        tool = _keyed(raw)
    except (ValueError, RecursionError):
        return 1
    return sum(_listed(value) if key in DECLARATIONS else 1 for key, value in tool.items() if value != ABSENT)


def _listed(raw: Raw) -> int:
    try:
        return len(_raw_list(raw))
    except (ValueError, RecursionError):
        return 1


def _grouped(raw: Raw) -> int:
    try:
        tool = _tool(raw)
    except (ValueError, RecursionError):
        return 1
    return len(tool.tools) if tool.type == "namespace" and tool.tools is not None else 1


def contents(wire_format: WireFormat, segments: Sequence[Raw], digests: Sequence[bytes]) -> Contents:
    """What stands in the messages; what was found in one before is remembered.

    Rejected: asking first whether the body holds such a word at all, which takes 0.35 ms of half a megabyte each turn.
    """
    seen = _seen[wire_format]
    found = seen.get_all(digests)
    if None in found:
        found = list(found)
        for place, (raw, digest) in enumerate(zip(segments, digests, strict=True)):
            if found[place] is None:
                found[place] = one = _contents_of(wire_format, raw)
                seen.put(digest, one)
    some = [one for one in found if one is not None and one is not NOTHING]
    if not some:
        return NOTHING
    return Contents(sum(one.images for one in some), sum(one.tokens for one in some), any(one.sealed for one in some))


def _contents_of(wire_format: WireFormat, raw: Raw) -> Contents:
    content = bytes(raw)
    sealed = any(mark in content for mark in SEAL_MARKS)
    found: list[int] = []
    if any(mark in content for mark in PICTURE_MARKS[wire_format]):
        try:
            _gather(wire_format, _any(content), found)
        except (ValueError, RecursionError):
            found.clear()
    return Contents(len(found), sum(found), sealed) if found or sealed else NOTHING


def _gather(wire_format: WireFormat, value: Any, found: list[int]) -> None:
    if isinstance(value, list):
        for one in value:
            _gather(wire_format, one, found)
    elif isinstance(value, dict):
        picture = _picture(value)
        if picture is not None:
            found.append(image_tokens(wire_format, *picture))
            return
        for key, one in value.items():
            if key not in INPUTS and isinstance(one, list | dict):
                _gather(wire_format, one, found)


def _picture(block: dict[str, Any]) -> tuple[str, str] | None:
    """A picture's data and level of detail, None where a block is none; data is "" where it is not in the request."""
    kind = block.get("type")
    detail = str(block.get("detail") or "")
    if kind in LINKED_PICTURES:
        url = block.get("image_url")
        if isinstance(url, dict):
            detail, url = str(url.get("detail") or ""), url.get("url")
        return _text(url), detail
    if kind == "image" and "source" in block:
        source = block["source"]
        return _text(source.get("data")) if isinstance(source, dict) else "", detail
    inline = block.get("inlineData") or block.get("inline_data") or block.get("fileData") or block.get("file_data")
    if isinstance(inline, dict):
        mime = inline.get("mimeType") or inline.get("mime_type") or ""
        return (_text(inline.get("data")), detail) if str(mime).startswith("image/") else None
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
