"""The WebSocket side of the stand-in vendor's Responses API, as OpenAI's guide on its WebSocket mode has it.

A client's `response.create` has the body of the HTTP request at its top level; what comes back are the events of the
stream, a message each. An error is an event too, with the status that HTTP would have had (accessed 2026-11-21).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.websocket import WebSocketClosedError, WebSocketHandler

Json = dict[str, Any]
# The id of an answer, and all items up to and including it.
Kept = dict[str, list[Any]]
PATH_END = "/responses"


class Asked(Protocol):
    """What a vendor does with a turn: `admit` says how a handshake is refused, `events` answers a message."""

    delay_ms: int
    compresses: bool

    def admit(self, request: HTTPServerRequest) -> Json | None:
        """The error body of a handshake without a key; None where it is fine."""

    def events(self, request: HTTPServerRequest, message: str | bytes, kept: Kept) -> Iterator[Json]:
        """The events of a turn; `kept` are the answers on this connection, which it may go on from."""


class Upgrades(Matcher):
    """Handshakes for a WebSocket."""

    def match(self, request: HTTPServerRequest) -> Json | None:
        """As tornado asks it."""
        return {} if request.headers.get("upgrade", "").lower() == "websocket" else None


class ResponsesSocket(WebSocketHandler):
    """One connection; its turns are answered one after the other. On any other path it is an echo."""

    def initialize(self, vendor: Asked, sockets: set[ResponsesSocket]) -> None:
        """As tornado calls it; `sockets` are those that are open."""
        self.vendor = vendor
        self.sockets = sockets
        self.kept: Kept = {}

    async def prepare(self) -> None:
        """Refuse the handshake where there is no key."""
        refused = self.vendor.admit(self.request)
        if refused is not None:
            self.set_status(401)
            self.set_header("content-type", "application/json")
            self.finish(json.dumps(refused))

    def check_origin(self, origin: str) -> bool:
        """No web page knows this vendor."""
        return True

    def get_compression_options(self) -> Json | None:
        """Compress where the client offers it, if this vendor does."""
        return {} if self.vendor.compresses else None

    def open(self, *_args: str, **_named: str) -> None:
        """The handshake is done."""
        self.sockets.add(self)

    def on_close(self) -> None:
        """Either end has gone."""
        self.sockets.discard(self)

    async def on_message(self, message: str | bytes) -> None:
        """A turn, to its end."""
        if not self.request.path.endswith(PATH_END):
            await self.write_message(message, binary=isinstance(message, bytes))
            return
        try:
            for event in self.vendor.events(self.request, message, self.kept):
                await self.write_message(json.dumps(event))
                if self.vendor.delay_ms:
                    await asyncio.sleep(self.vendor.delay_ms / 1000)
        except WebSocketClosedError:
            return


def events_in(frames: Iterable[bytes]) -> Iterator[Json]:
    """The events of a stream as HTTP would have it."""
    text = b"".join(frames).decode()
    for frame in text.split("\n\n"):
        data = "\n".join(line[5:].strip() for line in frame.splitlines() if line.startswith("data:"))
        if data and data != "[DONE]":
            yield json.loads(data)


def whole(body: Json, kept: Kept) -> Json:
    """A request with all items of the answer that it goes on from; raises KeyError where that is not known."""
    before = body.get("previous_response_id")
    return body if before is None else {**body, "input": [*kept[before], *_items(body)]}


def keeping(events: Iterable[Json], body: Json, kept: Kept) -> Iterator[Json]:
    """The same events; what they say is kept for the next turn."""
    for event in events:
        if event["type"] == "response.completed":
            response: Json = event["response"]
            kept[response["id"]] = [*_items(body), *response.get("output", ())]
        yield event


def _items(body: Json) -> list[Any]:
    said = body.get("input")
    return [{"role": "user", "content": said}] if isinstance(said, str) else list(said or ())


def error_event(status: int, kind: str, message: str) -> Json:
    """As OpenAI's WebSocket mode writes it."""
    return {"type": "error", "status": status, "error": {"type": kind, "code": kind, "message": message}}


def warmed_up(model: str) -> Iterator[Json]:
    """What answers `generate: false`: a response that nothing was generated for."""
    response: Json = {"id": "resp_warm", "object": "response", "model": model, "output": [], "error": None}
    yield {"type": "response.created", "response": {**response, "status": "in_progress", "usage": None}}
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield {"type": "response.completed", "response": {**response, "status": "completed", "usage": usage}}
