"""Ollama's messages: a text each, with pictures, thoughts and calls beside it; a tool's result is a message of its own.

A message as it was said here is written from its blocks and its leftovers, one object a Message. What comes from
another format is taken apart: results and the pictures in them, then the rest of what the user said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
    Foreign,
    Json,
    Media,
    MediaKind,
    Message,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.leftovers import laid_over, remembered
from ringlet_mitm.addons.wire.ollama.media import losses_of, picture, text_of_document
from ringlet_mitm.addons.wire.ollama.tools import OLLAMA, made_id, own_call, parse_calls, rendered_call
from ringlet_mitm.rules.shapes import Loss

ROLES = {"system": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT, "tool": Role.USER}
SPEAKERS = {Role.SYSTEM: "system", Role.USER: "user", Role.ASSISTANT: "assistant"}
ERROR_MARK = "Error: "
PICTURES_OF_RESULTS = "The pictures that the tools gave back:"


def parse_messages(found: list[Any]) -> tuple[Message, ...]:
    """The messages of a request, a Message each. Results without an id are those of the calls without one, in order."""
    waiting: list[ToolCall] = []
    messages = []
    for at, said in enumerate(found):
        if not isinstance(said, dict) or not isinstance(said.get("role"), str):
            raise Untranslatable(f"messages[{at}] is no object with a role")
        if said.get("role") == "tool":
            message = Message(Role.USER, (_result(said, waiting, str(at)),))
        else:
            message = parse_message(said, str(at))
            waiting += [block for block in message.blocks if isinstance(block, ToolCall)]
        left = remembered(OLLAMA, said, own_message(message))
        messages.append(Message(message.role, message.blocks, left))
    return tuple(messages)


def parse_message(said: Json, seed: str, calls_before: int = 0) -> Message:
    """A message, without leftovers; `seed` and the number of calls before make ids for calls that have none."""
    role = said.get("role")
    blocks: list[Block] = []
    if isinstance(thinking := said.get("thinking"), str) and thinking:
        blocks.append(Thinking(thinking, signer=OLLAMA))
    if isinstance(content := said.get("content"), str) and content:
        blocks.append(Text(content))
    images = said.get("images")
    if isinstance(images, list) and all(isinstance(image, str) for image in images):
        blocks += [picture(image) for image in images]
    blocks += parse_calls(said.get("tool_calls"), seed, calls_before)
    return Message(ROLES.get(role, Role.USER) if isinstance(role, str) else Role.USER, tuple(blocks))


def _result(said: Json, waiting: list[ToolCall], seed: str) -> ToolResult:
    name, call_id = said.get("tool_name"), said.get("tool_call_id")
    name = name if isinstance(name, str) else ""
    call_id = call_id if isinstance(call_id, str) else ""
    answered = next((call for call in waiting if (call.id == call_id if call_id else call.name == name)), None)
    if answered is None and waiting and not call_id and not name:
        answered = waiting[0]
    if answered is not None:
        waiting.remove(answered)
    call_id = call_id or (answered.id if answered is not None else made_id(seed, name))
    content = said.get("content")
    blocks = (Text(content),) if isinstance(content, str) and content else ()
    return ToolResult(call_id, blocks, name=name)


def own_message(message: Message) -> Json:
    """A message as it was said here."""
    written: Json = {"role": SPEAKERS[message.role]}
    texts: dict[str, list[str]] = {}
    for block in message.blocks:
        match block:
            case Text():
                texts.setdefault("content", []).append(block.text)
            case Thinking():
                texts.setdefault("thinking", []).append(block.text)
            case Media():
                written.setdefault("images", []).append(block.data)
            case ToolCall():
                written.setdefault("tool_calls", []).append(own_call(block))
            case ToolResult():
                written["role"] = "tool"
                if block.name:
                    written["tool_name"] = block.name
                texts.setdefault("content", []).extend(part.text for part in block.content if isinstance(part, Text))
    written |= {key: "".join(pieces) for key, pieces in texts.items() if pieces}
    return laid_over(written, fields_of(message.native, OLLAMA))


@dataclass(slots=True)
class Draft:
    """A message that is being written."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)

    def message(self, role: str, between: str) -> Json:
        """The object; `between` stands between its texts."""
        written: Json = {"role": role, "content": between.join(text for text in self.texts if text)}
        if self.thoughts:
            written["thinking"] = "\n\n".join(self.thoughts)
        if self.images:
            written["images"] = self.images
        if self.calls:
            written["tool_calls"] = self.calls
        return written

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return not (any(self.texts) or self.thoughts or self.images or self.calls)


def rendered_messages(messages: Sequence[Message], losses: list[Loss]) -> list[Json]:
    """Messages of another format's conversation, as Ollama takes them."""
    names = {block.id: block.name for message in messages for block in message.blocks if isinstance(block, ToolCall)}
    written: list[Json] = []
    for message in messages:
        results = [block for block in message.blocks if isinstance(block, ToolResult)]
        if results:
            written += _rendered_results(results, names, losses)
        draft = drafted((block for block in message.blocks if not isinstance(block, ToolResult)), losses)
        if not draft.empty:
            written.append(draft.message(SPEAKERS[message.role], "" if message.role is Role.ASSISTANT else "\n\n"))
    return written


def drafted(blocks: Iterable[Block], losses: list[Loss]) -> Draft:
    """What a message says."""
    draft = Draft()
    for block in blocks:
        match block:
            case Text() | Refusal():
                draft.texts.append(block.text)
            case Thinking() if block.signer in (None, OLLAMA):
                draft.thoughts += [block.text] if block.text else []
            case Thinking():
                losses.append(Loss("thinking", "only its own vendor can read it back"))
            case ToolCall():
                draft.calls.append(rendered_call(block))
            case Media():
                _put_media(block, draft, losses)
            case Foreign():
                losses.append(Loss(block.what, "Ollama has nothing like it"))
    return draft


def _put_media(media: Media, draft: Draft, losses: list[Loss]) -> None:
    if media.kind is MediaKind.IMAGE and media.data:
        draft.images.append(media.data)
    elif (text := text_of_document(media)) is not None:
        draft.texts.append(text)
        return
    losses += losses_of(media)


def _rendered_results(results: Sequence[ToolResult], names: dict[str, str], losses: list[Loss]) -> list[Json]:
    """A message each, and one for the pictures in them: models look for those only where the user speaks."""
    written = []
    pictures: list[str] = []
    for result in results:
        draft = drafted(result.content, losses)
        pictures += draft.images
        text = "\n\n".join(text for text in draft.texts if text)
        if result.is_error and not text.startswith(ERROR_MARK):
            text = ERROR_MARK + text
            losses.append(Loss("tool error mark", "Ollama has none; the text begins with it"))
        said: Json = {"role": "tool", "content": text}
        if name := result.name or names.get(result.call_id, ""):
            said["tool_name"] = name
        if result.call_id:
            said["tool_call_id"] = result.call_id
        written.append(said)
    if pictures:
        losses.append(Loss("image in a tool result", "it follows in a message of the user's"))
        written.append({"role": "user", "content": PICTURES_OF_RESULTS, "images": pictures})
    return written
