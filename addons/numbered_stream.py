"""mitmproxy's HttpStream with a number of its own for each attempt towards a provider, and hooks called in place.

A stream on an HTTP/2 connection that is closed is never opened again, so a second attempt needs another number, and
what still comes of the first has to be told apart. The agent sees its own number all the time.

For every hook mitmproxy pauses the stream, starts a task, and leads its end through eight layers: 0.1 ms each on a slow
core. Where nobody who listens has anything to wait for, `at_once` calls them from here, and the stream goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnection, HttpLayer, HttpStream, SendHttp, _events
from mitmproxy.proxy.layers.http._events import (
    HttpEvent,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)

# How an attempt is called off: an enumeration since mitmproxy 12, a status before.
CANCEL: Any = _events.ErrorCode.CANCEL if hasattr(_events, "ErrorCode") else 499
FROM_PROVIDER = (ResponseHeaders, ResponseData, ResponseTrailers, ResponseEndOfMessage, ResponseProtocolError)
# Numbers towards providers, far from those that a client's HTTP/2 counts.
NUMBERS: Iterator[int] = count(2**40)


class NewOrSoundConnection(GetHttpConnection):
    """A connection that did not come about is no answer to who asks later: mitmproxy would give its old error."""

    def connection_spec_matches(self, connection: Connection) -> bool:
        """Whether to take one that is there."""
        return not connection.error and super().connection_spec_matches(connection)


def never(_hook: commands.StartHook) -> bool:
    """As mitmproxy does it."""
    return False


class NumberedStream(HttpStream):
    """One request, towards the agent; `number` is the attempt's towards the provider, from the second one on.

    `at_once` calls the listeners of a hook, if it can, and says whether it did.
    """

    number: int | None = None
    at_once: Callable[[commands.StartHook], bool] = staticmethod(never)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, FROM_PROVIDER):
            if self.number is not None:
                if event.stream_id != self.number:
                    return  # of an attempt that was called off
                event.stream_id = self.stream_id
            self.heard()
        inner = self.woken(event) if isinstance(event, events.Wakeup) else super()._handle_event(event)
        yield from self._commands(inner)

    def heard(self) -> None:
        """The provider has said something."""

    def woken(self, event: events.Wakeup) -> layer.CommandGenerator[None]:
        """Something that was asked for to happen later."""
        yield from ()

    def renumber(self) -> None:
        """What was sent so far is over: whatever still comes of it is not heard."""
        if self.number is not None:
            self._parent().streams.pop(self.number, None)
        self.number = next(NUMBERS)

    def register(self) -> None:
        """What comes for the attempt's number is for this stream."""
        if self.number is not None:
            self._parent().streams[self.number] = self

    def _commands(self, inner: layer.CommandGenerator[None]) -> layer.CommandGenerator[None]:
        """The same, less the hooks that were called at once, with the number of this attempt towards the provider."""
        reply: Any = None
        while True:
            try:
                command = inner.send(reply)
            except StopIteration:
                return
            reply = None
            if isinstance(command, commands.StartHook):
                # Not one that a layer within this one waits for.
                if not isinstance(command.blocking, layer.Layer) and self.at_once(command):
                    continue
            elif self.number is not None:
                self._number(command)
            reply = yield command

    def _number(self, command: commands.Command) -> None:
        if isinstance(command, SendHttp) and isinstance(command.event, HttpEvent):
            to_client = command.connection is self.context.client
            command.event.stream_id = self.stream_id if to_client else self.number or self.stream_id
        elif isinstance(command, DropStream) and self.number is not None:
            self._parent().streams.pop(self.number, None)

    def forget_dead(self) -> None:
        """mitmproxy keeps every connection that a client's connection has ever led to: 67 KB each, over HTTP/2.

        Only those go that are over, or never came about, and that no stream and nobody in waiting looks at any more.
        """
        parent = self._parent()
        used = {stream.context.server for stream in parent.streams.values()} | {*parent.waiting_for_establishment}
        for one in tuple(parent.connections):
            if isinstance(one, Server) and _is_dead(one) and one not in used:
                del parent.connections[one]

    def called_off(self) -> layer.CommandGenerator[None]:
        """The provider need not go on."""
        number = self.number or self.stream_id
        yield SendHttp(RequestProtocolError(number, "called off", CANCEL), self.context.server)

    def provider_gone(self, message: str) -> ResponseProtocolError:
        """An event that says so."""
        code = (_events.ErrorCode.GENERIC_SERVER_ERROR,) if hasattr(_events, "ErrorCode") else ()
        return ResponseProtocolError(self.stream_id, message, *code)

    def alarm(self) -> tuple[commands.RequestWakeup, events.Wakeup]:
        """A wakeup that was never asked for, and the event that leads it through all layers to this stream."""
        above, command = self.context.layers, commands.RequestWakeup(0)
        for place, one in enumerate(above[:-1]):
            if isinstance(one, HttpLayer):
                one.command_sources[command] = above[place + 1]
        return command, events.Wakeup(command)

    def _parent(self) -> HttpLayer:
        above = self.context.layers[self.context.layers.index(self) - 1]
        assert isinstance(above, HttpLayer)
        return above


def _is_dead(server: Server) -> bool:
    return bool(server.timestamp_end or (server.error and not server.timestamp_tcp_setup))
