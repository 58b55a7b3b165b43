"""What may pass and what is looked into.

Only hosts that agents send to are decrypted, and nobody reaches this machine through us, least of all ourselves: a name
of the world that leads to our own address (a web page's own, rebound to 127.0.0.1; this machine's) would be forwarded
to us, and by us to us again, until there are no file descriptors left.
"""

from __future__ import annotations

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.rules.interception import HostPolicy, HostVerdict, is_loopback

# mitmproxy takes an empty list for "decrypt all".
NO_HOST = r"(?!)"


class Guard:
    """Refuses CONNECTs and plain requests to loopback, and tells mitmproxy which hosts to leave encrypted.

    mitmproxy before 11.1.2 lets proxy clients reach mitmweb's own interface through the proxy; this closes it on every
    version. It takes a client's server name (SNI) for a host as well, so an agent that connects to an address is read.
    """

    def __init__(self, policy: HostPolicy) -> None:
        self._policy = policy
        self._own_ends: set[tuple[str, int]] = set()

    def load(self, loader: Loader) -> None:
        """What no pattern matches is tunnelled as bytes; said before the port opens, so of every connection."""
        patterns = [rf"^{pattern}:\d+\Z" for pattern in self._policy.patterns()]
        ctx.options.update(allow_hosts=patterns or [NO_HOST])

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Answer 403 to a CONNECT that must not be made."""
        if self._refused(flow):
            _answer(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """The same for any other request; what is asked of the proxy itself is not forwarded anywhere."""
        if self._refused(flow) and not asks_proxy(flow):
            _answer(flow)

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Remember our own end of a connection that leads back to us; nothing has been sent on it yet.

        Where a name leads is known only now, too late to refuse the connection, so what comes in on it is refused.
        """
        there, here, own_end = data.server.peername, data.client.sockname, data.server.sockname
        if there and here and own_end and there[1] == here[1] and is_loopback(there[0]):
            self._own_ends.add(own_end[:2])

    def server_disconnected(self, data: ServerConnectionHookData) -> None:
        """The port of our end may be anybody's next."""
        if data.server.sockname:
            self._own_ends.discard(data.server.sockname[:2])

    def _refused(self, flow: http.HTTPFlow) -> bool:
        if self._own_ends and flow.client_conn.peername and flow.client_conn.peername[:2] in self._own_ends:
            return True
        return self._policy.verdict(flow.request.host, flow.request.port) is HostVerdict.REFUSE


def _answer(flow: http.HTTPFlow) -> None:
    said = f"ringlet-mitm does not forward to {flow.request.host}:{flow.request.port}\n"
    flow.response = http.Response.make(403, said, {"content-type": "text/plain"})
