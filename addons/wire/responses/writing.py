"""The stream towards the agent: events in, server-sent events out. The table of the stream is in `stream.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
    Foreign,
    Json,
    Media,
    MediaKind,
    Ping,
    Refusal,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.addons.wire.codec import AnswerContext
from ringlet_mitm.addons.wire.faults import error_event, in_words_of
from ringlet_mitm.addons.wire.identifiers import MADE
from ringlet_mitm.addons.wire.responses.envelope import FAILED, answer_id, ending, envelope, stem, usage_of
from ringlet_mitm.addons.wire.responses.marks import FORMAT, own
from ringlet_mitm.addons.wire.responses.ordering import BlockEvent, OneAtATime
from ringlet_mitm.addons.wire.responses.output import CallItem, MessageItem, ReasoningItem, Teller, tell_whole
from ringlet_mitm.addons.wire.responses.parts import MESSAGE
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss

# A comment. OpenAI itself sends an event `keepalive`, which is documented nowhere and ends streams in several SDKs.
PING = b": ping\n\n"
_CALL_IDS = {CallKind.FUNCTION: "fc", CallKind.CUSTOM: "ctc"}


class Renderer:
    """Writes one answer. `response` is the whole response object as soon as it has ended."""

    def __init__(self, context: AnswerContext) -> None:
        self.losses: list[Loss] = []
        self.response: Json = {}
        self._context = context
        self._teller = Teller()
        self._turns = OneAtATime()
        self._items: list[Json] = []
        self._block: Block | None = None
        self._message: MessageItem | None = None
        self._item: CallItem | ReasoningItem | None = None
        self._usage: Usage | None = None
        self._stop: Stop | None = None
        self._calls = False
        self._over = False

    def feed(self, event: Event) -> bytes:
        """What goes to the agent now."""
        if isinstance(event, Ping):
            return self.ping()
        if self._over:
            return b""
        if not self.response and not isinstance(event, Started):
            self._started(Started("", ""))
        handler: Callable[[Renderer, Any], None] = _HANDLERS.get(type(event), Renderer._in_turn)
        handler(self, event)
        return self._teller.take()

    def ping(self) -> bytes:
        """A comment, which every reader of server-sent events reads over."""
        return PING

    def _started(self, event: Started) -> None:
        if self.response:
            return
        name = answer_id(event.id, self._context)
        self._stem = stem(name)
        self.response = envelope(self._context, name, event.model, event.created)
        self._usage = self._usage or event.usage
        for kind in ("response.created", "response.in_progress"):
            self._teller.tell(kind, {"response": self.response})

    def _in_turn(self, event: BlockEvent) -> None:
        for ready in self._turns.feed(event):
            self._apply(ready)

    def _apply(self, event: BlockEvent) -> None:
        if isinstance(event, Delta):
            self._delta(event.text)
        elif isinstance(event, BlockStarted):
            self._begin(event.block)
        elif isinstance(event, BlockEnded):
            self._end(event.block)
        elif isinstance(self._block, Thinking):
            self._block = replace(self._block, signature=event.signature, signer=event.signer)

    def _begin(self, block: Block) -> None:
        """A text or a thought opens its item with its first word only: an empty one says nothing."""
        self._block = block
        if isinstance(block, (Text, Refusal, Thinking)):
            self._delta(block.text)
        elif isinstance(block, ToolCall):
            self._end_message()
            self._calls = True
            self._item = CallItem(self._teller, len(self._items), self._name_of(block, _CALL_IDS[block.kind]), block)
            self._delta(block.arguments)
        elif isinstance(block, Foreign) and block.format is FORMAT:
            self._whole(dict(block.data))
        elif isinstance(block, Media) and block.kind is MediaKind.IMAGE and block.data:
            self._end_message()
            self._whole(self._picture(block))
        else:
            self._lose(block.what if isinstance(block, Foreign) else type(block).__name__.lower(), _NO_PLACE)

    def _delta(self, text: str) -> None:
        block = self._block
        if not text or block is None:
            return
        if isinstance(block, (Text, Refusal)):
            self._message_for(block).delta(text, isinstance(block, Refusal))
        elif isinstance(block, Thinking):
            self._thoughts(block).delta(text)
        elif isinstance(self._item, CallItem):
            self._item.delta(text)

    def _end(self, final: Block | None) -> None:
        block = self._block if final is None or type(final) is not type(self._block) else final
        if isinstance(block, (Text, Refusal)):
            if self._message is not None:
                self._message.end_part(block)
        elif isinstance(block, Thinking):
            self._end_thoughts(block)
        elif isinstance(self._item, CallItem):
            self._items.append(self._item.end())
        self._block = self._item = None

    def _message_for(self, block: Text | Refusal) -> MessageItem:
        """The message that a part belongs to: texts that follow one another share one, unless they come from two."""
        fields = (own(block.native) or {}).get(MESSAGE)
        if self._message is not None and fields is not None and self._message.has_parts:
            self._end_message()
        if self._message is None:
            known: Json = fields if isinstance(fields, dict) else {}
            name = known.get("id") or self._made("msg")
            self._message = MessageItem(self._teller, len(self._items), name, known)
        return self._message

    def _end_message(self) -> None:
        if self._message is not None:
            self._items.append(self._message.end())
            self._message = None

    def _thoughts(self, block: Thinking) -> ReasoningItem:
        if not isinstance(self._item, ReasoningItem):
            self._end_message()
            mine = block.id if block.signer in (None, FORMAT) else ""
            self._item = ReasoningItem(self._teller, len(self._items), mine or f"{MADE}{self._stem}_{len(self._items)}")
        return self._item

    def _end_thoughts(self, final: Thinking) -> None:
        begun = self._block
        if not final.signature and isinstance(begun, Thinking) and begun.signature:
            final = replace(final, signature=begun.signature, signer=begun.signer)
        if self._item is None and not final.signature and not own(final.native):
            return
        item = self._thoughts(final)
        self._items.append(item.end(replace(final, text=item.text())))

    def _whole(self, item: Json) -> None:
        self._end_message()
        self._items.append(tell_whole(self._teller, len(self._items), item))

    def _picture(self, block: Media) -> Json:
        made: Json = {"type": "image_generation_call", "id": self._made("ig"), "status": "completed"}
        spelled = block.mime.removeprefix("image/") or "png"
        return made | {"result": block.data, "output_format": spelled}

    def _name_of(self, block: ToolCall, prefix: str) -> str:
        known = (own(block.native) or {}).get("id")
        return known if isinstance(known, str) and known else self._made(prefix)

    def _made(self, prefix: str) -> str:
        return f"{prefix}_{self._stem}_{len(self._items)}"

    def _lose(self, what: str, why: str) -> None:
        if all(loss.what != what for loss in self.losses):
            self.losses.append(Loss(what, why))

    def _usage_seen(self, event: UsageSeen) -> None:
        self._usage = event.usage

    def _finished(self, event: Finished) -> None:
        self._stop = event.stop
        if event.stop_sequence:
            self._lose("stop sequence", "Responses does not say which one was met")
        self._close_blocks()

    def _close_blocks(self) -> None:
        for event in self._turns.close():
            self._apply(event)
        self._end_message()

    def _ended(self, event: Ended) -> None:
        self._close_blocks()
        closing = ending(self._stop or (Stop.TOOL_CALLS if self._calls else Stop.END))
        self.response |= closing | {"output": self._items, "usage": usage_of(self._usage, self._context)}
        self._teller.tell(f"response.{closing['status']}", {"response": self.response})
        self._over = True

    def _failed(self, event: Failed) -> None:
        """Codex acts on `response.failed` and reads over `error`, the SDKs raise at `error`: both."""
        status, error = in_words_of(FORMAT, event.status, event.error)
        told = {"code": error.code or error.type, "message": error.message}
        self.response |= {"status": FAILED, "error": told, "output": self._items}
        self.response["usage"] = usage_of(self._usage, self._context)
        self._teller.tell("response.failed", {"response": self.response})
        self._teller.pass_on(error_event(FORMAT, status, error))
        self._over = True


_NO_PLACE = "an answer of Responses has no place for it"
_HANDLERS: dict[type, Callable[[Renderer, Any], None]] = {
    Started: Renderer._started,
    UsageSeen: Renderer._usage_seen,
    Finished: Renderer._finished,
    Ended: Renderer._ended,
    Failed: Renderer._failed,
}
