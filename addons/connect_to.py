"""Send connections for one address to another, as curl's --connect-to does: names and certificates stay the vendor's.

Rejected: changing the address in mitmproxy's `server_connect` hook. mitmproxy finds a connection to reuse by its
address, so a changed one would mean a new connection for every request. So this is done where sockets are opened.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ringlet_mitm.rules.errors import UsageError

WRITTEN = re.compile(r"(\[[^\]]+\]|[^:]*):(\d{0,5}):(\[[^\]]+\]|[^:]+):(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Detour:
    """Connections to `host`:`port` go to `to_host`:`to_port`; an empty host is any other one, port 0 any other port."""

    host: str
    port: int
    to_host: str
    to_port: int


def parse_detour(text: str) -> Detour:
    """`HOST:PORT:TO_HOST:TO_PORT` as a value; IPv6 addresses in brackets, HOST and PORT may be empty."""
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise UsageError(f"--connect-to {text}: write it as HOST:PORT:TO_HOST:TO_PORT")
    host, port, to_host, to_port = found.groups()
    return Detour(host.strip("[]").lower(), int(port or 0), to_host.strip("[]"), int(to_port))


def install(loop: asyncio.AbstractEventLoop, detours: Iterable[Detour]) -> None:
    """Let `loop` take the detours from now on."""
    table = {(detour.host, detour.port): (detour.to_host, detour.to_port) for detour in detours}
    if not table:
        return
    original = loop.create_connection

    async def create_connection(factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        name = str(host).lower()
        places = ((name, port), (name, 0), ("", port), ("", 0))
        host, port = next((table[place] for place in places if place in table), (host, port))
        return await original(factory, host, port, **options)

    loop.create_connection = create_connection  # type: ignore[method-assign,assignment]
