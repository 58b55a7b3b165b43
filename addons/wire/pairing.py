"""Calls and their results in the order that every vendor takes.

Vendors differ in what they refuse. Anthropic and Bedrock want all results of a message's calls at the beginning of the
next message, one each; OpenAI wants no other message between calls and results; Gemini pairs by name and number. What
satisfies them all, and what comes out of here:

    assistant    … call a, call b            one message of all that the assistant said in a row
    user         result a, result b, …       in the order of the calls, each once, then what else the user said

Ids are what a vendor accepts and no two calls share one: providers without ids of their own count from 0 in each turn.
A new id follows from the old one and how often it was there before, so it is the same in every later turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ringlet_mitm.addons.wire.canonical import (
    Block,
    Message,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.identifiers import FreshIds
from ringlet_mitm.addons.wire.toolset import Losses, Toolset
from ringlet_mitm.rules.shapes import WireFormat

NO_RESULT = "There is no result: the call was not carried out."


@dataclass(slots=True, eq=False)
class _Pair:
    """A call as the agent has it and as it goes out, and its result once there is one. `turn` counts messages."""

    said: ToolCall
    call: ToolCall
    turn: int
    result: ToolResult | None = None


@dataclass(slots=True)
class _Turn:
    """A message on its way out, with the pairs of its calls."""

    role: Role
    blocks: list[Block]
    source: Message | None
    pairs: list[_Pair] = field(default_factory=list)


def paired(messages: Sequence[Message], toolset: Toolset, wire_format: WireFormat, losses: Losses) -> list[Message]:
    """The messages in that order, the names and ids in calls and results as `wire_format` takes them."""
    turns = _Pairing(toolset, wire_format, losses)
    for message in _in_a_row(messages):
        turns.take(message)
    return _in_a_row(turns.messages())  # where a message between two of the assistant's has gone


def _in_a_row(messages: Sequence[Message]) -> list[Message]:
    """The messages, those that the assistant says in a row as one if there is a call in them."""
    joined: list[Message] = []
    for assistants, run in groupby(messages, lambda message: message.role is Role.ASSISTANT):
        row = list(run)
        if assistants and len(row) > 1 and any(map(_calls, row)):
            joined.append(Message(Role.ASSISTANT, tuple(block for message in row for block in message.blocks)))
        else:
            joined += row
    return joined


def _calls(message: Message) -> bool:
    return any(isinstance(block, ToolCall) for block in message.blocks)


class _Pairing:
    def __init__(self, toolset: Toolset, wire_format: WireFormat, losses: Losses) -> None:
        self._toolset = toolset
        self._ids = FreshIds(wire_format)
        self._losses = losses
        self._turns: list[_Turn] = []
        self._open: dict[str, list[_Pair]] = {}

    def take(self, message: Message) -> None:
        turn = _Turn(message.role, [], message)
        for block in message.blocks:
            match block:
                case ToolResult():
                    turn.blocks += self._result(block)
                case ToolCall() if message.role is Role.ASSISTANT:
                    turn.pairs.append(self._call(block))
                    turn.blocks.append(turn.pairs[-1].call)
                case ToolCall():
                    self._losses.setdefault("tool call", "only the assistant can call a tool")
                case _:
                    turn.blocks.append(block)
        self._turns.append(turn)

    def _call(self, said: ToolCall) -> _Pair:
        call = self._toolset.call(said, self._ids.of(said.id))
        pair = _Pair(said, call, len(self._turns))
        self._open.setdefault(said.id, []).append(pair)
        return pair

    def _result(self, result: ToolResult) -> list[Block]:
        """Give the result to its call. What is left in its place: nothing, or its content where there is no call."""
        pair = self._answered(result)
        if pair is None:
            return self._orphan(result)
        call = pair.call
        same = call.id == result.call_id and call.kind is result.kind and result.name in ("", pair.said.name)
        native = result.native if same and call.name == pair.said.name else None
        pair.result = ToolResult(call.id, result.content, result.is_error, call.name, call.kind, result.cache, native)
        return []

    def _answered(self, result: ToolResult) -> _Pair | None:
        """The call that it is the result of: of the latest message with such a call, and there the first."""
        waiting = self._waiting(result)
        if not waiting:
            return None
        latest = max(pair.turn for pair in waiting)
        pair = next(pair for pair in waiting if pair.turn == latest)
        others = self._open[pair.said.id]
        others.remove(pair)
        if not others:
            del self._open[pair.said.id]
        return pair

    def _waiting(self, result: ToolResult) -> list[_Pair]:
        """The calls without a result yet that it may be of, by its id; by its tool's name where one has no id."""
        same = self._open.get(result.call_id, [])
        if result.call_id and same:
            return same
        if not result.name:
            return same
        blank = [self._open.get("", []), *([] if result.call_id else self._open.values())]
        named = ([pair for pair in pairs if pair.said.name == result.name] for pairs in blank)
        return next(filter(None, named), [])

    def _orphan(self, result: ToolResult) -> list[Block]:
        self._losses.setdefault("tool result without its call", "it goes as text of the user's")
        name = f" of {result.name}" if result.name else ""
        return [Text(f"[Result{name}, of a call that is not part of this conversation]"), *result.content]

    def messages(self) -> list[Message]:
        """All messages, the results where they belong; those without content are gone."""
        written: list[Message] = []
        results: list[Block] = []
        for turn in self._turns:
            if results and turn.role is Role.USER:
                written.append(Message(Role.USER, (*results, *turn.blocks)))
            else:
                written += _message(Role.USER, results, None)
                written += _message(turn.role, turn.blocks, turn.source)
            results = [self._result_of(pair) for pair in turn.pairs]
        return [*written, *_message(Role.USER, results, None)]

    def _result_of(self, pair: _Pair) -> ToolResult:
        if pair.result is not None:
            return pair.result
        self._losses.setdefault("tool call without a result", "vendors want one; it says that there is none")
        return ToolResult(pair.call.id, (Text(NO_RESULT),), True, pair.call.name, pair.call.kind)


def _message(role: Role, blocks: Iterable[Block], source: Message | None) -> list[Message]:
    blocks = tuple(blocks)
    if not blocks:
        return []
    return [source if source is not None and blocks == source.blocks else Message(role, blocks)]
