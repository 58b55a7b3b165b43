"""An answer brought back to the agent: its own names, kinds and namespaces of tools, ids that it takes.

The provider knows the tools as `fitting.py` named them. A name that nobody gave it passes as it is: the agent says best
that it has no such tool. An id stays where the agent's format takes it and no other call has it; providers that number
the calls of each answer from 0 would otherwise mix up two turns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    CallKind,
    Conversation,
    Delta,
    Ended,
    Event,
    Finished,
    Reply,
    Started,
    ToolCall,
)
from ringlet_mitm.addons.wire.fitting import Fitted
from ringlet_mitm.addons.wire.free_text import FreeText, free_text
from ringlet_mitm.addons.wire.identifiers import FreshIds
from ringlet_mitm.rules.shapes import WireFormat


class Restorer:
    """Of one answer. `conversation` is the agent's own, `fitted` what the provider got of it, `wire_format` the
    agent's."""

    def __init__(self, conversation: Conversation, fitted: Fitted, wire_format: WireFormat) -> None:
        self._origins = fitted.origins
        blocks = (block for message in conversation.messages for block in message.blocks)
        self._ids = FreshIds(wire_format, (block.id for block in blocks if isinstance(block, ToolCall)))
        self._answer = f"{len(conversation.messages)}"
        self._open: dict[int, ToolCall] = {}
        self._texts: dict[int, FreeText] = {}

    def reply(self, reply: Reply) -> Reply:
        """A whole answer; itself where nothing changes."""
        self._answer += reply.id
        blocks = tuple(self._block(index, block) for index, block in enumerate(reply.blocks))
        return reply if blocks == reply.blocks else replace(reply, blocks=blocks)

    def events(self, events: Sequence[Event]) -> list[Event]:
        """The next events of a stream."""
        return [restored for event in events for restored in self._event(event)]

    def _block(self, index: int, block: Block) -> Block:
        if not isinstance(block, ToolCall):
            return block
        restored = self._named(block)
        if self._decodes(block, restored):
            restored = replace(restored, arguments=free_text(block.arguments))
        return _with_id(restored, self._id(index, block))

    def _named(self, call: ToolCall) -> ToolCall:
        """The call under the agent's name; what changes loses its `native`."""
        origin = self._origins.get((call.namespace, call.name))
        if origin is None or (origin.namespace, origin.name, origin.kind) == (call.namespace, call.name, call.kind):
            return call
        return replace(call, namespace=origin.namespace, name=origin.name, kind=origin.kind, native=None)

    @staticmethod
    def _decodes(call: ToolCall, restored: ToolCall) -> bool:
        return restored.kind is CallKind.CUSTOM and call.kind is CallKind.FUNCTION

    def _id(self, index: int, call: ToolCall) -> str:
        """The call's id, or one that follows from the answer's and its place there."""
        made = hashlib.sha256(f"{self._answer}/{index}".encode("utf-8", "surrogatepass")).hexdigest()[:24]
        return self._ids.of(call.id or f"call_{made}")

    def _event(self, event: Event) -> list[Event]:
        match event:
            case Started():
                self._answer += event.id
            case BlockStarted(index, ToolCall() as call):
                return [BlockStarted(index, self._begun(index, call))]
            case Delta(index, text) if index in self._texts:
                decoded = self._texts[index].feed(text)
                return [Delta(index, decoded)] if decoded else []
            case BlockEnded(index, block) if index in self._open:
                return self._ended(index, block)
            case Finished() | Ended():
                return [*(late for index in list(self._texts) for late in self._rest(index)), event]
            case _:
                pass
        return [event]

    def _begun(self, index: int, call: ToolCall) -> ToolCall:
        restored = _with_id(self._named(call), self._id(index, call))
        if self._decodes(call, restored):
            self._texts[index] = FreeText()
            restored = replace(restored, arguments=self._texts[index].feed(call.arguments))
        self._open[index] = restored
        return restored

    def _rest(self, index: int) -> list[Event]:
        decoded = self._texts.pop(index).finish() if index in self._texts else ""
        return [Delta(index, decoded)] if decoded else []

    def _ended(self, index: int, block: Block | None) -> list[Event]:
        begun = self._open.pop(index)
        if not isinstance(block, ToolCall):
            return [*self._rest(index), BlockEnded(index, block)]
        restored = self._named(block)
        if self._decodes(block, restored):
            restored = replace(restored, arguments=free_text(block.arguments))
        return [*self._rest(index), BlockEnded(index, _with_id(restored, begun.id))]


def _with_id(call: ToolCall, call_id: str) -> ToolCall:
    return call if call_id == call.id else replace(call, id=call_id, native=None)
