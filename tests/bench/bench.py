"""`make bench`: ringlet-mitm beside plain mitmdump, in one run on one machine.

Both get the same load: Claude Code's requests through CONNECT and TLS, answered by an upstream on loopback. They are
measured in turn, block by block, and while one is measured the other is stopped (SIGSTOP), so that what it does
later (writing rows) falls into its own time. A ratio is the median of the blocks' ratios: on a busy machine both
slow down alike. Prints a Markdown table; the exit code is 1 where a target was missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from conversation import raw_request
from decisions import decision_figures
from figures import Figure, Target, markdown, quantile
from generator import Load, Upstream, compile_programs, probe, run_load
from million import check_recorded, report_figures
from proxies import ROUTED_MODEL, Proxy, start_mitmdump, start_ringlet
from replays import replay_figures
from translations import translation_figures

SIZES_KB = (2, 50, 500)
BUSY_SIZES_KB = (2, 50)
STREAM_EVENTS = 40
SPACING_US = 2000
ENDURANCE_REQUESTS = 10_000
CACHES_FULL_AT = 20_000
FLAT_UNTIL = 30_000
MS = 1e6
AT_MOST_AS_LONG = Target("≤", 1.0)


@dataclass(frozen=True, slots=True)
class Extent:
    """How long it is measured; `busy_blocks` for each half of the endurance run and each size."""

    starts: int
    blocks: int
    per_block: int
    streams: int
    busy_blocks: int


FULL = Extent(starts=5, blocks=10, per_block=150, streams=12, busy_blocks=3)
QUICK = Extent(starts=2, blocks=3, per_block=60, streams=6, busy_blocks=1)


@dataclass(frozen=True, slots=True)
class Bench:
    """The folder with programs and requests, the two proxies, the upstream's port, and how long to measure."""

    folder: Path
    theirs: Proxy
    ours: Proxy
    upstream_port: int
    extent: Extent

    def in_turn(self, measure: Callable[[Proxy], Load], blocks: int) -> tuple[list[Load], list[Load]]:
        """The loads of `blocks` blocks, theirs and ours; each block begins with the other one."""
        loads: dict[str, list[Load]] = {self.theirs.name: [], self.ours.name: []}
        for block in range(blocks):
            pair = (self.theirs, self.ours)
            for proxy, other in (pair, pair[::-1])[:: 1 if block % 2 else -1]:
                with stopped(other):
                    loads[proxy.name].append(measure(proxy))
        return loads[self.theirs.name], loads[self.ours.name]

    def load(self, proxy: Proxy | None, request: str, connections: int, requests: int, warm_up: int = 5) -> Load:
        """One run of the generator; straight to the upstream without a proxy."""
        port, ca = (proxy.port, proxy.ca) if proxy else (self.upstream_port, None)
        path = self.folder / request
        return run_load(self.folder, port, path, ca=ca, connections=connections, requests=requests, warm_up=warm_up)


