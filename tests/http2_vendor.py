"""A vendor that speaks HTTP/2 only, as the real ones do to agents that offer it; its answers are the stand-in's."""

from __future__ import annotations

import asyncio
import json
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, RequestReceived, StreamEnded

from ringlet_mitm.cli.demo.certificates import server_context
from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import answer

HOST = "api.anthropic.com"


class _Connection(asyncio.Protocol):
    def __init__(self, vendor: Http2Vendor) -> None:
        self._vendor = vendor
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._bodies: dict[int, bytearray] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._vendor.connections += 1
        self._http.initiate_connection()
        transport.write(self._http.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._http.receive_data(data):
            match event:
                case RequestReceived():
                    self._bodies[event.stream_id] = bytearray()
                    self._vendor.headers.append(dict(event.headers))
                case DataReceived():
                    self._bodies[event.stream_id] += event.data
                    self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case StreamEnded():
                    self._reply(event.stream_id, bytes(self._bodies.pop(event.stream_id)))
                case ConnectionTerminated():
                    self._transport.close()
        self._transport.write(self._http.data_to_send())

    def _reply(self, stream: int, raw: bytes) -> None:
        body = json.loads(raw)
        said = answer(HOST, body["model"], body, raw)
        style = STYLES["messages"]
        frames = list(style.stream(said, body)) if body.get("stream") else [json.dumps(style.whole(said)).encode()]
        kind = "text/event-stream" if body.get("stream") else "application/json"
        self._http.send_headers(stream, [(":status", "200"), ("content-type", kind)])
        for frame in frames:
            self._http.send_data(stream, frame)
        self._http.end_stream(stream)


class Http2Vendor:
    """The running vendor; a context manager with what a RunningProxy needs of one."""

    def __init__(self) -> None:
        self.connections = 0
        self.headers: list[dict[str, str]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="http2-vendor-")
        self._context, self.ca_file = server_context(Path(self._folder.name), [HOST])
        self._context.set_alpn_protocols(["h2"])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="HTTP/2 vendor", daemon=True)

    @property
    def connect_to(self) -> list[str]:
        """Where to go instead of the vendor's address."""
        return [f"{HOST}:443:127.0.0.1:{self._port}"]

    async def _open(self) -> None:
        self._server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, ssl=self._context)
        self._port: int = self._server.sockets[0].getsockname()[1]

    def __enter__(self) -> Http2Vendor:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._folder.cleanup()
