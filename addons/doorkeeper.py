"""Nobody uses a proxy that others can reach without its login: tunnels, plain requests, and its own pages alike.

mitmproxy's own `proxyauth` compares in time that tells how much was right, and leaves user and password in the flow's
metadata, where dumps have them.
"""

from __future__ import annotations

from collections.abc import MutableSet
from weakref import WeakSet

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.exceptions import AddonHalt

from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.addons.credentials.proxy_login import ProxyLogin

ASKED_WITH = "proxy-authorization"
REALM = 'Basic realm="ringlet-mitm"'
SAID = "This proxy asks for a user and a password: http://USER:PASSWORD@HOST:PORT\n"


class Doorkeeper:
    """Answers 407 to whoever has not said the login; comes before all other addons, which then see nothing of it."""

    def __init__(self, login: ProxyLogin) -> None:
        self._login = login
        self._inside: MutableSet[Client] = WeakSet()

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """What comes through a tunnel needs to say no more."""
        if not self._admits(flow, ASKED_WITH):
            _refuse(flow, 407)
        self._inside.add(flow.client_conn)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Each request that is in no tunnel says it anew.

        At the proxy's own pages the login may also be what a browser or Prometheus sends to any site; a browser asks
        for it at a 401 only.
        """
        if flow.client_conn in self._inside or self._admits(flow, ASKED_WITH):
            return
        own_page = asks_proxy(flow)
        if not (own_page and self._admits(flow, "authorization")):
            _refuse(flow, 401 if own_page and "sec-fetch-mode" in flow.request.headers else 407)

    def _admits(self, flow: http.HTTPFlow, name: str) -> bool:
        """Whether the header has the login, which is taken out then."""
        if not self._login.admits(flow.request.headers.get(name, "")):
            return False
        del flow.request.headers[name]
        return True


def _refuse(flow: http.HTTPFlow, status: int) -> None:
    flow.request.headers.pop(ASKED_WITH, None)
    asks = "www-authenticate" if status == 401 else "proxy-authenticate"
    flow.response = http.Response.make(status, SAID, {"content-type": "text/plain", asks: REALM})
    raise AddonHalt
