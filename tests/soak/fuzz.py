"""`make fuzz`: malformed HTTP and TLS at the proxy's port for two minutes, while well-behaved agents are served.

Every hand-made case is said once, then sound byte strings with a few bytes changed, and hand-made ones again. In the
end the agents must have got right answers alone, and the proxy must live, complain of nothing, and hold nothing open.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from soak.agents import Crowd, Habits
from soak.attacking import attack
from soak.cases import SOUND, cases
from soak.chance import Chance
from soak.malformed import FIFTY_MB, Case
from soak.mutations import mutated
from soak.providers import Providers
from soak.reckoning import Reckoning, ledger, reckon
from soak.running import any_seed, beside, settled, start, troubles
from soak.table import FDS_LEFT, Line, outcomes, passed, printed
from soak.watching import Sample, Watch, cores, pinging, sample

from ringlet_mitm.cli.demo.stage import RunningProxy

ROUTING = """
[[rule]]
match = { model-equals = "tiny" }
to = "west-chat"
[[rule]]
match = { always = true }
to = "north-messages"
"""
# 50 MB is in memory several times while it is read, counted and sent.
RSS_GROWN_MB = 400.0
ATTACKERS = 6


@dataclass(frozen=True, slots=True)
class Extent:
    """How long, how many agents beside it, how many attackers; `every` says whether each hand-made case has a turn.

    It lasts longer where a busy machine has not got to `least` requests and attacks by then.
    """

    seconds: float = 120.0
    least: int = 0
    agents: int = 20
    seed: int = 1
    every: bool = True
    attackers: int = ATTACKERS


@dataclass(slots=True)
class Result:
    """What came of it; `answers` by family and by what came."""

    crowd: Crowd
    watch: Watch
    pings_ms: list[float]
    reckoning: Reckoning
    empty: tuple[Sample, Sample]
    healthy: bool
    complaints: list[str]
    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def fuzz(folder: Path, extent: Extent, made: type[RunningProxy] = RunningProxy) -> Result:
    """Run it in `folder`, which is the home of a proxy of that kind."""
    with Providers(Chance(extent.seed, 0.0, 0.03)) as providers, start(folder, providers, ROUTING, made) as proxy:
        return asyncio.run(_fuzz(extent, providers, proxy))


async def _fuzz(extent: Extent, providers: Providers, proxy: RunningProxy) -> Result:
    watch, before = Watch(), sample(proxy.pid)
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    crowd = Crowd(proxy.port, proxy.ca_file, extent.seed, Habits(think_s=0.3, leaving=0.0, big=0.2, bound_s=30.0))
    with pinging(proxy.port) as pings:
        await beside(_attackers(extent, proxy, crowd, answers), watch.look(proxy, lambda: crowd.under_way))
    after = await settled(proxy, before)
    healthy = await asyncio.to_thread(_is_healthy, proxy)
    found = await asyncio.to_thread(ledger, proxy)
    await asyncio.to_thread(proxy.stop)
    return Result(
        crowd=crowd,
        watch=watch,
        pings_ms=pings,
        reckoning=reckon(crowd.stories, found, providers.arrivals.found, []),
        empty=(before, after),
        healthy=healthy,
        complaints=troubles(proxy),
        answers=answers,
    )


async def _attackers(extent: Extent, proxy: RunningProxy, crowd: Crowd, answers: dict[str, Counter[str]]) -> None:
    """All at once, and the agents until the last attacker has done."""
    until = time.monotonic() + extent.seconds
    turns = _turns(extent)

    async def attacker() -> None:
        for case, dice in turns:
            answers[case.family][await attack(case, proxy.port, str(proxy.ca_file), dice)] += 1
            if time.monotonic() > until and sum(map(Counter.total, answers.values())) >= extent.least:
                return

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd.work(extent.agents, until, extent.least))
        for _ in range(extent.attackers):
            tasks.create_task(attacker())


def _turns(extent: Extent) -> Iterator[tuple[Case, random.Random]]:
    """Each case with a die of its own, so that a number is enough to say it again."""
    made, dice = cases(), random.Random(extent.seed)
    dice.shuffle(made)
    first = [*made, FIFTY_MB] if extent.every else []
    for number in range(sys.maxsize):
        dice = random.Random(f"{extent.seed} {number}")
        if number < len(first):
            yield first[number], dice
        elif dice.random() < 0.8:
            sound = dice.choice(SOUND)
            yield Case(sound.family, f"{sound.name}, number {number}", sound.where, mutated(sound.data, dice)), dice
        else:
            yield dice.choice(made), dice


def _is_healthy(proxy: RunningProxy) -> bool:
    with urllib.request.urlopen(f"{proxy.url}/health", timeout=10) as answer:
        return bool(answer.status == 200)


def lines(result: Result) -> list[Line]:
    """The table."""
    told, (before, after), watch = result.reckoning, result.empty, result.watch
    grown = max((one.rss_mb for one in watch.samples), default=0.0) - before.rss_mb
    said = [
        Line(
            f"said: {family}",
            f"{sum(found.values()):,}: {', '.join(f'{kind} {n}' for kind, n in found.most_common(8))}",
        )
        for family, found in sorted(result.answers.items())
    ]
    wrong = [*told.lost, *told.doubled, *told.wrong]
    left = after.fds - before.fds
    pings = sorted(result.pings_ms) or [0.0]
    return [
        *said,
        *outcomes(result.crowd.stories, errors=False),
        Line("rows of the agents that are lost, doubled or wrong", f"{len(wrong):,}", not wrong),
        Line(
            "memory before, grown at most, after",
            f"{before.rss_mb:.0f}, {grown:.0f}, {after.rss_mb:.0f} MB",
            grown < RSS_GROWN_MB,
        ),
        Line("open files before / after", f"{before.fds} / {after.fds}", left <= FDS_LEFT),
        Line("/health afterwards", "answers" if result.healthy else "does not answer", result.healthy),
        Line(
            "/health meanwhile, p50 / p99 / max",
            " / ".join(f"{pings[int(len(pings) * at)]:.0f} ms" for at in (0.5, 0.99, 0.9999)),
        ),
        Line("processor: proxy, all else in this process", f"{cores(watch.samples):.2f}, {cores(watch.own):.2f} cores"),
        Line("tracebacks and errors in the proxy's log", f"{len(result.complaints)}", not result.complaints),
    ]


def stories(result: Result) -> list[str]:
    """What went wrong."""
    told = result.reckoning
    return [*told.stories, *told.lost, *told.doubled, *told.wrong, *told.unexcused, *result.complaints][:40]


def main() -> int:
    """Exit code 0 where all is well."""
    parser = argparse.ArgumentParser(prog="fuzz", description="Say malformed things to a proxy that serves agents.")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=any_seed(), help="decides what is said, and in which pieces")
    words = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    print(f"fuzz: {words.minutes:g} minutes, seed {words.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="ringlet-fuzz-") as folder:
        result = fuzz(Path(folder), Extent(seconds=words.minutes * 60, seed=words.seed))
    found = lines(result)
    print("\n".join([*stories(result), "", printed(found), "", f"seed {words.seed}"]))
    print("PASS" if passed(found) else "FAIL")
    return 0 if passed(found) else 1


if __name__ == "__main__":
    sys.exit(main())
