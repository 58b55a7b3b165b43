"""mitmproxy's HttpStream, made to ask before an agent learns of a failure, and to say what happened when it must.

THE file that touches mitmproxy's layers; it knows no wire format, that is its port's. Four designs do not work.
- A second proxy before the providers, or buffering answers: streams would no longer be streams.
- Waiting inside the hook that decides: mitmproxy pauses a stream while a hook runs, so nobody would notice that the
  agent has gone. The hook answers at once, and the stream asks to be woken.
- The same number for the next attempt on an HTTP/2 connection: a closed stream is never opened again. Each attempt has
  a number of its own towards the provider, and the agent sees its own number all the time.
- A timer for each request (`RequestWakeup`): it keeps the request and its answer in memory until it rings. One round
  over all streams rings those that are overdue (deadlines.py).

Once the head of an answer is sent, its status is: an error that comes later is an event of the stream. So is a provider
that is gone in the middle: mitmproxy would cut the agent's connection, which some agents take for the end of a good
answer.
"""

from __future__ import annotations

import time
from itertools import count, pairwise
from typing import Any

from mitmproxy import http
from mitmproxy.connection import Connection
from mitmproxy.flow import Error
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import DropStream, GetHttpConnection, HttpLayer, HttpStream, SendHttp, _events
from mitmproxy.proxy.layers.http._events import (
    HttpEvent,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHeadersHook, HttpResponseHook

from ringlet_mitm.addons.stream_port import NO_LIMITS, Port, Setback, Trouble, UpstreamFailedHook

# How an attempt is called off: an enumeration since mitmproxy 12, a status before.
CANCEL: Any = _events.ErrorCode.CANCEL if hasattr(_events, "ErrorCode") else 499
FROM_PROVIDER = (ResponseHeaders, ResponseData, ResponseTrailers, ResponseEndOfMessage, ResponseProtocolError)
# Numbers towards providers, far from those that a client's HTTP/2 counts.
NUMBERS = count(2**40)
# What is held back of an answer until it is known to be one.
HELD_BYTES = 1024 * 1024


def install(port: Port) -> None:
    """Use this stream for every request of this process."""
    PatientStream.port = port
    layers.HttpStream = PatientStream  # type: ignore[misc]


class NewOrSoundConnection(GetHttpConnection):
    """A connection that did not come about is no answer to who asks later: mitmproxy would give its old error."""

    def connection_spec_matches(self, connection: Connection) -> bool:
        """Whether to take one that is there."""
        return not connection.error and super().connection_spec_matches(connection)


class PatientStream(HttpStream):
    """One request, its attempts, and its answer."""

    port: Port = Port()
    in_flight: set[PatientStream] = set()  # noqa: RUF012  (of the process, for deadlines.py)

    limits = NO_LIMITS
    ours = False
    asked = False
    number: int | None = None  # towards the provider, from the second attempt on
    heard_at = 0.0
    connecting_since: float | None = None
    held: bytearray | None = None
    held_since = 0.0
    again: commands.RequestWakeup | None = None
    alarm: commands.RequestWakeup | None = None

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, FROM_PROVIDER):
            if self.number is not None:
                if event.stream_id != self.number:
                    return  # of an attempt that was called off
                event.stream_id = self.stream_id
            self.heard_at = time.monotonic()
        inner = self._on_wakeup(event) if isinstance(event, events.Wakeup) else super()._handle_event(event)
        yield from inner if self.number is None else self._numbered(inner)
        if self.asked or self.client_state != self.state_done:
            return
        self.asked = True
        if self.server_state == self.state_wait_for_response_headers:
            found = self.port.waiting(self.flow)
            if found is not None:
                yield commands.RequestWakeup(found.every_s)

    # --- attempts

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """A connection for the attempt; where there is none, and no other attempt either, the agent is told."""
        flow = self.flow
        self.ours = self.port.is_ours(flow)
        if not self.ours:
            return (yield from super().make_server_connection())
        self.limits = self.port.limits(flow)
        self.in_flight.add(self)
        self.connecting_since = time.monotonic()
        connection, problem = yield NewOrSoundConnection(
            (flow.request.host, flow.request.port),
            flow.request.scheme == "https",
            flow.server_conn.via,
            flow.server_conn.transport_protocol,
        )
        self.connecting_since, self.heard_at = None, time.monotonic()
        if not problem:
            self.context.server = flow.server_conn = connection
            return True
        yield from self._failed(Trouble.UNREACHABLE, problem)
        return False

    def _failed(
        self, trouble: Trouble, message: str, body: bytes = b"", *, cancel: bool = False
    ) -> layer.CommandGenerator[bool]:
        """Ask what to do. True where the stream is taken care of, False where the answer that there is shall go out."""
        self.port.failed(self.flow, Setback(trouble, message, body))
        yield UpstreamFailedHook(self.flow)
        if (yield from self.check_killed(True)):
            return True
        seconds = self.port.again(self.flow)
        if seconds is None and trouble in (Trouble.ANSWER, Trouble.FIRST_EVENT) and not self.port.is_told(self.flow):
            return False
        if cancel:
            yield from self._called_off()
        if self.number is not None:
            self._parent().streams.pop(self.number, None)
        self.number = next(NUMBERS)
        self.held = None
        self.response_body_buf.clear()
        if seconds is None:
            yield from self._told()
            return True
        self.flow.response = self.flow.error = None
        if seconds > 0:
            self.server_state = self.state_between
            self.again = commands.RequestWakeup(seconds)
            yield self.again
        else:
            yield from self._next_attempt()
        return True

    def _next_attempt(self) -> layer.CommandGenerator[None]:
        assert self.number is not None
        self._parent().streams[self.number] = self
        yield from self._numbered(self._sent())

    def _sent(self) -> layer.CommandGenerator[None]:
        self.server_state = self.state_wait_for_response_headers
        if not (yield from self.make_server_connection()):
            return
        content = self.flow.request.raw_content
        yield SendHttp(RequestHeaders(self.stream_id, self.flow.request, not content), self.context.server)
        if content:
            yield SendHttp(RequestData(self.stream_id, content), self.context.server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)

    def _called_off(self) -> layer.CommandGenerator[None]:
        number = self.number or self.stream_id
        yield SendHttp(RequestProtocolError(number, "called off", CANCEL), self.context.server)

    def _told(self) -> layer.CommandGenerator[None]:
        """The hook has made an answer of the failure."""
        assert self.flow.response is not None
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        if not (yield from self.check_killed(True)):
            yield from self._answered(already_streamed=False)

    def _numbered(self, inner: layer.CommandGenerator[Any]) -> layer.CommandGenerator[Any]:
        """The same commands, with the number of this attempt towards the provider."""
        reply: Any = None
        while True:
            try:
                command = inner.send(reply)
            except StopIteration as stop:
                return stop.value
            if isinstance(command, SendHttp) and isinstance(command.event, HttpEvent):
                to_client = command.connection is self.context.client
                command.event.stream_id = self.stream_id if to_client else self.number or self.stream_id
            elif isinstance(command, DropStream) and self.number is not None:
                self._parent().streams.pop(self.number, None)
            reply = yield command

    def _parent(self) -> HttpLayer:
        above = self.context.layers[self.context.layers.index(self) - 1]
        assert isinstance(above, HttpLayer)
        return above

    # --- answers

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        """Hold the answer back while it may still turn out to be a failure."""
        if self.port.gate(self.flow) is None:
            yield from super().start_response_stream()
            return
        self.held, self.held_since = bytearray(), time.monotonic()
        self.server_state = self.state_held

    def state_held(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Nothing of the answer has gone to the agent."""
        gate, held = self.port.gate(self.flow), self.held
        assert gate is not None and held is not None and self.flow.response is not None
        if isinstance(event, ResponseTrailers):
            self.flow.response.trailers = event.trailers
            return
        ended = isinstance(event, ResponseEndOfMessage)
        if isinstance(event, ResponseData):
            held += event.data
        verdict = gate.end() if ended else gate.feed(event.data) if isinstance(event, ResponseData) else None
        if verdict is None and len(held) <= HELD_BYTES:
            return
        if verdict is False:
            trouble = Trouble.ANSWER if self.flow.response.status_code >= 400 else Trouble.FIRST_EVENT
            if (yield from self._failed(trouble, "", bytes(held), cancel=not ended)):
                return
        yield from self._released()
        if ended:
            yield from self.server_state(event)

    def _released(self) -> layer.CommandGenerator[None]:
        held, self.held = bytes(self.held or b""), None
        yield from super().start_response_stream()
        if held:
            yield from self.server_state(ResponseData(self.stream_id, held))

    def send_response(self, already_streamed: bool = False) -> layer.CommandGenerator[None]:
        """The answer is there, whole or all of its stream."""
        response = self.flow.response
        assert response is not None
        gate = self.port.gate(self.flow) if self.ours and not already_streamed else None
        if gate is not None:
            body = response.raw_content or b""
            gate.feed(body)
            trouble = Trouble.ANSWER if response.status_code >= 400 else Trouble.FIRST_EVENT
            if not gate.end() and (yield from self._failed(trouble, "", body)):
                return
        yield from self._answered(already_streamed)

    def _answered(self, already_streamed: bool) -> layer.CommandGenerator[None]:
        """To the agent with it. Where the answer was begun, only its body is still to be sent."""
        self.in_flight.discard(self)
        found = self.port.waiting(self.flow)
        if found is None or not found.begun:
            yield from super().send_response(already_streamed)
            return
        assert self.flow.response is not None
        yield HttpResponseHook(self.flow)
        self.server_state = self.state_done
        if (yield from self.check_killed(False)):
            return
        yield SendHttp(ResponseData(self.stream_id, self.flow.response.raw_content or b""), self.context.client)
        if self.client_state == self.state_done:
            yield from self.flow_done()

    # --- what goes wrong

    def state_between(self, _: events.Event) -> layer.CommandGenerator[None]:
        """One attempt has failed, the next is not sent yet."""
        yield from ()

    def handle_protocol_error(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Agent or provider are gone."""
        if isinstance(event, RequestProtocolError):
            self.in_flight.discard(self)
            if self.server_state == self.state_between:
                yield from self._gone(event.message)
                return
        elif self._before_an_answer() and isinstance(event, ResponseProtocolError):
            yield from self._failed(Trouble.BROKEN, event.message)
            return
        self.in_flight.discard(self)
        yield from self._broken_off(event)

    def _before_an_answer(self) -> bool:
        waits = (self.state_wait_for_response_headers, self.state_held, self.state_consume_response_body)
        return self.ours and self.client_state != self.state_errored and self.server_state in waits

    def _gone(self, message: str) -> layer.CommandGenerator[None]:
        """The agent has hung up between two attempts: there will be no other."""
        self.port.called_off(self.flow)
        self.flow.error = Error(message)
        yield HttpErrorHook(self.flow)
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield DropStream(self.stream_id)

    def _broken_off(self, event: events.Event) -> layer.CommandGenerator[None]:
        """Where the answer was begun, the agent gets an error event, not a silent end."""
        going_on = self.client_state != self.state_errored and self.server_state != self.state_done
        last = self.port.ending(self.flow) if going_on and isinstance(event, ResponseProtocolError) else None
        if last is None:
            yield from super().handle_protocol_error(event)  # type: ignore[arg-type]
            return
        assert isinstance(event, ResponseProtocolError)
        self.flow.error = Error(event.message)
        yield HttpErrorHook(self.flow)
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        if last:
            yield SendHttp(ResponseData(self.stream_id, last), self.context.client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        yield DropStream(self.stream_id)

    # --- time

    def _on_wakeup(self, event: events.Wakeup) -> layer.CommandGenerator[None]:
        if event.command is self.again:
            self.again = None
            if self.server_state == self.state_between:
                yield from self._next_attempt()
        elif event.command is self.alarm:
            self.alarm = None
            yield from self._overdue()
        else:
            yield from self._ping()

    def _overdue(self) -> layer.CommandGenerator[None]:
        if self._is_held_for_long(time.monotonic()):
            yield from self._released()
        elif self._before_an_answer():
            yield from self._failed(Trouble.TIMED_OUT, "the provider did not answer in time", cancel=True)
        elif self.server_state == self.state_stream_response_body and self.client_state != self.state_errored:
            yield from self._called_off()
            code = (_events.ErrorCode.GENERIC_SERVER_ERROR,) if hasattr(_events, "ErrorCode") else ()
            self.in_flight.discard(self)
            self.port.fell_silent(self.flow)
            yield from self._broken_off(ResponseProtocolError(self.stream_id, "the provider fell silent", *code))

    def _ping(self) -> layer.CommandGenerator[None]:
        found = self.port.waiting(self.flow)
        over = (self.state_done, self.state_errored)
        if found is None or self.server_state in over or self.client_state == self.state_errored or self.flow.error:
            return
        if not found.begun:
            found.begun = True
            head = http.Response.make(200, b"", {"content-type": found.content_type, "cache-control": "no-store"})
            del head.headers["content-length"]
            if self.flow.request.http_version == "HTTP/1.1":
                head.headers["transfer-encoding"] = "chunked"
            head.content = None
            yield SendHttp(ResponseHeaders(self.stream_id, head, end_stream=False), self.context.client)
        yield SendHttp(ResponseData(self.stream_id, found.ping()), self.context.client)
        yield commands.RequestWakeup(found.every_s)

    def is_overdue(self, now: float) -> bool:
        """Whether the provider is silent, or its answer held back, for too long; `now` is `time.monotonic()`."""
        if self.server_state in (self.state_done, self.state_errored):
            self.in_flight.discard(self)
            return False
        if self._is_held_for_long(now):
            return True
        begun = self.server_state != self.state_wait_for_response_headers
        limit = self.limits.idle_s if begun else self.limits.first_byte_s
        waits = self.server_state == self.state_stream_response_body or self._before_an_answer()
        return bool(limit) and waits and self.connecting_since is None and now - self.heard_at > limit

    def _is_held_for_long(self, now: float) -> bool:
        gate = self.port.gate(self.flow) if self.server_state == self.state_held else None
        return gate is not None and 0 < gate.patience_s < now - self.held_since

    def is_stuck(self, now: float) -> bool:
        """Whether there should be a connection by now."""
        since, limit = self.connecting_since, self.limits.connect_s
        return since is not None and bool(limit) and now - since > limit

    def rings(self) -> events.Wakeup:
        """An event that leads through all layers to this stream, as if it had asked to be woken."""
        self.alarm = alarm = commands.RequestWakeup(0)
        self.heard_at = time.monotonic()  # so that it rings once
        above = self.context.layers
        for one, below in pairwise(above):
            if isinstance(one, HttpLayer):
                one.command_sources[alarm] = below
        return events.Wakeup(alarm)
