"""A stand-in for every provider at once: also for local servers, Ollama's and Bedrock's own formats, Google's tokens.

It is the demo's vendor with a second port without TLS, and answers whoever asks: what was sent is for tests to judge.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import Answer, answer
from ringlet_mitm.cli.demo.upstream import Seen, Vendor

ENDS = {"/messages": "messages", "/chat/completions": "chat", "/responses": "responses", "/api/chat": "ollama"}
GOOGLE_TOKEN = "ya29.token-of-the-service-account"

Json = dict[str, Any]


def _ollama(said: Answer) -> Json:
    return {
        "model": said.model,
        "created_at": "2026-11-21T10:00:00Z",
        "message": {"role": "assistant", "content": "".join(said.text)},
        "done": True,
        "done_reason": "stop",
        "prompt_eval_count": said.prompt,
        "eval_count": said.output,
    }


def _converse(said: Answer) -> Json:
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": "".join(said.text)}]}},
        "stopReason": "end_turn",
        "usage": {
            "inputTokens": said.prompt,
            "outputTokens": said.output,
            "totalTokens": said.prompt + said.output,
        },
        "metrics": {"latencyMs": 1},
    }


WHOLE = {name: style.whole for name, style in STYLES.items()} | {"ollama": _ollama, "converse": _converse}


def style_of(path: str) -> str:
    """The format of a model call by its path, "" for any other."""
    if ":generateContent" in path or ":streamGenerateContent" in path:
        return "gemini"
    if path.endswith(("/converse", "/converse-stream")):
        return "converse"
    return next((style for end, style in ENDS.items() if path.endswith(end)), "")


class _Handler(RequestHandler):
    def initialize(self, vendor: EveryVendor) -> None:
        self.vendor = vendor

    def _answer(self) -> None:
        request = self.request
        seen = Seen(request.host, request.method or "", request.path, request.query, request.headers, request.body)
        self.vendor.seen.append(seen)
        if request.path == "/token":
            self._json({"access_token": GOOGLE_TOKEN, "expires_in": 3600, "token_type": "Bearer"})
            return
        style = style_of(request.path)
        if not style:
            self.set_status(200 if request.path in self.vendor.pages else 404)
            self._json(self.vendor.pages.get(request.path, {"error": {"message": "not found"}}))
            return
        body = json.loads(request.body)
        said = answer(seen.host, self._model(style, body), body, request.body)
        if style in STYLES and (body.get("stream") or ":stream" in request.path):
            self.set_header("content-type", "text/event-stream")
            for frame in STYLES[style].stream(said, body):
                self.write(frame)
            return
        self._json(WHOLE[style](said))

    get = post = _answer

    def _model(self, style: str, body: Json) -> str:
        if style == "gemini":
            return self.request.path.rpartition("/")[2].partition(":")[0]
        if style == "converse":
            return unquote(self.request.path).partition("/model/")[2].rpartition("/")[0]
        return str(body["model"])

    def _json(self, body: Json) -> None:
        self.set_header("content-type", "application/json")
        self.write(json.dumps(body))

    def compute_etag(self) -> None:
        """Vendors send none."""


class EveryVendor(Vendor):
    """Use it as the demo's; `plain_port` takes what is asked for without TLS, `plain` are its addresses.

    `pages` are what it answers besides model calls, by path.
    """

    def __init__(self, hosts: Iterable[str], plain: Iterable[tuple[str, int]] = ()) -> None:
        super().__init__(hosts=tuple(hosts))
        self.plain_port = 0
        self.pages: dict[str, Json] = {}
        self._plain = tuple(plain)

    @property
    def connect_to(self) -> list[str]:
        """Detours for both ports."""
        return [
            *super().connect_to,
            *(f"{host}:{port}:127.0.0.1:{self.plain_port}" for host, port in self._plain),
        ]

    async def _open(self) -> None:
        application = Application([(r".*", _Handler, {"vendor": self})], log_function=lambda handler: None)
        sockets = bind_sockets(0, "127.0.0.1", family=socket.AF_INET)
        self.plain_port = sockets[0].getsockname()[1]
        HTTPServer(application).add_sockets(sockets)
        await super()._open()
        assert self._server is not None
        self._server.request_callback = application