@contextmanager
def stopped(proxy: Proxy) -> Iterator[None]:
    """The proxy gets no processor time meanwhile."""
    os.kill(proxy.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(proxy.process.pid, signal.SIGCONT)


def starts(folder: Path, upstream_port: int, count: int) -> list[Figure]:
    """Start each in turn; the first start makes the CA and is not counted."""
    seconds: dict[str, list[float]] = {}
    for number in range(count + 1):
        for start in (start_mitmdump, start_ringlet):
            with start(folder, upstream_port) as proxy:
                if number:
                    seconds.setdefault(proxy.name, []).append(proxy.started_s)
    theirs, ours = (tuple(seconds[name]) for name in ("mitmdump", "ringlet-mitm"))
    return [Figure("start until it listens", "s", theirs, ours, Target("≤", 1.5, absolute=True))]


def latencies(bench: Bench) -> list[Figure]:
    """One connection, one request after the other."""
    found: list[Figure] = []
    for size in SIZES_KB:
        theirs, ours = bench.in_turn(
            lambda proxy, size=size: bench.load(proxy, f"{size}", 1, bench.extent.per_block), bench.extent.blocks
        )
        for share, target in ((0.5, AT_MOST_AS_LONG), (0.99, None)):
            values = [tuple(quantile(load.whole_ns, share) / MS for load in loads) for loads in (theirs, ours)]
            found.append(Figure(f"p{share * 100:.0f}, {size} KB body", "ms", *values, target))
    return found


def streams(bench: Bench) -> list[Figure]:
    """Two agents read streams; what the upstream itself takes is taken off."""

    def measure(proxy: Proxy | None) -> Load:
        return bench.load(proxy, "stream", 2, bench.extent.streams, warm_up=1)

    direct = measure(None)
    theirs, ours = bench.in_turn(measure, max(2, bench.extent.blocks // 2))
    first = [_added(loads, direct, lambda load: quantile(load.first_ns, 0.5)) for loads in (theirs, ours)]
    found = [Figure("added time to the first byte of a stream (50 KB body)", "ms", *first)]
    for share in (0.5, 0.99):
        delay = [
            _added(loads, direct, lambda load, share=share: quantile(load.delay_ns, share)) for loads in (theirs, ours)
        ]
        found.append(Figure(f"added delay of a stream's chunk, p{share * 100:.0f}", "ms", *delay))
    setup = [tuple(statistics.median(load.setup_ns) / MS for load in loads) for loads in (theirs, ours)]
    return [*found, Figure("new connection (CONNECT and TLS)", "ms", *setup)]


def _added(loads: Sequence[Load], direct: Load, of: Callable[[Load], float]) -> tuple[float, ...]:
    return tuple((of(load) - of(direct)) / MS for load in loads)


def endurance(bench: Bench) -> list[Figure]:
    """10,000 requests over 16 connections, small and middling bodies; memory is read on the way."""
    proxies = (bench.theirs, bench.ours)
    memory: dict[str, list[float]] = {proxy.name: [] for proxy in proxies}
    rates: dict[int, list[list[float]]] = {size: [[], []] for size in BUSY_SIZES_KB}
    blocks = bench.extent.busy_blocks
    per_block = ENDURANCE_REQUESTS // (2 * len(rates) * blocks)
    cpu_before = [proxy.cpu_s() for proxy in proxies]

    def measure(proxy: Proxy, size: int) -> Load:
        load = bench.load(proxy, f"{size}", 16, per_block, warm_up=0)
        proxy.settle()
        memory[proxy.name].append(proxy.rss_mb())
        return load

    for _half in range(2):
        for size, found in rates.items():
            pair = bench.in_turn(lambda proxy, size=size: measure(proxy, size), blocks)
            for side, loads in enumerate(pair):
                found[side] += [load.per_second for load in loads]
    cpu = [
        ((proxy.cpu_s() - before) / ENDURANCE_REQUESTS * 1000,)
        for proxy, before in zip(proxies, cpu_before, strict=True)
    ]
    after = [(memory[proxy.name][-1],) for proxy in proxies]
    with stopped(bench.theirs):
        for _ in range((FLAT_UNTIL - ENDURANCE_REQUESTS) // per_block):
            measure(bench.ours, BUSY_SIZES_KB[-1])
    later = memory[bench.ours.name]
    grown = later[-1] - later[-1 - (FLAT_UNTIL - CACHES_FULL_AT) // per_block]
    return [
        *(
            Figure(f"requests/s, 16 connections, {size} KB", "", *(tuple(side) for side in pair), Target("≥", 1.3))
            for size, pair in rates.items()
        ),
        Figure("processor time per request, recording included", "ms", *cpu),
        Figure("memory after 10,000 requests", "MB", *after, Target("≤", 150, absolute=True)),
        Figure("grown from request 20,000 to 30,000", "MB", (), (grown,), Target("≤", 2, absolute=True)),
    ]


def measure_all(folder: Path, extent: Extent) -> list[Figure]:
    """Everything, in the order of the table."""
    compile_programs(folder)
    for size in SIZES_KB:
        (folder / f"{size}").write_bytes(raw_request(size))
    (folder / "stream").write_bytes(raw_request(50, stream=True))
    found: list[Figure] = []
    with ExitStack() as running:
        upstream = running.enter_context(Upstream(folder, STREAM_EVENTS, SPACING_US))
        say("starts")
        start_up = starts(folder, upstream.port, extent.starts)
        mitmdump = running.enter_context(start_mitmdump(folder, upstream.port))
        streaming = running.enter_context(start_mitmdump(folder, upstream.port, streaming=True))
        ringlet = running.enter_context(start_ringlet(folder, upstream.port))
        asked = [probe(proxy.port, proxy.ca, raw_request(2)) for proxy in (mitmdump, ringlet)]
        if asked[1] != ROUTED_MODEL or asked[0] == ROUTED_MODEL:
            sys.exit(f"bench: the requests are not routed as they should be; the models asked for were {asked}")
        with stopped(streaming):
            plain = Bench(folder, mitmdump, ringlet, upstream.port, extent)
            for measure in (endurance, latencies):
                say(measure.__name__)
                found = [*measure(plain), *found]
        with stopped(mitmdump):
            say("streams")
            found += streams(Bench(folder, streaming, ringlet, upstream.port, extent))
        ringlet.settle()
    check_recorded(folder)
    say("decisions")
    found += [*start_up, *decision_figures(extent.blocks), *translation_figures(extent.blocks)]
    say("a backtest")
    found += replay_figures(folder, extent.starts)
    say("a million rows")
    return [*found, *report_figures(folder, extent.starts)]


def say(what: str) -> None:
    """Where it is, on stderr; the table alone goes to stdout."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


def machine() -> str:
    """What the figures hold for."""
    load = os.getloadavg()[0]
    return (
        f"Python {platform.python_version()}, mitmproxy {version('mitmproxy')}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}; load before: {load:.1f}"
    )


def main() -> int:
    """Measure, print, and tell by the exit code whether all targets are met."""
    parser = argparse.ArgumentParser(description="Measure ringlet-mitm beside plain mitmdump.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter blocks")
    extent = QUICK if parser.parse_args().quick else FULL
    about = machine()
    with tempfile.TemporaryDirectory(prefix="ringlet-bench-") as folder:
        found = measure_all(Path(folder), extent)
    print(f"{markdown(found)}\n\n{about}. Medians; ratios are medians of {extent.blocks} blocks measured in turn.")
    return 1 if any(figure.met is False for figure in found) else 0


if __name__ == "__main__":
    sys.exit(main())
