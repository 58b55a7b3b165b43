from __future__ import annotations

import asyncio
import subprocess
import sys

from mitmproxy import hooks, http
from mitmproxy.options import Options
from mitmproxy.proxy.layers.http import HttpRequestHook
from mitmproxy.test import tflow

from ringlet_mitm.addons.lean import LeanMaster


class Listens:
    def __init__(self) -> None:
        self.heard: list[str] = []

    async def request(self, flow: http.HTTPFlow) -> None:
        self.heard.append(flow.request.path)


class Breaks:
    def request(self, flow: http.HTTPFlow) -> None:
        raise ValueError("broken addon")


class Updates:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def update(self, flows: list[http.HTTPFlow]) -> None:
        self.heard += [flow.request.path for flow in flows]


def trigger(*addons: object) -> None:
    async def main() -> None:
        master = LeanMaster(Options())
        master.addons.add(*addons)
        await master.addons.handle_lifecycle(HttpRequestHook(tflow.tflow()))

    asyncio.run(main())


def test_async_hooks_are_awaited() -> None:
    listener = Listens()
    trigger(listener)
    assert listener.heard == ["/path"]


def test_a_broken_addon_does_not_stop_the_next() -> None:
    listener = Listens()
    trigger(Breaks(), listener)
    assert listener.heard == ["/path"]


def test_listeners_of_update_hear_of_changed_flows() -> None:
    listener = Updates()
    trigger(listener)
    assert listener.heard == ["/path"]


def test_an_addon_added_later_is_heard() -> None:
    async def main() -> list[str]:
        master = LeanMaster(Options())
        await master.addons.trigger_event(HttpRequestHook(tflow.tflow()))
        listener = Listens()
        master.addons.add(listener)
        await master.addons.trigger_event(HttpRequestHook(tflow.tflow()))
        return listener.heard

    assert asyncio.run(main()) == ["/path"]


def test_lifecycle_hooks_reach_mitmproxys_own_addons() -> None:
    async def main() -> bool:
        master = LeanMaster(Options())
        await master.addons.trigger_event(hooks.RunningHook())
        return bool(master.addons.get("proxyserver").is_running)

    assert asyncio.run(main())


def test_a_proxy_starts_without_mitmproxys_other_addons() -> None:
    """Whoever imports anything of mitmproxy's before `lean.py` brings them all in: 15 MB and a fifth of the start."""
    look = (
        "import sys, ringlet_mitm.cli.proxy, ringlet_mitm.addons.master; print('mitmproxy.addons.save' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def at_once(*addons: object) -> bool:
    async def main() -> bool:
        master = LeanMaster(Options())
        master.addons.add(*addons)
        return bool(master.addons.at_once(HttpRequestHook(tflow.tflow())))

    return asyncio.run(main())


class Answers:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def request(self, flow: http.HTTPFlow) -> None:
        self.heard.append(flow.request.path)


def test_listeners_that_nobody_waits_for_are_called_in_place() -> None:
    listener = Answers()
    assert at_once(Breaks(), listener)
    assert listener.heard == ["/path"]


def test_nobody_is_called_in_place_where_one_is_waited_for() -> None:
    listener = Answers()
    assert not at_once(listener, Listens())
    assert not at_once(listener, Updates())
    assert listener.heard == []


def test_options_that_can_be_changed_in_place_are_copies() -> None:
    async def main() -> tuple[list[str], list[str], str]:
        options = LeanMaster(Options(allow_hosts=["a"], http2=False)).options
        options.allow_hosts.append("b")
        return options.allow_hosts, options.ignore_hosts, str(options.http2)

    assert asyncio.run(main()) == (["a"], [], "False")
