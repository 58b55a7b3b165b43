"""mitmproxy's HttpStream, for agents whose stream is of our making: signs of life, and an end that says what happened.

THE file that touches mitmproxy's layers. Two designs do not work. A streaming response has no clock: mitmproxy calls
its transducer with data only, so nothing can be said while nothing comes. And a task beside the flow that writes to the
client would write in between of whatever the layers have half sent. So the stream itself asks to be woken (`Wakeup`, as
mitmproxy's own HTTP/2 keep-alive does), begins the answer early, and sends a ping each time it is woken too soon.

Once begun, the status is sent: an error that comes later is an event of the stream. So is a provider that is gone in
the middle: mitmproxy would cut the agent's connection, which some agents take for the end of a good answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.flow import Error
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http import DropStream, HttpStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHook


@dataclass(slots=True)
class Waiting:
    """How an agent is kept waiting; `begun` once the head of the answer has gone out."""

    every_s: float
    content_type: str
    ping: Callable[[], bytes]
    begun: bool = False


def install(
    waiting: Callable[[http.HTTPFlow], Waiting | None], ending: Callable[[http.HTTPFlow], bytes | None]
) -> None:
    """Use this stream for every request of this process.

    `waiting` says which agents are kept waiting, and how; `ending` gives what ends an agent's stream whose provider is
    gone, None where mitmproxy's way is right.
    """
    PatientStream.waiting = staticmethod(waiting)
    PatientStream.ending = staticmethod(ending)
    layers.HttpStream = PatientStream  # type: ignore[misc]


class PatientStream(HttpStream):
    """One request and its answer."""

    waiting: Callable[[http.HTTPFlow], Waiting | None] = staticmethod(lambda flow: None)
    ending: Callable[[http.HTTPFlow], bytes | None] = staticmethod(lambda flow: None)
    asked = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            yield from self._on_wakeup()
            return
        yield from super()._handle_event(event)
        if self.asked or self.client_state != self.state_done:
            return
        self.asked = True
        if self.server_state == self.state_wait_for_response_headers:
            found = self.waiting(self.flow)
            if found is not None:
                yield commands.RequestWakeup(found.every_s)

    def _on_wakeup(self) -> layer.CommandGenerator[None]:
        found = self.waiting(self.flow)
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

    def send_response(self, already_streamed: bool = False) -> layer.CommandGenerator[None]:
        """The answer is there. Where it was begun, only its body is still to be sent."""
        found = self.waiting(self.flow)
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

    def handle_protocol_error(self, event: events.Event) -> layer.CommandGenerator[None]:
        """The provider is gone. Where the answer was begun, the agent gets an error event, not a silent end."""
        going_on = self.client_state != self.state_errored and self.server_state != self.state_done
        last = self.ending(self.flow) if going_on and isinstance(event, ResponseProtocolError) else None
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
