"""The parts of a content as blocks: of requests and of answers alike."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from typing import Any

from ringlet_mitm.addons.wire.canonical import Block, Foreign, Json, Media, Text, Thinking, ToolCall, ToolResult
from ringlet_mitm.addons.wire.codec import read_json, write_json
from ringlet_mitm.addons.wire.gemini.fields import GEMINI, field, flag, kept, several, text
from ringlet_mitm.addons.wire.gemini.media import media_of
from ringlet_mitm.addons.wire.gemini.signatures import carried_in, unsealed

SIGNATURE = ("thoughtSignature", "thought_signature")
SAYINGS = ("output", "result", "error", "content")  # keys of a response that is one text and nothing else


@dataclass(slots=True)
class CallBook:
    """The calls so far, and which of them have no result yet.

    Google's own models give a call no id at all, or one; results without an id belong to the calls of their name in
    the order of these. `stem` makes the ids of an answer its own; those of a request say where the call stands, which
    is the same in every turn of a session.
    """

    stem: str
    count: int = 0
    open: dict[str, str] = attribute(default_factory=dict)
    by_name: dict[str, deque[str]] = attribute(default_factory=dict)

    def called(self, given: str, name: str) -> str:
        """The id of the next call."""
        call_id = given or f"{self.stem}_{self.count}"
        self.count += 1
        self.open[call_id] = name
        self.by_name.setdefault(name, deque()).append(call_id)
        return call_id

    def answered(self, given: str, name: str) -> str:
        """The id of the call that a result is of."""
        if given in self.open:
            del self.open[given]
            return given
        waiting = self.by_name.get(name, deque())
        while waiting:
            call_id = waiting.popleft()
            if self.open.pop(call_id, None) is not None:
                return call_id
        if not given and not name and self.open:
            call_id = next(iter(self.open))
            del self.open[call_id]
            return call_id
        self.count += 1
        return given or f"{self.stem}_result_{self.count - 1}"


def answer_stem(response_id: str) -> str:
    """How ids of calls begin in the answer of this name."""
    return f"call_{re.sub(r'[^a-zA-Z0-9_-]', '', response_id)[:28]}"


def blocks_of(parts: list[Any], book: CallBook) -> list[Block]:
    """What the parts of one content say."""
    blocks: list[Block] = []
    for part in parts:
        if isinstance(part, dict):
            _add(blocks, part, book)
    return blocks


def _add(blocks: list[Block], part: Json, book: CallBook) -> None:
    signature = text(part, SIGNATURE[0])
    if not signature:
        blocks.append(block_of(part, book))
        return
    thoughts = unsealed(signature)
    bare = {name: value for name, value in part.items() if name not in SIGNATURE}
    block = block_of(bare, book)
    if isinstance(block, Thinking):
        theirs = replace(thoughts[0], text=block.text) if thoughts else None
        blocks.append(theirs or replace(block, signature=signature, signer=GEMINI))
    elif thoughts:
        carried_in(blocks, thoughts)
        blocks.append(block)
    elif isinstance(block, Foreign):
        blocks.append(Foreign(GEMINI, part))
    else:
        blocks += (Thinking("", signature, GEMINI), block)


def block_of(part: Json, book: CallBook) -> Block:
    """The block of a part without its signature."""
    said = field(part, "text")
    if isinstance(said, str):
        if flag(part, "thought"):
            return Thinking(said, native=kept(part, {"text": said, "thought": True}))
        return Text(said, native=kept(part, {"text": said}) if len(part) > 1 else None)
    call = field(part, "functionCall")
    if isinstance(call, dict):
        return _call_of(part, call, book)
    response = field(part, "functionResponse")
    if isinstance(response, dict):
        return _result_of(part, response, book)
    return media_of(part) or Foreign(GEMINI, part)


def _call_of(part: Json, call: Json, book: CallBook) -> ToolCall:
    name = text(call, "name")
    call_id = book.called(text(call, "id"), name)
    args = field(call, "args")
    found = ToolCall(call_id, name, said_json(args) if isinstance(args, dict) else "{}")
    left = kept(part, call_part(found))
    return found if left is None else replace(found, native=left)


def _result_of(part: Json, response: Json, book: CallBook) -> ToolResult:
    name = text(response, "name")
    said = field(response, "response")
    content: list[Text | Media | Foreign] = []
    if isinstance(said, dict) and len(said) == 1 and isinstance(value := said.get(next(iter(said))), str):
        (key,) = said
        content.append(Text(value if key in SAYINGS else said_json(said)))
    elif said:
        content.append(Text(said_json(said)))
    for inside in several(response, "parts"):
        if isinstance(inside, dict):
            content.append(media_of(inside) or Foreign(GEMINI, inside))
    failed = isinstance(said, dict) and "error" in said
    found = ToolResult(book.answered(text(response, "id"), name), tuple(content), is_error=failed, name=name)
    left = kept(part, {"functionResponse": result_fields(found, name)})
    return found if left is None else replace(found, native=left)


def result_fields(result: ToolResult, name: str) -> Json:
    """A `functionResponse` without pictures."""
    said = "\n".join(block.text for block in result.content if isinstance(block, Text))
    return {"id": result.call_id, "name": name, "response": {"error" if result.is_error else "output": said}}


def call_part(call: ToolCall) -> Json:
    """A `functionCall` part."""
    given = {"id": call.id} if call.id else {}
    return {"functionCall": {**given, "name": call.name, "args": arguments_of(call.arguments)[0]}}


def arguments_of(said: str) -> tuple[Mapping[str, Any], bool]:
    """Arguments as the object that Gemini wants, and whether they were one."""
    if not said.strip():
        return {}, True
    try:
        found = read_json(said)
    except ValueError:
        return {"input": said}, False
    return (found, True) if isinstance(found, dict) else ({"input": found}, False)


def said_json(value: Any) -> str:
    """A JSON value as text."""
    return write_json(value).decode()
