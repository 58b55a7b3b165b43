"""WebSockets through a real proxy: what passes, what is told to use HTTP, and what is written down of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from clients import StartProxy, client, rows, trusting
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.home import home_of

URL = "wss://api.openai.com/v1/responses"
AGENT = {"authorization": "Bearer sk-of-the-agent", "user-agent": "codex_exec/0.169.0", "session-id": "s-1"}
AWAY = '[default]\nto = "groq"\n'
ENDS = ("response.completed", "response.failed", "error")
COLUMNS = (
    "agent, session, rule, provider, requested_model, routed_model, answered_model, stream, input_tokens, "
    "output_tokens, usage_source, cost_total, status, error_class, attempts, note, first_byte_us, started_us, ended_us"
)
PATIENCE_S = 30.0


@contextmanager
def socket(proxy: RunningProxy, url: str = URL, **options: Any) -> Iterator[ClientConnection]:
    with connect(
        url, proxy=proxy.url, ssl=trusting(proxy), additional_headers=AGENT, max_size=None, **options
    ) as opened:
        yield opened


def ask(opened: ClientConnection, text: str = "hello", **more: Any) -> dict[str, Any]:
    """A turn; its last event."""
    opened.send(json.dumps({"type": "response.create", "model": "gpt-5", "input": text, **more}))
    for message in opened:
        event: dict[str, Any] = json.loads(message)
        if event["type"] in ENDS:
            return event
    raise AssertionError("the turn did not end")


def until(proxy: RunningProxy, count: int) -> list[dict[str, Any]]:
    """The rows, once there are so many."""
    deadline = time.monotonic() + PATIENCE_S
    while health(proxy)["requests"] < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return rows(proxy, COLUMNS)


def health(proxy: RunningProxy) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{proxy.url}/health", trust_env=False).json()
    return found


def open_sockets(proxy: RunningProxy, wanted: int) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while health(proxy)["open_websockets"] != wanted and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(health(proxy)["open_websockets"] == wanted)


@pytest.fixture
def packing_vendor() -> Iterator[Vendor]:
    with Vendor() as running:
        running.compresses = True
        yield running


def test_each_turn_is_counted_as_a_call_would_be(start_proxy: StartProxy, packing_vendor: Vendor) -> None:
    proxy = start_proxy(
        '[[rule]]\nname = "coding"\nmatch = { agent = "codex" }\nto = "openai"\n', vendor=packing_vendor
    )
    with socket(proxy) as opened:
        assert opened.protocol.extensions, "nothing is packed"
        assert ask(opened, generate=False)["response"]["output"] == []
        first = ask(opened)
        ask(opened, "and more", previous_response_id=first["response"]["id"])
        assert open_sockets(proxy, 1)
        metrics = httpx.get(f"{proxy.url}/metrics", trust_env=False).text
        assert "ringlet_open_websockets 1.0" in metrics
    found = until(proxy, 2)
    assert len(found) == 2
    usage = first["response"]["usage"]
    row = found[0]
    assert (row["agent"], row["session"], row["rule"]) == ("codex", "s-1", "coding → openai")
    assert (row["provider"], row["routed_model"], row["answered_model"]) == ("openai", "gpt-5", "gpt-5")
    assert (row["input_tokens"], row["usage_source"]) == (usage["input_tokens"], "reported")
    assert row["cost_total"] > 0 and row["stream"] is True
    assert (row["status"], row["error_class"], row["attempts"], row["note"]) == (200, "", 1, "")
    assert row["started_us"] <= row["first_byte_us"] <= row["ended_us"]
    assert open_sockets(proxy, 0)
    seen = [one for one in packing_vendor.seen if one.host == "api.openai.com"]
    assert [one.method for one in seen] == ["GET", *["SOCKET"] * 3]
    assert seen[0].headers["authorization"] == AGENT["authorization"]


def test_where_the_route_leads_away_it_is_refused_at_once(start_proxy: StartProxy, vendor: Vendor) -> None:
    proxy, before = start_proxy(AWAY), len(vendor.seen)
    with pytest.raises(InvalidStatus) as refused, socket(proxy):
        pass
    assert refused.value.response.status_code == 426
    assert vendor.seen[before:] == []


def test_whatever_passes_is_passed_on_as_it_is(start_proxy: StartProxy, vendor: Vendor) -> None:
    proxy = start_proxy()
    with socket(proxy) as opened:
        opened.send("{")
        assert json.loads(opened.recv())["error"]["type"] == "invalid_request_error"
        opened.send(b"\x00\xff")
        assert json.loads(opened.recv())["type"] == "error"
        opened.send(json.dumps(["no", "object"]))
        assert json.loads(opened.recv())["type"] == "error"
        assert opened.ping(b"are you there").wait(PATIENCE_S)
        opened.send(iter(['{"type": "response.create", "model":', ' "gpt-5", "input"', ': "in pieces"}']))
        events = [json.loads(opened.recv())["type"]]
        while events[-1] not in ENDS:
            events.append(json.loads(opened.recv())["type"])
    (row,) = until(proxy, 1)
    assert (events[-1], row["status"], row["requested_model"]) == ("response.completed", 200, "gpt-5")
    assert vendor.seen[-1].body == b'{"type": "response.create", "model": "gpt-5", "input": "in pieces"}'


def test_other_websockets_are_none_of_ours(start_proxy: StartProxy) -> None:
    proxy = start_proxy(AWAY)
    with socket(proxy, "wss://api.openai.com/v1/realtime?model=x") as opened:
        for message in ("hello", b"\x00\xff", json.dumps({"type": "response.create"})):
            opened.send(message)
            assert opened.recv() == message
        assert open_sockets(proxy, 1)
    assert (open_sockets(proxy, 0), health(proxy)["requests"]) == (True, 0)


def resident_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_large_messages_and_many_of_them_take_no_memory(start_proxy: StartProxy) -> None:
    proxy = start_proxy(AWAY)
    with socket(proxy, "wss://api.openai.com/v1/realtime", compression=None) as opened:
        opened.send("x")
        opened.recv()
        before = resident_mb(proxy.pid)
        large = os.urandom(1024) * 1024 * 50
        opened.send(large)
        assert opened.recv() == large
        for _ in range(40):
            opened.send(large[: 1024 * 1024])
            opened.recv()
        grown = resident_mb(proxy.pid) - before
    assert grown < 40


def test_a_turn_that_is_too_long_to_be_read_is_counted(start_proxy: StartProxy) -> None:
    proxy = start_proxy()
    with socket(proxy, compression=None) as opened:
        ask(opened, "x" * 34_000_000)
        ask(opened)
    found = until(proxy, 2)
    assert found[0]["note"].startswith("not read: a message of 34,0")
    assert (found[0]["usage_source"], found[0]["routed_model"], found[1]["note"]) == ("reported", "", "")


CUTS = {"the agent goes": "client-gone", "the provider goes": "broken-stream", "the proxy goes": "proxy-stopped"}


@pytest.mark.parametrize("who", CUTS)
def test_a_turn_that_is_cut_in_the_middle_is_a_row(start_proxy: StartProxy, who: str) -> None:
    with Vendor(delay_ms=300) as slow:
        proxy = start_proxy(vendor=slow)
        with suppress(ConnectionClosed), socket(proxy, close_timeout=1) as opened:
            opened.send(json.dumps({"type": "response.create", "model": "gpt-5", "input": "hello"}))
            opened.recv()
            assert health(proxy)["in_flight"] == 1
            if who == "the provider goes":
                slow.close_sockets(1011)
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        opened.recv()
                assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011
            elif who == "the proxy goes":
                proxy.stop()
        found = rows(proxy, COLUMNS) if who == "the proxy goes" else until(proxy, 1)
    assert [(row["error_class"], row["status"], row["requested_model"]) for row in found] == [(CUTS[who], 200, "gpt-5")]


def test_new_rules_close_it_between_two_turns(start_proxy: StartProxy, tmp_path: Path) -> None:
    proxy = start_proxy()
    with socket(proxy) as opened:
        ask(opened)
        home_of({"RINGLET_HOME": str(tmp_path)}).routing_file("work").write_text(AWAY)
        with pytest.raises(ConnectionClosed) as closed:
            opened.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1012, "the routing rules have changed")
    with pytest.raises(InvalidStatus), socket(proxy):
        pass
    assert (open_sockets(proxy, 0), len(until(proxy, 1))) == (True, 1)


def test_turns_count_for_limits_and_http_tells_of_one_that_is_reached(start_proxy: StartProxy) -> None:
    proxy = start_proxy("[limits]\nrequests-per-minute = { refuse = 2 }\n")
    with socket(proxy) as opened:
        for _ in range(3):
            ask(opened)
        with pytest.raises(InvalidStatus) as refused, socket(proxy):
            pass
        assert refused.value.response.status_code == 426
        with client(proxy) as http:
            answer = http.post(URL.replace("wss", "https"), json={"model": "gpt-5", "input": "x"}, headers=AGENT)
        assert answer.status_code == 429 and "limit reached: 3 of 2 requests per minute" in answer.text
        ask(opened)
