"""mitmproxy's HttpStream, made to ask before an agent learns of a failure, and to say what happened when it must.

With begun_stream.py and numbered_stream.py below it THE place that touches mitmproxy's layers; it knows no wire format,
that is its port's.
Three designs do not work.
- A second proxy before the providers, or buffering answers: streams would no longer be streams.
- Waiting inside the hook that decides: mitmproxy pauses a stream while a hook runs, so nobody would notice that the
  agent has gone. The hook answers at once, and the stream asks to be woken.
- A timer for each request (`RequestWakeup`): it keeps the request and its answer in memory until it rings. One round
  over all streams rings those that are overdue (deadlines.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseProtocolError,
    ResponseTrailers,
)
from mitmproxy.proxy.layers.http._hooks import HttpResponseHeadersHook

from ringlet_mitm.addons.begun_stream import BegunStream
from ringlet_mitm.addons.numbered_stream import NewOrSoundConnection, never
from ringlet_mitm.addons.stream_clock import Due, Phase, StreamClock
from ringlet_mitm.addons.stream_port import Port, Setback, Trouble, UpstreamFailedHook

# What is held back of an answer until it is known to be one.
HELD_BYTES = 1024 * 1024


def install(
    port: Port,
    ring: Callable[[PatientStream, Due], None],
    at_once: Callable[[commands.StartHook], bool] = never,
) -> None:
    """Use this stream for every request of this process; `ring` has a stream do, soon, what is due."""
    PatientStream.port = port
    PatientStream.at_once = staticmethod(at_once)
    PatientStream.ring = staticmethod(ring)
    layers.HttpStream = PatientStream  # type: ignore[misc]


class PatientStream(BegunStream):
    """One request, its attempts, and its answer."""

    ring: Callable[[PatientStream, Due], None]
    in_flight: set[PatientStream] = set()  # noqa: RUF012  (of the process, for deadlines.py)

    clock: StreamClock | None = None  # of a model call
    connecting = False
    in_line = False
    held: bytearray | None = None
    again: commands.RequestWakeup | None = None
    alarms: dict[commands.Command, Due]

    # --- attempts

    def make_server_connection(self) -> layer.CommandGenerator[bool]:
        """A connection for the attempt; where there is none, and no other attempt either, the agent is told."""
        flow = self.flow
        if not self.port.is_ours(flow):
            return (yield from super().make_server_connection())
        if self.clock is None:
            self.clock, self.alarms = StreamClock(), {}
        self.clock.limits = self.port.limits(flow)
        self.clock.enter()
        self.in_flight.add(self)
        enters = self.port.enters(flow, self._turn_comes)
        if not enters:
            yield from self._stands_in_line(enters)
            return False
        return (yield from self._connected())

    def _connected(self) -> layer.CommandGenerator[bool]:
        flow, clock = self.flow, self.clock
        assert clock is not None
        self.forget_dead()
        self.connecting = True
        connection, problem = yield NewOrSoundConnection(
            (flow.request.host, flow.request.port),
            flow.request.scheme == "https",
            flow.server_conn.via,
            flow.server_conn.transport_protocol,
        )
        self.connecting = False
        clock.enter()
        if not problem:
            self.context.server = flow.server_conn = connection
            return True
        yield from self._failed(Trouble.UNREACHABLE, problem)
        return False

    def _turn_comes(self) -> None:
        """Called by who leaves the line, in the middle of whatever that is doing."""
        self.ring(self, Due.PLACE)

    def _stands_in_line(self, enters: bool | None) -> layer.CommandGenerator[None]:
        if enters is None:
            yield from self._failed(Trouble.TURNED_AWAY, "too many requests wait for it already")
        else:
            self.in_line, self.server_state = True, self.state_between

    def _leaves_line(self, due: Due) -> layer.CommandGenerator[None]:
        if not self.in_line or self.server_state != self.state_between:
            return
        self.in_line = False
        if due is Due.PLACE:
            self.port.entered(self.flow)
            yield from self._sent(self._connected())
        else:
            yield from self._failed(Trouble.TURNED_AWAY, "no place in line came free in time")

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
            yield from self.called_off()
        self.renumber()
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
        self.register()
        yield from self._sent(self.make_server_connection())

    def _sent(self, connected: layer.CommandGenerator[bool]) -> layer.CommandGenerator[None]:
        self.server_state = self.state_wait_for_response_headers
        if not (yield from connected):
            return
        content = self.flow.request.raw_content
        yield SendHttp(RequestHeaders(self.stream_id, self.flow.request, not content), self.context.server)
        if content:
            yield SendHttp(RequestData(self.stream_id, content), self.context.server)
        yield SendHttp(RequestEndOfMessage(self.stream_id), self.context.server)

    def _told(self) -> layer.CommandGenerator[None]:
        """The hook has made an answer of the failure."""
        assert self.flow.response is not None
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        if not (yield from self.check_killed(True)):
            yield from self._answered(already_streamed=False)

    # --- answers

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        """Hold the answer back while it may still turn out to be a failure."""
        if self.port.gate(self.flow) is None:
            yield from super().start_response_stream()
            return
        self.held = bytearray()
        self.server_state = self.state_held
        if self.clock is not None:
            self.clock.enter()

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
        gate = self.port.gate(self.flow) if self.clock is not None and not already_streamed else None
        if gate is not None:
            body = response.raw_content or b""
            gate.feed(body)
            trouble = Trouble.ANSWER if response.status_code >= 400 else Trouble.FIRST_EVENT
            if not gate.end() and (yield from self._failed(trouble, "", body)):
                return
        yield from self._answered(already_streamed)

    def _answered(self, already_streamed: bool) -> layer.CommandGenerator[None]:
        self.in_flight.discard(self)
        yield from super().send_response(already_streamed)

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
        yield from super().handle_protocol_error(event)

    def _before_an_answer(self) -> bool:
        waits = (self.state_wait_for_response_headers, self.state_held, self.state_consume_response_body)
        return self.clock is not None and self.client_state != self.state_errored and self.server_state in waits

    def _gone(self, message: str) -> layer.CommandGenerator[None]:
        """The agent has hung up between two attempts: there will be no other."""
        self.port.called_off(self.flow)
        yield from self.failed_for_good(message)
        yield DropStream(self.stream_id)

    # --- time

    def due(self, now: float) -> Due | None:
        """What deadlines.py shall have it do; `now` is `time.monotonic()`."""
        if self.clock is None or self.server_state in (self.state_done, self.state_errored):
            self.in_flight.discard(self)
            return None
        if self.alarms:  # on its way
            return None
        gate = self.port.gate(self.flow) if self.held is not None else None
        patience_s = gate.patience_s if gate is not None else 0.0
        return self.clock.due(now, self._phase(), self.port.waiting(self.flow), patience_s)

    def _phase(self) -> Phase:
        if self.connecting:
            return Phase.CONNECTING
        if self.in_line:
            return Phase.IN_LINE
        return PHASES.get(self.server_state.__name__, Phase.OVER)

    def rings(self, due: Due) -> events.Wakeup:
        """The event that has it do what is due."""
        command, event = self.alarm()
        self.alarms[command] = due
        return event

    def heard(self) -> None:
        """For its time-outs."""
        if self.clock is not None:
            self.clock.heard_at = time.monotonic()

    def woken(self, event: events.Wakeup) -> layer.CommandGenerator[None]:
        """The pause between two attempts is over, or something is due."""
        if event.command is self.again:
            self.again = None
            if self.server_state == self.state_between:
                yield from self._next_attempt()
            return
        due = self.alarms.pop(event.command, None)
        if self.client_state == self.state_errored or self.server_state in (self.state_done, self.state_errored):
            return
        if due in (Due.PLACE, Due.TURNED_AWAY):
            yield from self._leaves_line(due)
        elif due is Due.PING:
            yield from self._ping()
        elif due is Due.RELEASE and self.held is not None:
            yield from self._released()
        elif due is Due.SILENCE:
            yield from self._given_up()

    def _given_up(self) -> layer.CommandGenerator[None]:
        """The provider says nothing any more."""
        if self._before_an_answer():
            yield from self._failed(Trouble.TIMED_OUT, "the provider did not answer in time", cancel=True)
        elif self.server_state == self.state_stream_response_body:
            yield from self.called_off()
            self.in_flight.discard(self)
            self.port.fell_silent(self.flow)
            yield from super().handle_protocol_error(self.provider_gone("the provider fell silent"))

    def _ping(self) -> layer.CommandGenerator[None]:
        waiting = self.port.waiting(self.flow)
        if waiting is not None and self.clock is not None and not self.flow.error:
            self.clock.told_at = time.monotonic()
            yield from self.ping(waiting)


PHASES = {
    HttpStream.state_wait_for_response_headers.__name__: Phase.ASKED,
    HttpStream.state_consume_response_body.__name__: Phase.COLLECTED,
    HttpStream.state_stream_response_body.__name__: Phase.FLOWING,
    PatientStream.state_held.__name__: Phase.HELD,
    PatientStream.state_between.__name__: Phase.PAUSED,
}
