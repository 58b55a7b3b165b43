"""Lines to a client, HTTP/1.1 and HTTP/2, on which one can speak properly and break off in every way there is.

A `Line` is one request's. What a step of a fault script says on it is the same for both versions: where a version has
no such thing (no GOAWAY in HTTP/1.1), the line does what comes to the same.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import h11
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from hyperframe.frame import DataFrame, GoAwayFrame

Headers = tuple[tuple[str, str], ...]
# SO_LINGER of no seconds: closing then sends RST in place of FIN.
NO_LINGER = struct.pack("ii", 1, 0)
FRAME = 16_384


@dataclass(slots=True)
class Heard:
    """One request as it arrived, on which connection and stream, in which HTTP; times are of time.monotonic().

    `cancelled` is when the client gave up before the answer was complete, None where it did not. `step` is what was
    played, `ended` when it had been.
    """

    host: str
    method: str
    path: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    connection: int
    stream: int
    version: str
    at: float
    step: str = ""
    ended: float | None = None
    cancelled: float | None = None

    def header(self, name: str) -> str:
        """A header's value, "" where it is not there."""
        return next((value for known, value in self.headers if known == name), "")


class Line(ABC):
    """What can be said to whoever sent `heard`, and how it can end."""

    def __init__(self, heard: Heard, transport: asyncio.Transport) -> None:
        self.heard = heard
        self.transport = transport
        self.broken = False

    @abstractmethod
    def head(self, status: int, headers: Headers, length: int | None = None) -> None:
        """The status and headers; with a `length`, as content-length."""

    @abstractmethod
    async def data(self, data: bytes) -> None:
        """Some of the body."""

    @abstractmethod
    def end(self) -> None:
        """The body is complete."""

    @abstractmethod
    def half(self) -> None:
        """A piece of the body that is cut in its middle."""

    @abstractmethod
    def go_away(self, *, taken: bool) -> None:
        """No more requests on this connection; `taken` says whether this one is still answered."""

    @abstractmethod
    def reset_stream(self) -> None:
        """End this request alone, as a server that has got into trouble does."""

    def raw(self, data: bytes) -> None:
        """Anything, below HTTP."""
        self.transport.write(data)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.broken = True
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.transport.abort()

    def drop(self) -> None:
        """End it with a FIN, but without TLS's own goodbye."""
        self.broken = True
        self.transport.abort()

    def close(self) -> None:
        """End it as it should be."""
        self.broken = True
        self.transport.close()


