"""The parts of an answer as Gemini's agents get them, block by block, whole or as it streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
    Foreign,
    Json,
    Media,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.gemini.fields import GEMINI, over, own
from ringlet_mitm.addons.wire.gemini.media import media_part
from ringlet_mitm.addons.wire.gemini.parts import arguments_of, call_part
from ringlet_mitm.addons.wire.gemini.signatures import sealed
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss


class AnswerParts:
    """Blocks in, parts out. Keeps the signature for the part that comes next, and other vendors' thinking for the
    call that will carry it."""

    def __init__(self, losses: list[Loss]) -> None:
        self._losses = losses
        self._known = {loss.what for loss in losses}
        self._signature = ""
        self._carried: list[Thinking] = []

    def lose(self, what: str, why: str) -> None:
        """Notes a loss; each kind counts once."""
        if what not in self._known:
            self._known.add(what)
            self._losses.append(Loss(what, why))

    def text(self, said: str, *, thought: bool = False) -> list[Json]:
        """A piece of text, or of a thought."""
        if not said:
            return []
        return [{"text": said, "thought": True}] if thought else [self._signed({"text": said})]

    def whole(self, block: Block) -> list[Json]:
        """The parts of a block that is complete."""
        match block:
            case Text():
                return [over(part, own(block.native)) for part in self.text(block.text)] or self._empty(block)
            case Refusal():
                return self.text(block.text)
            case Thinking():
                return self.thought(block, said=False)
            case ToolCall():
                return [self._call(block)]
            case Media():
                return self._media(block)
            case Foreign() if block.format is GEMINI:
                return [dict(block.data)]
            case Foreign():
                self.lose(block.what, "a block that Gemini does not have")
            case ToolResult():
                self.lose("tool result", "an answer has none there")
        return []

    def thought(self, block: Thinking, *, said: bool) -> list[Json]:
        """A complete thought; `said` where its text went out before and only the signature is left to say."""
        if block.signer is GEMINI and not block.text and block.signature and not own(block.native):
            left = self.end()
            self._signature = block.signature
            return left
        part: Json = {"text": "" if said else block.text, "thought": True}
        if block.signature and block.signer is GEMINI:
            part["thoughtSignature"] = block.signature
        elif block.signature:
            self._carried.append(block)
            part["thoughtSignature"] = sealed([replace(block, text="")])
        elif said or not block.text:
            return []
        return [over(part, own(block.native))]

    def end(self) -> list[Json]:
        """A signature that no part came for."""
        signature, self._signature = self._signature, ""
        return [{"text": "", "thoughtSignature": signature}] if signature else []

    def _media(self, block: Media) -> list[Json]:
        losses: list[Loss] = []
        part = media_part(block, losses)
        for loss in losses:
            self.lose(loss.what, loss.why)
        return [self._signed(part)] if part is not None else []

    def _empty(self, block: Text) -> list[Json]:
        """A text without any, which only Gemini itself sends."""
        return [over({"text": ""}, own(block.native))] if block.native is not None and own(block.native) else []

    def _call(self, block: ToolCall) -> Json:
        part = call_part(block)
        if not arguments_of(block.arguments)[1]:
            self.lose("arguments", "some were no JSON object; they are given as `input`")
        if self._carried and not self._signature:
            part["thoughtSignature"] = sealed(self._carried)
        self._carried = []
        return over(self._signed(part), own(block.native))

    def _signed(self, part: Json) -> Json:
        if self._signature:
            part["thoughtSignature"], self._signature = self._signature, ""
        return part


def candidate(parts: list[Json], finish: str = "") -> Json:
    """A candidate with some parts."""
    ended = {"finishReason": finish} if finish else {}
    return {"content": {"parts": parts, "role": "model"}, **ended}


def named(model: str, answer_id: str) -> Json:
    """The fields that every chunk has."""
    found: dict[str, Any] = {"modelVersion": model, "responseId": answer_id}
    return {name: value for name, value in found.items() if value}


def estimated(tokens: int) -> Usage:
    """What is shown where the provider reports no usage."""
    return Usage(input_tokens=tokens)
