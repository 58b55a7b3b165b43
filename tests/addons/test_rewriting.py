from __future__ import annotations

import pytest
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.test import tutils

from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.addons.splicing import Edit
from ringlet_mitm.rules.shapes import Headers

BODY = b'{"model":"a"}'


def outbound(
    headers: Headers = (), *, host: str = "api.groq.com", port: int = 443, scheme: str = "https", edited: bool = True
) -> Outbound:
    edits = (Edit(9, 12, b'"longer"'),) if edited else ()
    body = b'{"model":"longer"}' if edited else BODY
    return Outbound("POST", scheme, host, port, "/openai/v1/chat/completions?alt=sse", headers, body, edits)


def asked(version: str = "HTTP/1.1", headers: Headers = (), content: bytes = BODY) -> http.Request:
    authority = b"api.anthropic.com:443" if version != "HTTP/1.1" else b""
    return tutils.treq(
        http_version=version.encode(), method=b"POST", scheme=b"https", authority=authority,
        host="api.anthropic.com", port=443, path=b"/v1/messages", headers=http.Headers(headers), content=content,
    )  # fmt: skip


def applied(request: http.Request, out: Outbound) -> dict[str, list[str]]:
    apply(request, out, request.raw_content or b"")
    return {name.lower(): request.headers.get_all(name) for name in request.headers}


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2.0", "HTTP/3"])
def test_where_it_goes(version: str) -> None:
    request = asked(version, ((b"Host", b"api.anthropic.com"),))
    headers = applied(request, outbound(((b"host", b"api.anthropic.com"), (b"x-a", b"1"))))
    assert (request.scheme, request.host, request.port) == ("https", "api.groq.com", 443)
    assert request.path == "/openai/v1/chat/completions?alt=sse"
    assert request.url == "https://api.groq.com/openai/v1/chat/completions?alt=sse"
    if version == "HTTP/1.1":
        assert (headers["host"], request.authority) == (["api.groq.com"], "")
    else:
        assert ("host" in headers, request.authority) == (False, "api.groq.com")
        assert all(name.islower() for name, _ in request.headers.fields)


@pytest.mark.parametrize(
    ("host", "port", "scheme", "authority"),
    [
        ("api.groq.com", 443, "https", "api.groq.com"),
        ("api.groq.com", 8443, "https", "api.groq.com:8443"),
        ("127.0.0.1", 11434, "http", "127.0.0.1:11434"),
        ("localhost", 80, "http", "localhost"),
        ("api.groq.com", 80, "https", "api.groq.com:80"),
        ("::1", 8080, "http", "[::1]:8080"),
        ("::1", 443, "https", "[::1]"),
    ],
)
def test_the_authority_names_the_port_where_it_is_not_the_usual_one(
    host: str, port: int, scheme: str, authority: str
) -> None:
    old, new = asked(), asked("HTTP/2.0")
    assert applied(old, outbound(host=host, port=port, scheme=scheme))["host"] == [authority]
    apply(new, outbound(host=host, port=port, scheme=scheme), b"")
    assert (new.authority, new.host, old.host) == (authority, host, host)


def test_the_length_is_that_of_the_body_that_is_sent() -> None:
    request = asked(headers=((b"Content-Length", b"13"), (b"Transfer-Encoding", b"chunked")))
    headers = applied(request, outbound(request.headers.fields))
    assert (headers["content-length"], request.raw_content) == (["18"], b'{"model":"longer"}')
    assert "transfer-encoding" not in headers


@pytest.mark.parametrize("edited", [True, False])
def test_only_an_untouched_body_stays_encoded(edited: bool) -> None:
    request = asked(headers=((b"Content-Encoding", b"gzip"),), content=b"packed bytes")
    headers = applied(request, outbound(request.headers.fields, edited=edited))
    if edited:
        assert (request.raw_content, "content-encoding" in headers) == (b'{"model":"longer"}', False)
    else:
        assert (request.raw_content, headers["content-encoding"], headers["content-length"]) == (
            b"packed bytes",
            ["gzip"],
            ["12"],
        )


def test_what_is_about_the_connection_stays_behind() -> None:
    hops = (
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Proxy-Connection",
        "Proxy-Authorization",
        "Expect",
        "X-Hop",
    )
    said: Headers = (*((name.encode(), b"x") for name in hops), (b"connection", b"close, x-hop"), (b"x-stays", b"1"))
    assert set(applied(asked(), outbound(said))) == {"host", "content-length", "accept-encoding", "x-stays"}


def test_no_compression_is_asked_for_and_it_is_said_once() -> None:
    said: Headers = ((b"Accept-Encoding", b"gzip, br"), (b"accept-encoding", b"zstd"))
    assert applied(asked(), outbound(said))["accept-encoding"] == ["identity"]


def test_the_other_headers_keep_their_order_spelling_and_repetitions() -> None:
    said: Headers = ((b"X-B", b"1"), (b"x-a", b"2"), (b"X-B", b"3"), (b"X-Latin", b"\xe9"))
    request = asked()
    apply(request, outbound(said), request.raw_content or b"")
    assert request.headers.fields[-4:] == said


def test_the_head_on_the_wire() -> None:
    request = asked(headers=((b"host", b"api.anthropic.com"), (b"content-length", b"13")))
    headers = ((b"content-type", b"application/json"), (b"authorization", b"Bearer k"))
    apply(request, outbound(headers), request.raw_content or b"")
    assert http1.assemble_request_head(request) == (
        b"POST /openai/v1/chat/completions?alt=sse HTTP/1.1\r\nHost: api.groq.com\r\ncontent-length: 18\r\n"
        b"accept-encoding: identity\r\ncontent-type: application/json\r\nauthorization: Bearer k\r\n\r\n"
    )


def test_a_path_with_bytes_that_are_not_utf8_arrives_as_it_was() -> None:
    request = asked()
    path = b"/v1/messages?x=\xff".decode("utf-8", "surrogateescape")
    apply(request, Outbound("POST", "https", "h", 443, path, (), b""), b"")
    assert request.data.path == b"/v1/messages?x=\xff"
