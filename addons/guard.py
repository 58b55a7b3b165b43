"""What may pass and what is looked into.

Only hosts that agents send to are decrypted, and nobody reaches this machine through us, least of all ourselves: a name
of the world that leads to our own address (a web page's own, rebound to 127.0.0.1; this machine's) would be forwarded
to us, and by us to us again, until there are no file descriptors left.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from weakref import WeakKeyDictionary

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.tls import ClientHelloData

from ringlet_mitm.addons import inward
from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.rules.interception import HostPolicy, HostVerdict, is_address, is_loopback

# mitmproxy takes an empty list for "decrypt all".
NO_HOST = r"(?!)"

Address = tuple[str, int]


class Guard:
    """Refuses CONNECTs and plain requests to loopback, and tells mitmproxy which hosts to leave encrypted.

    mitmproxy before 11.1.2 lets proxy clients reach mitmweb's own interface through the proxy; this closes it on every
    version. It takes a client's server name (SNI) for the host where a client connects to a mere address.
    """

    def __init__(self, policy: HostPolicy) -> None:
        self._policy = policy
        self._asked: MutableMapping[Client, set[Address]] = WeakKeyDictionary()
        self._web: frozenset[int] = frozenset()

    def load(self, loader: Loader) -> None:
        """What no pattern matches is tunnelled as bytes; said before the port opens, so of every connection."""
        patterns = [rf"^{pattern}:\d+\Z" for pattern in self._policy.patterns()]
        ctx.options.update(allow_hosts=patterns or [NO_HOST])
        self.configure(set())
        with suppress(RuntimeError):  # no loop, so no connections either
            # Before detours are installed, which lead to loopback because a person says so.
            inward.install(asyncio.get_running_loop())

    def configure(self, updated: set[str]) -> None:
        """Where mitmweb listens, if this is one."""
        self._web = frozenset({ctx.options.web_port} if "web_port" in ctx.options else ())

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Answer 403 to a CONNECT that must not be made."""
        self._take(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """The same for any other request; what is asked of the proxy itself is not forwarded anywhere."""
        if not asks_proxy(flow):
            self._take(flow)

    def tls_clienthello(self, data: ClientHelloData) -> None:
        """mitmproxy decrypts where *one* of the names is an agent's host; here each name has to be one."""
        address, server_name = data.context.server.address, data.client_hello.sni
        if address is None:  # TLS to the proxy itself
            return
        names = [name for name in (address[0], server_name) if name]
        if server_name and is_address(address[0]):
            names.remove(address[0])
        if any(self._policy.verdict(name, address[1]) is not HostVerdict.DECRYPT for name in names):
            data.ignore_connection = True

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """Say where this connection must not lead; where it does lead is known once it is open.

        A connection that a rule leads elsewhere may lead to loopback, where local models live.
        """
        address = data.server.address
        outward = address is not None and address[:2] in self._asked.get(data.client, ())
        inward.BOUND.set(inward.Bound(self._own_ports(data.client), outward))

    def _take(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        request.headers.pop("proxy-authorization", None)  # for us alone
        verdict = self._policy.verdict(request.host, request.port)
        own = is_loopback(request.host) and request.port in self._own_ports(flow.client_conn)
        if own or verdict is HostVerdict.REFUSE:
            said = f"ringlet-mitm does not forward to {request.host}:{request.port}\n"
            flow.response = http.Response.make(403, said, {"content-type": "text/plain"})
        elif verdict is HostVerdict.TUNNEL:
            self._asked.setdefault(flow.client_conn, set()).add((request.host, request.port))

    def _own_ports(self, client: Client) -> frozenset[int]:
        """Where we listen, mitmweb's interface included."""
        return self._web | {client.sockname[1]} if client.sockname else self._web
