"""mitmproxy's HttpStream, for an agent that is kept waiting: its answer may have begun before a provider has given one.

With the first ping the head goes out, and with it the status. What comes then is only more of the body, a whole answer
too; and a provider that is gone is an event of the stream, since mitmproxy would cut the agent's connection, which some
agents take for the end of a good answer.
"""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.flow import Error
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.layers.http import DropStream, SendHttp
from mitmproxy.proxy.layers.http._events import (
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._hooks import HttpErrorHook, HttpResponseHook

from ringlet_mitm.addons.numbered_stream import NumberedStream
from ringlet_mitm.addons.stream_port import Port, Waiting


class BegunStream(NumberedStream):
    """One request, and what its agent gets."""

    port: Port = Port()

    def ping(self, waiting: Waiting) -> layer.CommandGenerator[None]:
        """Something for the agent to hear; before the first, the head."""
        if not waiting.begun:
            waiting.begun = True
            head = http.Response.make(200, b"", {"content-type": waiting.content_type, "cache-control": "no-store"})
            del head.headers["content-length"]
            if self.flow.request.http_version == "HTTP/1.1":
                head.headers["transfer-encoding"] = "chunked"
            head.content = None
            yield SendHttp(ResponseHeaders(self.stream_id, head, end_stream=False), self.context.client)
        yield SendHttp(ResponseData(self.stream_id, waiting.ping()), self.context.client)

    def start_response_stream(self) -> layer.CommandGenerator[None]:
        """The head, unless one is out."""
        if self._is_begun():
            self.server_state = self.state_stream_response_body
        else:
            yield from super().start_response_stream()

    def send_response(self, already_streamed: bool = False) -> layer.CommandGenerator[None]:
        """The answer, whole or all of its stream. Where it was begun, only its body is still to be sent."""
        if already_streamed or not self._is_begun():
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
        """Agent or provider are gone. Where the answer was begun, the agent gets an error event, not a silent end."""
        going_on = self.client_state != self.state_errored and self.server_state != self.state_done
        last = self.port.ending(self.flow) if going_on and isinstance(event, ResponseProtocolError) else None
        if last is None:
            yield from super().handle_protocol_error(event)  # type: ignore[arg-type]
            return
        assert isinstance(event, ResponseProtocolError)
        yield from self.failed_for_good(event.message)
        if last:
            yield SendHttp(ResponseData(self.stream_id, last), self.context.client)
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        yield DropStream(self.stream_id)

    def failed_for_good(self, message: str) -> layer.CommandGenerator[None]:
        """The flow ends with an error, and nothing is heard any more of agent or provider."""
        self.flow.error = Error(message)
        yield HttpErrorHook(self.flow)
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored

    def _is_begun(self) -> bool:
        waiting = self.port.waiting(self.flow)
        return waiting is not None and waiting.begun
