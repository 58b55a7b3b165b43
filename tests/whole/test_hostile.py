"""Bodies that nobody should send: a clear error or untouched passage, never a crash, never a lost row."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import ssl
from collections.abc import Iterator

import pytest
from clients import AGENT_KEY, StartProxy, client, messages_body, post_messages, rows, trusting

from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor


@pytest.fixture(scope="module")
def proxy(shared_proxy: StartProxy) -> RunningProxy:
    return shared_proxy('[[rule]]\nmatch = { input-tokens-gt = 10 }\nto = "anthropic"\nmodel = "claude-haiku-4-5"\n')


BODIES = {
    "empty": b"",
    "no JSON": b"hello",
    "torn JSON": b'{"model": "claude-opus-4-8", "messages": [',
    "a list": b"[1, 2, 3]",
    "nested 100,000 deep": b'{"model":"m","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half a character": b'{"model":"claude-opus-4-8","max_tokens":1,"messages":"\xe2\x82"}',
    "a byte order mark": b"\xef\xbb\xbf" + messages_body(),
    "wrong types everywhere": b'{"model": 7, "messages": {"a": 1}, "tools": "x", "system": 1, "stream": "yes"}',
    "every byte": bytes(range(256)) * 40,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_cannot_be_read_passes_untouched_and_leaves_a_row(
    proxy: RunningProxy, vendor: Vendor, body: bytes
) -> None:
    before = len(rows(proxy))
    with client(proxy) as http:
        post_messages(http, body)
    assert vendor.seen[-1].body == body
    assert len(rows(proxy)) == before + 1


def test_fifty_megabytes(proxy: RunningProxy, vendor: Vendor) -> None:
    body = messages_body("x" * 50_000_000)
    with client(proxy) as http:
        assert post_messages(http, body).json()["model"] == "claude-haiku-4-5"
    expected = body.replace(b"claude-opus-4-8", b"claude-haiku-4-5", 1)
    assert hashlib.sha256(vendor.seen.pop().body).digest() == hashlib.sha256(expected).digest()


def test_a_compressed_body_is_read(proxy: RunningProxy, vendor: Vendor) -> None:
    with client(proxy) as http:
        answer = post_messages(http, gzip.compress(messages_body("word " * 100)), content_encoding="gzip")
    assert answer.json()["model"] == "claude-haiku-4-5"
    assert json.loads(vendor.seen[-1].body)["messages"][0]["content"] == "word " * 100


def test_a_body_that_lies_about_its_compression(proxy: RunningProxy, vendor: Vendor) -> None:
    with client(proxy) as http:
        post_messages(http, messages_body(), content_encoding="gzip")
    assert proxy.run("usage", "--sql", "SELECT 1 AS one", "--json")


def test_a_chunked_body(proxy: RunningProxy, vendor: Vendor) -> None:
    def pieces() -> Iterator[bytes]:
        body = messages_body("é" * 1000)
        yield from (body[start : start + 7] for start in range(0, len(body), 7))

    with client(proxy) as http:
        headers = {"x-api-key": AGENT_KEY}
        answer = http.post("https://api.anthropic.com/v1/messages", content=pieces(), headers=headers)
    assert answer.json()["model"] == "claude-haiku-4-5"
    assert json.loads(vendor.seen[-1].body)["messages"][0]["content"] == "é" * 1000


def raw(proxy: RunningProxy, text: bytes) -> bytes:
    """Send bytes over TLS through the proxy, and take what comes back until it ends or nothing comes."""
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as plain:
        plain.sendall(b"CONNECT api.anthropic.com:443 HTTP/1.1\r\nhost: api.anthropic.com:443\r\n\r\n")
        assert b" 200 " in plain.recv(4096)
        with trusting(proxy).wrap_socket(plain, server_hostname="api.anthropic.com") as secure:
            secure.settimeout(1)
            secure.sendall(text)
            secure.shutdown(socket.SHUT_WR)
            try:
                return secure.recv(65536)
            except (TimeoutError, ssl.SSLError, OSError):
                return b""


LIES = {
    "longer than the body": b"content-length: 5000\r\n\r\n{}",
    "negative": b"content-length: -1\r\n\r\n{}",
    "no number": b"content-length: many\r\n\r\n{}",
    "two of them": b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "beside chunked": b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lying_content_length(proxy: RunningProxy, vendor: Vendor, lie: bytes) -> None:
    raw(proxy, b"POST /v1/messages HTTP/1.1\r\nhost: api.anthropic.com\r\nx-api-key: k\r\n" + lie)
    with client(proxy) as http:
        assert post_messages(http, messages_body()).status_code == 200
