"""What may pass and what is looked into: only hosts that agents send to are decrypted, and nobody reaches this machine through us."""

from __future__ import annotations

from mitmproxy import ctx, http

from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.rules.interception import HostPolicy, HostVerdict


class Guard:
    """Refuses CONNECTs and plain requests to loopback, and tells mitmproxy which hosts to leave encrypted.

    mitmproxy before 11.1.2 lets proxy clients reach mitmweb's own interface through the proxy; this closes it on every version.
    """

    def __init__(self, policy: HostPolicy) -> None:
        self._policy = policy

    def running(self) -> None:
        """Everything that no pattern matches is tunnelled as bytes."""
        ctx.options.update(allow_hosts=[rf"^{pattern}:\d+$" for pattern in self._policy.patterns()])

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Answer 403 to a CONNECT that must not be made."""
        self._refuse(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """The same for a plain request; what is asked of the proxy itself is not forwarded anywhere."""
        if not flow.client_conn.tls and not asks_proxy(flow):
            self._refuse(flow)

    def _refuse(self, flow: http.HTTPFlow) -> None:
        host, port = flow.request.host, flow.request.port
        if self._policy.verdict(host, port) is HostVerdict.REFUSE:
            flow.response = http.Response.make(403, f"ringlet-mitm does not forward to {host}:{port}\n", {"content-type": "text/plain"})

