"""The page on a port of its own, for a person who has no proxy running."""

from __future__ import annotations

import sys
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ringlet_mitm.addons.dashboard.answering import Answers
from ringlet_mitm.addons.dashboard.site import Answer, Asked, answered, question, told

HOST = "127.0.0.1"


class Server(ThreadingHTTPServer):
    """Listens on loopback as soon as it is made; `serve_forever` answers. Port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, answers: Answers, port: int) -> None:
        super().__init__((HOST, port), partial(_Visit, answers))

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away before it has its answer is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Visit(BaseHTTPRequestHandler):
    """One connection of a browser."""

    protocol_version = "HTTP/1.1"
    server_version = "ringlet-mitm"
    sys_version = ""
    timeout = 60.0

    def __init__(self, answers: Answers, request: Any, address: Any, server: Server) -> None:
        self._answers = answers
        self._port = server.server_port
        super().__init__(request, address, server)

    def do_GET(self) -> None:
        """Answer; what is not GET is answered too, by refusing it."""
        port = self._port
        asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, port)
        wanted = question(asked)
        self._send(answered(asked) if wanted is None else told(self._answers.said(wanted)))

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: whoever opened the page knows."""

    def _send(self, answer: Answer) -> None:
        # A body that was sent along would be taken for the next request.
        self.close_connection = self.close_connection or self.command != "GET"
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
