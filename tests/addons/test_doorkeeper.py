"""Who is let in where a login is asked for: by request, by tunnel, by page."""

from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.exceptions import AddonHalt
from mitmproxy.test import tflow

from ringlet_mitm.addons.credentials.proxy_login import read_login
from ringlet_mitm.addons.doorkeeper import Doorkeeper

LOGIN = read_login("agents:pw", {})
PORT = 8484


def flow_to(host: str, port: int, **headers: str) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.request.host, flow.request.port = host, port
    flow.client_conn.sockname, flow.client_conn.tls = ("127.0.0.1", PORT), False
    for name, value in headers.items():
        flow.request.headers[name.replace("_", "-")] = value
    return flow


def answered(door: Doorkeeper, flow: http.HTTPFlow, hook: str = "requestheaders") -> int | None:
    """The status that it gives, None where the request goes on; refused ones no other addon sees."""
    try:
        getattr(door, hook)(flow)
    except AddonHalt:
        assert flow.response is not None
        return flow.response.status_code
    assert flow.response is None
    return None


OWN, OTHER = ("127.0.0.1", PORT), ("example.com", 80)
REQUESTS: dict[str, tuple[tuple[str, int], dict[str, str], int | None]] = {
    "without": (OTHER, {}, 407),
    "with it": (OTHER, {"proxy_authorization": LOGIN.header}, None),
    "with that of the site": (OTHER, {"authorization": LOGIN.header}, 407),
    "an own page without": (OWN, {}, 407),
    "an own page with it": (OWN, {"proxy_authorization": LOGIN.header}, None),
    "an own page as a site": (OWN, {"authorization": LOGIN.header}, None),
    "an own page in a browser": (OWN, {"sec_fetch_mode": "navigate"}, 401),
    "another page in a browser": (OTHER, {"sec_fetch_mode": "navigate"}, 407),
}


@pytest.mark.parametrize(("where", "headers", "status"), REQUESTS.values(), ids=REQUESTS)
def test_requests(where: tuple[str, int], headers: dict[str, str], status: int | None) -> None:
    flow = flow_to(*where, **headers)
    assert answered(Doorkeeper(LOGIN), flow) == status
    assert "proxy-authorization" not in flow.request.headers


def test_an_agents_own_key_stays() -> None:
    flow = flow_to(*OWN, proxy_authorization=LOGIN.header, authorization="Bearer sk-own")
    assert answered(Doorkeeper(LOGIN), flow) is None
    assert flow.request.headers["authorization"] == "Bearer sk-own"


def test_a_tunnel_says_it_once() -> None:
    door = Doorkeeper(LOGIN)
    connect = flow_to("api.example.com", 443, proxy_authorization=LOGIN.header)
    assert answered(door, connect, "http_connect") is None
    inner = flow_to("api.example.com", 443)
    inner.client_conn = connect.client_conn
    assert answered(door, inner) is None
    assert answered(door, flow_to("api.example.com", 443)) == 407


def test_a_tunnel_that_was_refused_lets_nothing_in() -> None:
    door = Doorkeeper(LOGIN)
    connect = flow_to("api.example.com", 443)
    assert answered(door, connect, "http_connect") == 407
    inner = flow_to("api.example.com", 443)
    inner.client_conn = connect.client_conn
    assert answered(door, inner) == 407


def test_it_leaves_nothing_in_the_flow() -> None:
    flow = flow_to(*OTHER, proxy_authorization=LOGIN.header)
    Doorkeeper(LOGIN).requestheaders(flow)
    assert LOGIN.header.partition(" ")[2] not in str(flow.get_state())
