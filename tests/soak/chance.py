"""What happens to a request at a provider, by a chance that the seed decides: the same in every run."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from ringlet_mitm.cli.demo.faults import (
    Step,
    close,
    delay,
    drop,
    error_after,
    error_first,
    garbage,
    go_away_after,
    go_away_before,
    go_away_during,
    ok,
    reset,
    reset_stream,
    right,
    silent,
    slow_drip,
    status,
    wrong_certificate,
    wrong_length,
)
from ringlet_mitm.cli.demo.lines import Line

HARMLESS = (delay(200, ok()), slow_drip(), go_away_after(), go_away_during())
# Asked again, or elsewhere, the agent notices nothing.
EARLY = (
    status(408),
    status(409, headers={"x-should-retry": "true"}),
    status(429, headers={"retry-after-ms": "30"}),
    status(429, headers={"retry-after": "1"}),
    status(500),
    status(502, body=b"<html><body>bad gateway</body></html>"),
    status(503),
    status(504),
    status(529),
    reset(),
    reset(0),
    drop(),
    drop(0),
    close(),
    close(0),
    reset_stream(),
    reset_stream(0),
    silent(),
    silent(0),
    garbage(),
    error_first(),
    go_away_before(),
    wrong_certificate(),
)
# Bytes have gone to the agent, where it is a stream; nobody else could answer better where it is a 400.
LATE = (
    reset(3),
    drop(3),
    close(3),
    reset_stream(3),
    silent(3),
    error_after(3),
    wrong_length(7),
    wrong_length(-7),
    status(400),
)
FAULTS = (*HARMLESS, *EARLY, *LATE)


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
