"""The stand-in vendor that fails on purpose: any hosts, HTTP/1.1 and HTTP/2, each request as its host's script says.

    with FaultyVendor({"api.anthropic.com": "h2", "api.groq.com": "http/1.1"}, refusing=["openrouter.ai"]) as vendor:
        vendor.script("api.anthropic.com", status(429, headers={"retry-after": "1"}), ok())
        …
        assert [heard.step for heard in vendor.at("api.anthropic.com")] == ["status 429", "ok"]

A request takes the next step of its host, and the last one is repeated; a host without a script answers as it should.
It is no tornado like the demo's: that one cannot be made to send what is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

from h2.exceptions import ProtocolError

from ringlet_mitm.cli.demo.certificates import server_context
from ringlet_mitm.cli.demo.faults import Step, ok
from ringlet_mitm.cli.demo.lines import Connection, Heard, Http1Connection, Http2Connection, Line

Alpn = Literal["http/1.1", "h2"]
LOOPBACK = "127.0.0.1"
MANY = 20


class FaultyVendor:
    """The running vendor, in a thread; a context manager with what a RunningProxy needs of one.

    `refusing` hosts have a closed port, `deaf` ones a port that takes no connection and does not say so.
    `choose`, where set, gives the step of a request to a host without a script.
    """

    def __init__(self, hosts: Mapping[str, Alpn], *, refusing: Iterable[str] = (), deaf: Iterable[str] = ()) -> None:
        self.heard: list[Heard] = []
        self.connections = 0
        self.choose: Callable[[Heard], Step] = lambda heard: ok()
        self._scripts: dict[str, deque[Step]] = {}
        self._changed = threading.Condition()
        self._folder = tempfile.TemporaryDirectory(prefix="faulty-vendor-")
        self._places = {"refusing": tuple(refusing), "deaf": tuple(deaf)}
        self._hosts = tuple(hosts)
        every = [*hosts, *self._places["refusing"], *self._places["deaf"]]
        self._certify(_covering(every), hosts)
        self._sockets: list[socket.socket] = []
        self._ports = {"refusing": self._closed(), "deaf": self._deaf()}
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty vendor", daemon=True)

    @property
    def connect_to(self) -> list[str]:
        """Where to go instead of the vendors' addresses."""
        elsewhere = [(host, self._ports[place]) for place, hosts in self._places.items() for host in hosts]
        return [
            f"{host}:443:{LOOPBACK}:{port}" for host, port in [*((one, self.port) for one in self._hosts), *elsewhere]
        ]

    def script(self, host: str, *steps: Step) -> None:
        """What happens to the next requests to a host; the last step is repeated."""
        self._scripts[host] = deque(steps)

    def at(self, host: str) -> list[Heard]:
        """What a host was asked, in order."""
        return [heard for heard in list(self.heard) if heard.host == host]

    def until(self, holds: Callable[[], bool], timeout_s: float = 10) -> bool:
        """Wait until something holds of what was heard; whether it came to that in time."""
        with self._changed:
            return self._changed.wait_for(holds, timeout_s)

    def down(self) -> None:
        """As if the machine had been turned off: all connections are reset, new ones refused."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    def up(self) -> None:
        """Back, on the same port."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def __enter__(self) -> FaultyVendor:
        self._thread.start()
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        for one in self._sockets:
            one.close()
        self._folder.cleanup()

    def next_step(self, heard: Heard) -> Step:
        """The step of a request."""
        steps = self._scripts.get(heard.host)
        if not steps:
            return self.choose(heard)
        return steps.popleft() if len(steps) > 1 else steps[0]

    def play(self, line: Line) -> asyncio.Task[None]:
        """Answer a request as the script says."""
        step = self.next_step(line.heard)
        line.heard.step = step.name
        self.heard.append(line.heard)
        self.changed()
        task = self._loop.create_task(self._played(step, line))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def opened(self, connection: Connection) -> None:
        """A connection stands, its handshake done."""
        self._open.add(connection)

    def closed(self, connection: Connection) -> None:
        """It has ended; what was under way on it is cancelled."""
        self._open.discard(connection)
        connection.gone()
        self.changed()

    def changed(self) -> None:
        """Tell those who wait."""
        with self._changed:
            self._changed.notify_all()

    async def _played(self, step: Step, line: Line) -> None:
        with contextlib.suppress(ConnectionError, ProtocolError):  # the client has ended the connection meanwhile
            await step.play(line)
        line.heard.ended = time.monotonic()
        self.changed()

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            lambda: _Door(self), LOOPBACK, self.port, ssl=self._contexts["http/1.1"], backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.gone()
            connection.transport.abort()
        await asyncio.sleep(0)

    def _certify(self, every: list[str], hosts: Mapping[str, Alpn]) -> None:
        folder, strange = Path(self._folder.name), Path(self._folder.name) / "strange"
        strange.mkdir()
        own, self.ca_file = server_context(folder, every)
        wrong, _ = server_context(strange, every)
        http2 = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        http2.load_cert_chain(folder / "vendor.pem")
        self._contexts: dict[str, ssl.SSLContext] = {"http/1.1": own, "h2": http2}
        own.set_alpn_protocols(["http/1.1"])
        http2.set_alpn_protocols(["h2"])

        def on_server_name(found: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            steps = self._scripts.get(name or "")
            if steps and steps[0].in_handshake:
                found.context = wrong
                if len(steps) > 1:
                    steps.popleft()
            else:
                found.context = self._contexts[hosts.get(name or "", "http/1.1")]

        own.sni_callback = on_server_name

    def _closed(self) -> int:
        """A port that is ours but not listened on."""
        return self._bound().getsockname()[1]  # type: ignore[no-any-return]

    def _deaf(self) -> int:
        """A port whose queue is full: Linux then drops what comes, and whoever connects waits."""
        listening = self._bound()
        listening.listen(0)
        for _ in range(2):
            filling = socket.socket()
            filling.setblocking(False)
            filling.connect_ex(listening.getsockname())
            self._sockets.append(filling)
        return listening.getsockname()[1]  # type: ignore[no-any-return]

    def _bound(self) -> socket.socket:
        bound = socket.socket()
        bound.bind((LOOPBACK, 0))
        self._sockets.append(bound)
        return bound


def _covering(hosts: list[str]) -> list[str]:
    """Names for a certificate: hundreds of siblings as a wildcard, or every handshake would carry them all."""
    parents = Counter(host.partition(".")[2] for host in hosts)
    many = {parent for parent, count in parents.items() if count > MANY and "." in parent}
    return [f"*.{parent}" for parent in many] + [host for host in hosts if host.partition(".")[2] not in many]


class _Door(asyncio.Protocol):
    """A connection before it is known what is spoken on it."""

    connection: Connection

    def __init__(self, vendor: FaultyVendor) -> None:
        self._vendor = vendor

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        vendor = self._vendor
        vendor.connections += 1
        secured: ssl.SSLObject = transport.get_extra_info("ssl_object")
        speaks = Http2Connection if secured.selected_alpn_protocol() == "h2" else Http1Connection
        self.connection = speaks(transport, vendor.connections, vendor.play)
        vendor.opened(self.connection)

    def data_received(self, data: bytes) -> None:
        self.connection.received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._vendor.closed(self.connection)
