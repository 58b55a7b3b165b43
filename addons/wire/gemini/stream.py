"""Streams of streamGenerateContent, both ways. A stream is chunks, each a GenerateContentResponse of its own:

    chunk                                    reading it              is written
    candidates[0].content.parts:
      {text}                                 Text, Delta             at each Delta of a Text
      {text, thought: true}                  Thinking, Delta         at each Delta of a Thinking
      {… thoughtSignature}                   Signed, or a Thinking   with the next part of the block that it signs
                                             in front of the block
      {functionCall}                         a whole ToolCall        when its arguments are complete
      any other                              a whole block           at its BlockStarted
    candidates[0].finishReason               kept                    in the last chunk
    usageMetadata                            UsageSeen               in the last chunk
    promptFeedback.blockReason               kept; SAFETY
    error                                    Failed                  an error chunk, nothing after it
    the end of the body                      Finished, Ended         `]` where the stream is an array

A block ends where a part of another kind begins, for parts do not say that they end. There is no closing event: the
answer is complete if a reason to finish (or a blocked prompt) was seen when the body ends. The chunks are server-sent
events, ended by CRLF, if the path says `alt=sse`; else they are the elements of one JSON array.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Json,
    Refusal,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.addons.wire.codec import AnswerContext, read_json, write_json
from ringlet_mitm.addons.wire.faults import error_body
from ringlet_mitm.addons.wire.gemini.answer import AnswerParts, candidate, estimated, named
from ringlet_mitm.addons.wire.gemini.chunks import Parser
from ringlet_mitm.addons.wire.gemini.fields import GEMINI, over, own
from ringlet_mitm.addons.wire.stops import stop_word
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.shapes import Loss

__all__ = ("Parser", "Renderer")


class Renderer:
    """The agent's stream: events in, bytes out. Blocks go out one after the other, in the order of their numbers: what
    belongs to a later one waits until those before it have ended."""

    def __init__(self, context: AnswerContext) -> None:
        self.losses: list[Loss] = []
        self._context = context
        self._sse = "alt=sse" in context.path
        self._begun = False
        self._over = False
        self._names = named(context.model, context.id)
        self._parts = AnswerParts(self.losses)
        self._usage = estimated(context.estimated_input)
        self._finished = Finished(Stop.END)
        self._block: Block | None = None  # the one that goes out
        self._index = -1
        self._said: list[str] = []
        self._waiting: dict[int, deque[Event]] = {}

    def feed(self, event: Event) -> bytes:
        """What goes to the agent now."""
        if self._over:
            return b""
        match event:
            case Started():
                self._names = named(event.model or self._context.model, event.id or self._context.id)
                self._usage = event.usage if event.usage is not None and event.usage.total_input else self._usage
            case BlockStarted() | Delta() | Signed() | BlockEnded():
                return self._in_turn(event)
            case UsageSeen():
                self._usage = event.usage
            case Finished():
                self._finished = event
                return self._chunk(self._drained())
            case Ended():
                return self._end()
            case Failed():
                return self._fail(event)
        return b""

    def ping(self) -> bytes:
        """A chunk that says nothing: Google's Python SDK takes an SSE comment for JSON (3.4). In an array, a space."""
        if self._over:
            return b""
        return self._frame(self._names) if self._sse else b"\n"

    def _in_turn(self, event: BlockStarted | Delta | Signed | BlockEnded) -> bytes:
        """Gives the event to its block, now or when it is its turn."""
        if self._block is not None and event.index != self._index:
            self._waiting.setdefault(event.index, deque()).append(event)
            return b""
        parts = self._step(event)
        while self._block is None and self._waiting:
            parts += self._next()
        return self._chunk(parts)

    def _next(self) -> list[Json]:
        parts: list[Json] = []
        for waiting in self._waiting.pop(min(self._waiting)):
            parts += self._step(waiting)
        return parts

    def _drained(self) -> list[Json]:
        """All blocks that are still open, to their ends."""
        parts: list[Json] = []
        while self._block is not None or self._waiting:
            parts += self._ended(None) if self._block is not None else self._next()
        return parts

    def _step(self, event: Event) -> list[Json]:
        match event:
            case BlockStarted():
                return self._started(event)
            case Delta() if self._block is not None:
                return self._more(event.text)
            case Signed() if isinstance(self._block, Thinking):
                self._block = replace(self._block, signature=event.signature, signer=event.signer)
            case BlockEnded() if self._block is not None:
                return self._ended(event.block)
        return []

    def _started(self, event: BlockStarted) -> list[Json]:
        block = event.block
        if not isinstance(block, Text | Thinking | ToolCall | Refusal) or (
            isinstance(block, Text) and own(block.native)
        ):
            return self._parts.whole(block)
        self._block, self._index, self._said = block, event.index, []
        return self._more(block.arguments if isinstance(block, ToolCall) else block.text)

    def _more(self, said: str) -> list[Json]:
        self._said.append(said if isinstance(self._block, Thinking | ToolCall) else said[:1])
        return [] if isinstance(self._block, ToolCall) else self._parts.text(said, thought=self._is_thought())

    def _is_thought(self) -> bool:
        return isinstance(self._block, Thinking)

    def _ended(self, final: Block | None) -> list[Json]:
        """The end of the block that goes out; `final` has the rest where its text never came in pieces."""
        late = ""
        if isinstance(final, Text | Refusal | Thinking) and not any(self._said):
            late = final.text
        parts = self._more(late) if late else []
        block, self._block = self._block, None
        said = "".join(self._said)
        if isinstance(block, ToolCall):
            whole = final if isinstance(final, ToolCall) else replace(block, arguments=said)
            return self._parts.whole(whole)
        if isinstance(block, Thinking):
            last = final if isinstance(final, Thinking) and final.signature else block
            return parts + self._parts.thought(replace(last, text=said), said=True)
        return parts

    def _end(self) -> bytes:
        parts = self._drained() + self._parts.end()
        finish = stop_word(self._finished.stop, GEMINI)
        said = over(candidate(parts, finish), own(self._finished.native)) | {"index": 0}
        body = {"candidates": [said], "usageMetadata": rendered_usage(GEMINI, self._usage), **self._names}
        frame = self._frame(body)
        self._over = True
        return frame if self._sse else frame + b"]"

    def _fail(self, event: Failed) -> bytes:
        frame = self._frame(read_json(error_body(GEMINI, event.status, event.error)))
        self._over = True
        return frame if self._sse else frame + b"]"

    def _chunk(self, parts: list[Json]) -> bytes:
        if not parts:
            return b""
        return self._frame({"candidates": [{**candidate(parts), "index": 0}], **self._names})

    def _frame(self, body: Any) -> bytes:
        if self._sse:
            return b"data: " + write_json(body) + b"\r\n\r\n"
        between = b",\r\n" if self._begun else b"["
        self._begun = True
        return between + write_json(body)
