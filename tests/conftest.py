"""What tests of the whole are made of: a stand-in vendor, and a proxy of our own in a process."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from clients import KEYS, StartProxy
from forking import ForkedProxy
from hypothesis import HealthCheck, settings

from ringlet_mitm.addons import price_cache
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules import encoder
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

# A shell has what it starts in the background ignore Ctrl-C, and so would all that is started here.
for _number in (signal.SIGINT, signal.SIGQUIT) if sys.platform != "win32" else ():
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number is signal.SIGINT else signal.SIG_DFL)

# Fifteen thousand tests are millions of objects that stay, and looking for garbage among them was a tenth of the time.
gc.disable()

# A third of a second of a core each, for what never changes.
encoder.load_encoder = cache(encoder.load_encoder)
price_cache._made = cache(price_cache._made)

# How fast a busy machine makes examples up says nothing about them.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """What is there now stays."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    gc.enable()


@pytest.fixture(scope="session")
def vendor() -> Iterator[Vendor]:
    """The stand-in vendor; what it has seen is everybody's, so look at the end of it."""
    with Vendor() as running:
        yield running


@pytest.fixture
def start_proxy(tmp_path: Path, vendor: Vendor) -> Iterator[StartProxy]:
    """`start_proxy(rules, options=…)`: the proxy of a profile `work` in a home of its own."""
    yield from _starting(tmp_path, vendor)


@pytest.fixture(scope="module")
def shared_proxy(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> Iterator[StartProxy]:
    """The same for a whole file of tests."""
    yield from _starting(tmp_path_factory.mktemp("home"), vendor)


def _starting(home: Path, vendor: Vendor) -> Iterator[StartProxy]:
    running: list[RunningProxy] = []

    def start(
        rules: str = "",
        *,
        keys: dict[str, str] | None = None,
        providers: dict[str, str] | None = None,
        **options: Any,
    ) -> RunningProxy:
        place = home_of({"RINGLET_HOME": str(home)})
        if not place.profile_file("work").exists():
            save_profile(place, Profile(name="work"))
        place.routing_file("work").write_text(rules)
        for name, text in (providers or {}).items():
            place.providers_dir.mkdir(parents=True, exist_ok=True)
            (place.providers_dir / f"{name}.toml").write_text(text)
        used = options.pop("vendor", vendor)
        proxy = ForkedProxy(home, used, profile="work", keys=KEYS if keys is None else keys, **options)
        running.append(proxy)
        return proxy

    yield start
    # What a proxy does when it is asked to end is for tests that look at it; here it would store rows for nobody.
    for proxy in running:
        proxy.kill()
