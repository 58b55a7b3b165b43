"""Writes a prepared request onto mitmproxy's; field by field, since its setters re-read the headers at each step."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.addons.outbound import Outbound

# Set anew below, or about the connection to us and not about the request.
REPLACED = frozenset({b"host", b"content-length", b"accept-encoding", b"proxy-connection", b"transfer-encoding", b"expect"})
DEFAULT_PORTS = {"http": 80, "https": 443}


def apply(request: http.Request, outbound: Outbound) -> None:
    """Make `request` the one to send.

    An untouched body keeps its content-encoding; an edited one is sent plain. Compressed answers are not asked for,
    so that usage can be read from the stream as it passes.
    """
    edited = bool(outbound.edits)
    body = outbound.body if edited else request.raw_content or b""
    port = outbound.port
    authority = outbound.host if DEFAULT_PORTS.get(outbound.scheme) == port else f"{outbound.host}:{port}"
    host = authority.encode()
    dropped = REPLACED | {b"content-encoding"} if edited else REPLACED
    kept = [item for item in outbound.headers if item[0].lower() not in dropped]
    data = request.data
    first = [(b"content-length", str(len(body)).encode()), (b"accept-encoding", b"identity")]
    if request.is_http2:
        data.authority = host
    else:
        first.insert(0, (b"Host", host))
    data.headers = http.Headers([*first, *kept])
    data.host = outbound.host
    data.port = port
    data.scheme = outbound.scheme.encode()
    data.path = outbound.path.encode("utf-8", "surrogateescape")
    data.content = body
