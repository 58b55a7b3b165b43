"""The stream of the Messages API, written, from the events of any format.

    state     event          writes                                              state after
    silent    Started        message_start                                       started
    started   BlockStarted   content_block_start                                 open
    open      Delta          content_block_delta                                 open
    open      Signed         (kept for the end of the block)                     open
    open      BlockEnded     signature_delta, content_block_stop, waiting ones   started or open
    open      Finished       the same for all that are open or wait              started
    started   Ended          message_delta, message_stop                         over
    any       Failed         error                                               over
    over      any            nothing                                             over

An agent of Messages reads one block at a time: what begins while another is open waits until that one has ended, its
pieces joined. A thought of another vendor carries its signature sealed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ringlet_mitm.addons.wire.anthropic.content import render_block
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.reply import for_agent, shown_usage, wants_no_thoughts, word_for
from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Json,
    Ping,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import AnswerContext, write_json
from ringlet_mitm.addons.wire.faults import error_event
from ringlet_mitm.addons.wire.identifiers import seal
from ringlet_mitm.addons.wire.sse import SseEvent, render
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss, WireFormat

HERE = WireFormat.MESSAGES


@dataclass(slots=True)
class _Waiting:
    """A block that has begun; `texts` is what of it is not written yet."""

    block: Block
    texts: list[str] = field(default_factory=list)
    signature: str = ""
    ended: bool = False
    written: bool = False


class Renderer:
    """Writes a stream to an agent."""

    def __init__(self, context: AnswerContext) -> None:
        self._context = context
        self._quiet = wants_no_thoughts(context)
        self._here = False  # whether the answer is of this format anyway
        self._losses = Losses()
        self._started = self._over = self._calls = False
        self._waiting: dict[int, _Waiting] = {}  # in the order in which they began; the first is the open one
        self._open = False  # whether content_block_start of the first is written
        self._count = 0
        self._usage: Usage | None = None
        self._size = 0
        self._finished = Finished(Stop.END)

    @property
    def losses(self) -> list[Loss]:
        """What could not be said so far."""
        return list(self._losses.found)

    def feed(self, event: Event) -> bytes:
        """What goes to the agent now."""
        write = WRITERS.get(type(event))
        if write is None or self._over:
            return b""
        begun = b"" if self._started or isinstance(event, Started | Failed | Ping) else self._start(Started("", ""))
        return begun + write(self, event)

    def ping(self) -> bytes:
        """A sign of life."""
        return b"" if self._over else PING

    def _ping(self, event: Ping) -> bytes:
        return PING

    def _start(self, event: Started) -> bytes:
        if self._started:
            return b""
        self._started = True
        self._here = event.native is not None and event.native.format is HERE
        self._usage = event.usage or self._usage
        message = {
            "id": event.id or self._context.id,
            "type": "message",
            "role": "assistant",
            "model": event.model or self._context.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": rendered_usage(HERE, shown_usage(event.usage, self._context, 0)),
            **fields_of(event.native, HERE),
        }
        return _event("message_start", message=message)

    def _begin(self, event: BlockStarted) -> bytes:
        block = for_agent(event.block, self._quiet and not self._here, self._losses)
        if block is None:
            return b""
        waiting = _Waiting(block)
        match block:
            case Text(text) | Thinking(text) if text and not _is_whole(block):
                waiting.block = replace(block, text="")
                waiting.texts.append(text)
            case ToolCall():
                waiting.block = replace(block, arguments="")
                waiting.texts += [block.arguments] if block.arguments else []
        if isinstance(block, Thinking) and not block.redacted:
            waiting.signature = block.signature
        self._waiting[event.index] = waiting
        return self._advance()

    def _delta(self, event: Delta) -> bytes:
        waiting = self._waiting.get(event.index)
        if waiting is None or not event.text or waiting.ended:
            return b""
        first = next(iter(self._waiting)) == event.index
        if first and self._open:
            return self._piece(waiting, event.text)
        waiting.texts.append(event.text)
        return self._advance() if first else b""

    def _signed(self, event: Signed) -> bytes:
        waiting = self._waiting.get(event.index)
        if waiting is not None:
            waiting.signature = event.signature if event.signer is HERE else seal(event.signer, event.signature)
        return b""

    def _end_block(self, event: BlockEnded) -> bytes:
        waiting = self._waiting.get(event.index)
        if waiting is None:
            return b""
        if event.block is not None:
            self._complete(waiting, event.block)
        waiting.ended = True
        return self._advance()

    def _complete(self, waiting: _Waiting, block: Block) -> None:
        """Takes what only the final form of a block says."""
        if isinstance(block, Thinking) and block.signature:
            shown = for_agent(block, False, self._losses)
            waiting.signature = shown.signature if isinstance(shown, Thinking) else waiting.signature
        text = block.arguments if isinstance(block, ToolCall) else getattr(block, "text", "")
        if text and not waiting.written and not waiting.texts:
            waiting.texts.append(text)

    def _advance(self) -> bytes:
        """Writes what need not wait any longer."""
        written = b""
        while self._waiting:
            index, waiting = next(iter(self._waiting.items()))
            if not self._open and self._is_blank(waiting):
                if not waiting.ended:
                    break
                del self._waiting[index]
                continue
            if not self._open:
                written += self._block_start(waiting.block)
            if waiting.texts:
                written += self._piece(waiting, "".join(waiting.texts))
                waiting.texts.clear()
            if not waiting.ended:
                break
            written += self._block_stop(waiting)
            del self._waiting[index]
        return written

    def _is_blank(self, waiting: _Waiting) -> bool:
        """Whether nothing is in it yet, so that it may never have to be written."""
        block = waiting.block
        if self._here or waiting.texts:
            return False
        return (isinstance(block, Text) and not block.text) or (_is_open(block) and not waiting.signature)

    def _block_start(self, block: Block) -> bytes:
        self._open = True
        self._calls = self._calls or isinstance(block, ToolCall)
        if isinstance(block, Thinking) and not block.redacted:
            block = replace(block, signature="", signer=HERE)
        written = render_block(block, self._losses)
        return b"" if written is None else _event("content_block_start", index=self._count, content_block=written)

    def _piece(self, waiting: _Waiting, text: str) -> bytes:
        shape = DELTAS.get(type(waiting.block))
        if shape is None or _is_whole(waiting.block):
            return b""
        waiting.written = True
        self._size += len(text)
        kind, name = shape
        return _event("content_block_delta", index=self._count, delta={"type": kind, name: text})

    def _block_stop(self, waiting: _Waiting) -> bytes:
        signed = b""
        if waiting.signature and _is_open(waiting.block):
            delta = {"type": "signature_delta", "signature": waiting.signature}
            signed = _event("content_block_delta", index=self._count, delta=delta)
        stopped = _event("content_block_stop", index=self._count)
        self._open = False
        self._count += 1
        return signed + stopped

    def _see(self, event: UsageSeen) -> bytes:
        self._usage = event.usage
        return b""

    def _finish(self, event: Finished) -> bytes:
        self._finished = event
        for waiting in self._waiting.values():
            waiting.ended = True
        return self._advance()

    def _end(self, event: Ended) -> bytes:
        finished = self._finished
        closed = self._finish(finished)
        self._over = True
        here = finished.native is not None and finished.native.format is HERE
        delta = {
            "stop_reason": finished.stop_said if here and finished.stop_said else word_for(finished.stop, self._calls),
            "stop_sequence": finished.stop_sequence,
            **fields_of(finished.native, HERE),
        }
        usage = rendered_usage(HERE, shown_usage(self._usage, self._context, self._size))
        return closed + _event("message_delta", delta=delta, usage=usage) + _event("message_stop")

    def _fail(self, event: Failed) -> bytes:
        self._over = True
        return error_event(HERE, event.status, event.error)


WRITERS: dict[type, Callable[[Renderer, Any], bytes]] = {
    Started: Renderer._start,
    BlockStarted: Renderer._begin,
    Delta: Renderer._delta,
    Signed: Renderer._signed,
    BlockEnded: Renderer._end_block,
    UsageSeen: Renderer._see,
    Finished: Renderer._finish,
    Ended: Renderer._end,
    Failed: Renderer._fail,
    Ping: Renderer._ping,
}
DELTAS: dict[type, tuple[str, str]] = {
    Text: ("text_delta", "text"),
    Thinking: ("thinking_delta", "thinking"),
    ToolCall: ("input_json_delta", "partial_json"),
}


def _event(name: str, **fields: Any) -> bytes:
    written: Json = {"type": name, **fields}
    return render(SseEvent(name, write_json(written)))


PING = _event("ping")


def _is_open(block: Block) -> bool:
    """Whether it is a thought whose signature comes last."""
    return isinstance(block, Thinking) and not block.redacted


def _is_whole(block: Block) -> bool:
    """Whether it comes in one piece: nothing can be added to it."""
    if isinstance(block, Thinking):
        return block.redacted
    return isinstance(block, Foreign) or "type" in fields_of(getattr(block, "native", None), HERE)
