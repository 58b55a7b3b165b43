"""What mitmproxy decrypts under the guard, and what the guard refuses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator

import pytest
from mitmproxy import connection, http
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.options import Options
from mitmproxy.proxy import events, layer, layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.tls import parse_client_hello
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons, tflow
from mitmproxy.tls import ClientHelloData

from ringlet_mitm.addons.guard import Guard
from ringlet_mitm.addons.inward import BOUND, Bound
from ringlet_mitm.addons.lean import LeanMaster
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.interception import HostPolicy

OWN_PORT = 8484
SPEAKS_FIRST = b"\x00\x01 not TLS and not HTTP"

Tunnelled = Callable[[str, bytes], bool]


def client_hello(server_name: str | None) -> bytes:
    """The first bytes of a TLS connection."""
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    secure = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        secure.do_handshake()
    return outgoing.read()


def guarded(*extra: str) -> Iterator[Tunnelled]:
    """Whether mitmproxy leaves a CONNECT tunnel alone, by its target and the first bytes in it."""
    next_layer = NextLayer()
    with taddons.context(next_layer, Guard(HostPolicy.of(presets(), extra))) as context:

        def tunnelled(target: str, first: bytes) -> bool:
            host, _, port = target.rpartition(":")
            mode = ProxyMode.parse("regular")
            client = connection.Client(
                peername=("127.0.0.1", 50_000), sockname=("127.0.0.1", OWN_PORT), timestamp_start=0, proxy_mode=mode
            )
            inside = Context(client, context.options)
            inside.server.address = (host, int(port))
            inside.layers = [layers.modes.HttpProxy(inside), layers.HttpLayer(inside, layers.http.HTTPMode.regular)]
            inside.layers.append(layers.http.HttpStream(inside, 1))
            question = layer.NextLayer(inside)
            question.events.append(events.DataReceived(client, first))
            next_layer.next_layer(question)
            return isinstance(question.layer, layers.TCPLayer) and question.layer.flow is None

        yield tunnelled


@pytest.fixture
def tunnelled() -> Iterator[Tunnelled]:
    yield from guarded("*.corp.example")


CONNECTS: dict[str, tuple[str, str | None, bool]] = {
    "an agent's host": ("api.anthropic.com:443", "api.anthropic.com", False),
    "on another port": ("api.anthropic.com:8443", "api.anthropic.com", False),
    "in capitals": ("API.ANTHROPIC.COM:443", "API.ANTHROPIC.COM", False),
    "with a dot at its end": ("api.anthropic.com.:443", None, False),
    "without a server name": ("api.openai.com:443", None, False),
    "a profile's wildcard": ("a.b.corp.example:443", "a.b.corp.example", False),
    "an address, the server name says which": ("203.0.113.7:443", "api.anthropic.com", False),
    "another host": ("example.com:443", "example.com", True),
    "another host without a server name": ("example.com:443", None, True),
    "a longer name": ("api.anthropic.com.evil.com:443", "api.anthropic.com.evil.com", True),
    "a name with it at its end": ("evil-api.anthropic.com:443", "evil-api.anthropic.com", True),
    "any character for its dot": ("apiXanthropic.com:443", "apiXanthropic.com", True),
    "the wildcard's own name": ("corp.example:443", "corp.example", True),
    "a name that ends like the wildcard": ("notcorp.example:443", "notcorp.example", True),
}


@pytest.mark.parametrize(("target", "server_name", "left_alone"), CONNECTS.values(), ids=CONNECTS)
def test_only_agents_hosts_are_decrypted(
    tunnelled: Tunnelled, target: str, server_name: str | None, left_alone: bool
) -> None:
    assert tunnelled(target, client_hello(server_name)) is left_alone


def test_what_is_no_tls_is_tunnelled_as_well(tunnelled: Tunnelled) -> None:
    assert tunnelled("example.com:22", SPEAKS_FIRST)


def test_with_no_hosts_nothing_is_decrypted() -> None:
    with taddons.context(next_layer := NextLayer(), Guard(HostPolicy.of(()))) as context:
        assert context.options.allow_hosts
        assert not any(pattern.search("example.com:443") for pattern in next_layer.allow_hosts)


def test_it_is_said_before_the_port_opens() -> None:
    """A connection that comes while other addons start up must not be decrypted."""

    async def main() -> list[str]:
        master = LeanMaster(Options())
        master.addons.add(Guard(HostPolicy.of((), ["api.example.com"])))
        return list(master.options.allow_hosts)

    assert asyncio.run(main()) == [r"^api\.example\.com\.?:\d+\Z"]


def flow_to(host: str, port: int, *, tls: bool = False) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.request.host, flow.request.port = host, port
    flow.client_conn.sockname = ("127.0.0.1", OWN_PORT)
    flow.client_conn.tls = tls
    return flow


LOOPBACK = [
    "localhost",
    "LOCALHOST",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "::1",
    "::ffff:127.0.0.1",
    "0.0.0.0",
]


@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("port", [22, OWN_PORT])
def test_connects_to_loopback_are_refused(host: str, port: int) -> None:
    flow = flow_to(host, port)
    Guard(HostPolicy.of(())).http_connect(flow)
    assert flow.response is not None
    assert (flow.response.status_code, "does not forward" in flow.response.text) == (403, True)


@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "over TLS to the proxy"])
def test_requests_to_loopback_are_refused(host: str, tls: bool) -> None:
    flow = flow_to(host, 22, tls=tls)
    Guard(HostPolicy.of(())).requestheaders(flow)
    assert flow.response is not None
    assert flow.response.status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_the_proxy_itself_may_be_asked(host: str) -> None:
    flow = flow_to(host, OWN_PORT)
    Guard(HostPolicy.of(())).requestheaders(flow)
    assert flow.response is None


@pytest.mark.parametrize("host", ["example.com", "api.anthropic.com", "203.0.113.7", "10.0.0.1"])
def test_other_hosts_are_not_refused(host: str) -> None:
    guard = Guard(HostPolicy.of(presets()))
    connect, plain = flow_to(host, 443), flow_to(host, 80)
    guard.http_connect(connect)
    guard.requestheaders(plain)
    assert (connect.response, plain.response) == (None, None)


def test_a_loopback_host_that_a_profile_names_may_be_reached() -> None:
    flow = flow_to("127.0.0.1", 9000)
    Guard(HostPolicy.of((), ["127.0.0.1"])).http_connect(flow)
    assert flow.response is None


NAMED: dict[str, tuple[str, str | None, bool]] = {
    "an agent's host": ("api.anthropic.com", "api.anthropic.com", False),
    "without a server name": ("api.anthropic.com", None, False),
    "in capitals": ("API.Anthropic.com.", "API.ANTHROPIC.COM", False),
    "two agents' hosts": ("api.anthropic.com", "api.openai.com", False),
    "an address, the server name says which": ("203.0.113.7", "api.anthropic.com", False),
    "an IPv6 address as well": ("2001:db8::7", "api.anthropic.com", False),
    "an address with another's name": ("203.0.113.7", "example.com", True),
    "another host with an agent's server name": ("example.com", "api.anthropic.com", True),
    "an agent's host with another's server name": ("api.anthropic.com", "example.com", True),
}


@pytest.mark.parametrize(("host", "server_name", "left_alone"), NAMED.values(), ids=NAMED)
def test_a_borrowed_server_name_decrypts_nothing(host: str, server_name: str | None, left_alone: bool) -> None:
    hello = parse_client_hello(client_hello(server_name))
    assert hello is not None
    context = Context(tflow.tclient_conn(), Options())
    context.server.address = (host, 443)
    data = ClientHelloData(context, hello)
    Guard(HostPolicy.of(presets())).tls_clienthello(data)
    assert data.ignore_connection is left_alone


def test_tls_to_the_proxy_itself_is_taken() -> None:
    hello = parse_client_hello(client_hello("proxy.example"))
    assert hello is not None
    data = ClientHelloData(Context(tflow.tclient_conn(), Options()), hello)
    Guard(HostPolicy.of(presets())).tls_clienthello(data)
    assert not data.ignore_connection


def test_a_loopback_host_with_a_port_is_reached_there_alone() -> None:
    guard = Guard(HostPolicy.of((), ["127.0.0.1:9000"]))
    named, other = flow_to("127.0.0.1", 9000), flow_to("127.0.0.1", 9001)
    guard.http_connect(named)
    guard.http_connect(other)
    assert (named.response is None, other.response is None) == (True, False)


@pytest.mark.parametrize("hook", ["http_connect", "requestheaders"])
def test_our_own_ports_are_refused_even_where_a_profile_names_loopback(hook: str) -> None:
    guard = Guard(HostPolicy.of((), ["127.0.0.1"]))
    with taddons.context() as context:
        context.options.add_option("web_port", int, 8485, "")
        context.master.addons.add(guard)
        web, dev = flow_to("127.0.0.1", 8485), flow_to("127.0.0.1", 9000)
        getattr(guard, hook)(web)
        getattr(guard, hook)(dev)
    assert (web.response is None, dev.response is None) == (False, True)


def test_what_lets_a_client_in_is_not_forwarded() -> None:
    flow = flow_to("example.com", 80)
    flow.request.headers["Proxy-Authorization"] = "Basic dTpw"
    Guard(HostPolicy.of(())).requestheaders(flow)
    assert "proxy-authorization" not in flow.request.headers


BOUNDS: dict[str, tuple[str, bool]] = {
    "as the client asked": ("rebound.example", True),
    "as a rule leads it": ("ollama.example", False),
    "to an agent's host": ("api.anthropic.com", False),
}


@pytest.mark.parametrize(("host", "outward"), BOUNDS.values(), ids=BOUNDS)
def test_where_a_connection_must_not_lead(host: str, outward: bool) -> None:
    guard = Guard(HostPolicy.of(presets()))
    asked = [flow_to(name, 443) for name in ("rebound.example", "api.anthropic.com")]
    for flow in asked:
        flow.client_conn = asked[0].client_conn
        guard.requestheaders(flow)
    flow.server_conn.address = (host, 443)
    guard.server_connect(ServerConnectionHookData(flow.server_conn, flow.client_conn))
    assert BOUND.get() == Bound(frozenset({OWN_PORT}), outward)
