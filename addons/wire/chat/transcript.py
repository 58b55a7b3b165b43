"""Messages of another format rearranged into such as Chat has them; those of Chat pass as they are.

there                                       here
system as a field of its own                a system message in front, its blocks joined
system later on                             the same, or a user's where the model takes it in front only
one item a message (Responses)              one assistant message: its calls have to stand together
results among the user's blocks             a tool message each, right behind the calls
pictures and files in a result              a user message behind the last result, said whose they are
pictures that the model made                likewise
reasoning that another vendor signed        left out: it is not the model's own, and no text of the answer
an error flag on a result                   "Error: " in front of its text
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import (
    Block,
    CacheMark,
    Conversation,
    Foreign,
    Media,
    MediaKind,
    Message,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.chat.families import Family, Thought
from ringlet_mitm.addons.wire.chat.leftovers import is_own
from ringlet_mitm.addons.wire.chat.messages import signs_call
from ringlet_mitm.addons.wire.chat.parts import PDF
from ringlet_mitm.addons.wire.chat.thinking import FIELDS, PART
from ringlet_mitm.rules.shapes import WireFormat

CHAT = WireFormat.CHAT
BLANK = Thinking(" ", FIELDS[0], CHAT)  # Kimi refuses an empty text and takes a space
SOUNDS = ("audio/wav", "audio/x-wav", "audio/wave", "audio/mp3", "audio/mpeg")


def transcript(conversation: Conversation, family: Family, losses: dict[str, str], *, thinks: bool) -> list[Message]:
    """All messages, the system's first. `thinks` says that the model is not told not to."""
    writer = Transcript(family, losses, thinks=thinks)
    if conversation.system:
        writer.add(Message(Role.SYSTEM, conversation.system))
    for message in conversation.messages:
        writer.add(message)
    return writer.done()


class Transcript:
    """Takes messages in their order."""

    def __init__(self, family: Family, losses: dict[str, str], *, thinks: bool) -> None:
        self._family = family
        self._losses = losses
        self._thinks = thinks
        self._out: list[Message] = []
        self._held: list[Block] = []  # media of results, until the last result has come

    def add(self, message: Message) -> None:
        """The next message."""
        if is_own(message.native) and not any(_is_sealed(block) for block in message.blocks):
            self._release()
            self._out.append(message)
        elif message.role is Role.ASSISTANT:
            self._assistant(message.blocks)
        elif message.role is Role.SYSTEM:
            self._system(message.blocks)
        else:
            self._user(message.blocks)

    def done(self) -> list[Message]:
        """The messages."""
        self._release()
        return self._out

    def _system(self, blocks: Iterable[Block]) -> None:
        texts: list[Block] = [block for block in self._fitting(blocks) if isinstance(block, Text)]
        if not texts:
            return
        first = not self._out or (len(self._out) == 1 and self._out[0].role is Role.SYSTEM)
        if first or self._family.late_system:
            self._release()
            self._append(Role.SYSTEM, texts)
        else:
            self._losses.setdefault("system message", "said as the user's: this model takes the system's in front only")
            self._user(texts)

    def _user(self, blocks: Iterable[Block]) -> None:
        rest: list[Block] = []
        for block in blocks:
            if isinstance(block, ToolResult):
                self._result(block)
            else:
                rest.append(block)
        said = self._fitting(rest)
        if not said:
            return
        held, self._held = self._held, []
        self._say([*held, *said])

    def _say(self, blocks: list[Block]) -> None:
        last = self._out[-1] if self._out else None
        if not self._family.late_user and last is not None and _is_result(last):
            self._out[-1] = _with_more(last, blocks)
        else:
            self._append(Role.USER, blocks)

    def _release(self) -> None:
        """The media that were held go into a message of the user's."""
        held, self._held = self._held, []
        if held:
            self._say(held)

    def _result(self, result: ToolResult) -> None:
        said = self._fitting(result.content)
        content = tuple(block for block in said if isinstance(block, Text))
        media = [block for block in said if not isinstance(block, Text)]
        if media:
            label = Text(f"From the result of {result.name or 'the call'} ({result.call_id}):")
            self._held += [label, *media]
            content = content or (Text("(see the user's message behind the results)"),)
        told = ToolResult(result.call_id, content, result.is_error, result.name, result.kind)
        message = Message(Role.USER, (told,))
        place = self._place_of(result.call_id)
        self._out.insert(len(self._out) if place is None else place, message)

    def _place_of(self, call_id: str) -> int | None:
        """Behind the message that makes the call and the results that are there already; None where none makes it."""
        for place in range(len(self._out) - 1, -1, -1):
            message = self._out[place]
            if any(isinstance(block, ToolCall) and block.id == call_id for block in message.blocks):
                place += 1
                while place < len(self._out) and _is_result(self._out[place]):
                    place += 1
                return place
        return None

    def _assistant(self, blocks: tuple[Block, ...]) -> None:
        said = self._fitting(self._thoughts(blocks))
        pictures = [block for block in said if isinstance(block, Media)]
        said = [block for block in said if not isinstance(block, Media)]
        if said:
            self._release()
            self._append(Role.ASSISTANT, said)
        if pictures:
            self._held += [Text("From your answer:"), *pictures]

    def _append(self, role: Role, blocks: list[Block]) -> None:
        """One more message, or more of the last one; results stay alone."""
        last = self._out[-1] if self._out else None
        if last is not None and last.role is role and not is_own(last.native) and not _is_result(last):
            blocks = [*(block for block in last.blocks if block is not BLANK), *blocks]
            self._out.pop()
        echo = role is Role.ASSISTANT and self._family.echo and self._thinks
        if echo and not any(isinstance(block, Thinking) for block in blocks):
            blocks = [BLANK, *blocks]
        self._out.append(Message(role, tuple(blocks)))

    def _thoughts(self, blocks: tuple[Block, ...]) -> list[Block]:
        """The blocks with the reasoning that this model takes back."""
        kept: list[Block] = []
        for position, block in enumerate(blocks):
            if not isinstance(block, Thinking):
                kept.append(block)
            elif block.signer is CHAT:
                kept += self._own_thought(block)
            elif self._family.signed and signs_call(blocks, position):
                kept.append(block)
            else:
                what = "thinking" if block.text else "thinking signature"
                self._losses.setdefault(what, "made by another vendor's model")
        return kept

    def _own_thought(self, thought: Thinking) -> list[Block]:
        where = self._family.thought
        if where is Thought.AS_SAID:
            return [replace(thought, native=None)]
        if where is Thought.CONTENT:
            return [Thinking(thought.text, FIELDS[0], CHAT)] if thought.text else []
        if where is Thought.PART and thought.signature == PART:
            return [Thinking(thought.text, PART, CHAT)]
        self._losses.setdefault("thinking", "this model does not take it back")
        return []

    def _fitting(self, blocks: Iterable[Block]) -> list[Block]:
        """The blocks as this model takes them."""
        said: list[Block] = []
        for block in blocks:
            if type(block) is Text and block.text and block.cache is None:
                said.append(block)
            else:
                said += self._fitted(block)
        return said

    def _fitted(self, block: Block) -> list[Block]:
        match block:
            case Text():
                return [replace(block, cache=self._mark(block))] if block.text else []
            case ToolCall():
                return [block if block.cache is None else replace(block, cache=None)]
            case Media():
                return [replace(fitted, cache=self._mark(block)) for fitted in self._fitted_media(block)]
            case Refusal() if not self._family.openai:
                return [Text(block.text)]
            case Foreign() if block.format is not CHAT:
                self._losses.setdefault(block.what, "only its own format knows it")
                return []
            case ToolResult():
                self._losses.setdefault("tool result", "stands where no result can")
                return []
        return [block]

    def _mark(self, block: Text | Media) -> CacheMark | None:
        if block.cache is not None and not self._family.marks:
            self._losses.setdefault("cache_control", "this model's vendor finds by itself what to cache")
            return None
        return block.cache

    def _fitted_media(self, media: Media) -> list[Text | Media]:
        if media.file_id and not is_own(media.native):
            self._losses.setdefault("file id", "a file at another vendor")
            return [Text(f"[{media.kind.value} {media.name or media.file_id}, not available here]")]
        return MEDIA[media.kind](media, self._family, self._losses)


