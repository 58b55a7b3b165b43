"""The stand-in vendor: every vendor's model API on one loopback port, with real TLS under the vendors' real names.

The demo and the tests send through the proxy to it. It checks keys and bodies as vendors do, and keeps what came.
"""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_sockets
from tornado.routing import Rule
from tornado.web import Application, RequestHandler

from ringlet_mitm.cli.demo.certificates import server_context
from ringlet_mitm.cli.demo.replies import STYLES, Json, gemini_array
from ringlet_mitm.cli.demo.script import Answer, answer
from ringlet_mitm.cli.demo.sockets import (
    Kept,
    ResponsesSocket,
    Upgrades,
    error_event,
    events_in,
    keeping,
    warmed_up,
    whole,
)

HOSTS = (
    "api.anthropic.com",
    "api.openai.com",
    "generativelanguage.googleapis.com",
    "api.groq.com",
    "openrouter.ai",
    "api.minimax.io",
    "api.x.ai",
    "api.deepseek.com",
    "chatgpt.com",
    "example.com",
)
ENDS = {"/messages": "messages", "/chat/completions": "chat", "/responses": "responses"}
BODY_LIMIT = 256 * 1024 * 1024
SOCKET = "SOCKET"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived; `connection` tells TCP connections apart. Over a WebSocket `method` is SOCKET."""

    host: str
    method: str
    path: str
    query: str
    headers: HTTPHeaders = field(repr=False)
    body: bytes = field(repr=False)
    connection: str = ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer as bytes, piece by piece."""

    frames: Iterable[bytes]
    content_type: str


# What answers in place of the built-in script: the format, the request, its body, and whether a stream is asked for.
Model = Callable[[str, Seen, Json, bool], Spoken]


class Refusal(Exception):
    """What a vendor does not take; it is written as its format writes errors."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.message = status, kind, message


class _Handler(RequestHandler):
    def initialize(self, vendor: Vendor) -> None:
        self.vendor = vendor

    async def _answer(self) -> None:
        request = self.request
        seen = _seen(request, request.method or "", request.body)
        self.vendor.seen.append(seen)
        try:
            style, stream = _style(seen)
            if not style:
                self._json(200, {"object": "list", "data": [], "ok": True})
                return
            _check_key(style, seen)
            body = _body(style, seen)
            stream = stream or bool(body.get("stream"))
            if self.vendor.model:
                await self._send(self.vendor.model(style, seen, body, stream))
                return
            said = answer(seen.host, asked_model(style, seen, body), body, seen.body)
            await self._reply(style, said, body, stream, seen)
        except Refusal as refusal:
            self.vendor.refused.append(f"{refusal.status}: {refusal}")
            self._json(refusal.status, _error(style, refusal))
        except StreamClosedError:
            return

    get = post = put = delete = _answer

    async def _reply(self, style: str, said: Answer, body: Json, stream: bool, seen: Seen) -> None:
        if not stream:
            self._json(200, STYLES[style].whole(said))
            return
        as_array = style == "gemini" and "alt=sse" not in seen.query
        frames: Iterator[bytes] = gemini_array(said) if as_array else STYLES[style].stream(said, body)
        await self._send(Spoken(frames, "application/json" if as_array else "text/event-stream"))

    async def _send(self, spoken: Spoken) -> None:
        self.set_header("content-type", spoken.content_type)
        self.set_header("cache-control", "no-cache")
        for frame in spoken.frames:
            self.write(frame)
            await self.flush()
            if self.vendor.delay_ms:
                await asyncio.sleep(self.vendor.delay_ms / 1000)

    def _json(self, status: int, body: Json) -> None:
        self.set_status(status)
        self.set_header("content-type", "application/json")
        self.write(json.dumps(body))

    def compute_etag(self) -> None:
        """Vendors send none."""


class _Server(HTTPServer):
    connections = 0

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        self.connections += 1
        super().handle_stream(stream, address)


class Vendor:
    """The running stand-in; use it as a context manager.

    `delay_ms` is the pause between the pieces of a stream. A `model` answers every model call in place of the script;
    it may raise Refusal. `compresses` is whether its WebSockets do, `sockets` are those that are open.
    """

    def __init__(self, *, delay_ms: int = 0, hosts: tuple[str, ...] = HOSTS) -> None:
        self.delay_ms = delay_ms
        self.model: Model | None = None
        self.seen: list[Seen] = []
        self.refused: list[str] = []
        self.compresses = False
        self.sockets: set[ResponsesSocket] = set()
        self.port = 0
        self._hosts = hosts
        self._folder = tempfile.TemporaryDirectory(prefix="stand-in-vendor-")
        self._context, self.ca_file = server_context(Path(self._folder.name), hosts)
        self._loop = asyncio.new_event_loop()
        self._server: _Server | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stand-in vendor", daemon=True)

    @property
    def connections(self) -> int:
        """TCP connections accepted so far."""
        return self._server.connections if self._server else 0

    @property
    def connect_to(self) -> list[str]:
        """Where to go instead of the vendors' addresses, as for curl's --connect-to."""
        return [f"{host}:443:127.0.0.1:{self.port}" for host in self._hosts]

    def start(self) -> Vendor:
        """Serve from a thread; returns once the port is open."""
        self._thread.start()
        self._ready.wait(10)
        return self

    def stop(self) -> None:
        """End the thread and delete the keys."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._folder.cleanup()

    def __enter__(self) -> Vendor:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def admit(self, request: HTTPServerRequest) -> Json | None:
        """How a WebSocket handshake is refused, None where it is not."""
        seen = _seen(request, "GET", b"")
        self.seen.append(seen)
        try:
            _check_key("responses", seen)
        except Refusal as refusal:
            self.refused.append(f"{refusal.status}: {refusal}")
            return _error("responses", refusal)
        return None

    def events(self, request: HTTPServerRequest, message: str | bytes, kept: Kept) -> Iterator[Json]:
        """What answers a message on a WebSocket."""
        seen = _seen(request, SOCKET, message.encode() if isinstance(message, str) else message)
        self.seen.append(seen)
        try:
            body = _turn(seen, kept)
            return keeping(self._said(seen, body), body, kept)
        except Refusal as refusal:
            self.refused.append(f"{refusal.status}: {refusal}")
            return iter((error_event(refusal.status, refusal.kind, refusal.message),))

    def _said(self, seen: Seen, body: Json) -> Iterator[Json]:
        model = str(body["model"])
        if body.get("generate") is False:
            return warmed_up(model)
        if self.model:
            return events_in(self.model("responses", seen, body, True).frames)
        return events_in(STYLES["responses"].stream(answer(seen.host, model, body, seen.body), body))

    def close_sockets(self, code: int = 1000) -> None:
        """Close those that are open, from whatever thread."""
        for one in tuple(self.sockets):
            self._loop.call_soon_threadsafe(one.close, code)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._loop.run_forever()
        assert self._server is not None
        self._server.stop()
        self._loop.run_until_complete(self._server.close_all_connections())
        self._loop.close()

    async def _open(self) -> None:
        sockets = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)
        self.port = sockets[0].getsockname()[1]
        socket_rule = Rule(Upgrades(), ResponsesSocket, {"vendor": self, "sockets": self.sockets})
        application = Application(
            [socket_rule, (r".*", _Handler, {"vendor": self})],
            log_function=lambda handler: None,
            websocket_max_message_size=BODY_LIMIT,
        )
        self._server = _Server(
            application, ssl_options=self._context, max_buffer_size=BODY_LIMIT, max_body_size=BODY_LIMIT
        )
        self._server.add_sockets(sockets)
        self._ready.set()


