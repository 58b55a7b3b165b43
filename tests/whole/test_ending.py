"""A proxy that is told to end while it streams."""

from __future__ import annotations

import os
import signal
import time

import httpx
import pytest
from clients import AGENT_KEY, StartProxy, client, messages_body, rows

from ringlet_mitm.cli.demo.upstream import Vendor

URL = "https://api.anthropic.com/v1/messages"


def until_closed(url: str) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            httpx.get(f"{url}/health", trust_env=False)
        except httpx.ConnectError:
            return
        except httpx.TransportError:  # it had come through the door just before
            continue
    raise AssertionError(f"{url} still takes connections")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["a supervisor", "Ctrl-C"])
def test_what_streams_may_end(start_proxy: StartProxy, number: int) -> None:
    with Vendor(delay_ms=40) as slow:
        proxy = start_proxy("", vendor=slow)
        with (
            client(proxy) as http,
            http.stream("POST", URL, content=messages_body(stream=True), headers={"x-api-key": AGENT_KEY}) as answer,
        ):
            pieces = answer.iter_bytes()
            first = next(pieces)
            os.kill(proxy.pid, number)
            until_closed(proxy.url)
            assert b"message_stop" in first + b"".join(pieces)
        assert proxy._process.wait(20) == 0
        assert [(row["error_class"], row["status"]) for row in rows(proxy)] == [("", 200)]
        assert any("1 request in flight; " in line for line in proxy.said)


def test_what_is_cut_off_says_so(start_proxy: StartProxy) -> None:
    with Vendor(delay_ms=2000) as slow:
        proxy = start_proxy("", vendor=slow)
        with (
            client(proxy) as http,
            http.stream("POST", URL, content=messages_body(stream=True), headers={"x-api-key": AGENT_KEY}) as answer,
        ):
            pieces = answer.iter_bytes()  # kept: httpx hangs up where nobody does
            next(pieces)
            begun = time.monotonic()
            os.kill(proxy.pid, signal.SIGINT)
            until_closed(proxy.url)
            os.kill(proxy.pid, signal.SIGINT)
            assert proxy._process.wait(20) == 0
            assert time.monotonic() - begun < 10
        assert [(row["error_class"], row["status"]) for row in rows(proxy)] == [("proxy-stopped", 200)]
        assert proxy.said[-1].endswith("1 request cut off")
