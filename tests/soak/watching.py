"""What is watched, and what is done to the proxy, while agents are served."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak.providers import MORTAL, Providers
from soak.rulebooks import routing

from ringlet_mitm.cli.demo.stage import RunningProxy

SAMPLE_S = 0.5
DOWN_S = (1.0, 3.0)
TICKS = os.sysconf("SC_CLK_TCK")
# Asks for /health ten times a second, from a process that has nothing else to do; says how long it took, in ms.
PINGER = """
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
while True:
    begun = time.perf_counter()
    connection.request("GET", "/health")
    connection.getresponse().read()
    print(round((time.perf_counter() - begun) * 1000, 2), flush=True)
    time.sleep(0.1)
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What /proc says of a process: megabytes, open files, seconds of processor time; and when."""

    at: float
    rss_mb: float
    fds: int
    cpu_s: float


def sample(pid: int) -> Sample:
    """As it is now."""
    status = Path(f"/proc/{pid}/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    fds = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  (a list of Paths for each of hundreds would be made)
    return Sample(time.monotonic(), int(rss.split()[1]) / 1024, fds, (int(fields[11]) + int(fields[12])) / TICKS)


@dataclass(slots=True)
class Watch:
    """What was seen and done. Times are of time.monotonic(); `downs` are a machine's times of death and return."""

    samples: list[Sample] = field(default_factory=list)
    own: list[Sample] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    usage_s: list[float] = field(default_factory=list)
    usage_failures: list[str] = field(default_factory=list)
    written: int = 0
    downs: list[tuple[str, float, float]] = field(default_factory=list)

    async def look(self, proxy: RunningProxy, busy: Callable[[], int]) -> None:
        """Take samples of the proxy and of this process."""
        while True:
            self.samples.append(sample(proxy.pid))
            self.own.append(sample(os.getpid()))
            self.busy.append(busy())
            await asyncio.sleep(SAMPLE_S)

    async def reload(self, file: Path, every_s: float) -> None:
        """Change the rules now and then."""
        while True:
            await asyncio.sleep(every_s)
            self.written += 1
            text = f"# version {self.written}\n{routing(self.written)}"
            await asyncio.to_thread(file.write_text, text)

    async def report(self, proxy: RunningProxy, every_s: float) -> None:
        """Ask for the usage by rule, as a person who watches it does."""
        while True:
            await asyncio.sleep(every_s)
            begun = time.monotonic()
            try:
                await asyncio.to_thread(proxy.run, "usage", "--by-rule")
            except subprocess.CalledProcessError as error:
                self.usage_failures.append(error.stderr.strip() or f"exit code {error.returncode}")
            self.usage_s.append(time.monotonic() - begun)

    async def kill(self, providers: Providers, every_s: float, seed: int) -> None:
        """Have a provider's machine die, and come back a moment later."""
        dice = random.Random(f"{seed} kill")
        while True:
            await asyncio.sleep(every_s * dice.uniform(0.5, 1.5))
            name = dice.choice(MORTAL)
            machine, begun = providers.machines[name], time.monotonic()
            await asyncio.to_thread(machine.down)
            try:
                await asyncio.sleep(dice.uniform(*DOWN_S))
            finally:
                machine.up()  # also where it all ends meanwhile
                self.downs.append((name, begun, time.monotonic()))


@contextmanager
def pinging(port: int) -> Any:
    """Milliseconds that /health took, in a list that is full at the end."""
    found: list[float] = []
    words = [sys.executable, "-c", PINGER, str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield found
        finally:
            process.terminate()
            said, _ = process.communicate()
            with suppress(ValueError):
                found += [float(line) for line in said.splitlines()]


def drift(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the first quarter after warm-up (another quarter), and of the last."""
    quarter = max(1, len(values) // 5)
    return statistics.median(values[quarter : 2 * quarter] or values), statistics.median(values[-quarter:])


def cores(samples: Sequence[Sample]) -> float:
    """How much of a processor it used."""
    first, last = samples[0], samples[-1]
    return (last.cpu_s - first.cpu_s) / max(last.at - first.at, 1e-9)
