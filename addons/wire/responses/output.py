"""The items of an answer as they grow: each kind tells its own sequence of events.

    message      item.added, {part.added, delta…, text.done, part.done}…, item.done
    call         item.added, delta…, arguments.done, item.done
    reasoning    item.added, [summary part.added, delta…, text.done, part.done], item.done
    in one piece item.added, item.done

Source: OpenAI "Streaming events", accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import CallKind, Json, Refusal, Text, Thinking, ToolCall
from ringlet_mitm.addons.wire.codec import write_json
from ringlet_mitm.addons.wire.responses.items import CALLS, MESSAGE
from ringlet_mitm.addons.wire.responses.marks import own, public
from ringlet_mitm.addons.wire.responses.parts import OUTPUT_TEXT, REFUSAL
from ringlet_mitm.addons.wire.responses.thinking import answer_item

ITEM_ADDED = "response.output_item.added"
ITEM_DONE = "response.output_item.done"
PART_ADDED = "response.content_part.added"
PART_DONE = "response.content_part.done"
SPOKEN = "response.output_text"
REFUSED = "response.refusal"
SUMMARY = "response.reasoning_summary"
THOUGHT = "response.reasoning_text"
# The beginning of the events of a call's arguments, by kind of tool.
ARGUMENTS = {
    CallKind.FUNCTION: "response.function_call_arguments",
    CallKind.CUSTOM: "response.custom_tool_call_input",
}
_DONE = {"status": "completed"}
_BEGUN = {"status": "in_progress"}


class Teller:
    """Numbers events and makes bytes of them."""

    def __init__(self) -> None:
        self._number = 0
        self._told: list[bytes] = []

    def tell(self, kind: str, fields: Json) -> None:
        """One more event."""
        data = write_json({"type": kind, "sequence_number": self._number} | fields)
        self._told.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))
        self._number += 1

    def pass_on(self, event: bytes) -> None:
        """An event that was written elsewhere."""
        self._told.append(event)

    def take(self) -> bytes:
        """What was told since the last time."""
        told = b"".join(self._told)
        self._told.clear()
        return told


class MessageItem:
    """A message; its parts come one after the other."""

    def __init__(self, teller: Teller, place: int, name: str, fields: Mapping[str, Any]) -> None:
        self._teller, self._place, self._name = teller, place, name
        self._head: Json = {"type": MESSAGE, "role": "assistant"} | dict(fields) | {"id": name}
        self._parts: list[Json] = []
        self._texts: list[str] | None = None
        self._refuses = False
        teller.tell(ITEM_ADDED, {"output_index": place, "item": self._head | _BEGUN | {"content": []}})

    @property
    def has_parts(self) -> bool:
        """Whether a part is complete."""
        return bool(self._parts)

    def delta(self, text: str, refuses: bool) -> None:
        """More text of the part; the first begins it."""
        if self._texts is None:
            self._texts, self._refuses = [], refuses
            self._tell(PART_ADDED, part=self._part(""))
        self._texts.append(text)
        if refuses:
            self._tell(f"{REFUSED}.delta", delta=text)
        else:
            self._tell(f"{SPOKEN}.delta", delta=text, logprobs=[])

    def end_part(self, final: Text | Refusal) -> None:
        """The part is complete; `final` has what else is known of it."""
        if self._texts is None:
            return
        text = "".join(self._texts)
        part = self._part(text) | public(own(final.native) or {})
        if self._refuses:
            self._tell(f"{REFUSED}.done", refusal=text)
        else:
            self._tell(f"{SPOKEN}.done", text=text, logprobs=part["logprobs"])
        self._tell(PART_DONE, part=part)
        self._parts.append(part)
        self._texts = None

    def end(self) -> Json:
        """The item is complete."""
        item = self._head | _DONE | {"content": self._parts}
        self._teller.tell(ITEM_DONE, {"output_index": self._place, "item": item})
        return item

    def _part(self, text: str) -> Json:
        if self._refuses:
            return {"type": REFUSAL, "refusal": text}
        return {"type": OUTPUT_TEXT, "text": text, "annotations": [], "logprobs": []}

    def _tell(self, kind: str, **fields: Any) -> None:
        place = {"output_index": self._place, "item_id": self._name, "content_index": len(self._parts)}
        self._teller.tell(kind, place | fields)


class CallItem:
    """A call of a function or of a custom tool."""

    def __init__(self, teller: Teller, place: int, name: str, call: ToolCall) -> None:
        self._teller, self._place, self._name, self._kind = teller, place, name, call.kind
        kind, self._key, _ = CALLS[call.kind]
        self._head: Json = {"type": kind, "call_id": call.id, "name": call.name}
        if call.namespace:
            self._head["namespace"] = call.namespace
        self._head |= dict(own(call.native) or {}) | {"id": name}
        self._texts: list[str] = []
        teller.tell(ITEM_ADDED, {"output_index": place, "item": self._head | _BEGUN | {self._key: ""}})

    def delta(self, text: str) -> None:
        """More of the arguments."""
        self._texts.append(text)
        self._tell("delta", {"delta": text})

    def end(self) -> Json:
        """The arguments are complete. A function without any gets an empty object: agents parse what they get."""
        if not self._texts and self._kind is CallKind.FUNCTION:
            self.delta("{}")
        text = "".join(self._texts)
        named = {"name": self._head["name"]} if self._kind is CallKind.FUNCTION else {}
        self._tell("done", named | {self._key: text})
        item = self._head | _DONE | {self._key: text}
        self._teller.tell(ITEM_DONE, {"output_index": self._place, "item": item})
        return item

    def _tell(self, what: str, fields: Json) -> None:
        place = {"output_index": self._place, "item_id": self._name}
        self._teller.tell(f"{ARGUMENTS[self._kind]}.{what}", place | fields)


class ReasoningItem:
    """Thoughts; what is readable of them is told as one part of their summary."""

    def __init__(self, teller: Teller, place: int, name: str) -> None:
        self._teller, self._place, self._name = teller, place, name
        self._texts: list[str] = []
        teller.tell(ITEM_ADDED, {"output_index": place, "item": {"type": "reasoning", "id": name, "summary": []}})

    def delta(self, text: str) -> None:
        """More of the summary; the first begins its part."""
        if not self._texts:
            self._tell("part.added", {"part": _summary("")})
        self._texts.append(text)
        self._tell("text.delta", {"delta": text})

    def text(self) -> str:
        """What was said so far."""
        return "".join(self._texts)

    def end(self, final: Thinking) -> Json:
        """The item is complete, as `final` says it."""
        text = self.text()
        if text:
            self._tell("text.done", {"text": text})
            self._tell("part.done", {"part": _summary(text)})
        item = answer_item(final, self._name)
        self._teller.tell(ITEM_DONE, {"output_index": self._place, "item": item})
        return item

    def _tell(self, what: str, fields: Json) -> None:
        place = {"output_index": self._place, "item_id": self._name, "summary_index": 0}
        self._teller.tell(f"{SUMMARY}_{what}", place | fields)


def _summary(text: str) -> Json:
    return {"type": "summary_text", "text": text}


def tell_whole(teller: Teller, place: int, item: Json) -> Json:
    """An item that comes in one piece."""
    teller.tell(ITEM_ADDED, {"output_index": place, "item": item})
    teller.tell(ITEM_DONE, {"output_index": place, "item": item})
    return item