class Http1Line(Line):
    """A request over HTTP/1.1."""

    chunked = True
    kept = True

    def head(self, status: int, headers: Headers, length: int | None = None) -> None:
        """Without a length the body is chunked."""
        self.chunked = length is None
        framing = ("transfer-encoding", "chunked") if length is None else ("content-length", str(length))
        said = [f"{name}: {value}" for name, value in (*headers, framing)]
        said += [] if self.kept else ["connection: close"]
        self.raw("\r\n".join([f"HTTP/1.1 {status} As scripted", *said, "", ""]).encode())

    async def data(self, data: bytes) -> None:
        """As a chunk, where it is chunked."""
        self.raw(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def end(self) -> None:
        """The last chunk."""
        if self.chunked:
            self.raw(b"0\r\n\r\n")

    def half(self) -> None:
        """Some of a chunk; with a content-length the body is cut anyway."""
        if self.chunked:
            self.raw(b"4000\r\ndata: cut")

    def go_away(self, *, taken: bool) -> None:
        """`connection: close`; a request that is not taken meets a connection that ends."""
        self.kept = False
        if not taken:
            self.close()

    def reset_stream(self) -> None:
        """The connection is all there is."""
        self.reset()


class Http2Line(Line):
    """A request over HTTP/2."""

    def __init__(self, heard: Heard, transport: asyncio.Transport, http: H2Connection, room: asyncio.Event) -> None:
        super().__init__(heard, transport)
        self._http = http
        self._room = room

    def head(self, status: int, headers: Headers, length: int | None = None) -> None:
        """A HEADERS frame."""
        framing = () if length is None else (("content-length", str(length)),)
        self._http.send_headers(self.heard.stream, [(":status", str(status)), *headers, *framing])
        self._flush()

    async def data(self, data: bytes) -> None:
        """DATA frames, as the client has room for them."""
        for start in range(0, len(data), FRAME):
            piece = data[start : start + FRAME]
            while self._http.local_flow_control_window(self.heard.stream) < len(piece):
                self._room.clear()
                await self._room.wait()
            self._http.send_data(self.heard.stream, piece)
            self._flush()

    def end(self) -> None:
        """END_STREAM."""
        self._http.end_stream(self.heard.stream)
        self._flush()

    def half(self) -> None:
        """Some of a DATA frame."""
        self.raw(DataFrame(self.heard.stream, data=b"data: cut " * 10).serialize()[:50])

    def go_away(self, *, taken: bool) -> None:
        """GOAWAY. h2 itself would send nothing after it; servers that are taken out of use do finish their answers."""
        last = self.heard.stream if taken else max(self.heard.stream - 2, 0)
        self.raw(GoAwayFrame(0, last_stream_id=last).serialize())
        if not taken:
            self.close()

    def reset_stream(self) -> None:
        """RST_STREAM."""
        self._http.reset_stream(self.heard.stream, ErrorCodes.INTERNAL_ERROR)
        self._flush()
        self.broken = True

    def _flush(self) -> None:
        self.transport.write(self._http.data_to_send())


class Connection(ABC):
    """One connection: takes requests off it and has `play` answer each on its line."""

    def __init__(self, transport: asyncio.Transport, number: int, play: Callable[[Line], asyncio.Task[None]]) -> None:
        self.transport = transport
        self.number = number
        self._play = play
        self._under_way: dict[int, tuple[Line, asyncio.Task[None]]] = {}

    @abstractmethod
    def received(self, data: bytes) -> None:
        """Bytes from the client."""

    def started(self, line: Line) -> None:
        """A request has come in full."""
        self._under_way[line.heard.stream] = line, self._play(line)

    def gone(self, stream: int | None = None) -> None:
        """The client has given up this stream, or the connection has ended."""
        for number in [stream] if stream is not None else list(self._under_way):
            line, task = self._under_way.pop(number, (None, None))
            if line and task and not task.done():
                line.heard.cancelled = None if line.broken else time.monotonic()
                task.cancel()


class Http1Connection(Connection):
    """HTTP/1.1; h11 reads, one object a request, since we do not always write what it would allow."""

    def __init__(self, transport: asyncio.Transport, number: int, play: Callable[[Line], asyncio.Task[None]]) -> None:
        super().__init__(transport, number, play)
        self._begin(b"")

    def _begin(self, data: bytes) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=1024 * 1024)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._stream = getattr(self, "_stream", 0) + 1
        if data:
            self.received(data)

    def received(self, data: bytes) -> None:
        """Read what has come."""
        self._http.receive_data(data)
        try:
            self._take()
        except h11.RemoteProtocolError:
            self.transport.abort()

    def _take(self) -> None:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._request = event
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._complete()
                return
            else:
                return

    def _complete(self) -> None:
        assert self._request is not None
        headers = tuple((name.decode().lower(), value.decode("latin-1")) for name, value in self._request.headers)
        host = next((value.partition(":")[0] for name, value in headers if name == "host"), "")
        method, path = self._request.method.decode(), self._request.target.decode("latin-1")
        heard = Heard(
            host, method, path, headers, bytes(self._body), self.number, self._stream, "1.1", time.monotonic()
        )
        rest = self._http.trailing_data[0]
        self.started(Http1Line(heard, self.transport))
        self._begin(rest)


class Http2Connection(Connection):
    """HTTP/2."""

    def __init__(self, transport: asyncio.Transport, number: int, play: Callable[[Line], asyncio.Task[None]]) -> None:
        super().__init__(transport, number, play)
        # What is said is as the script wants it, right or wrong.
        self._http = H2Connection(
            H2Configuration(client_side=False, header_encoding="utf-8", validate_outbound_headers=False)
        )
        self._requests: dict[int, tuple[Headers, bytearray]] = {}
        self._room = asyncio.Event()
        self._http.initiate_connection()
        transport.write(self._http.data_to_send())

    def received(self, data: bytes) -> None:
        """Read what has come."""
        try:
            found = self._http.receive_data(data)
        except ProtocolError:
            self.transport.abort()
            return
        for event in found:
            self._on(event)
        self.transport.write(self._http.data_to_send())

    def _on(self, event: Event) -> None:
        match event:
            case RequestReceived():
                headers = tuple((str(name), str(value)) for name, value in event.headers)
                self._requests[event.stream_id] = headers, bytearray()
            case DataReceived():
                self._requests[event.stream_id][1].extend(event.data)
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                self._complete(event.stream_id)
            case StreamReset():
                self.gone(event.stream_id)
            case WindowUpdated():
                self._room.set()
            case ConnectionTerminated():
                self.transport.close()

    def _complete(self, stream: int) -> None:
        headers, body = self._requests.pop(stream)
        said = dict(headers)
        host = said[":authority"].partition(":")[0]
        heard = Heard(
            host, said[":method"], said[":path"], headers, bytes(body), self.number, stream, "2", time.monotonic()
        )
        self.started(Http2Line(heard, self.transport, self._http, self._room))
