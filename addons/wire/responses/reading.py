"""The provider's stream: server-sent events in, events out. The table of the stream is in `stream.py`.

Of what was told only lengths are kept: a text's end repeats it whole, and what the deltas left out is taken from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    Block,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Json,
    Ping,
    Refusal,
    Signed,
    Started,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.addons.wire.codec import read_json
from ringlet_mitm.addons.wire.responses import items
from ringlet_mitm.addons.wire.responses.answers import CALL_KINDS, blocks_of, message_fields, parse_answer_part
from ringlet_mitm.addons.wire.responses.failing import error_of, status_of
from ringlet_mitm.addons.wire.responses.marks import string
from ringlet_mitm.addons.wire.responses.opening import WHOLE, Blocks, Key
from ringlet_mitm.addons.wire.responses.output import (
    ARGUMENTS,
    ITEM_ADDED,
    ITEM_DONE,
    PART_ADDED,
    PART_DONE,
    REFUSED,
    SPOKEN,
    SUMMARY,
    THOUGHT,
)
from ringlet_mitm.addons.wire.responses.parts import OUTPUT_TEXT, REFUSAL
from ringlet_mitm.addons.wire.responses.reply import stop_at, stop_reason, usage_in
from ringlet_mitm.addons.wire.responses.thinking import BETWEEN, REASONING
from ringlet_mitm.addons.wire.sse import SseEvent, SseParser

_STARTS: dict[str, type[Text] | type[Refusal]] = {OUTPUT_TEXT: Text, REFUSAL: Refusal}


class Parser:
    """Reads one stream."""

    def __init__(self) -> None:
        self._frames = SseParser()
        self._blocks = Blocks()
        self._heads: dict[int, Json] = {}
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        return self._take(self._frames.feed(data))

    def close(self) -> list[Event]:
        """What was left. An answer is complete with its last event only, so nothing is made up here."""
        return self._take(self._frames.close())

    def _take(self, frames: list[SseEvent]) -> list[Event]:
        for frame in frames:
            if not self._over:
                self._read(frame)
        out, self._blocks.out = self._blocks.out, []
        return out

    def _read(self, frame: SseEvent) -> None:
        try:
            told = read_json(frame.data)
        except ValueError:
            return
        if isinstance(told, dict):
            kind = string(told, "type") or frame.name or ("error" if told.get("error") else "")
            reader = _READERS.get(kind)
            if reader is not None:
                reader(self, told)

    # The answer

    def created(self, told: Json) -> None:
        """The answer begins; told several times over."""
        response = told.get("response")
        if self._blocks.started or not isinstance(response, dict):
            return
        created = response.get("created_at")
        made = int(created) if isinstance(created, (int, float)) and abs(created) < 1 << 40 else None
        self._blocks.begin_answer(Started(string(response, "id"), string(response, "model"), None, made))

    def completed(self, told: Json) -> None:
        """The answer is complete, or as complete as it gets. What was not told before stands in it."""
        found = told.get("response")
        response: Json = found if isinstance(found, dict) else {}
        self.created(told)
        self._blocks.begin_answer(Started("", ""))
        self._catch_up(response.get("output"))
        for key in list(self._blocks.open):
            self._blocks.end(key, None)
        usage = usage_in(response)
        if usage is not None:
            self._blocks.out.append(UsageSeen(usage))
        reason = stop_reason(response)
        refuses = Refusal in self._blocks.kinds and Text not in self._blocks.kinds
        self._blocks.out.append(
            Finished(stop_at(reason, calls=ToolCall in self._blocks.kinds, refuses=refuses), None, reason)
        )
        self._blocks.out.append(Ended())
        self._over = True

    def failed(self, told: Json) -> None:
        """The provider gives up."""
        error = error_of(told)
        self._blocks.out.append(Failed(error, status_of(error)))
        self._over = True

    def alive(self, told: Json) -> None:
        """A sign of life."""
        self._blocks.out.append(Ping())

    def _catch_up(self, output: Any) -> None:
        """Items of the whole answer that the stream did not tell (all of them, with some servers) or not to the end."""
        told_none = self._blocks.count == 0
        for place, item in enumerate(output if isinstance(output, list) else ()):
            if told_none or self._blocks.of_item(place):
                self.item_done({"output_index": place, "item": item})

    # Items

    def item_added(self, told: Json) -> None:
        """An item begins. Calls and thoughts are blocks; a message's blocks are its parts, the rest comes whole."""
        place, item = _place(told), told.get("item")
        if not isinstance(item, dict):
            return
        kind = string(item, "type")
        if kind == items.MESSAGE:
            self._heads[place] = message_fields(item)
        elif kind == REASONING:
            self._blocks.start((place, WHOLE), Thinking("", id=string(item, "id")))
        elif kind in CALL_KINDS:
            call = items.parse_call(item, CALL_KINDS[kind])
            if call is not None:
                self._blocks.start((place, WHOLE), replace(call, arguments=""))

    def item_done(self, told: Json) -> None:
        """An item is complete and told whole."""
        place, item = _place(told), told.get("item")
        if not isinstance(item, dict):
            return
        if string(item, "type") == items.MESSAGE:
            self._message_done(place, item)
        else:
            for block in blocks_of(item):
                self._block_done((place, WHOLE), block)
        for key in self._blocks.of_item(place):
            self._blocks.end(key, None)

    def _message_done(self, place: int, item: Json) -> None:
        if not self._blocks.used((place, 0)):
            self._heads.setdefault(place, message_fields(item))
        content = item.get("content")
        for number, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict):
                self._part_done((place, number), part)

    def _block_done(self, key: Key, block: Block) -> None:
        if self._blocks.ended(key):
            return
        if isinstance(block, ToolCall):
            self._blocks.start(key, replace(block, arguments=""))
            self._blocks.top_up(key, block.arguments)
        elif isinstance(block, Thinking):
            self._blocks.start(key, Thinking("", id=block.id))
            if not self._blocks.open[key].sent:
                self._blocks.grow(key, block.text)
            if block.signature and block.signer is not None:
                self._blocks.out.append(Signed(self._blocks.open[key].index, block.signature, block.signer))
        elif isinstance(block, Foreign):
            if key in self._blocks.open:
                return
            self._blocks.start(key, block)
        self._blocks.end(key, block)

    # Parts of messages

    def part_added(self, told: Json) -> None:
        """A part of a message begins."""
        part = told.get("part")
        start = _STARTS.get(string(part, "type")) if isinstance(part, dict) else None
        if start is not None:
            self._start_part((_place(told), _place(told, "content_index")), start)

    def part_done(self, told: Json) -> None:
        """A part is complete and told whole."""
        part, key = told.get("part"), (_place(told), _place(told, "content_index"))
        if isinstance(part, dict) and key in self._blocks.open:
            self._part_done(key, part)

    def _part_done(self, key: Key, part: Json) -> None:
        start = _STARTS.get(string(part, "type"))
        if start is None or self._blocks.ended(key):
            return
        self._start_part(key, start)
        block = parse_answer_part(part, self._blocks.open[key].begins)
        if block is not None:
            self._blocks.top_up(key, block.text)
        self._blocks.end(key, block)

    def _start_part(self, key: Key, start: type[Text] | type[Refusal]) -> None:
        if self._blocks.used(key):
            return
        begins = self._heads.pop(key[0], None)
        block = parse_answer_part(_BLANK[start], begins)
        self._blocks.start(key, block or start(""), begins)

    def spoke(self, told: Json, start: type[Text] | type[Refusal]) -> None:
        """More of a part; some servers begin none before."""
        key = (_place(told), _place(told, "content_index"))
        self._start_part(key, start)
        self._blocks.grow(key, string(told, "delta"))

    def spoken(self, told: Json, field: str) -> None:
        """All of a part."""
        self._blocks.top_up((_place(told), _place(told, "content_index")), string(told, field))

    # Calls and thoughts

    def argued(self, told: Json) -> None:
        """More of a call's arguments."""
        self._blocks.grow((_place(told), WHOLE), string(told, "delta"))

    def argument(self, told: Json, field: str) -> None:
        """All of a call's arguments."""
        self._blocks.top_up((_place(told), WHOLE), string(told, field))

    def thought(self, told: Json, source: str, field: str) -> None:
        """More of a summary, or of thoughts told openly; of an item with both the one that came first."""
        key, place = (_place(told), WHOLE), _place(told, field)
        if self._blocks.ended(key):
            return
        self._blocks.start(key, Thinking("", id=string(told, "item_id")))
        block = self._blocks.open[key]
        if block.sent and block.source[0] != source:
            return
        if block.sent and block.source[1] != place:
            self._blocks.grow(key, BETWEEN)
        block.source = (source, place)
        self._blocks.grow(key, string(told, "delta"))


