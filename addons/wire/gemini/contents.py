"""Messages as `contents`, both ways.

A conversation that came from Gemini goes back content by content. One of another format is put into the order that
Gemini wants: user and model take turns, a model's calls stand in one content and all their results in the next one,
pictures that a tool gave back go inside its result (since Gemini 3) or behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
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
from ringlet_mitm.addons.wire.gemini import parts as reading
from ringlet_mitm.addons.wire.gemini.fields import GEMINI, kept, over, own, several, text
from ringlet_mitm.addons.wire.gemini.media import media_part
from ringlet_mitm.addons.wire.gemini.models import Generation
from ringlet_mitm.addons.wire.gemini.signatures import UNSIGNED
from ringlet_mitm.rules.shapes import Loss

ROLES = {Role.USER: "user", Role.ASSISTANT: "model", Role.SYSTEM: "user"}
NOTHING_SAID = "(nothing was said)"
BEGINNING = "(the conversation begins with the model)"


def messages_of(contents: Iterable[Any], generation: Generation) -> tuple[Message, ...]:
    """The messages of a request's contents."""
    book = reading.CallBook("gemini_call")
    writer = Writer(generation, own=True)
    return tuple(_message(content, book, writer) for content in contents if isinstance(content, dict))


def _message(content: Json, book: reading.CallBook, writer: Writer) -> Message:
    parts = several(content, "parts")
    blocks = tuple(reading.blocks_of(parts, book))
    role = Role.ASSISTANT if text(content, "role") == "model" else Role.USER
    written = {"role": ROLES[role], "parts": writer.parts(blocks)}
    if any(isinstance(block, Thinking) and block.signer not in (None, GEMINI) for block in blocks):
        content = {**content, "parts": written["parts"]}  # what was sealed leaves with nobody
    return Message(role, blocks, native=kept(content, written))


@dataclass(slots=True)
class Writer:
    """Blocks as parts. `own` says that the conversation came from Gemini; `names` are tools by the ids of calls."""

    generation: Generation
    own: bool
    names: dict[str, str] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)

    def parts(self, blocks: Iterable[Block]) -> list[Json]:
        """The parts of one content; a signature goes onto the part behind it."""
        found: list[Json] = []
        signature = ""
        foreign = False
        for block in blocks:
            if isinstance(block, Thinking) and block.signature and block.signer is not GEMINI:
                self.lose("thinking", "signed by another vendor")
                foreign = True
                continue
            if isinstance(block, Thinking) and not block.text and block.signature and not own(block.native):
                found += _alone(signature)
                signature = block.signature
                continue
            new = self._parts(block)
            unsigned = foreign and isinstance(block, ToolCall) and self.generation.levels
            if new and (signature or unsigned):
                new[0] = {**new[0], "thoughtSignature": signature or UNSIGNED}
                signature, foreign = "", False
            found += new
        return found + _alone(signature)

    def lose(self, what: str, why: str) -> None:
        """Notes a loss."""
        self.losses.append(Loss(what, why))

    def _parts(self, block: Block) -> list[Json]:
        match block:
            case Text():
                return [over({"text": block.text}, own(block.native))] if block.text or self.own else []
            case Thinking():
                return self._thought(block)
            case ToolCall():
                return [self._call(block)]
            case ToolResult():
                return self._result(block)
            case Media():
                part = media_part(block, self.losses)
                return [part] if part is not None else []
            case Refusal():
                return [{"text": block.text}] if block.text else []
            case Foreign():
                return self._foreign(block)

    def _thought(self, block: Thinking) -> list[Json]:
        if not self.own and not block.signature:
            self.lose("thinking", "not signed by the model that goes on")
            return []
        part: Json = {"text": block.text, "thought": True}
        signed = {"thoughtSignature": block.signature} if block.signature else {}
        return [over({**part, **signed}, own(block.native))]

    def _call(self, block: ToolCall) -> Json:
        self.names[block.id] = block.name
        part = reading.call_part(block)
        if own(block.native):
            return over(part, own(block.native))
        if not reading.arguments_of(block.arguments)[1]:
            self.lose("arguments", "some were no JSON object; they are sent as `input`")
        return part

    def _result(self, block: ToolResult) -> list[Json]:
        name = block.name or self.names.get(block.call_id) or "unknown_tool"
        fields = reading.result_fields(block, name)
        if own(block.native):
            return [over({"functionResponse": fields}, own(block.native))]
        if not block.call_id:
            del fields["id"]
        pictures = [part for one in block.content if not isinstance(one, Text) for part in self._parts(one)]
        if pictures and self.generation.levels and not any("fileData" in part for part in pictures):
            return [{"functionResponse": {**fields, "parts": pictures}}]
        return [{"functionResponse": fields}, *pictures]

    def _foreign(self, block: Foreign) -> list[Json]:
        if block.format is GEMINI:
            return [dict(block.data)]
        self.lose(block.what, "a block that Gemini does not have")
        return []


def _alone(signature: str) -> list[Json]:
    return [{"text": "", "thoughtSignature": signature}] if signature else []


def own_contents(messages: Iterable[Message], writer: Writer) -> list[Json]:
    """The contents of a conversation that came from Gemini."""
    return [
        over({"role": ROLES[message.role], "parts": writer.parts(message.blocks)}, own(message.native))
        for message in messages
    ]


def contents_for(messages: Iterable[Message], writer: Writer) -> list[Json]:
    """The contents of a conversation of another format."""
    contents: list[Json] = []
    for message in messages:
        if message.role is Role.SYSTEM:
            writer.lose("system message", "in the middle it is sent as the user's")
        parts = writer.parts(message.blocks)
        role = ROLES[message.role]
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    contents = contents or [{"role": "user", "parts": [{"text": NOTHING_SAID}]}]
    if contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": BEGINNING}]})
    for content in contents:
        content["parts"].sort(key=lambda part: content["role"] == "user" and "functionResponse" not in part)
    if writer.generation.levels:
        _sign_turn(contents)
    return contents


def _sign_turn(contents: list[Json]) -> None:
    """The first call of each step of the turn that goes on has to be signed."""
    for content in reversed(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        if calls and "thoughtSignature" not in calls[0]:
            calls[0]["thoughtSignature"] = UNSIGNED
        if content["role"] == "user" and not any("functionResponse" in part for part in content["parts"]):
            return
