"""The blocks of a message, both ways.

A block whose shape is off in any way stays as it is, as a Foreign one. A Thinking of another vendor, which an agent
brings back sealed, never goes to this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ringlet_mitm.addons.wire.anthropic.caching import KEY, mark_in, put_mark
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.media import parse_media, render_media, text_of
from ringlet_mitm.addons.wire.canonical import (
    Block,
    CacheMark,
    Foreign,
    Json,
    Media,
    Native,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import read_json, write_json
from ringlet_mitm.addons.wire.identifiers import unseal
from ringlet_mitm.rules.shapes import WireFormat

HERE = WireFormat.MESSAGES
NO_ARGUMENTS = "{}"
RAW_ARGUMENTS = "arguments"  # what stands in `input` where a model's arguments were no JSON object


def parse_block(said: Json) -> Block:
    """One block of a message or an answer."""
    kind = said.get("type")
    read = READERS.get(kind) if isinstance(kind, str) else None
    found = read(said) if read is not None else None
    return Foreign(HERE, said) if found is None else found


def parse_blocks(content: Any) -> tuple[tuple[Block, ...], bool]:
    """The blocks of a `content`, and whether rendering them gives the same again."""
    if isinstance(content, list):
        blocks = tuple(parse_block(item) for item in content if isinstance(item, dict))
        return blocks, len(blocks) == len(content)
    return ((Text(content),) if content and isinstance(content, str) else ()), False


def _left(said: Json, read: Iterable[str], cache: CacheMark | None) -> Native | None:
    """What rides along: all that was not read; a breakpoint of an unknown kind as well."""
    left = {name: value for name, value in said.items() if name not in read and not (name == KEY and cache)}
    return Native(HERE, left) if left else None


TEXT = frozenset(("type", "text"))
THINKING = frozenset(("type", "thinking", "signature"))
REDACTED = frozenset(("type", "data"))
CALL = frozenset(("type", "id", "name", "input"))
RESULT = frozenset(("type", "tool_use_id"))


def _text(said: Json) -> Text | None:
    text = said.get("text")
    if not isinstance(text, str):
        return None
    cache = mark_in(said) if len(said) > 2 else None
    return Text(text, cache, _left(said, TEXT, cache) if len(said) > 2 else None)


def _thinking(said: Json) -> Thinking | None:
    text, signature = said.get("thinking"), said.get("signature")
    if not isinstance(text, str):
        return None
    if not isinstance(signature, str) or not signature:
        return Thinking(text, native=_left(said, ("type", "thinking"), None))  # nobody's, such as a gateway's
    signer, payload = unseal(signature) or (HERE, signature)
    return Thinking(text, payload, signer, native=_left(said, THINKING, None))


def _redacted(said: Json) -> Thinking | None:
    data = said.get("data")
    if not isinstance(data, str):
        return None
    sealed = unseal(data)
    if sealed is not None:
        return Thinking("", sealed[1], sealed[0], native=_left(said, REDACTED, None))
    return Thinking("", data, HERE, redacted=True, native=_left(said, REDACTED, None))


def _call(said: Json) -> ToolCall | None:
    call_id, name, arguments = said.get("id"), said.get("name"), said.get("input")
    if not isinstance(call_id, str) or not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    cache = mark_in(said)
    return ToolCall(call_id, name, write_json(arguments).decode(), cache=cache, native=_left(said, CALL, cache))


def _result(said: Json) -> ToolResult | None:
    call_id, content, error = said.get("tool_use_id"), said.get("content"), said.get("is_error")
    if not isinstance(call_id, str):
        return None
    cache = mark_in(said)
    blocks, same = parse_blocks(content)
    held = tuple(block if isinstance(block, Text | Media | Foreign) else _whole(block) for block in blocks)
    read = {*RESULT, *(("is_error",) if error is True else ()), *(("content",) if same and held else ())}
    return ToolResult(call_id, held, error is True, cache=cache, native=_left(said, read, cache))


def _whole(block: Block) -> Foreign:
    """What has no place in a tool's result, such as a call."""
    return Foreign(HERE, render_block(block, Losses()) or {})


def _search_result(said: Json) -> Text | None:
    return text_of(said, said.get("content"))


READERS: dict[str, Callable[[Json], Block | None]] = {
    "text": _text,
    "image": parse_media,
    "document": parse_media,
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "tool_use": _call,
    "tool_result": _result,
    "search_result": _search_result,
}


def render_blocks(blocks: Sequence[Block], losses: Losses) -> list[Json]:
    """Those of the blocks that can be said."""
    written = (render_block(block, losses) for block in blocks)
    return [item for item in written if item is not None]


def render_block(block: Block, losses: Losses) -> Json | None:
    """A block as Messages says it; None where it has no way to."""
    match block:
        case Text():
            return _text_block(block)
        case ToolResult():
            return _result_block(block, losses)
        case ToolCall():
            return _call_block(block)
        case Thinking():
            return _thinking_block(block, losses)
        case Media():
            return render_media(block)
        case Refusal(text):
            return {"type": "text", "text": text}
        case Foreign(wire_format, data):
            if wire_format is HERE:
                return dict(data)
            losses.note(block.what, "only its own vendor knows this block")
    return None


def _text_block(block: Text) -> Json:
    left = fields_of(block.native, HERE)
    if "type" in left:
        return dict(left)
    written: Json = {"type": "text", "text": block.text}
    put_mark(written, block.cache)
    written.update(left)
    return written


def _thinking_block(block: Thinking, losses: Losses) -> Json | None:
    left = fields_of(block.native, HERE)
    if block.signer is not None and block.signer is not HERE:
        losses.note("thinking", "another vendor's thoughts mean nothing to this one")
        return None
    if block.redacted:
        return {"type": "redacted_thinking", "data": block.signature, **left}
    signature = {} if block.signer is None else {"signature": block.signature}
    return {"type": "thinking", "thinking": block.text, **signature, **left}


def _call_block(block: ToolCall) -> Json:
    written: Json = {"type": "tool_use", "id": block.id, "name": block.name, "input": arguments_in(block.arguments)}
    put_mark(written, block.cache)
    written.update(fields_of(block.native, HERE))
    return written


def _result_block(block: ToolResult, losses: Losses) -> Json:
    left = fields_of(block.native, HERE)
    written: Json = {"type": "tool_result", "tool_use_id": block.call_id}
    if block.content and "content" not in left:
        written["content"] = render_blocks(block.content, losses)
    if block.is_error:
        written["is_error"] = True
    put_mark(written, block.cache)
    written.update(left)
    return written


def arguments_in(text: str) -> Json:
    """The arguments of a call as an object; what is none (a custom tool's text, a call that was cut off) in one."""
    if not text.strip() or text == NO_ARGUMENTS:
        return {}
    try:
        found = read_json(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {RAW_ARGUMENTS: text}
