"""One soak from beginning to end: providers, a proxy, agents, and all that is done to them meanwhile."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from faulty_runs import KEY
from soak.agents import Crowd, Habits
from soak.asking import Story
from soak.chance import Chance
from soak.providers import ODD, PROVIDERS, Providers
from soak.reckoning import Reckoning, ledger, reckon
from soak.rulebooks import routing
from soak.watching import Sample, Watch, pinging, sample

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

PROFILE = "soak"
SETTLE_S = 10.0
TROUBLE = re.compile(r"Traceback|crashed|Addon error|not changed|never retrieved|could not be")
# How a line of the log begins; what follows without is part of it.
BEGINNING = re.compile(r"\d\d:\d\d:\d\d ")


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of everything; times in seconds, `faults` and `leaving` are shares of the requests.

    `flat` says that it lasts long enough for memory and files to be flat. It lasts longer where a busy machine has not
    got to `least` requests by then.
    """

    seconds: float = 600.0
    least: int = 0
    streams: int = 200
    seed: int = 1
    faults: float = 0.1
    leaving: float = 0.03
    big: float = 0.25
    pause_s: float = 0.2
    think_s: float = 0.5
    bound_s: float = 30.0
    reload_s: float = 5.0
    usage_s: float = 5.0
    kill_s: float = 20.0
    flat: bool = True


@dataclass(slots=True)
class Result:
    """What came of it. `empty` are the samples of the proxy before the first agent and after the last."""

    extent: Extent
    stories: list[Story]
    watch: Watch
    pings_ms: list[float]
    reckoning: Reckoning
    rows: int
    rows_after_stop: int
    empty: tuple[Sample, Sample]
    reloaded: int
    complaints: list[str] = field(default_factory=list)


def soak(folder: Path, extent: Extent, made: type[RunningProxy] = RunningProxy) -> Result:
    """Run it in `folder`, which is the home of a proxy of that kind."""
    chance = Chance(extent.seed, extent.faults, extent.pause_s)
    with Providers(chance) as providers, start(folder, providers, routing(0), made) as proxy:
        return asyncio.run(_soak(folder, extent, providers, proxy))


def start(folder: Path, providers: Providers, rules: str, made: type[RunningProxy]) -> RunningProxy:
    """The proxy, with these rules to begin with."""
    home = home_of({"RINGLET_HOME": str(folder)})
    save_profile(home, Profile(name=PROFILE))
    home.routing_file(PROFILE).write_text(rules)
    home.providers_dir.mkdir(parents=True, exist_ok=True)
    for one in (*PROVIDERS.values(), *ODD.values()):
        (home.providers_dir / f"{one.name}.toml").write_text(one.file)
    return made(folder, cast(Vendor, providers), profile=PROFILE, keys=KEY)


async def _soak(folder: Path, extent: Extent, providers: Providers, proxy: RunningProxy) -> Result:
    watch, before = Watch(), sample(proxy.pid)
    rules = home_of({"RINGLET_HOME": str(folder)}).routing_file(PROFILE)
    habits = Habits(extent.think_s, extent.leaving, extent.big, extent.bound_s)
    crowd = Crowd(proxy.port, proxy.ca_file, extent.seed, habits)
    with pinging(proxy.port) as pings:
        await beside(
            crowd.work(extent.streams, time.monotonic() + extent.seconds, extent.least),
            watch.look(proxy, lambda: crowd.under_way),
            watch.reload(rules, extent.reload_s),
            watch.report(proxy, extent.usage_s),
            watch.kill(providers, extent.kill_s, extent.seed),
        )
    after = await settled(proxy, before)
    # Rows of agents that left come when the proxy has noticed; all others are there already.
    found = await asyncio.to_thread(ledger, proxy)
    await asyncio.to_thread(proxy.stop)
    final = await asyncio.to_thread(ledger, proxy)
    return Result(
        extent=extent,
        stories=crowd.stories,
        watch=watch,
        pings_ms=pings,
        reckoning=reckon(crowd.stories, final, providers.arrivals.found, watch.downs),
        rows=found.count,
        rows_after_stop=final.count,
        empty=(before, after),
        reloaded=sum("rules reloaded" in line for line in proxy.said),
        complaints=troubles(proxy),
    )


def troubles(proxy: RunningProxy) -> list[str]:
    """What its log should not have, each with its traceback."""
    said: list[str] = []
    for line in list(proxy.said):
        if said and not BEGINNING.match(line):
            said[-1] += f"\n{line}"
        else:
            said.append(line)
    return [one for one in said if TROUBLE.search(one)]


async def beside(main: Coroutine[Any, Any, None], *others: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end, and the others as long."""
    tasks = [asyncio.create_task(other) for other in others]
    try:
        await main
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def settled(proxy: RunningProxy, before: Sample, patience_s: float = SETTLE_S) -> Sample:
    """The proxy once its connections are closed, or as it is after a while."""
    until = time.monotonic() + patience_s
    while (now := sample(proxy.pid)).fds > before.fds and time.monotonic() < until:  # noqa: ASYNC110  (another process)
        await asyncio.sleep(0.2)
    return now


def any_seed() -> int:
    """For a run that nobody said a seed for."""
    return random.SystemRandom().randrange(1_000_000)
