"""What may pass and what is looked into.

Only hosts that agents send to are decrypted, and nobody reaches this machine through us.
"""

from __future__ import annotations

from mitmproxy import ctx, http
from mitmproxy.addonmanager import Loader

from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.rules.interception import HostPolicy, HostVerdict

# mitmproxy takes an empty list for "decrypt all".
NO_HOST = r"(?!)"


class Guard:
    """Refuses CONNECTs and plain requests to loopback, and tells mitmproxy which hosts to leave encrypted.

    mitmproxy before 11.1.2 lets proxy clients reach mitmweb's own interface through the proxy; this closes it on every
    version. It takes a client's server name (SNI) for a host as well, so an agent that connects to an address is read.
    """

    def __init__(self, policy: HostPolicy) -> None:
        self._policy = policy

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

    def _refused(self, flow: http.HTTPFlow) -> bool:
        return self._policy.verdict(flow.request.host, flow.request.port) is HostVerdict.REFUSE


def _answer(flow: http.HTTPFlow) -> None:
    said = f"ringlet-mitm does not forward to {flow.request.host}:{flow.request.port}\n"
    flow.response = http.Response.make(403, said, {"content-type": "text/plain"})
