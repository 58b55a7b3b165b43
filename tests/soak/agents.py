"""The agents of a soak: each asks, reads, looks at the answer, thinks a moment, and asks again."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol

from soak.asking import Asking, Story, judge
from soak.http1 import Cut, Http1, Left
from soak.http2 import Http2
from soak.providers import STYLES
from soak.rulebooks import MODELS

# How many requests a connection is kept for, that is kept: then the agent is started anew.
SESSION = 20
# How ten agents in a row are connected: kept connections, one for each request, straight to the proxy, HTTP/2.
WAYS = ("kept", "kept", "direct", "each", "h2", "kept", "direct", "each-direct", "h2", "h2")
SHARING = 3


class Connection(Protocol):
    """What an agent asks on."""

    async def ask(self, asking: Asking, leaves_s: float | None) -> tuple[int, bytes]:
        """The status and the whole body of the answer; raises Cut, and Left that long after the request was sent."""

    def renew(self) -> None:
        """Have the next request make a new one; what is under way is not disturbed."""

    def close(self, *, hard: bool = False) -> None:
        """End it."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What agents are like. `leaving` is the share of the requests that they leave before the answer is complete."""

    think_s: float
    leaving: float
    big: float
    bound_s: float
    models: tuple[str, ...] = MODELS


@dataclass(slots=True)
class Crowd:
    """All agents; `stories` is what became of their requests, `under_way` those whose answer is coming."""

    port: int
    ca_file: Path
    seed: int
    habits: Habits
    stories: list[Story] = field(default_factory=list)
    under_way: int = 0
    _least: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    async def work(self, agents: int, until: float, least: int = 0) -> None:
        """Have that many agents work until then (of time.monotonic()), and finish what they have begun.

        Where a busy machine has not let them ask `least` times by then, they go on until they have.
        """
        self._least = least
        connected = list(self._connected(agents))
        async with asyncio.TaskGroup() as tasks:
            for place, (way, style, connection) in enumerate(connected):
                tasks.create_task(self._agent(f"{way} {style} {place}", way, style, connection, until))
        for _, _, connection in connected:
            connection.close()

    def _connected(self, agents: int) -> Iterator[tuple[str, str, Connection]]:
        plain = ssl.create_default_context(cafile=str(self.ca_file))
        http2 = ssl.create_default_context(cafile=str(self.ca_file))
        http2.set_alpn_protocols(["h2"])
        shared: dict[tuple[str, int], Http2] = {}
        for place in range(agents):
            way = WAYS[place % len(WAYS)]
            style = STYLES[place // len(WAYS) % len(STYLES)]
            if way == "h2":
                group = (style, place // (SHARING * len(WAYS) * len(STYLES)))
                connection: Connection = shared.setdefault(group, Http2(self.port, http2))
            else:
                connection = Http1(self.port, None if "direct" in way else plain)
            yield way, style, connection

    async def _agent(self, name: str, way: str, style: str, connection: Connection, until: float) -> None:
        dice = random.Random(f"{self.seed} {name}")
        await asyncio.sleep(dice.random() * min(3.0, self.habits.think_s * 2))
        while time.monotonic() < until or len(self.stories) < self._least:
            await self._once(name, way, style, connection, dice)
            if dice.random() < 1 / SESSION:
                connection.renew()
            await asyncio.sleep(self.habits.think_s * dice.uniform(0.5, 1.5))

    async def _once(self, name: str, way: str, style: str, connection: Connection, dice: random.Random) -> None:
        habits = self.habits
        asking = Asking(
            number=next(self._numbers),
            style=style,
            model=dice.choice(habits.models),
            stream=dice.random() < 0.75,
            big=dice.random() < habits.big,
        )
        leaves_s = dice.uniform(0.05, 2.0) if dice.random() < habits.leaving else None
        story = Story(asking, name, time.monotonic())
        self.stories.append(story)
        self.under_way += 1
        try:
            await self._asked(story, connection, leaves_s)
        finally:
            self.under_way -= 1
        if story.outcome == "gone" and way != "h2":
            hard = dice.random() < 0.5
            story.why = "without goodbye" if hard else ""
            connection.close(hard=hard)
        elif way.startswith("each") or (story.outcome == "wrong" and way != "h2"):
            connection.close()

    async def _asked(self, story: Story, connection: Connection, leaves_s: float | None) -> None:
        try:
            async with asyncio.timeout(self.habits.bound_s * 2):
                status, body = await connection.ask(story.asking, leaves_s)
            story.ended = time.monotonic()
            judge(story, status, body, self.habits.bound_s)
        except Left:
            story.outcome = "gone"
        except TimeoutError:
            story.why = "no complete answer in time"
        except Cut as error:
            story.why = f"cut: {error}"
        story.ended = time.monotonic()
