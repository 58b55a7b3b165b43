"""A stream as ConverseStream gives it; `stream.py` has its states. No agent speaks it, it is there to check by."""

from __future__ import annotations

from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Json,
    Media,
    Refusal,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.addons.wire.codec import AnswerContext, write_json
from ringlet_mitm.addons.wire.converse.content import REASONING, REASONING_TEXT, REDACTED, own_thought
from ringlet_mitm.addons.wire.converse.media import CONVERSE
from ringlet_mitm.addons.wire.converse.reply import MORE_FIELDS
from ringlet_mitm.addons.wire.eventstream import EventMessage, render
from ringlet_mitm.addons.wire.stops import stop_word
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss, WireFormat

EXCEPTIONS = {
    400: "validationException",
    429: "throttlingException",
    503: "serviceUnavailableException",
    529: "serviceUnavailableException",
}
JSON_TYPE = "application/json"


class Renderer:
    """An agent's stream. Blocks may be open side by side, their numbers tell them apart."""

    def __init__(self, context: AnswerContext) -> None:
        self.losses: list[Loss] = []
        self._blocks: dict[int, tuple[int, type[Any]]] = {}
        self._next = 0
        self._usage = Usage(input_tokens=context.estimated_input)
        self._finished = Finished(Stop.END)

    def ping(self) -> bytes:
        """Nothing: the format has no sign of life."""
        return b""

    def feed(self, event: Event) -> bytes:
        """What goes to the agent now."""
        match event:
            case Started():
                self._usage = event.usage or self._usage
                return _event("messageStart", {"role": "assistant"})
            case BlockStarted():
                return self._begin(event)
            case Delta():
                return self._more(event)
            case Signed():
                return self._signed(event.index, event.signature, event.signer)
            case BlockEnded():
                return self._end(event.index)
            case UsageSeen():
                self._usage = event.usage
            case Finished():
                self._finished = event
            case Ended():
                return self._close()
            case Failed():
                name = EXCEPTIONS.get(event.status, "internalServerException")
                headers = {":message-type": "exception", ":exception-type": name, ":content-type": JSON_TYPE}
                return render(EventMessage(headers, write_json({"message": event.error.message})))
        return b""

    def _begin(self, event: BlockStarted) -> bytes:
        block = event.block
        if isinstance(block, Foreign | Media):
            what = block.what if isinstance(block, Foreign) else block.kind.value
            self._lose(what, "Converse streams nothing like it")
            return b""
        number = self._next
        self._next += 1
        self._blocks[event.index] = (number, type(block))
        match block:
            case ToolCall():
                start = {"toolUse": {"toolUseId": block.id, "name": block.name}}
                begun = _event("contentBlockStart", {"start": start, "contentBlockIndex": number})
                return begun + self._more(Delta(event.index, block.arguments))
            case Thinking():
                told = self._more(Delta(event.index, block.text))
                if block.signature and block.signer is not None:
                    told += self._signed(event.index, block.signature, block.signer, redacted=block.redacted)
                return told
            case Text() | Refusal():
                return self._more(Delta(event.index, block.text))
        return b""

    def _more(self, event: Delta) -> bytes:
        number, kind = self._blocks.get(event.index, (0, None))
        if kind is None or not event.text:
            return b""
        if kind is ToolCall:
            return self._delta(number, {"toolUse": {"input": event.text}})
        return self._delta(number, {REASONING: {"text": event.text}} if kind is Thinking else {"text": event.text})

    def _signed(self, index: int, signature: str, signer: WireFormat, *, redacted: bool = False) -> bytes:
        number, kind = self._blocks.get(index, (0, None))
        if kind is not Thinking:
            return b""
        written = own_thought(Thinking("", signature, signer, redacted=redacted))[REASONING]
        if redacted:
            return self._delta(number, {REASONING: {REDACTED: written[REDACTED]}})
        return self._delta(number, {REASONING: {"signature": written[REASONING_TEXT]["signature"]}})

    def _delta(self, number: int, delta: Json) -> bytes:
        return _event("contentBlockDelta", {"delta": delta, "contentBlockIndex": number})

    def _end(self, index: int) -> bytes:
        number, kind = self._blocks.pop(index, (0, None))
        return b"" if kind is None else _event("contentBlockStop", {"contentBlockIndex": number})

    def _close(self) -> bytes:
        ends = b"".join(self._end(index) for index in list(self._blocks))
        stop: Json = {"stopReason": stop_word(self._finished.stop, CONVERSE)}
        if self._finished.stop_sequence is not None:
            stop[MORE_FIELDS] = {"stop_sequence": self._finished.stop_sequence}
        metadata = {"usage": rendered_usage(CONVERSE, self._usage), "metrics": {"latencyMs": 0}}
        return ends + _event("messageStop", stop) + _event("metadata", metadata)

    def _lose(self, what: str, why: str) -> None:
        if all(loss.what != what for loss in self.losses):
            self.losses.append(Loss(what, why))


def _event(kind: str, payload: Json) -> bytes:
    headers = {":event-type": kind, ":content-type": JSON_TYPE, ":message-type": "event"}
    return render(EventMessage(headers, write_json(payload)))
