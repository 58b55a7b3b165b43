"""Says one malformed thing to the proxy, in whatever pieces, and takes what comes."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Iterator

from soak.http1 import LOOPBACK, Cut, tunnel
from soak.malformed import HOST, Case

# A server that waits for the rest of something says nothing.
PATIENCE_S = 0.4
MOST_READ = 1_000_000
ALPN = {"http1": "http/1.1", "http2": "h2"}


async def attack(case: Case, port: int, ca_file: str, dice: random.Random) -> str:
    """What came of it, in a word or two."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        return await _said(case, reader, writer, ca_file, dice)
    except Cut:
        return "no tunnel"
    except (OSError, asyncio.IncompleteReadError):
        return "closed"
    finally:
        if dice.random() < 0.3:
            writer.transport.abort()
        else:
            writer.close()


async def _said(
    case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ca_file: str, dice: random.Random
) -> str:
    if case.where == "tunnel":
        writer.write(f"CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
    elif case.where in ALPN:
        context = ssl.create_default_context(cafile=ca_file)
        context.set_alpn_protocols([ALPN[case.where]])
        await tunnel(reader, writer, HOST, context)
    taking = asyncio.create_task(_taken(reader))
    try:
        async with asyncio.timeout(30):  # who takes nothing in gets no more
            for piece in _pieces(case.data, dice):
                writer.write(piece)
                await writer.drain()
        if case.where == "port" and dice.random() < 0.2 and writer.can_write_eof():
            writer.write_eof()
    except TimeoutError:
        taking.cancel()
        return "not taken in"
    except OSError:
        pass  # told off in the middle; why is yet to be read
    return _in_short(await taking)


def _pieces(data: bytes, dice: random.Random) -> Iterator[bytes]:
    """All at once, or cut at a few places."""
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice((0, 0, 1, 5))))
    yield from (data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True))


async def _taken(reader: asyncio.StreamReader) -> bytes:
    """What comes until nothing more does."""
    found = bytearray()
    try:
        while len(found) < MOST_READ:
            piece = await asyncio.wait_for(reader.read(65_536), PATIENCE_S if found else PATIENCE_S * 2)
            if not piece:
                return bytes(found) + b"\x00closed"
            found += piece
    except TimeoutError:
        return bytes(found)
    except OSError:
        return bytes(found) + b"\x00closed"
    return bytes(found)


def _in_short(found: bytes) -> str:
    if found.startswith(b"HTTP/1.1 "):
        return found[9:12].decode("latin-1")
    if found[:1] == b"\x15":
        return "TLS alert"
    if found[:1] == b"\x16":
        return "TLS hello"
    if found == b"\x00closed":
        return "closed"
    if not found:
        return "silence"
    return "HTTP/2" if found[3:4] in (b"\x04", b"\x07", b"\x03") else "something else"