def _seen(request: HTTPServerRequest, method: str, body: bytes) -> Seen:
    peer = ":".join(str(part) for part in request.connection.context.address[:2])  # type: ignore[union-attr]
    return Seen(request.host.partition(":")[0], method, request.path, request.query, request.headers, body, peer)


def _style(seen: Seen) -> tuple[str, bool]:
    """The format of a model call and whether its path asks for a stream; "" for any other path."""
    if seen.method != "POST":
        return "", False
    if ":generateContent" in seen.path or ":streamGenerateContent" in seen.path:
        return "gemini", ":stream" in seen.path
    return next((style for end, style in ENDS.items() if seen.path.endswith(end)), ""), False


def _check_key(style: str, seen: Seen) -> None:
    headers = seen.headers
    bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
    keys = {
        "messages": (headers.get("x-api-key"), bearer),
        "gemini": (headers.get("x-goog-api-key"), bearer, "key=" in seen.query),
    }
    if not any(keys.get(style, (bearer,))):
        raise Refusal(401, "authentication_error", "no API key was sent")


def _body(style: str, seen: Seen) -> Json:
    try:
        body: Any = json.loads(seen.body)
    except ValueError as error:
        raise Refusal(400, "invalid_request_error", f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_request_error", "the body is not an object")
    needed = {"messages": ("model", "messages", "max_tokens"), "chat": ("model", "messages"), "gemini": ("contents",)}
    for key in needed.get(style, ("model", "input")):
        if key not in body:
            raise Refusal(400, "invalid_request_error", f"{key}: field required")
    return body


def _turn(seen: Seen, kept: Kept) -> Json:
    """The request that a message on a WebSocket is."""
    body = _body("responses", seen)
    if body.get("type") != "response.create":
        raise Refusal(400, "invalid_request_error", f"unknown event {body.get('type')!r}")
    try:
        return whole(body, kept)
    except KeyError as error:
        raise Refusal(400, "previous_response_not_found", f"no response {error} on this connection") from None


def asked_model(style: str, seen: Seen, body: Json) -> str:
    """The model that a request names."""
    if style == "gemini":
        return seen.path.rpartition("/")[2].partition(":")[0]
    return str(body["model"])


def _error(style: str, refusal: Refusal) -> Json:
    if style == "messages":
        return {"type": "error", "error": {"type": refusal.kind, "message": refusal.message}, "request_id": "req_A"}
    if style == "gemini":
        word = "UNAUTHENTICATED" if refusal.status == 401 else "INVALID_ARGUMENT"
        return {"error": {"code": refusal.status, "message": refusal.message, "status": word}}
    code = "invalid_api_key" if refusal.status == 401 else None
    return {"error": {"message": refusal.message, "type": refusal.kind, "param": None, "code": code}}
