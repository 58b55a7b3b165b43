"""An agent's connection over HTTP/1.1: through CONNECT and TLS, or straight to the proxy's address."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from soak.asking import Asking

LOOPBACK = "127.0.0.1"


class Cut(Exception):
    """The connection ended in the middle, or what came is no HTTP."""


class Left(Exception):
    """The agent did not wait for the end of the answer."""


@dataclass(slots=True)
class Http1:
    """One connection, one request at a time. Without a `tls` it goes straight to the proxy (base-URL mode)."""

    port: int
    tls: ssl.SSLContext | None = None
    host: str = ""
    reader: asyncio.StreamReader | None = None
    writer: asyncio.StreamWriter | None = None

    async def ask(self, asking: Asking, leaves_s: float | None) -> tuple[int, bytes]:
        """The status and the whole body of the answer; raises Cut, and Left that long after the request was sent."""
        host = asking.host if self.tls else f"{LOOPBACK}:{self.port}"
        if not self._is_open(host):
            self.close()
            await self._open(host)
        assert self.reader is not None and self.writer is not None
        body = asking.body
        lines = [f"POST {asking.path} HTTP/1.1", f"host: {host}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in asking.headers.items()]
        try:
            self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await self.writer.drain()
            async with asyncio.timeout(leaves_s):
                return await self._answer(self.reader)
        except TimeoutError as error:
            raise Left from error
        except (asyncio.IncompleteReadError, OSError, ValueError) as error:
            raise Cut(repr(error)) from error

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        status, headers = await _head(reader)
        try:
            return status, await self._body(reader, headers)
        except asyncio.IncompleteReadError as error:
            raise Cut(f"in the body of a {status}") from error

    async def _body(self, reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
        body = b""
        if headers.get("transfer-encoding") == "chunked":
            while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readuntil(b"\r\n")
        else:
            body = await reader.readexactly(int(headers["content-length"])) if "content-length" in headers else b""
        if headers.get("connection", "").lower() == "close":
            self.close()
        return body

    def renew(self) -> None:
        """Nothing is under way between two requests."""
        self.close()

    def close(self, *, hard: bool = False) -> None:
        """End it; `hard` without goodbye."""
        if self.writer is not None:
            if hard:
                self.writer.transport.abort()
            else:
                self.writer.close()
        self.reader = self.writer = None

    def _is_open(self, host: str) -> bool:
        reader, writer = self.reader, self.writer
        return reader is not None and writer is not None and host == self.host and not reader.at_eof()

    async def _open(self, host: str) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        self.host, self.reader, self.writer = host, reader, writer
        if self.tls is not None:
            await tunnel(reader, writer, host, self.tls)


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, tls: ssl.SSLContext) -> None:
    """CONNECT, and TLS within."""
    try:
        writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n".encode())
        status, _ = await _head(reader)
        if status != 200:
            raise Cut(f"CONNECT was answered {status}")
        await writer.start_tls(tls, server_hostname=host)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise Cut(f"no tunnel: {error!r}") from error
