"""Events of a stream put together to a whole answer, and a whole answer taken apart into events."""

from __future__ import annotations

from dataclasses import replace

from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Event,
    Finished,
    Refusal,
    Reply,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)


class Accumulator:
    """Feed it a stream's events; `reply` is the answer so far."""

    def __init__(self) -> None:
        self._started = Started(id="", model="")
        self._finished = Finished(Stop.END)
        self._usage = self._started.usage
        self._blocks: dict[int, Block] = {}
        self._texts: dict[int, list[str]] = {}

    def feed(self, event: Event) -> None:
        """Take one event in; pings and ends change nothing."""
        match event:
            case Started():
                self._started = event
                self._usage = event.usage or self._usage
            case BlockStarted(index, block):
                self._blocks[index] = block
                self._texts[index] = []
            case Delta(index, text) if index in self._texts:
                self._texts[index].append(text)
            case Signed(index, signature, signer):
                block = self._blocks.get(index)
                if isinstance(block, Thinking):
                    self._blocks[index] = replace(block, signature=signature, signer=signer)
            case BlockEnded(index, block) if block is not None:
                self._blocks[index] = block
                self._texts[index] = []
            case UsageSeen(usage):
                self._usage = usage
            case Finished():
                self._finished = event
            case _:
                pass

    @property
    def reply(self) -> Reply:
        """What has come so far, as a whole answer."""
        started, finished = self._started, self._finished
        return Reply(
            id=started.id,
            model=started.model,
            blocks=tuple(self._block(index) for index in sorted(self._blocks)),
            stop=finished.stop,
            usage=self._usage,
            stop_sequence=finished.stop_sequence,
            stop_said=finished.stop_said,
            created=started.created,
        )

    def _block(self, index: int) -> Block:
        block, more = self._blocks[index], "".join(self._texts[index])
        match block:
            case Text() | Thinking() | Refusal():
                return replace(block, text=block.text + more) if more else block
            case ToolCall():
                return replace(block, arguments=block.arguments + more) if more else block
            case _:
                return block


def events_of(reply: Reply) -> list[Event]:
    """A whole answer as the events of a stream, each block in one piece."""
    events: list[Event] = [Started(reply.id, reply.model, reply.usage, reply.created)]
    for index, block in enumerate(reply.blocks):
        events += _block_events(index, block)
    if reply.usage is not None:
        events.append(UsageSeen(reply.usage))
    return [*events, Finished(reply.stop, reply.stop_sequence, reply.stop_said), Ended()]


def _block_events(index: int, block: Block) -> list[Event]:
    match block:
        case Text(text) | Refusal(text):
            return [BlockStarted(index, replace(block, text="")), Delta(index, text), BlockEnded(index)]
        case Thinking(text) if block.redacted or not text:
            return [BlockStarted(index, block), BlockEnded(index)]
        case Thinking(text):
            events: list[Event] = [BlockStarted(index, replace(block, text="", signature="", signer=None))]
            events.append(Delta(index, text))
            if block.signature and block.signer is not None:
                events.append(Signed(index, block.signature, block.signer))
            return [*events, BlockEnded(index)]
        case ToolCall():
            return [
                BlockStarted(index, replace(block, arguments="")),
                Delta(index, block.arguments),
                BlockEnded(index),
            ]
        case _:
            return [BlockStarted(index, block), BlockEnded(index)]
