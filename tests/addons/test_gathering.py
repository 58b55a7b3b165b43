"""Real sockets: what an event writes arrives whole, in order, also where the connection ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from ringlet_mitm.addons.gathering import COPIED_BYTES, GatheringWriter, gathers

Talk = Callable[[GatheringWriter], Awaitable[None]]


async def heard(talk: Talk) -> bytes:
    """What the other end reads until the connection ends."""
    got: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        gathers(writer)
        assert isinstance(writer, GatheringWriter)
        await talk(writer)
        writer.close()
        return await asyncio.wait_for(got, 10)


async def in_pieces(writer: GatheringWriter) -> None:
    for piece in (b"head ", b"body ", b"end"):
        writer.write(piece)
    writer.flush()
    writer.flush()


async def large(writer: GatheringWriter) -> None:
    writer.write(b"head ")
    writer.writelines([b"x" * COPIED_BYTES, b"y" * COPIED_BYTES])
    await writer.drain()


async def half_closed(writer: GatheringWriter) -> None:
    writer.write(b"last ")
    writer.write(b"words")
    writer.write_eof()


async def left_unsaid(writer: GatheringWriter) -> None:
    writer.write(b"sent by close")


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (in_pieces, b"head body end"),
        (large, b"head " + b"x" * COPIED_BYTES + b"y" * COPIED_BYTES),
        (half_closed, b"last words"),
        (left_unsaid, b"sent by close"),
    ],
)
def test_all_arrives_in_order(talk: Talk, said: bytes) -> None:
    assert asyncio.run(heard(talk)) == said


def test_nothing_is_written_to_a_connection_that_is_closed() -> None:
    async def after(writer: GatheringWriter) -> None:
        writer.write(b"before")
        writer.close()
        writer.write(b"after")
        writer.flush()

    assert asyncio.run(heard(after)) == b"before"
