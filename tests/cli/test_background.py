"""Proxies in the background: found, started, stopped."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner
from clients import StartProxy, client, messages_body, post_messages
from local_servers import LocalServer

from ringlet_mitm.addons.leases import Leases
from ringlet_mitm.addons.usage.snapshot import Snapshot, file_of, write
from ringlet_mitm.cli import background
from ringlet_mitm.cli.background import Launch, NotStarted, Running
from ringlet_mitm.cli.background_commands import following
from ringlet_mitm.cli.demo import faults
from ringlet_mitm.cli.demo.faults import Step
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.lines import Line
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.cli.main import group
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

WORK = Profile(name="work", port=1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


def until(seen: Callable[[], bool], patience_s: float = 20) -> None:
    end = time.monotonic() + patience_s
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.02)


def found(home: Home, proxy: RunningProxy) -> Running:
    """As soon as it has written its snapshot."""
    until(lambda: background.running(home, WORK) is not None)
    running = background.running(home, WORK)
    assert running is not None
    assert (running.pid, running.port, running.url) == (proxy.pid, proxy.port, proxy.url)
    return running


class TestRunning:
    def test_nobody(self, home: Home) -> None:
        assert background.running(home, WORK) is None

    def test_at_whatever_port(self, home: Home, start_proxy: StartProxy) -> None:
        proxy = start_proxy("")
        running = found(home, proxy)
        assert background.is_alive(running)
        assert background.running(home, Profile(name="play")) is None
        proxy.kill()
        assert background.running(home, WORK) is None

    def test_the_profiles_own_port_before_others(self, home: Home, start_proxy: StartProxy) -> None:
        first = start_proxy("")
        found(home, first)
        second = start_proxy("")
        until(lambda: len(background.proxies(home, "work")) == 2)
        assert [one.pid for one in background.proxies(home, "work")] == [second.pid, first.pid]
        for proxy in (first, second):
            running = background.running(home, Profile(name="work", port=proxy.port))
            assert running is not None and running.pid == proxy.pid

    @pytest.mark.parametrize(
        ("profile", "pid"),
        [("other", os.getpid()), ("work", 1), ("work", None)],
        ids=["another profile", "another process", "no proxy of ours"],
    )
    def test_what_a_file_says_is_asked_for(self, home: Home, profile: str, pid: int | None) -> None:
        said = {"status": "ok", "profile": profile, "rules": [], **({"pid": pid} if pid else {})}
        with LocalServer({"/health": said}) as server:
            address = f"127.0.0.1:{server.port}"
            snapshot = Snapshot(
                profile="work",
                pid=os.getpid(),
                address=address,
                started_us=1,
                written_us=1,
                day_us=0,
                day_ends_us=1,
            )
            write(file_of(home.snapshots_dir, "work", os.getpid()), snapshot)
            assert background.running(home, WORK) is None


def held_until(told: threading.Event) -> Step:
    """The right answer, when the test says so."""

    async def play(line: Line) -> None:
        await asyncio.to_thread(told.wait, 20)
        await faults.ok().play(line)

    return Step("held", play)


class TestStop:
    @pytest.mark.parametrize("login", ["", "agents:hidden-word"], ids=["asked", "not known to who stops it"])
    def test_it_waits_for_what_is_under_way(self, home: Home, start_proxy: StartProxy, login: str) -> None:
        goes_on, waited = threading.Event(), threading.Event()
        with FaultyVendor({"api.anthropic.com": "http/1.1"}) as vendor, ThreadPoolExecutor(2) as others:
            vendor.script("api.anthropic.com", held_until(goes_on))
            options = ("--proxyauth", login) if login else ()
            proxy = start_proxy("", vendor=cast(Vendor, vendor), options=options)
            running = found(home, proxy)
            with client(proxy, login=login) as http:
                asked = others.submit(post_messages, http, messages_body())
                until(lambda: background.in_flight(running) == 1)
                stopped = others.submit(background.stop, running, waiting=lambda count: waited.set())
                assert waited.wait(20)
                assert not stopped.done()
                goes_on.set()
                assert asked.result().status_code == 200
            assert stopped.result() == 0
        assert proxy.stop() == 0

    def test_but_not_for_ever(self, home: Home, start_proxy: StartProxy) -> None:
        goes_on = threading.Event()
        with FaultyVendor({"api.anthropic.com": "http/1.1"}) as vendor, ThreadPoolExecutor(1) as others:
            vendor.script("api.anthropic.com", held_until(goes_on))
            proxy = start_proxy("", vendor=cast(Vendor, vendor))
            running = found(home, proxy)
            with client(proxy) as http:
                others.submit(post_messages, http, messages_body())
                until(lambda: background.in_flight(running) == 1)
                assert background.stop(running, drain_s=0.05) == 1
                goes_on.set()
        assert not background.is_alive(running) or proxy.stop() == 0


class TestWhileUsed:
    def test_it_ends_behind_the_last_lease(self, home: Home, start_proxy: StartProxy) -> None:
        leases = Leases(home, "work")
        with leases.locked():
            lease = leases.take("claude")
            proxy = start_proxy("", options=("--while-used",))
        running = found(home, proxy)
        assert leases.is_borrowed(running.pid)
        lease.close()  # as by kill -9
        until(lambda: background.running(home, WORK) is None)
        assert proxy.stop() == 0

    def test_unless_a_person_wants_it_to_stay(self, home: Home, start_proxy: StartProxy) -> None:
        proxy = start_proxy("", options=("--while-used",))
        running = found(home, proxy)
        assert background.start(home, WORK) == (running, False)
        assert not Leases(home, "work").is_borrowed(running.pid)


def run(home: Home, *words: str) -> tuple[int, str]:
    done = CliRunner(env={"RINGLET_HOME": str(home.config)}).invoke(group, words)
    return done.exit_code, done.output


class TestCommands:
    def test_start_logs_stop(self, home: Home, tmp_path: Path) -> None:
        """The one that starts a proxy as a person does."""
        code, said = run(home, "start", "--profile", "work", "--port", "0")
        try:
            proxy = background.running(home, Profile(name="work", port=0))
            assert code == 0 and proxy is not None
            assert f"the proxy of 'work' runs at {proxy.url}, process {proxy.pid}\n" in said
            assert f'eval "$(ringlet-mitm env --profile work --port {proxy.port})"' in said
            assert os.getsid(proxy.pid) == proxy.pid != os.getsid(0)
            assert run(home, "start")[1].startswith(f"the proxy of 'work' runs at {proxy.url} already,")
            code, said = run(home, "start", "--port", "1")
            assert code != 0
            code, said = run(home, "logs")
            assert (code, said.splitlines()[-1]) == (0, f"listening on {proxy.url}")
            assert run(home, "logs", "-n", "0") == (0, "")
            (log,) = home.log_dir.iterdir()
            assert stat.S_IMODE(log.stat().st_mode) == 0o600
            code, said = run(home, "status")
            assert (code, said.splitlines()[0].startswith(f"work is running at {proxy.url}")) == (0, True)
        finally:
            code, said = run(home, "stop")
        assert (code, said) == (0, f"stopped the proxy of 'work' at {proxy.url}, process {proxy.pid}\n")
        assert run(home, "stop") == (1, "no proxy runs\n")

    def test_one_that_does_not_come_up(self, home: Home) -> None:
        save_profile(home, WORK)
        home.routing_file("work").write_text("[[rule]]\nto = 7\n")
        with pytest.raises(NotStarted, match=r"the proxy of 'work' did not start: .*routing\.toml:1: rule.match"):
            background.start(home, WORK, Launch(port=0))

    def test_nothing_to_show(self, home: Home) -> None:
        save_profile(home, WORK)
        code, said = run(home, "logs")
        assert code == 1
        assert "no proxy of 'work' has run in the background" in said


def test_a_log_is_followed_when_it_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "work.log"
    path.write_text("before\n")
    pieces = following(path, period_s=0.001)
    threading.Timer(0.05, lambda: path.open("a").write("one\ntw")).start()
    assert next(pieces) == "one\n"
    threading.Timer(0.05, lambda: path.open("a").write("o\n")).start()
    assert next(pieces) == "two\n"
    threading.Timer(0.05, lambda: path.write_text("new\n")).start()
    assert next(pieces) == "new\n"
