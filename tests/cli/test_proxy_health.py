"""What is found at a proxy's address: the proxy, nobody, or somebody else."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from local_servers import LocalServer, closed_port

from ringlet_mitm.cli.proxy_health import LARGEST, Instead, ask

HEALTH = {"status": "ok", "profile": "work", "rules": [], "default": "default → passthrough", "requests": 3}
SHORT_S = 0.3


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose first connection is answered so, once something was asked."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            line, _ = door.accept()
            with line:
                line.recv(65536)
                answer(line)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        thread.join(5)


def test_the_proxys_own_words() -> None:
    with LocalServer({"/health": HEALTH}) as server:
        assert ask("127.0.0.1", server.port) == HEALTH
    (seen,) = server.seen
    assert (seen.path, seen.headers["host"]) == ("/health", f"127.0.0.1:{server.port}")


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalServer({}) as proxy, LocalServer({"/health": HEALTH}) as server:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert ask("127.0.0.1", server.port) == HEALTH
    assert proxy.seen == []


def test_nobody() -> None:
    assert ask("127.0.0.1", closed_port()) is Instead.NOBODY


OTHERS: dict[str, object] = {
    "a page": b"<html>hello</html>",
    "other JSON": {"status": "ok"},
    "a list": [1, 2],
    "a profile that is none": {**HEALTH, "profile": 7},
    "another status": {**HEALTH, "status": "starting"},
    "nested too deeply": b"[" * 100_000,
    "more than a proxy ever says": json.dumps({**HEALTH, "more": "x" * LARGEST}).encode(),
    "not UTF-8": b'{"status": "\xff"}',
}


@pytest.mark.parametrize("page", OTHERS.values(), ids=OTHERS)
def test_somebody_else(page: object) -> None:
    with LocalServer({"/health": page}) as server:
        assert ask("127.0.0.1", server.port) is Instead.STRANGER


@pytest.mark.parametrize(
    ("realm", "found"), [("ringlet-mitm", Instead.LOCKED), ("office", Instead.STRANGER)], ids=["ours", "another"]
)
def test_one_that_asks_for_a_login(realm: str, found: Instead) -> None:
    head = f'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="{realm}"\r\n'
    with answering(lambda line: line.sendall(f"{head}Content-Length: 0\r\n\r\n".encode())) as port:
        assert ask("127.0.0.1", port) is found


def test_the_login_is_said() -> None:
    with LocalServer({"/health": HEALTH}) as server:
        assert ask("127.0.0.1", server.port, login="Basic dTpw") == HEALTH
    assert server.seen[0].headers["proxy-authorization"] == "Basic dTpw"


@pytest.mark.parametrize("status", [403, 404, 500])
def test_an_error_is_not_the_proxys_word(status: int) -> None:
    with LocalServer({"/health": HEALTH}, status=status) as server:
        assert ask("127.0.0.1", server.port) is Instead.STRANGER


@pytest.mark.parametrize(
    "said", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9"]
)
def test_what_speaks_something_else(said: bytes) -> None:
    with answering(lambda line: line.sendall(said)) as port:
        assert ask("127.0.0.1", port) is Instead.STRANGER


def dripping(start: bytes) -> Callable[[socket.socket], None]:
    """Something every moment, so that no read of its own waits long; until nobody reads any more."""

    def answer(line: socket.socket) -> None:
        line.sendall(start)
        line.settimeout(0.05)
        while True:
            try:
                line.sendall(b" ")
                if not line.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    return answer


def until_the_end(line: socket.socket) -> None:
    """Says nothing."""
    line.recv(1)


@pytest.mark.parametrize(
    "answer",
    [
        until_the_end,
        dripping(b"HTTP/1.1 200 OK\r\nx: "),
        dripping(b"HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n"),
    ],
    ids=["nothing", "an endless head", "a slow body"],
)
def test_who_does_not_come_to_an_end_is_not_waited_for(answer: Callable[[socket.socket], None]) -> None:
    with answering(answer) as port:
        began = time.monotonic()
        assert ask("127.0.0.1", port, SHORT_S) is Instead.SILENT
        assert time.monotonic() - began < SHORT_S + 2
