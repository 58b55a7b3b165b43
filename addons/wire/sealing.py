"""Thoughts that nobody signed, marked as not Anthropic's.

An agent of Messages sends thinking back, and Anthropic refuses a block whose signature is not its own, also an empty
one. A thought without a signature gets an empty one of its vendor: sealed it says whose it is, and is taken out again
before the conversation goes to Anthropic.
"""

from __future__ import annotations

from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import BlockEnded, BlockStarted, Event, Finished, Reply, Signed, Thinking
from ringlet_mitm.rules.shapes import WireFormat


class UnsignedThoughts:
    """Signs them in a stream: `events` gives the events with what is missing put in before a block's end."""

    def __init__(self, signer: WireFormat) -> None:
        self._signer = signer
        self._open: set[int] = set()

    def events(self, events: list[Event]) -> list[Event]:
        """All of `events`, and Signed for each thought that ends without."""
        out: list[Event] = []
        for event in events:
            match event:
                case BlockStarted(index, Thinking() as block) if not block.signature and not block.redacted:
                    self._open.add(index)
                case Signed(index):
                    self._open.discard(index)
                case BlockEnded(index, block) if index in self._open:
                    self._open.discard(index)
                    if not (isinstance(block, Thinking) and block.signature):
                        out.append(Signed(index, "", self._signer))
                case Finished():
                    out += (Signed(index, "", self._signer) for index in sorted(self._open))
                    self._open.clear()
                case _:
                    pass
            out.append(event)
        return out


def signed(reply: Reply, signer: WireFormat) -> Reply:
    """The same of a whole answer."""
    unsigned = [isinstance(block, Thinking) and not block.signature and block.signer is None for block in reply.blocks]
    if not any(unsigned):
        return reply
    blocks = (
        replace(block, signer=signer) if isinstance(block, Thinking) and missing else block
        for block, missing in zip(reply.blocks, unsigned, strict=True)
    )
    return replace(reply, blocks=tuple(blocks))
