"""Messages of another format's conversation as Converse accepts them.

It refuses: a conversation that does not begin with the user; two messages of one role in a row; a message without
content; a text of blanks only; a document without a text beside it; an error without a word; results that do not come
first in what the user says. So all of that is put right here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import (
    Block,
    CacheMark,
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
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.converse.content import CACHE_POINT, arguments_of, own_mark, own_thought
from ringlet_mitm.addons.wire.converse.families import Family
from ringlet_mitm.addons.wire.converse.media import Documents, rendered_media
from ringlet_mitm.rules.shapes import Loss

NOTHING = "(nothing)"
OPENING = "(The conversation so far follows.)"
GO_ON = "Go on."
DOCUMENT = "The document is attached."
MOST_MARKS = 4
ROLES = {Role.SYSTEM: "user", Role.USER: "user", Role.ASSISTANT: "assistant"}


class Writer:
    """Writes the content of one request, and notes what it cannot say."""

    def __init__(self, family: Family, losses: list[Loss]) -> None:
        self.losses = losses
        self._family = family
        self._documents = Documents()

    def system(self, blocks: Iterable[Block]) -> list[Json]:
        """The system prompt: texts and cache points."""
        written: list[Json] = []
        for block in blocks:
            if isinstance(block, Text | Refusal) and block.text.strip():
                written += self._marked([{"text": block.text}], block)
            elif isinstance(block, Foreign):
                self._left_out(block)
        return written

    def messages(self, messages: Iterable[Message]) -> list[Json]:
        """The messages. Raises Untranslatable where there is nothing to answer."""
        merged: list[tuple[str, list[Json], list[Json]]] = []
        for message in messages:
            if message.role is Role.SYSTEM and message.blocks:
                self.losses.append(Loss("system message", "a system message among the others is said as the user's"))
            role = ROLES[message.role]
            first, then = self._content(message.blocks, role)
            if merged and merged[-1][0] == role:
                merged[-1][1].extend(first)
                merged[-1][2].extend(then)
            elif first or then:
                merged.append((role, first, then))
        if not merged:
            raise Untranslatable("the conversation is empty: no message has content")
        written: list[Json] = [{"role": role, "content": _with_text(first + then)} for role, first, then in merged]
        if written[0]["role"] != "user":
            written.insert(0, {"role": "user", "content": [{"text": OPENING}]})
        if written[-1]["role"] != "user":
            self._begun_answer(written)
        return written

    def _begun_answer(self, written: list[Json]) -> None:
        """The assistant has the last word: few models go on from there."""
        last = written[-1]["content"][-1]
        claude = self._family.claude
        if claude is not None and claude.prefill and "text" in last:
            last["text"] = last["text"].rstrip()
            return
        self.losses.append(Loss("begun answer", "this model does not go on from one; it is asked to"))
        written.append({"role": "user", "content": [{"text": GO_ON}]})

    def _content(self, blocks: Iterable[Block], role: str) -> tuple[list[Json], list[Json]]:
        """What has to come first, which is results, and the rest; each block with its cache point."""
        first: list[Json] = []
        then: list[Json] = []
        for block in blocks:
            written = self._block(block, role)
            (first if isinstance(block, ToolResult) else then).extend(self._marked(written, block))
        return first, then

    def _block(self, block: Block, role: str) -> list[Json]:
        match block:
            case Text() | Refusal():
                return [{"text": block.text}] if block.text.strip() else []
            case Media() if role == "user":
                return self._medium(block)
            case Media():
                self.losses.append(Loss(f"{block.kind.value} of the assistant's", "only the user may show something"))
            case Thinking() if self._family.reads_back(block):
                return [own_thought(replace(block, native=None))]
            case Thinking() if block.text or block.signature:
                self.losses.append(Loss("thinking", "only its own vendor can read it back"))
            case ToolCall():
                return [{"toolUse": {"toolUseId": block.id, "name": block.name, "input": arguments_of(block)}}]
            case ToolResult():
                return [{"toolResult": self._result(block)}]
            case Foreign():
                self._left_out(block)
        return []

    def _result(self, result: ToolResult) -> Json:
        content: list[Json] = []
        for part in result.content:
            match part:
                case Text():
                    content += [{"text": part.text}] if part.text.strip() else []
                case Media():
                    content += self._medium(part, in_result=True)
                case Foreign():
                    self._left_out(part)
        written: Json = {"toolUseId": result.call_id, "content": content or [{"text": NOTHING}]}
        if result.is_error and self._family.status:
            written["status"] = "error"
        elif result.is_error:
            self.losses.append(Loss("tool error mark", "this model has none"))
        return written

    def _medium(self, media: Media, *, in_result: bool = False) -> list[Json]:
        if in_result and media.kind.value == "audio":
            self.losses.append(Loss("audio", "Converse takes none as a result"))
            return []
        written = rendered_media(media, self._documents, self.losses)
        return [] if written is None else [written]

    def _marked(self, written: list[Json], block: Block) -> list[Json]:
        """With a cache point behind it, where there is a mark and the model has a cache."""
        mark = _mark_of(block)
        return [*written, self.point(mark)] if written and mark is not None and self._family.caches else written

    def point(self, mark: CacheMark) -> Json:
        """A cache point that the model takes."""
        if mark.ttl == "1h" and not self._family.hour:
            self.losses.append(Loss("cache duration", "this model keeps its cache for five minutes"))
            mark = CacheMark()
        return own_mark(CacheMark(mark.ttl))

    def _left_out(self, block: Foreign) -> None:
        self.losses.append(Loss(block.what, "Converse has nothing like it"))


def _mark_of(block: Block) -> CacheMark | None:
    """The mark of a block; one inside a result counts for the result."""
    if isinstance(block, ToolResult):
        inner = [part.cache for part in block.content if not isinstance(part, Foreign) and part.cache is not None]
        return block.cache or (inner[-1] if inner else None)
    return block.cache if isinstance(block, Text | Media | ToolCall) else None


def _with_text(content: list[Json]) -> list[Json]:
    """Content that is accepted: a document wants a text beside it."""
    if any("document" in block for block in content) and not any("text" in block for block in content):
        return [*content, {"text": DOCUMENT}]
    return content


def count_marks(*lists: Iterable[Json]) -> int:
    """How many cache points there are."""
    return sum(CACHE_POINT in block for blocks in lists for block in blocks)