_BLANK: dict[type[Text] | type[Refusal], Json] = {
    Text: {"type": OUTPUT_TEXT, "text": ""},
    Refusal: {"type": REFUSAL, "refusal": ""},
}


def _place(told: Json, field: str = "output_index") -> int:
    found = told.get(field)
    return found if isinstance(found, int) else 0


_READERS: dict[str, Callable[[Parser, Json], None]] = {
    "response.created": Parser.created,
    "response.queued": Parser.created,
    "response.in_progress": Parser.created,
    ITEM_ADDED: Parser.item_added,
    ITEM_DONE: Parser.item_done,
    PART_ADDED: Parser.part_added,
    PART_DONE: Parser.part_done,
    f"{SPOKEN}.delta": lambda parser, told: parser.spoke(told, Text),
    f"{SPOKEN}.done": lambda parser, told: parser.spoken(told, "text"),
    f"{REFUSED}.delta": lambda parser, told: parser.spoke(told, Refusal),
    f"{REFUSED}.done": lambda parser, told: parser.spoken(told, "refusal"),
    f"{SUMMARY}_text.delta": lambda parser, told: parser.thought(told, SUMMARY, "summary_index"),
    f"{THOUGHT}.delta": lambda parser, told: parser.thought(told, THOUGHT, "content_index"),
    "response.completed": Parser.completed,
    "response.incomplete": Parser.completed,
    "response.failed": Parser.failed,
    "error": Parser.failed,
    "response.error": Parser.failed,
    "keepalive": Parser.alive,
}


def _reads_arguments(event: str, field: str) -> None:
    _READERS[f"{event}.delta"] = Parser.argued
    _READERS[f"{event}.done"] = lambda parser, told: parser.argument(told, field)


for _kind, _event in ARGUMENTS.items():
    _reads_arguments(_event, items.CALLS[_kind][1])
