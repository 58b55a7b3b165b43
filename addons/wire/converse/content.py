"""Converse's content blocks: each an object with one key, which is its type.

A cache point is a block of its own behind what it marks; here it becomes the mark of that block. What is read from a
block and written back as it was said here loses nothing; a key that is not known makes it a Foreign of Converse's own.
A Text whose leftovers hold another type (`json`, `citationsContent`) is the readable side of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
    CacheMark,
    CallKind,
    Foreign,
    Json,
    Media,
    MediaKind,
    Native,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import read_json, write_json
from ringlet_mitm.addons.wire.converse.media import CONVERSE, own_media, parse_media
from ringlet_mitm.addons.wire.identifiers import seal, seal_base64, unseal
from ringlet_mitm.addons.wire.leftovers import laid_over, leftovers, remembered
from ringlet_mitm.rules.shapes import WireFormat

CACHE_POINT = "cachePoint"
REASONING, REASONING_TEXT, REDACTED = "reasoningContent", "reasoningText", "redactedContent"
CITED = "citationsContent"
OWN_SIGNERS = (CONVERSE, WireFormat.MESSAGES)
Marked = Text | Media | ToolCall | ToolResult


def parse_content(found: Any, signer: WireFormat) -> tuple[Block, ...]:
    """The blocks of a message, none where not all are objects; `signer` is whose signatures its model gives."""
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        return ()
    blocks: list[Block] = []
    for item in found:
        mark = parse_mark(item)
        last = blocks[-1] if blocks else None
        if mark is not None and isinstance(last, Marked) and last.cache is None:
            blocks[-1] = replace(last, cache=mark)
        else:
            blocks.append(_block(item, signer))
    return tuple(blocks)


def parse_mark(item: Any) -> CacheMark | None:
    """The cache mark that an item is; None where it is something else."""
    said = item.get(CACHE_POINT) if isinstance(item, dict) and len(item) == 1 else None
    if not isinstance(said, dict) or not isinstance(said.get("type"), str):
        return None
    ttl = said.get("ttl")
    mark = CacheMark(ttl if isinstance(ttl, str) else "")
    return CacheMark(mark.ttl, remembered(CONVERSE, said, own_mark(mark)[CACHE_POINT]))


def own_mark(mark: CacheMark) -> Json:
    """A cache point as it was said here, or new."""
    written: Json = {"type": "default", "ttl": mark.ttl} if mark.ttl else {"type": "default"}
    return {CACHE_POINT: laid_over(written, fields_of(mark.native, CONVERSE))}


def _block(item: Json, signer: WireFormat) -> Block:
    block: Block | None = None
    if len(item) == 1:
        key, value = next(iter(item.items()))
        if key == REASONING:
            block = parse_thought(value, signer)
        elif key in PARSERS:
            block = PARSERS[key](value)
    return Foreign(CONVERSE, item) if block is None else block


def _text(value: Any) -> Text | None:
    return Text(value) if isinstance(value, str) else None


def _json(value: Any) -> Text | None:
    return Text(write_json(value).decode(), native=Native(CONVERSE, {"json": value}))


def _cited(value: Any) -> Text | None:
    parts = value.get("content") if isinstance(value, dict) else None
    if not isinstance(parts, list):
        return None
    texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return Text("".join(texts), native=Native(CONVERSE, {CITED: value}))


def _call(value: Any) -> ToolCall | None:
    if not isinstance(value, dict) or "type" in value:  # a type marks a call that Bedrock runs itself
        return None
    call_id, name = value.get("toolUseId"), value.get("name")
    if not isinstance(call_id, str) or not isinstance(name, str):
        return None
    call = ToolCall(call_id, name, write_json(value["input"]).decode() if "input" in value else "")
    return replace(call, native=remembered(CONVERSE, value, _own_call(call)))


def _result(value: Any) -> ToolResult | None:
    content = value.get("content") if isinstance(value, dict) else None
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        return None
    if not isinstance(call_id := value.get("toolUseId"), str):
        return None
    parts = tuple(_result_part(item) for item in content)
    result = ToolResult(call_id, parts, is_error=value.get("status") == "error")
    return replace(result, native=remembered(CONVERSE, value, _own_result(result)))


def _result_part(item: Json) -> Text | Media | Foreign:
    key, value = next(iter(item.items())) if len(item) == 1 else ("", None)
    part = RESULT_PARSERS[key](value) if key in RESULT_PARSERS else None
    return Foreign(CONVERSE, item) if part is None else part


def parse_thought(value: Any, signer: WireFormat) -> Thinking | None:
    """A thought; one without a signature is Converse's, one with a seal its signer's."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    if isinstance(redacted := value.get(REDACTED), str):
        return thought_of("", redacted, CONVERSE, redacted=True)
    said = value.get(REASONING_TEXT)
    if not isinstance(said, dict) or not isinstance(text := said.get("text"), str):
        return None
    signature = said.get("signature")
    thought = thought_of(text, signature if isinstance(signature, str) else "", signer)
    return replace(thought, native=remembered(CONVERSE, said, own_thought(thought)[REASONING][REASONING_TEXT]))