def _image(media: Media, family: Family, losses: dict[str, str]) -> list[Text | Media]:
    if media.detail == "original":
        losses.setdefault("image detail", "Chat has no more than high")
        return [replace(media, detail="high")]
    return [media]


def _document(media: Media, family: Family, losses: dict[str, str]) -> list[Text | Media]:
    if media.url:
        losses.setdefault("document address", "Chat takes the file itself; the model reads its address")
        return [Text(f"[document {media.name}: {media.url}]")]
    if media.mime in (PDF, ""):
        return [media]
    if media.mime.startswith("text/") or media.mime.endswith(("json", "xml")):
        text = _decoded(media.data)
        return [Text(f"{media.name}:\n{text}" if media.name else text)] if text else []
    losses.setdefault("document", f"Chat takes PDF and text, not {media.mime}")
    return []


def _audio(media: Media, family: Family, losses: dict[str, str]) -> list[Text | Media]:
    if media.data and media.mime in SOUNDS:
        return [media]
    losses.setdefault("audio", "Chat takes WAV and MP3, inside the request")
    return []


def _video(media: Media, family: Family, losses: dict[str, str]) -> list[Text | Media]:
    if family.films:
        return [media]
    losses.setdefault("video", "this model does not take it")
    return []


MEDIA = {
    MediaKind.IMAGE: _image,
    MediaKind.DOCUMENT: _document,
    MediaKind.AUDIO: _audio,
    MediaKind.VIDEO: _video,
}


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _is_result(message: Message) -> bool:
    return bool(message.blocks) and isinstance(message.blocks[0], ToolResult)


def _is_sealed(block: Block) -> bool:
    """Whether it is another format's reasoning, which an agent of Chat has brought back."""
    return isinstance(block, Thinking) and block.signer not in (CHAT, WireFormat.GEMINI)


def _with_more(message: Message, blocks: list[Block]) -> Message:
    """A result with what the user says behind it, for a model that takes no user behind a tool."""
    result = message.blocks[0]
    if not isinstance(result, ToolResult):
        return message
    more = tuple(block for block in blocks if isinstance(block, Text | Media | Foreign))
    return Message(Role.USER, (replace(result, content=(*result.content, *more)),))
