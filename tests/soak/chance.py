"""What happens to a request at a provider, by a chance that the seed decides: the same in every run."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import every_fault

from ringlet_mitm.cli.demo.faults import Step, close, drop, reset_stream, right, status
from ringlet_mitm.cli.demo.lines import Line

# What a matrix would only repeat: the same course with another status, or cut off after the head.
MORE = (
    status(400),
    status(408),
    status(409, headers={"x-should-retry": "true"}),
    status(429, headers={"retry-after": "1"}),
    status(502, body=b"<html><body>bad gateway</body></html>"),
    status(503),
    status(504),
    drop(0),
    close(0),
    reset_stream(0),
)
FAULTS = (*(fault.step for fault in every_fault.FAULTS if fault.step is not None), *MORE)


@dataclass(frozen=True, slots=True)
class Chance:
    """`share` of the arrivals meet a fault; all others are answered, a piece every `pause_s`."""

    seed: int
    share: float
    pause_s: float

    def __call__(self, number: int, nth: int) -> Step:
        """For the n-th arrival of a request."""
        dice = random.Random(f"{self.seed} {number} {nth}")
        if dice.random() < self.share:
            return dice.choice(FAULTS)
        return paced(self.pause_s * dice.uniform(0.5, 1.5))


def paced(pause_s: float) -> Step:
    """The right answer as a model gives it, word by word; one that comes whole takes as long."""

    async def play(line: Line) -> None:
        reply = right(line.heard)
        if len(reply.pieces) == 1:
            await asyncio.sleep(pause_s * 10)
        line.head(200, reply.head, None if len(reply.pieces) > 1 else len(reply.pieces[0]))
        for piece in reply.pieces:
            await line.data(piece)
            if len(reply.pieces) > 1:
                await asyncio.sleep(pause_s)
        line.end()

    return Step("ok", play)
