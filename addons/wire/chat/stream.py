"""Streams of Chat Completions: chunks in, events out (`Parser`), and events in, chunks out (`Renderer`, rendering.py).

A chunk is a JSON object in a `data:` line; `choices[0].delta` holds what is new of the message. Nothing says where a
part of the message begins or ends, so that follows from what comes:

    state      on                      events                                        next
    ------     --------------------    ------------------------------------------    ------
    idle       any chunk of an answer  Started                                       open
    open       text of another kind    BlockEnded of the last, BlockStarted          open
    open       more of the same        Delta                                         open
    open       a call's name           BlockEnded of text, BlockStarted              open
    open       a call's arguments      Delta of that call, at any time               open
    open       finish_reason           BlockEnded of all                             open
    open       usage, wherever         UsageSeen                                     open
    open       [DONE]                  BlockEnded of all, Finished, Ended            over
    open       an error                Failed                                        over
    open       end of the body         as [DONE] if finish_reason was seen, else     over
                                       nothing: it broke off

Finished waits for the end, because usage comes after finish_reason, and calls may, too. Calls end with the answer:
their arguments may be interleaved.

`<think>` is text, as it came. Which call a piece belongs to: see calls.py.

Sources: OpenAI "The chat completion chunk object", Mistral "Chat" (content as parts), Groq (`x_groq`), Moonshot
(`choices[].usage`), OpenRouter "Streaming" (errors in `choices[].error`); accessed 2026-11-21.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
    Media,
    Refusal,
    Signed,
    Started,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.addons.wire.chat.calls import Call, Calls
from ringlet_mitm.addons.wire.chat.failing import error_of, status_of
from ringlet_mitm.addons.wire.chat.parts import read_content, read_part
from ringlet_mitm.addons.wire.chat.rendering import Renderer
from ringlet_mitm.addons.wire.chat.reply import figures_in, stop_in
from ringlet_mitm.addons.wire.chat.thinking import FIELDS, PART, Packing, details_in, text_in
from ringlet_mitm.addons.wire.codec import read_json
from ringlet_mitm.addons.wire.sse import SseEvent, SseParser
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

__all__ = ["Parser", "Renderer"]
CHAT = WireFormat.CHAT


@dataclass(slots=True)
class _Open:
    """The text block that is open."""

    index: int
    kind: type[Block]
    packing: Packing = field(default_factory=Packing)


class Parser:
    """Reads one answer; of several candidates the first."""

    def __init__(self) -> None:
        self._sse = SseParser()
        self._id = ""
        self._started = False
        self._over = False
        self._blocks = 0
        self._open: _Open | None = None
        self._calls = Calls()
        self._kinds: set[type[Block]] = set()
        self._stop: str | None = None
        self._usage: Usage | None = None
        self._events: list[Event] = []

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        return self._read(self._sse.feed(data))

    def close(self) -> list[Event]:
        """What was left; the end, if the answer is complete."""
        events = self._read(self._sse.close())
        if self._started and not self._over and self._stop is not None:
            self._end()
        return events + self._taken()

    def _read(self, frames: list[SseEvent]) -> list[Event]:
        for frame in frames:
            if self._over:
                break
            if frame.data.startswith(b"[DONE]"):
                if self._started:
                    self._end()
                continue
            try:
                chunk = read_json(frame.data)
            except ValueError:
                continue
            if isinstance(chunk, dict):
                self._chunk(chunk)
        return self._taken()

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _chunk(self, chunk: Json) -> None:
        error = error_of(chunk)
        if error is not None:
            self._events.append(Failed(error, status_of(error)))
            self._over = True
            return
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            return
        self._start(chunk)
        choice = next((one for one in choices if isinstance(one, dict) and one.get("index", 0) in (0, None)), {})
        for name in ("delta", "message"):
            said = choice.get(name)
            if isinstance(said, dict):
                self._delta(said)
                break
        word = choice.get("finish_reason")
        if isinstance(word, str) and word:
            self._stop = word
            self._close_all()
        usage = figures_in(chunk, choice)
        if usage is not None and usage != self._usage:
            self._usage = usage
            self._events.append(UsageSeen(usage))

    def _start(self, chunk: Json) -> None:
        if self._started:
            return
        self._started = True
        answer_id, model, created = chunk.get("id"), chunk.get("model"), chunk.get("created")
        self._id = answer_id if isinstance(answer_id, str) else ""
        model = model if isinstance(model, str) else ""
        self._events.append(Started(self._id, model, created=created if type(created) is int else None))

    def _delta(self, said: Json) -> None:
        self._thinking(said)
        content = said.get("content")
        if isinstance(content, str):
            self._text(Text, content)
        elif isinstance(content, list):
            self._parts(content)
        for name, kind in (("refusal", Refusal), ("audio", Text)):
            text = said.get(name)
            text = text.get("transcript") if isinstance(text, dict) else text
            if isinstance(text, str) and text:
                self._text(kind, text)
        images = said.get("images")
        for image in images if isinstance(images, list) else ():
            part = read_part(image) if isinstance(image, dict) else None
            if isinstance(part, Media):
                self._whole(part)
        calls = said.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                self._call(call)
        legacy = said.get("function_call")
        if isinstance(legacy, dict) and not calls:
            self._call({"index": 0, "function": legacy})

    def _parts(self, content: list[Any]) -> None:
        """Mistral's way: the content as parts, thinking among them."""
        for part in read_content(content):
            match part:
                case Thinking():
                    self._text(Thinking, part.text, PART)
                case Text() | Refusal():
                    self._text(type(part), part.text)
                case Media():
                    self._whole(part)

    def _thinking(self, said: Json) -> None:
        text, name = text_in(said)
        details = details_in(said)
        if details:
            if self._open is None or self._open.kind is not Thinking:
                self._begin(Thinking, name if text else FIELDS[1])
            if self._open is not None:
                text = self._open.packing.add(details) or text
        if text:
            self._text(Thinking, text, name)

    def _text(self, kind: type[Text] | type[Thinking] | type[Refusal], text: str, signature: str = "") -> None:
        if not text:
            return
        if self._open is None or self._open.kind is not kind:
            self._begin(kind, signature)
        if self._open is not None:
            self._events.append(Delta(self._open.index, text))

    def _begin(self, kind: type[Text] | type[Thinking] | type[Refusal], signature: str) -> None:
        self._close_text()
        self._kinds.add(kind)
        self._open = _Open(self._blocks, kind)
        block = Thinking("", signature, CHAT) if kind is Thinking else kind("")
        self._events.append(BlockStarted(self._blocks, block))
        self._blocks += 1

    def _whole(self, block: Block) -> None:
        self._close_text()
        self._events += (BlockStarted(self._blocks, block), BlockEnded(self._blocks))
        self._blocks += 1

    def _close_text(self) -> None:
        if self._open is None:
            return
        if signature := self._open.packing.signature:
            self._events.append(Signed(self._open.index, signature, CHAT))
        self._events.append(BlockEnded(self._open.index))
        self._open = None

    def _call(self, said: Json) -> None:
        piece = self._calls.take(said, self._id)
        if piece is None:
            return
        call, arguments = piece
        if call.block is not None:
            self._events += [Delta(call.block, arguments)] if arguments else []
        elif call.name:
            self._announce(call)

    def _announce(self, call: Call) -> None:
        self._close_text()
        if call.signature:
            self._whole(Thinking("", call.signature, WireFormat.GEMINI))
        call.block = self._blocks
        self._blocks += 1
        self._kinds.add(ToolCall)
        self._events.append(BlockStarted(call.block, ToolCall(call.id or call.spare_id, call.name, "", call.kind)))
        if call.held:
            self._events.append(Delta(call.block, call.held))
            call.held = ""

    def _close_all(self) -> None:
        self._close_text()
        for call in self._calls.end():
            if call.block is None and (call.held or call.id):
                self._announce(call)
            if call.block is not None:
                self._events.append(BlockEnded(call.block))

    def _end(self) -> None:
        self._close_all()
        blocks: list[Block] = [ToolCall("", "", "")] if ToolCall in self._kinds else []
        blocks += [Refusal("")] if Refusal in self._kinds else []
        self._events.append(Finished(stop_in(self._stop, tuple(blocks)), stop_said=self._stop or ""))
        self._events.append(Ended())
        self._over = True
