"""A WebSocket as a stream of bytes that is read along, in place of mitmproxy's layer; with http_stream.py and
numbered_stream.py the only place that touches mitmproxy's layers.

mitmproxy's own takes messages apart and makes them anew: a message goes on when all of it is there (50 MB in pieces of
64 KB cost it seconds, since each is added to the whole), it is packed again, and every message is kept until the
connection ends. Here bytes go on as they come, and nothing is kept but what somebody looks at.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mitmproxy import http
from mitmproxy.proxy import commands, context, events, layer
from mitmproxy.proxy.layers import websocket
from mitmproxy.websocket import WebSocketMessage
from wsproto.frame_protocol import Opcode

from ringlet_mitm.addons.turns_on_socket import Passed
from ringlet_mitm.addons.wire.websocket import Message, close_frame

logger = logging.getLogger(__name__)

# Of one connection, for people who look at it.
SHOWN_MESSAGES = 500
SHOWN_BYTES = 4 * 1024 * 1024
# "Service restart": what a client may come back after. Its provider is told that we are going.
TO_CLIENT, TO_SERVER = 1012, 1001
WHY_CLOSED = "the routing rules have changed"
PLAIN = websocket.WebsocketLayer

NOTHING = Passed([])
State = Callable[[events.Event], layer.CommandGenerator[None]]


class Socket(Protocol):
    """What the relay says to one WebSocket of ours, and asks it."""

    def from_client(self, data: bytes) -> Passed:
        """What the agent sends."""

    def from_server(self, data: bytes) -> Passed:
        """What the provider sends."""

    def closes(self) -> bool:
        """Whether it is to be closed now."""

    def ended(self, *, by_client: bool) -> None:
        """The connection is gone."""

    def closed(self) -> tuple[bool, int] | None:
        """Whether it was the client that closed it, and by what code, as far as a frame said so."""


class SocketPort:
    """What the relay asks about a flow; this one knows of none."""

    shows = False

    def passes(self, flow: http.HTTPFlow) -> bool:
        """Whether the flow is for this relay, and not for mitmproxy's layer."""
        return False

    def socket(self, flow: http.HTTPFlow) -> Socket | None:
        """Who reads along; None where nobody does."""
        return None


@dataclass
class SocketTurnHook(commands.StartHook):
    """Turns have begun."""

    name = "socket_turn"
    flow: http.HTTPFlow

    def args(self) -> list[Any]:
        """What the addon's method is called with."""
        return [self.flow]


class Nudge(events.MessageInjected[None]):
    """Something has changed outside; brought by mitmproxy's way for injected messages."""


class SocketRelay(layer.Layer):
    """One WebSocket."""

    port: SocketPort = SocketPort()

    def __init__(self, context: context.Context, flow: http.HTTPFlow) -> None:
        super().__init__(context)
        self.flow = flow
        self._socket: Socket | None = None
        self._shown_bytes = 0
        self._state: State = self.starting

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        yield from self._state(event)

    def starting(self, _: events.Event) -> layer.CommandGenerator[None]:
        """The handshake is done."""
        yield websocket.WebsocketStartHook(self.flow)
        self._socket = self.port.socket(self.flow)
        self._state = self.relaying

    def relaying(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Both are there."""
        if isinstance(event, events.DataReceived):
            if event.connection == self.context.client:
                yield from self._from_client(event.data)
            else:
                yield from self._from_server(event.data)
        elif isinstance(event, events.ConnectionClosed):
            yield from self._ended(by_client=event.connection == self.context.client)
        elif isinstance(event, Nudge) and self._socket is not None and self._socket.closes():
            yield from self._closed()

    def _from_client(self, data: bytes) -> layer.CommandGenerator[None]:
        socket = self._socket
        if socket is not None and socket.closes():
            yield from self._closed()
            return
        passed = self._read(socket.from_client, data) if socket is not None else NOTHING
        yield commands.SendData(self.context.server, data)
        if passed.begins:
            yield SocketTurnHook(self.flow)
        yield from self._shown(passed.messages, from_client=True)

    def _from_server(self, data: bytes) -> layer.CommandGenerator[None]:
        socket = self._socket
        passed = self._read(socket.from_server, data) if socket is not None else NOTHING
        yield commands.SendData(self.context.client, data)
        yield from self._shown(passed.messages, from_client=False)
        if socket is not None and socket.closes():
            yield from self._closed()

    def _read(self, read: Callable[[bytes], Passed], data: bytes) -> Passed:
        try:
            return read(data)
        except Exception:  # whatever reading runs into, the agent gets its answer
            logger.exception("a WebSocket could not be read")
            self._socket = None
            return NOTHING

    def _shown(self, messages: list[Message], *, from_client: bool) -> layer.CommandGenerator[None]:
        """To who looks, the last of them."""
        if not self.port.shows or self.flow.websocket is None:
            return
        kept = self.flow.websocket.messages
        for message in messages:
            kind = Opcode.TEXT if message.is_text else Opcode.BINARY
            kept.append(WebSocketMessage(kind, from_client, message.content))
            self._shown_bytes += len(message.content)
            while len(kept) > SHOWN_MESSAGES or (self._shown_bytes > SHOWN_BYTES and len(kept) > 1):
                self._shown_bytes -= len(kept.pop(0).content)
            yield websocket.WebsocketMessageHook(self.flow)

    def _closed(self) -> layer.CommandGenerator[None]:
        """By us, between two turns."""
        yield commands.SendData(self.context.client, close_frame(TO_CLIENT, WHY_CLOSED, to_client=True))
        yield commands.SendData(self.context.server, close_frame(TO_SERVER, to_client=False))
        yield commands.CloseConnection(self.context.server)
        self._state = self.closing

    def closing(self, event: events.Event) -> layer.CommandGenerator[None]:
        """The client was told, and says so or goes."""
        if isinstance(event, events.DataReceived | events.ConnectionClosed) and event.connection == self.context.client:
            yield commands.CloseConnection(self.context.client)
            yield from self._over(by_client=False)

    def _ended(self, *, by_client: bool) -> layer.CommandGenerator[None]:
        yield commands.CloseConnection(self.context.server if by_client else self.context.client)
        yield from self._over(by_client=by_client)

    def _over(self, *, by_client: bool) -> layer.CommandGenerator[None]:
        """Either end is gone."""
        code: int = TO_CLIENT
        if self._socket is not None:
            by_client, code = self._socket.closed() or (by_client, 1006)
            self._socket.ended(by_client=by_client)
        data = self.flow.websocket
        if data is not None:
            data.timestamp_end, data.closed_by_client, data.close_code = time.time(), by_client, code
        yield websocket.WebsocketEndHook(self.flow)
        self.flow.live = False
        self._state = self.done

    def done(self, _: events.Event) -> layer.CommandGenerator[None]:
        """Nothing comes any more."""
        yield from ()


def install(port: SocketPort) -> None:
    """Use the relay for the WebSockets of this process that `port` says."""
    SocketRelay.port = port
    websocket.WebsocketLayer = _layer  # type: ignore[assignment,misc]


def _layer(context: context.Context, flow: http.HTTPFlow) -> layer.Layer:
    return SocketRelay(context, flow) if SocketRelay.port.passes(flow) else PLAIN(context, flow)
