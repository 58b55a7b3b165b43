"""Real sockets: what has come is one piece, however much it is."""

from __future__ import annotations

import asyncio

import pytest
from mitmproxy.proxy import server

from ringlet_mitm.addons import whole_reads

LONG = b"x" * 200_000


async def pieces(sent: bytes) -> list[bytes]:
    """What mitmproxy reads of it, from a connection that all of it has come to."""
    come = asyncio.Event()

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        writer.close()
        await writer.wait_closed()
        come.set()

    listening = await asyncio.start_server(send, "127.0.0.1", 0)
    async with listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname()[:2], limit=len(LONG))
        connection = server.ConnectionIO(handler=None, reader=reader, writer=writer)
        await asyncio.wait_for(come.wait(), 10)
        async with asyncio.timeout(10):
            while len(reader._buffer) < len(sent):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        found = []
        while piece := await connection.reader.read(65535):
            found.append(piece)
        writer.close()
    return found


def test_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "ConnectionIO", server.ConnectionIO)
    whole_reads.install()
    assert asyncio.run(pieces(LONG)) == [LONG]
    assert asyncio.run(pieces(b"")) == []
