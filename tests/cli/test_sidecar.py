"""The proxy beside an agent, with proxies that others have started."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from clients import StartProxy, client, messages_body, post_messages

from ringlet_mitm.addons.leases import Leases
from ringlet_mitm.addons.usage.snapshot import Sums
from ringlet_mitm.cli import background
from ringlet_mitm.cli.background import Launch
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.run import spent_line
from ringlet_mitm.cli.sidecar import Sidecar, Spent
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile

WORK = Profile(name="work", port=1)


class Ear(list[str]):
    """What was said, and a way to wait for it."""

    def __init__(self) -> None:
        self.heard = threading.Event()

    def __call__(self, text: str) -> None:
        self.append(text)
        self.heard.set()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def sidecar(home: Home, ear: Ear) -> Iterator[Sidecar]:
    yield Sidecar(home, "work", "claude", Launch(0), os.environ, ear)
    assert list(home.leases_dir.glob("work/*.lease")) == []


def there(home: Home, proxy: RunningProxy) -> None:
    """Its snapshot is written."""
    end = time.monotonic() + 20
    while not any(one.pid == proxy.pid for one in background.proxies(home, "work")):
        assert time.monotonic() < end
        time.sleep(0.02)


def ask(proxy: RunningProxy) -> None:
    with client(proxy) as http:
        assert post_messages(http, messages_body()).status_code == 200


def test_a_persons_own_proxy_stays(home: Home, sidecar: Sidecar, start_proxy: StartProxy) -> None:
    proxy = start_proxy("")
    there(home, proxy)
    ask(proxy)
    assert sidecar.attach().pid == proxy.pid
    ask(proxy)
    spent = sidecar.detach()
    assert (spent.sums.requests, spent.shared, spent.whole) == (1, False, True)
    assert spent.sums.usd > 0
    assert background.running(home, WORK) is not None


def test_a_borrowed_one_ends(home: Home, sidecar: Sidecar, start_proxy: StartProxy, ear: Ear) -> None:
    with Leases(home, "work").locked():
        proxy = start_proxy("", options=("--while-used",))
        there(home, proxy)
    other = Sidecar(home, "work", "codex", Launch(0), os.environ, ear)
    assert sidecar.attach() == other.attach()
    ask(proxy)
    assert sidecar.detach().shared
    assert background.running(home, WORK) is not None
    spent = other.detach()
    assert (spent.sums.requests, spent.shared) == (1, True)
    assert background.running(home, WORK) is None
    assert ear == []


def test_one_that_was_stopped_is_not_started_again(
    home: Home, sidecar: Sidecar, start_proxy: StartProxy, ear: Ear
) -> None:
    proxy = start_proxy("")
    there(home, proxy)
    sidecar.attach()
    ask(proxy)
    proxy.stop()
    assert ear.heard.wait(20)
    again = f"ringlet-mitm start --profile work --port {proxy.port}"
    assert ear == [f"the proxy was stopped, and the agent cannot reach its models; start it again:  {again}"]
    second = start_proxy("", port=proxy.port)
    end = time.monotonic() + 20
    while sidecar.proxy.pid != second.pid:
        assert time.monotonic() < end
        time.sleep(0.02)
    ask(second)
    spent = sidecar.detach()
    assert (spent.sums.requests, len(ear)) == (2, 1)


@pytest.mark.parametrize(
    ("spent", "line"),
    [
        (Spent(Sums()), ""),
        (Spent(Sums(requests=1, usd=Decimal("0.5"))), "1 request, $0.50"),
        (Spent(Sums(requests=1200, usd=Decimal(2), failed=3)), "1,200 requests, $2.00, 3 failed"),
        (Spent(Sums(requests=2, usd=Decimal(2), unpriced=1)), "2 requests, ≥$2.00"),
        (Spent(Sums(requests=2, usd=Decimal(2), estimated=1)), "2 requests, ~$2.00"),
        (Spent(Sums(requests=2, unpriced=2)), "2 requests, ?"),
        (Spent(Sums(requests=2, usd=Decimal(2)), True), "2 requests, $2.00 (by all agents of 'work' meanwhile)"),
        (Spent(Sums(requests=2, usd=Decimal(2)), whole=False), "at least 2 requests, $2.00"),
    ],
    ids=["nothing", "one", "failed", "a price is unknown", "estimated", "no price", "shared", "killed"],
)
def test_the_line(spent: Spent, line: str) -> None:
    assert spent_line("work", spent) == line
