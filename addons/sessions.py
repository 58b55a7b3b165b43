"""Conversations behind the ids of answers, for agents that send only what is new (`previous_response_id`).

OpenAI keeps them itself; where the answer came from another vendor, we do, in memory and bounded: the oldest go first,
and a restart forgets them all. Then the agent gets a clear error and sends the whole conversation.
"""

from __future__ import annotations

from collections import OrderedDict

from ringlet_mitm.addons.wire.blocks import Media, Text, Thinking, ToolCall, ToolResult
from ringlet_mitm.addons.wire.canonical import Block, Message

MOST_ANSWERS = 256
MOST_BYTES = 64 * 1024 * 1024
BLOCK_BYTES = 200  # of one without text


class Sessions:
    """Answer id to the messages up to and including it."""

    def __init__(self, most_answers: int = MOST_ANSWERS, most_bytes: int = MOST_BYTES) -> None:
        self._most_answers = most_answers
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, tuple[tuple[Message, ...], int]] = OrderedDict()
        self._bytes = 0

    def keep(self, answer_id: str, messages: tuple[Message, ...]) -> None:
        """Remember the conversation that ends with this answer; one larger than the whole memory is not kept."""
        size = sum(BLOCK_BYTES + _size(block) for message in messages for block in message.blocks)
        if size > self._most_bytes:
            return
        self._forget(answer_id)
        self._kept[answer_id] = (messages, size)
        self._bytes += size
        while len(self._kept) > self._most_answers or self._bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def recall(self, answer_id: str) -> tuple[Message, ...] | None:
        """The messages behind an answer's id, with or without the prefix that its format puts before it."""
        found = self._kept.get(answer_id) or self._kept.get(answer_id.rpartition("_")[2])
        return found[0] if found else None

    def _forget(self, answer_id: str) -> None:
        _, size = self._kept.pop(answer_id, ((), 0))
        self._bytes -= size


def _size(block: Block) -> int:
    match block:
        case Text(text):
            return len(text)
        case Thinking():
            return len(block.text) + len(block.signature)
        case ToolCall():
            return len(block.arguments)
        case Media():
            return len(block.data)
        case ToolResult():
            return sum(_size(item) for item in block.content)
        case _:
            return 0
