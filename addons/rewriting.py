"""Writes a prepared request onto mitmproxy's; field by field, since its setters re-read the headers at each step."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.addons.outbound import Outbound

# Set anew below, or about the connection to us and not about the request (RFC 9110, section 7.6.1).
REPLACED = frozenset(
    {b"host", b"content-length", b"accept-encoding", b"transfer-encoding", b"expect"}
    | {b"connection", b"keep-alive", b"te", b"trailer", b"upgrade"}
    | {b"proxy-connection", b"proxy-authorization"}
)
DEFAULT_PORTS = {"http": 80, "https": 443}


def apply(request: http.Request, outbound: Outbound, raw: bytes) -> None:
    """Make `request` the one to send.

    An untouched body keeps its content-encoding, and is `raw` as the agent sent it; an edited one is sent plain.
    Compressed answers are not asked for, so that usage can be read from the stream as it passes.
    """
    edited = bool(outbound.edits) or outbound.translation is not None or outbound.plain
    body = outbound.body if edited else raw
    authority = _authority(outbound)
    dropped = REPLACED | _named_by_connection(outbound)
    if edited:
        dropped |= {b"content-encoding"}
    kept = [item for item in outbound.headers if item[0].lower() not in dropped]
    data = request.data
    first = [(b"content-length", str(len(body)).encode()), (b"accept-encoding", b"identity")]
    if request.is_http2 or request.is_http3:
        data.authority = authority
    else:
        data.authority = b""
        first.insert(0, (b"Host", authority))
    data.headers = http.Headers([*first, *kept])
    data.host = outbound.host
    data.port = outbound.port
    data.scheme = outbound.scheme.encode()
    data.path = outbound.path.encode("utf-8", "surrogateescape")
    data.content = body
    data.trailers = None


def _authority(outbound: Outbound) -> bytes:
    host = f"[{outbound.host}]" if ":" in outbound.host else outbound.host
    return (host if DEFAULT_PORTS.get(outbound.scheme) == outbound.port else f"{host}:{outbound.port}").encode()


def _named_by_connection(outbound: Outbound) -> set[bytes]:
    """What a Connection header says is about the connection as well."""
    values = (value for name, value in outbound.headers if name.lower() == b"connection")
    return {name.strip().lower() for value in values for name in value.split(b",")}
