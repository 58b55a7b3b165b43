"""What a real proxy writes down while it works, and what status line and live view make of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from clients import StartProxy, client, messages_body, post_messages

from ringlet_mitm.addons.usage.snapshot import Snapshot, all_of
from ringlet_mitm.cli.demo.faults import ok, silent
from ringlet_mitm.cli.demo.faulty import FaultyVendor
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of

ANTHROPIC = "api.anthropic.com"
# So that nobody waits for a proxy that has just started to have more time.
AT_ONCE = {"ringlet_mitm.addons.snapshots.FIRST_S": 0.0, "ringlet_mitm.addons.snapshots.PERIOD_S": 0.1}
SESSION = {"x-claude-code-session-id": "11111111-2222"}


@pytest.fixture
def faulty() -> Iterator[FaultyVendor]:
    with FaultyVendor({ANTHROPIC: "http/1.1"}) as vendor:
        yield vendor


def snapshots(proxy: RunningProxy) -> list[Snapshot]:
    return all_of(home_of({"RINGLET_HOME": str(proxy.home)}).snapshots_dir)


def until(proxy: RunningProxy, seen: Callable[[Snapshot], bool]) -> Snapshot:
    """The first of its snapshots of which that is true."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for found in snapshots(proxy):
            if found.pid == proxy.pid and seen(found):
                return found
        time.sleep(0.05)
    raise AssertionError(snapshots(proxy))


def line(proxy: RunningProxy, template: str) -> str:
    return proxy.run("usage", "statusline", "--format", template, "--color", "none").strip()


def test_while_it_works_and_afterwards(start_proxy: StartProxy, faulty: FaultyVendor) -> None:
    faulty.script(ANTHROPIC, ok(), ok(), silent(4))  # with words in it: what comes before may be held back
    proxy = start_proxy("", vendor=cast(Vendor, faulty), constants=AT_ONCE)
    with client(proxy) as http:
        for _ in range(2):
            assert post_messages(http, messages_body(), user_agent="claude-cli/2.1", **SESSION).status_code == 200
        found = until(proxy, lambda one: one.today.requests == 2 and one.complete)
        assert (found.address, found.running) == (proxy.url.removeprefix("http://"), True)
        (session,) = found.sessions
        assert (session.session, session.agent, session.sums.requests) == (
            SESSION["x-claude-code-session-id"],
            "claude",
            2,
        )
        assert session.context > 0
        assert line(proxy, "{today_requests}|{session_requests}|{proxy}") == "2 · 2"
        with http.stream(
            "POST",
            "https://api.anthropic.com/v1/messages",
            content=messages_body(stream=True),
            headers={
                "content-type": "application/json",
                "anthropic-version": "2023-06-01",
                "x-api-key": "k",
                **SESSION,
            },
        ) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            found = until(proxy, lambda one: bool(one.streams) and one.streams[0].bytes > 0)
            (stream,) = found.streams
            assert (stream.phase, stream.provider, stream.rule) == ("streaming", "anthropic", found.sessions[0].rule)
            assert "streaming" in proxy.run("usage", "live", "--once")
    until(proxy, lambda one: not one.streams)
    proxy.stop()
    (last,) = snapshots(proxy)
    assert (last.running, last.streams, last.today.requests) == (False, [], 3)
    assert line(proxy, "{today_requests}|{proxy}") == "3 · ringlet-mitm is not running"


def test_the_next_one_counts_what_was_before(start_proxy: StartProxy, vendor: Vendor) -> None:
    for requests in (1, 2):
        proxy = start_proxy("", constants=AT_ONCE)
        with client(proxy) as http:
            post_messages(http, messages_body(), **SESSION)
        found = until(proxy, lambda one, wanted=requests: one.complete and one.today.requests == wanted)
        assert (found.since_start.requests, found.sessions[0].sums.requests) == (1, requests)
        proxy.kill()
    # What the first one left was cleared by the second, which was killed.
    assert [one.running for one in snapshots(proxy)] == [False]
