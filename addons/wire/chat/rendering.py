"""Events in, chunks out: the agent's stream of Chat Completions.

    event                     chunk
    ----------------------    ----------------------------------------------------------------------------
    Started                   delta {role, content: null}
    BlockStarted, Delta       delta {content | reasoning_content | refusal}, paragraphs apart as in a whole answer
    BlockStarted of a call    delta {tool_calls: [{index, id, type, function: {name, arguments: ""}}]}
    Delta of a call           delta {tool_calls: [{index, function: {arguments}}]}
    BlockEnded of thinking    delta {reasoning_details: [the signature, sealed]}, where there is one
    Media                     delta {images: [...]}, the way of OpenRouter
    Ended                     delta {} with finish_reason; the usage chunk if it was asked for; [DONE]
    Failed                    {error}, and nothing behind it

Where usage was asked for, every other chunk has `usage: null`. Source: OpenAI "Streaming", `stream_options`; accessed
2026-11-21.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    CallKind,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
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
from ringlet_mitm.addons.wire.chat.messages import write_image
from ringlet_mitm.addons.wire.chat.reply import ALONE, can_say, name_of
from ringlet_mitm.addons.wire.chat.thinking import DETAILS, FIELDS, GAP, sealed_detail
from ringlet_mitm.addons.wire.codec import AnswerContext, write_json
from ringlet_mitm.addons.wire.faults import error_event
from ringlet_mitm.addons.wire.stops import stop_word
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss, WireFormat

CHAT = WireFormat.CHAT
DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"
EMPTY: Json = {"role": "assistant", "content": None}


@dataclass(slots=True)
class _Written:
    """A block that is being written: `number` counts calls, `start` and `length` say where in the reasoning it is."""

    block: Block
    number: int = 0
    start: int = 0
    length: int = 0


class Renderer:
    """Writes one answer."""

    def __init__(self, context: AnswerContext) -> None:
        self.losses: list[Loss] = []
        self._context = context
        self._usage_wanted = context.conversation.usage_chunk
        self._base: Json = {}
        self._open: dict[int, _Written] = {}
        self._texts: set[int] = set()  # numbers of Text blocks, to see which stand next to each other
        self._spoken = False
        self._thought = 0  # characters of reasoning
        self._calls = 0
        self._details = 0
        self._images = 0
        self._held: Thinking | None = None  # Google's signature, perhaps of the call that comes next
        self._usage: Usage | None = None
        self._finished = Finished(Stop.END)

    def ping(self) -> bytes:
        """A comment, which every reader of events reads over."""
        return PING

    def feed(self, event: Event) -> bytes:
        """What goes to the agent now."""
        match event:
            case Started():
                self._start(event)
                return self._chunk(EMPTY)
            case BlockStarted():
                return self._begin(event.index, event.block)
            case Delta():
                written = self._open.get(event.index)
                return self._text(event.index, written, event.text) if written is not None else b""
            case Signed():
                self._sign(event)
            case BlockEnded():
                return self._block_ended(event.index, event.block)
            case UsageSeen():
                self._usage = event.usage
            case Finished():
                self._finished = event
            case Ended():
                return self._end()
            case Failed():
                return error_event(CHAT, event.status, event.error)
        return b""

    def _start(self, event: Started | None) -> None:
        context = self._context
        created = event.created if event is not None else None
        self._usage = event.usage if event is not None else None
        self._base = {
            "id": (event.id if event is not None else "") or context.id,
            "object": "chat.completion.chunk",
            "created": context.created if created is None else created,
            "model": (event.model if event is not None else "") or context.model,
        }

    def _chunk(self, delta: Json, finish_reason: str | None = None) -> bytes:
        if not self._base:
            self._start(None)
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._line({**self._base, "choices": [choice], **({"usage": None} if self._usage_wanted else {})})

    def _line(self, chunk: Json) -> bytes:
        return b"data: " + write_json(chunk) + b"\n\n"

    def _begin(self, index: int, block: Block) -> bytes:
        if not can_say(block):
            self._lose(name_of(block))
            return b""
        written = _Written(block)
        self._open[index] = written
        held, self._held = self._held, None
        match block:
            case ToolCall():
                return self._call(written, block, held.signature if held is not None else "")
            case Media():
                image = write_image(block, self._images)
                self._images += 1
                return self._release(held) + self._chunk({"images": [image]})
            case Text():
                self._texts.add(index)
        text = block.text if isinstance(block, Text | Thinking | Refusal) else ""
        return self._release(held) + (self._text(index, written, text) if text else b"")

    def _call(self, written: _Written, call: ToolCall, signature: str) -> bytes:
        written.number = self._calls
        written.length = len(call.arguments)
        self._calls += 1
        argument = "input" if call.kind is CallKind.CUSTOM else "arguments"
        said: Json = {
            "index": written.number,
            "id": call.id,
            "type": call.kind.value,
            call.kind.value: {"name": call.name, argument: call.arguments},
        }
        if signature:
            said["extra_content"] = {"google": {"thought_signature": signature}}
        return self._chunk({"tool_calls": [said]})

    def _text(self, index: int, written: _Written, text: str) -> bytes:
        if not text:
            return b""
        first = not written.length
        written.length += len(text)
        match written.block:
            case Text():
                apart = GAP if first and self._spoken and index - 1 not in self._texts else ""
                self._spoken = True
                return self._chunk({"content": apart + text})
            case Thinking(signature=name):
                apart = GAP if first and self._thought else ""
                self._thought += len(apart)
                written.start = self._thought if first else written.start
                self._thought += len(text)
                return self._chunk({name if name in FIELDS else FIELDS[0]: apart + text})
            case Refusal():
                return self._chunk({"refusal": text})
            case ToolCall(kind=kind):
                argument = "input" if kind is CallKind.CUSTOM else "arguments"
                return self._chunk({"tool_calls": [{"index": written.number, kind.value: {argument: text}}]})
        return b""

    def _sign(self, event: Signed) -> None:
        written = self._open.get(event.index)
        if written is not None and isinstance(written.block, Thinking):
            written.block = replace(written.block, signature=event.signature, signer=event.signer)

    def _block_ended(self, index: int, final: Block | None) -> bytes:
        written = self._open.pop(index, None)
        if written is None:
            return b""
        rest = b""
        if not written.length and isinstance(final, Text | Thinking | Refusal):
            rest = self._text(index, written, final.text)
        block = written.block
        if isinstance(block, ToolCall) and not written.length:
            arguments = final.arguments if isinstance(final, ToolCall) else ""
            spare = "{}" if block.kind is CallKind.FUNCTION else ""
            return self._text(index, written, arguments or spare)
        if not isinstance(block, Thinking):
            return rest
        if isinstance(final, Thinking) and final.signature:
            block = final
        return rest + self._signature(block, written)

    def _signature(self, block: Thinking, written: _Written) -> bytes:
        if not block.signature or block.signer in (CHAT, None):
            return b""
        if not written.length:
            if block.signer is WireFormat.GEMINI:
                self._held = block
                return b""
            written.start = self._thought
        return self._detail(block, written.start, written.length)

    def _release(self, held: Thinking | None) -> bytes:
        """Google's signature that turns out to be of no call."""
        return self._detail(held, self._thought, 0) if held is not None else b""

    def _detail(self, block: Thinking, start: int, length: int) -> bytes:
        detail = sealed_detail(block, start, length, self._details)
        self._details += 1
        return self._chunk({DETAILS: [detail]})

    def _end(self) -> bytes:
        parts = [self._block_ended(index, None) for index in list(self._open)]
        parts.append(self._release(self._held))
        self._held = None
        parts.append(self._chunk({}, stop_word(self._finished.stop, CHAT)))
        if self._usage_wanted and self._usage is not None:
            parts.append(self._line({**self._base, "choices": [], "usage": rendered_usage(CHAT, self._usage)}))
        return b"".join((*parts, DONE))

    def _lose(self, what: str) -> None:
        if all(loss.what != what for loss in self.losses):
            self.losses.append(Loss(what, ALONE))