def thought_of(text: str, signature: str, signer: WireFormat, *, redacted: bool = False) -> Thinking:
    """A thought, its signature unsealed."""
    sealed = unseal(signature)
    if sealed is not None:
        signer, signature = sealed
    return Thinking(text, signature, signer if signature else CONVERSE, redacted=redacted)


def own_thought(thought: Thinking) -> Json:
    """A thought as it was said here; another vendor's signature is sealed, so that it comes back."""
    signature = thought.signature
    if thought.redacted:
        if thought.signer is not CONVERSE:
            signature = seal_base64(thought.signer or CONVERSE, signature)
        return {REASONING: {REDACTED: signature}}
    if signature and thought.signer not in OWN_SIGNERS:
        signature = seal(thought.signer or CONVERSE, signature)
    written = {"text": thought.text, "signature": signature} if signature else {"text": thought.text}
    return {REASONING: {REASONING_TEXT: laid_over(written, fields_of(thought.native, CONVERSE))}}


RESULT_PARSERS: Mapping[str, Callable[[Any], Text | Media | None]] = {
    "text": _text,
    "json": _json,
    "image": lambda value: parse_media(MediaKind.IMAGE, value),
    "document": lambda value: parse_media(MediaKind.DOCUMENT, value),
    "video": lambda value: parse_media(MediaKind.VIDEO, value),
}
PARSERS: Mapping[str, Callable[[Any], Block | None]] = {
    **{key: parse for key, parse in RESULT_PARSERS.items() if key != "json"},
    "audio": lambda value: parse_media(MediaKind.AUDIO, value),
    CITED: _cited,
    "toolUse": _call,
    "toolResult": _result,
}


def own_content(blocks: Iterable[Block]) -> list[Any]:
    """Blocks as they were said here, each with its cache point behind it."""
    written: list[Any] = []
    for block in blocks:
        written.append(own_block(block))
        if isinstance(block, Marked) and block.cache is not None:
            written.append(own_mark(block.cache))
    return written


def own_block(block: Block) -> Any:
    """A block as it was said here. One of another format, which only an answer holds, is written as well as it goes."""
    match block:
        case Text():
            return dict(fields_of(block.native, CONVERSE)) or {"text": block.text}
        case Refusal():
            return {"text": block.text}
        case Media():
            return own_media(block)
        case Thinking():
            return own_thought(block)
        case ToolCall():
            return {"toolUse": _own_call(block)}
        case ToolResult():
            return {"toolResult": _own_result(block)}
        case Foreign():
            return dict(block.data)


def _own_call(call: ToolCall) -> Json:
    written: Json = {"toolUseId": call.id, "name": call.name}
    if call.arguments:
        written["input"] = _value(call.arguments)
    return laid_over(written, fields_of(call.native, CONVERSE))


def _own_result(result: ToolResult) -> Json:
    written: Json = {"toolUseId": result.call_id, "content": own_content(result.content)}
    if result.is_error:
        written["status"] = "error"
    return laid_over(written, fields_of(result.native, CONVERSE))


def _value(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text


def arguments_of(call: ToolCall) -> Any:
    """The arguments as an object; text that is none, as a model writes it now and then, becomes its only field."""
    found = _value(call.arguments or "{}") if call.kind is CallKind.FUNCTION else None
    return found if isinstance(found, dict) else {"input": call.arguments}


def said_leftovers(said: Mapping[str, Any], blocks: Sequence[Block], role: str) -> Native | None:
    """What of a message is not in its blocks."""
    left = leftovers(said, {"role": role, "content": own_content(blocks)})
    return Native(CONVERSE, left) if left else None
