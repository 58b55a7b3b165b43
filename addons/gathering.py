"""Writes of one event in one system call.

mitmproxy writes the head of a message and its body apart, and on loopback each write wakes whoever reads: 0.1 ms, four
times a request, and the provider begins with a head that it can do nothing with. What an event has written to a
connection now goes out together as soon as the event is dealt with, in the order in which it was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from mitmproxy.proxy import server

# Up to here copying is cheaper than a system call for several pieces.
COPIED_BYTES = 64 * 1024


class GatheringWriter(asyncio.StreamWriter):
    """Keeps what is written until `flush`; it became one by `gathers`."""

    kept: list[bytes]

    def write(self, data: Any) -> None:
        """Keep it."""
        self.kept.append(data)

    def writelines(self, data: Iterable[Any]) -> None:
        """Keep them."""
        self.kept.extend(data)

    def flush(self) -> None:
        """Send all that was kept."""
        pieces, self.kept = self.kept, []
        if not pieces or self.is_closing():
            return
        if len(pieces) == 1:
            super().write(pieces[0])
        elif sum(map(len, pieces)) <= COPIED_BYTES:
            super().write(b"".join(pieces))
        else:
            super().writelines(pieces)

    async def drain(self) -> None:
        """As any writer's."""
        self.flush()
        await super().drain()

    def write_eof(self) -> None:
        """As any writer's; what was written before goes first."""
        self.flush()
        super().write_eof()

    def close(self) -> None:
        """As any writer's; what was written before goes first."""
        self.flush()
        super().close()


class GatheringIO(server.ConnectionIO):
    """A connection of mitmproxy's whose writer gathers."""

    def __post_init__(self) -> None:
        if type(self.writer) is asyncio.StreamWriter:
            gathers(self.writer)


def gathers(writer: asyncio.StreamWriter) -> None:
    """From now on it keeps what is written."""
    writer.__class__ = GatheringWriter
    writer.kept = []  # type: ignore[attr-defined]


def install() -> None:
    """For every connection of this process that begins after this."""
    if server.ConnectionIO is GatheringIO:
        return
    server.ConnectionIO = GatheringIO  # type: ignore[misc]
    handles = server.ConnectionHandler.server_event

    async def server_event(self: server.ConnectionHandler, event: Any) -> None:
        await handles(self, event)
        for found in self.transports.values():
            if type(found.writer) is GatheringWriter and found.writer.kept:
                found.writer.flush()

    server.ConnectionHandler.server_event = server_event  # type: ignore[method-assign]
