"""A connection of several agents over HTTP/2: each request is a stream of it."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from soak.asking import Asking
from soak.http1 import LOOPBACK, Cut, Left, tunnel

READ = 65_536


@dataclass(slots=True)
class Stream:
    """An answer that is coming."""

    done: asyncio.Future[None]
    status: int = 0
    body: bytearray = field(default_factory=bytearray)


class Wire:
    """One connection of that kind, for as long as it lasts."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http.initiate_connection()
        self._streams: dict[int, Stream] = {}
        self._room = asyncio.Event()
        self.usable = True
        self._flush()
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def ask(self, asking: Asking, leaves_s: float | None) -> tuple[int, bytes]:
        """One request; raises Cut, and Left, which resets its stream."""
        number = self._http.get_next_available_stream_id()
        stream = self._streams[number] = Stream(asyncio.get_running_loop().create_future())
        pseudo = {":method": "POST", ":scheme": "https", ":authority": asking.host, ":path": asking.path}
        body = asking.body
        try:
            self._http.send_headers(number, [*pseudo.items(), *asking.headers.items()])
            await self._send(number, body)
            async with asyncio.timeout(leaves_s):
                await stream.done
        except TimeoutError as error:
            self._reset(number)
            raise Left from error
        except ProtocolError as error:
            self.usable = False
            raise Cut(repr(error)) from error
        except asyncio.CancelledError:
            self._reset(number)
            raise
        finally:
            self._streams.pop(number, None)
            stream.done.cancel()
            if not self.usable and not self._streams:
                self._writer.close()
        return stream.status, bytes(stream.body)

    def retire(self) -> None:
        """End it as soon as nothing is under way on it."""
        self.usable = False
        if not self._streams:
            self._writer.close()

    def close(self, *, hard: bool = False) -> None:
        """End it; what is under way on it is cut."""
        self.usable = False
        if hard:
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _send(self, number: int, body: bytes) -> None:
        start = 0
        while start < len(body):
            room = min(self._http.local_flow_control_window(number), self._http.max_outbound_frame_size)
            if room <= 0:
                self._room.clear()
                self._flush()
                await self._room.wait()
                if not self.usable:
                    raise Cut("gone while a body was sent")
                continue
            self._http.send_data(number, body[start : start + room])
            start += room
        self._http.end_stream(number)
        self._flush()

    def _reset(self, number: int) -> None:
        try:
            self._http.reset_stream(number, ErrorCodes.CANCEL)
        except ProtocolError:
            return
        self._flush()

    async def _read(self) -> None:
        why: Exception = Cut("the connection ended")
        try:
            while data := await self._reader.read(READ):
                for event in self._http.receive_data(data):
                    self._on(event)
                self._flush()
        except (OSError, ProtocolError) as error:
            why = error
        self.usable = False
        self._room.set()
        for stream in self._streams.values():
            if not stream.done.done():
                stream.done.set_exception(Cut(repr(why)))

    def _on(self, event: Event) -> None:
        stream = self._streams.get(getattr(event, "stream_id", None) or 0)
        match event:
            case ResponseReceived() if stream:
                stream.status = int(dict(event.headers)[":status"])
            case DataReceived():
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if stream:
                    stream.body += event.data
            case StreamEnded() if stream and not stream.done.done():
                stream.done.set_result(None)
            case StreamReset() if stream and not stream.done.done():
                stream.done.set_exception(Cut(f"RST_STREAM {event.error_code!r} after {stream.status}"))
            case WindowUpdated():
                self._room.set()
            case ConnectionTerminated():
                self.usable = False

    def _flush(self) -> None:
        self._writer.write(self._http.data_to_send())


class Http2:
    """What some agents share: a connection that is made anew when it has ended."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self._port = port
        self._tls = tls
        self._wire: Wire | None = None
        self._host = ""
        self._opening = asyncio.Lock()

    async def ask(self, asking: Asking, leaves_s: float | None) -> tuple[int, bytes]:
        """The status and the whole body of the answer; raises Cut, and Left that long after the request was sent."""
        async with self._opening:
            if self._wire is None or not self._wire.usable or self._host != asking.host:
                await self._open(asking.host)
        assert self._wire is not None
        return await self._wire.ask(asking, leaves_s)

    def renew(self) -> None:
        """The old one ends with the last request on it."""
        if self._wire is not None:
            self._wire.retire()
            self._wire = None

    def close(self, *, hard: bool = False) -> None:
        """End it for all who share it."""
        if self._wire is not None:
            self._wire.close(hard=hard)
            self._wire = None

    async def _open(self, host: str) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
        await tunnel(reader, writer, host, self._tls)
        self._host, self._wire = host, Wire(reader, writer)
