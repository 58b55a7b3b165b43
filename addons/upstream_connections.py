"""What mitmproxy keeps of connections to providers, for each connection of a client: too few, and for too long.

- It makes five at most to one address (`ConnectionHandler.max_conns`, 11.0.2 to 12.2.3). An agent over HTTP/2 whose
  provider speaks HTTP/1.1 needs one for each request: its sixth waited for one of five streams to end. What limits
  requests to a provider is the rules' business, with a place in a queue and an answer.
- One that did not come about stays among its transports, all of which are gone through with every piece of data.
"""

from __future__ import annotations

import asyncio

from mitmproxy import ctx
from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

# A bound for what has none; a proxy has not as many open files.
MOST = 1000


class UpstreamConnections:
    """Lifts the limit before the first place is taken, and forgets what has failed."""

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """Called before a connection is made."""
        handler = _handler_of(data.client)
        if handler is not None:
            handler.max_conns.default_factory = _many

    def server_connect_error(self, data: ServerConnectionHookData) -> None:
        """Called when there was none to be had; mitmproxy does not look at its transport afterwards."""
        handler = _handler_of(data.client)
        if handler is not None:
            handler.transports.pop(data.server, None)


def _handler_of(client: Client) -> ConnectionHandler | None:
    handlers = ctx.master.addons.get("proxyserver").connections.values()
    return next((one for one in handlers if one.client is client), None)


def _many() -> asyncio.Semaphore:
    return asyncio.Semaphore(MOST)
