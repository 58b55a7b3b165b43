"""Connections that lead back to this machine, refused where they are opened: only there is known where a name leads.

Rejected: resolving names before. It would be done twice, and a name may have another address the second time (that is
how a web page's own name is rebound to 127.0.0.1). Rejected: mitmproxy's `server_connected` hook, too late to refuse.
"""

from __future__ import annotations

import asyncio
import errno
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ringlet_mitm.rules.interception import is_loopback

REFUSED = "it leads back to this machine"


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a connection must not lead: to `own_ports` of this machine, and where it goes `outward`, to loopback."""

    own_ports: frozenset[int]
    outward: bool

    def refuses(self, host: str, there: tuple[Any, ...] | None, here: tuple[Any, ...] | None) -> bool:
        """Whether a connection to `host` must not be used, by both of its ends.

        A host that is loopback by name is a detour of `--connect-to`: whoever asks for one is refused before.
        """
        if not there or not here:
            return False
        if there[1] in self.own_ports and (is_loopback(there[0]) or there[0] == here[0]):
            return True
        return self.outward and is_loopback(there[0]) and not is_loopback(host)


# Of the task that opens the connection; None where it is not for a client of the proxy.
BOUND: ContextVar[Bound | None] = ContextVar("bound", default=None)


def install(loop: asyncio.AbstractEventLoop) -> None:
    """Let `loop` refuse from now on what the task's `BOUND` says; nothing is sent on such a connection."""
    original = loop.create_connection

    async def create_connection(factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        made = await original(factory, host, port, **options)
        bound, transport = BOUND.get(), made[0]
        if bound is None:
            return made
        ends = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        if bound.refuses(str(host), *ends):
            transport.abort()
            raise ConnectionRefusedError(errno.ECONNREFUSED, REFUSED)
        return made

    loop.create_connection = create_connection  # type: ignore[method-assign,assignment]
