from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from ringlet_mitm.addons.addressing import VENDORS, asks_proxy
from ringlet_mitm.rules.providers import registry


def asked(
    host: str, port: int = 8484, *, own: tuple[str, int] | None = ("127.0.0.1", 8484), tls: bool = False
) -> http.HTTPFlow:
    flow = tflow.tflow(req=tutils.treq(host=host, port=port))
    flow.client_conn.sockname = own
    flow.client_conn.tls = tls
    return flow


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "LocalHost", "::1", "[::1]"])
def test_a_loopback_name_with_our_port_is_us(host: str) -> None:
    assert asks_proxy(asked(host))


def test_so_is_the_address_it_came_in_by() -> None:
    assert asks_proxy(asked("192.168.1.5", own=("192.168.1.5", 8484)))


@pytest.mark.parametrize(
    "flow",
    [
        asked("127.0.0.1", 8485),
        asked("api.anthropic.com"),
        asked("127.0.0.1.evil.example"),
        asked("localhost.evil.example"),
        asked("192.168.1.6", own=("192.168.1.5", 8484)),
        asked("127.0.0.1", tls=True),
        asked("127.0.0.1", own=None),
    ],
    ids=[
        "another port",
        "a vendor",
        "rebound",
        "rebound name",
        "another address",
        "inside a tunnel",
        "address unknown",
    ],
)
def test_what_is_not_for_us(flow: http.HTTPFlow) -> None:
    assert not asks_proxy(flow)


def test_every_format_has_a_vendor_that_speaks_it() -> None:
    known = registry({})
    for wire_format in VENDORS:
        spec = known.require(known.by_host(VENDORS[wire_format]))
        assert wire_format in spec.endpoints
