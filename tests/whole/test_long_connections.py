"""An agent's one connection over HTTP/2, for a working day, to a provider that speaks HTTP/1.1."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from clients import StartProxy, client
from faulty_runs import KEY, Provider, ask, ledger, rule, said_by

from ringlet_mitm.cli.demo.faults import delay, ok
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor

# mitmproxy itself makes five connections at once to one address.
AT_ONCE = 12
SLOW_MS = 700
CONNECT_MS = 300
# A connection that is not forgotten is 67 KB (measured 2026-11-21).
REQUESTS = 250
GROWN_MB = 6.0
SLOW, QUICK = Provider("slow"), Provider("quick")


@pytest.fixture(scope="module")
def vendor() -> Iterator[FaultyVendor]:
    with FaultyVendor({SLOW.host: "http/1.1", QUICK.host: "http/1.1"}) as running:
        running.script(SLOW.host, delay(SLOW_MS, ok()))
        yield running


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy, vendor: FaultyVendor) -> RunningProxy:
    rules = rule("slow-model", SLOW, timeout_connect_ms=CONNECT_MS, retries=0) + rule("quick-model", QUICK)
    options: dict[str, Any] = {"keys": KEY, "providers": {one.name: one.file for one in (SLOW, QUICK)}}
    return shared_proxy(rules, vendor=cast(Vendor, vendor), **options)


def test_as_many_requests_at_once_as_the_agent_makes(proxy: RunningProxy, vendor: FaultyVendor) -> None:
    with client(proxy, http2=True) as http, ThreadPoolExecutor(AT_ONCE) as threads:
        ask(http, "messages", "quick-model", stream=False)  # it is one connection from then on
        came = list(threads.map(lambda _: ask(http, "messages", "slow-model", stream=True), range(AT_ONCE)))
    assert {(one.verdict.kind, one.verdict.text) for one in came} == {("right", said_by("slow-model", SLOW))}
    heard = vendor.at(SLOW.host)
    assert max(one.at for one in heard) < min(one.ended or 0 for one in heard)
    assert len(ledger(proxy).requests["slow-model"]) == AT_ONCE


def test_what_is_over_is_forgotten(proxy: RunningProxy) -> None:
    def resident_mb() -> float:
        status = Path(f"/proc/{proxy.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux's /proc")
    with client(proxy, http2=True) as http:
        grown = []
        for _ in range(2):  # the first fills what is meant to be kept
            before = resident_mb()
            for _ in range(REQUESTS):
                assert ask(http, "messages", "quick-model", stream=False).verdict.kind == "right"
            grown.append(resident_mb() - before)
    assert grown[1] < GROWN_MB, grown
