"""Ollama's streams: a JSON object a line.

    state    a line with                    what it means
    -        anything but an error          the answer begins; `model`, `created_at` are in every line
    open     message.thinking               more of a thought; begins one where another block is open
    open     message.content                more text; likewise
    open     message.tool_calls             whole calls, each a block of its own
    open     done: true                     the end: `done_reason`, the figures
    any      error                          the end, in failure (the HTTP status was 200 already)
    ended    anything                       read over

Thoughts come before the text, calls anywhere. A line that is no JSON object is read over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
from ringlet_mitm.addons.wire.codec import AnswerContext, read_json, write_json
from ringlet_mitm.addons.wire.faults import error_in
from ringlet_mitm.addons.wire.ndjson import NdjsonParser, render
from ringlet_mitm.addons.wire.ollama.media import picture
from ringlet_mitm.addons.wire.ollama.messages import drafted
from ringlet_mitm.addons.wire.ollama.reply import closing, created_in, text_of, timestamp, usage_in
from ringlet_mitm.addons.wire.ollama.tools import OLLAMA, parse_calls, rendered_call
from ringlet_mitm.addons.wire.stops import stop_of
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import Loss

SAID = (("thinking", Thinking("", signer=OLLAMA)), ("content", Text("")))


class Parser:
    """A provider's stream."""

    def __init__(self) -> None:
        self._lines = NdjsonParser()
        self._started = False
        self._ended = False
        self._next = 0
        self._calls = 0
        self._open: tuple[str, int] | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        return [event for line in self._lines.feed(data) for event in self._line(line)]

    def close(self) -> list[Event]:
        """What a last line without its end says."""
        return [event for line in self._lines.close() for event in self._line(line)]

    def _line(self, line: bytes) -> list[Event]:
        try:
            said = None if self._ended else read_json(line)
        except ValueError:
            return []
        if not isinstance(said, dict):
            return []
        if said.get("error"):
            self._ended = True
            status = said.get("status_code")
            error = error_in(said) or ProviderError("error", "the model failed")
            return [Failed(error, status if type(status) is int and 400 <= status < 600 else 500)]
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(Started("", text_of(said, "model"), created=created_in(said)))
        message = said.get("message")
        if isinstance(message, dict):
            self._message(message, text_of(said, "created_at"), events)
        if said.get("done") is True:
            self._done(said, events)
        return events

    def _message(self, message: Json, seed: str, events: list[Event]) -> None:
        for key, block in SAID:
            if text := text_of(message, key):
                if self._open is None or self._open[0] != key:
                    self._end_block(events)
                    events.append(BlockStarted(self._next, block))
                    self._open = (key, self._next)
                    self._next += 1
                events.append(Delta(self._open[1], text))
        images = message.get("images")
        if isinstance(images, list):
            self._whole([picture(image) for image in images if isinstance(image, str)], events)
        self._called(message, seed, events)

    def _called(self, message: Json, seed: str, events: list[Event]) -> None:
        calls = parse_calls(message.get("tool_calls"), seed, self._calls)
        self._calls += len(calls)
        self._whole(calls, events)

    def _whole(self, blocks: list[Media] | tuple[ToolCall, ...], events: list[Event]) -> None:
        """Blocks that come in one piece."""
        if blocks:
            self._end_block(events)
        for block in blocks:
            if isinstance(block, ToolCall):
                events.append(BlockStarted(self._next, replace(block, arguments="")))
                events.append(Delta(self._next, block.arguments or "{}"))
            else:
                events.append(BlockStarted(self._next, block))
            events.append(BlockEnded(self._next))
            self._next += 1

    def _end_block(self, events: list[Event]) -> None:
        if self._open is not None:
            events.append(BlockEnded(self._open[1]))
            self._open = None

    def _done(self, said: Json, events: list[Event]) -> None:
        self._end_block(events)
        if (usage := usage_in(said)) is not None:
            events.append(UsageSeen(usage))
        reason = text_of(said, "done_reason")
        events.append(Finished(stop_of(reason, OLLAMA, calls=self._calls > 0), stop_said=reason))
        events.append(Ended())
        self._ended = True


@dataclass(slots=True)
class Pending:
    """A call whose arguments are still coming."""

    call: ToolCall
    pieces: list[str] = field(default_factory=list)
    ended: bool = False

    def whole(self) -> Json:
        """The call as it is written."""
        return rendered_call(replace(self.call, arguments=self.call.arguments + "".join(self.pieces)))


class Renderer:
    """An agent's stream; calls wait until they are whole, and until those that began before them are."""

    def __init__(self, context: AnswerContext) -> None:
        self.losses: list[Loss] = []
        self._model = context.model
        self._created = context.created
        self._thoughts: set[int] = set()
        self._calls: dict[int, Pending] = {}
        self._stop = Stop.END
        self._usage: Usage | None = None

    def ping(self) -> bytes:
        """A line that says nothing, as Ollama's own now and then do."""
        return self._says({"content": ""})

    def feed(self, event: Event) -> bytes:
        """What goes to the agent now."""
        match event:
            case Started():
                self._model = event.model or self._model
                self._created = self._created if event.created is None else event.created
                self._usage = event.usage
            case BlockStarted():
                return self._begin(event)
            case Delta():
                return self._more(event)
            case Signed():
                self._lose("thinking signature", "Ollama has no place for it")
            case BlockEnded():
                return self._end(event.index)
            case UsageSeen():
                self._usage = event.usage
            case Finished():
                self._stop = event.stop
                for index in list(self._calls):
                    self._calls[index].ended = True
                return self._flush()
            case Ended():
                return self._line(closing(self._stop, self._usage) | {"message": {"role": "assistant", "content": ""}})
            case Failed():
                return render(write_json({"error": event.error.message}))
        return b""

    def _begin(self, event: BlockStarted) -> bytes:
        match event.block:
            case ToolCall():
                self._calls[event.index] = Pending(event.block)
            case Thinking():
                self._thoughts.add(event.index)
                if event.block.signature:
                    self._lose("thinking signature", "Ollama has no place for it")
                return self._more(Delta(event.index, event.block.text))
            case Text() | Refusal():
                return self._more(Delta(event.index, event.block.text))
            case Foreign() | Media():
                draft = drafted((event.block,), self.losses)
                return b"" if draft.empty else self._says({"content": "", "images": draft.images})
        return b""

    def _more(self, event: Delta) -> bytes:
        if event.index in self._calls:
            self._calls[event.index].pieces.append(event.text)
        elif event.text and event.index in self._thoughts:
            return self._says({"content": "", "thinking": event.text})
        elif event.text:
            return self._says({"content": event.text})
        return b""

    def _end(self, index: int) -> bytes:
        if index not in self._calls:
            return b""
        self._calls[index].ended = True
        return self._flush()

    def _flush(self) -> bytes:
        whole = []
        while self._calls and (index := min(self._calls)) is not None and self._calls[index].ended:
            whole.append(self._calls.pop(index).whole())
        return self._says({"content": "", "tool_calls": whole}) if whole else b""

    def _says(self, message: Json) -> bytes:
        return self._line({"message": {"role": "assistant", **message}, "done": False})

    def _line(self, said: Json) -> bytes:
        return render(write_json({"model": self._model, "created_at": timestamp(self._created), **said}))

    def _lose(self, what: str, why: str) -> None:
        if all(loss.what != what for loss in self.losses):
            self.losses.append(Loss(what, why))
