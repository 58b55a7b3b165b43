"""A proxy inside mitmweb, asked over bare sockets: exactly the bytes of a request, and what comes back."""

from __future__ import annotations

import socket
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from ringlet_mitm.cli.demo.stage import RunningProxy

PATIENCE_S = 20
WATCH = "watch it at "
UPGRADE = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: eA==\n"


@dataclass(frozen=True, slots=True)
class Page:
    """mitmweb's page: its port, and the token in the address that was printed."""

    port: int
    token: str

    def ask(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        """A request straight to it, with these headers and no other credentials."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx.Client(trust_env=False, verify=False, timeout=PATIENCE_S) as http:
            return http.request(method, f"http://127.0.0.1:{self.port}{path}", headers=named)


def page_of(proxy: RunningProxy) -> Page:
    """Where a proxy said that its page is."""
    url = urlsplit(next(line for line in proxy.said if line.startswith(WATCH)).removeprefix(WATCH))
    return Page(int(url.port or 0), url.query.partition("token=")[2])


def told(port: int, request: str) -> tuple[int, str]:
    """Status and all of what a port answers to these lines; status 0 where it hangs up."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as line:
        line.sendall(request.replace("\n", "\r\n").encode())
        said = b""
        while b"\r\n\r\n" not in said and (more := line.recv(65536)):
            said += more
        head, _, body = said.partition(b"\r\n\r\n")
        length = next((int(part[15:]) for part in head.lower().split(b"\r\n") if part[:15] == b"content-length:"), 0)
        while len(body) < length and (more := line.recv(65536)):
            body += more
    text = (head + b"\n\n" + body).decode("utf-8", "replace")
    return (int(text.split(" ", 2)[1]) if text.startswith("HTTP/") else 0), text


def basic(login: str) -> str:
    """As a header has it."""
    return "Basic " + b64encode(login.encode()).decode()
