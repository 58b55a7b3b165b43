"""What no client should say in HTTP/2, by hand: a table of names and bytes."""

from __future__ import annotations

import struct

from h2.config import H2Configuration
from h2.connection import H2Connection
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from soak.malformed import BODY, HOST, call

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    """A frame of HTTP/2, right or wrong."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def http2_call(body: bytes = BODY) -> bytes:
    """A model call over HTTP/2, preface and all."""
    http = H2Connection(H2Configuration(client_side=True))
    http.initiate_connection()
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", HOST), (":path", "/v1/messages")]
    http.send_headers(1, [*pseudo, ("x-api-key", "k"), ("content-type", "application/json")])
    for start in range(0, len(body), 16_384):
        http.send_data(1, body[start : start + 16_384])
    http.end_stream(1)
    return bytes(http.data_to_send())


def _headers(pairs: list[tuple[str, str]], stream: int = 1, *, end: bool = True) -> bytes:
    http = H2Connection(
        H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
    )
    made = HeadersFrame(stream, http.encoder.encode(pairs), flags=["END_HEADERS", *(["END_STREAM"] if end else [])])
    return made.serialize()


def _said(*frames: Frame | bytes) -> bytes:
    settings = SettingsFrame(0).serialize()
    return PREFACE + settings + b"".join(one if isinstance(one, bytes) else one.serialize() for one in frames)


PSEUDO = [(":method", "POST"), (":scheme", "https"), (":authority", HOST), (":path", "/v1/messages")]
OPENED = _headers(PSEUDO, end=False)
FRAMES = {
    "no preface": SettingsFrame(0).serialize() + OPENED,
    "half a preface": PREFACE[:12],
    "a wrong preface": PREFACE.replace(b"SM", b"XX") + bytes(50),
    "a frame that says 16 MB": _said(frame(0, 0, 1, b"", length=2**24 - 1)),
    "a frame of an unknown kind": _said(frame(0x77, 0xFF, 1, bytes(200))),
    "bad HPACK": _said(frame(1, 5, 1, b"\xff" * 60)),
    "an HPACK index of nothing": _said(frame(1, 5, 1, b"\xbe\xbf\xff\x80\x7f")),
    "an HPACK table of 4 GB": _said(frame(1, 5, 1, b"\x3f\xe1\xff\xff\xff\x0f")),
    "an HPACK bomb": _said(frame(1, 5, 1, b"\x40\x01x\x7f\x80\x1f" + b"a" * 4000 + b"\xbe" * 8000)),
    "headers on stream 0": _said(frame(1, 5, 0, b"\x82")),
    "headers on an even stream": _said(_headers(PSEUDO, 2)),
    "headers of a stream gone by": _said(_headers(PSEUDO, 9), _headers(PSEUDO, 3)),
    "headers without end, then data": _said(frame(1, 0, 1, b"\x82"), DataFrame(1, b"x")),
    "padding longer than the frame": _said(frame(1, 0xD, 1, b"\xff\x82")),
    "no pseudo headers": _said(_headers([("x", "1")])),
    "pseudo headers twice": _said(_headers(PSEUDO + PSEUDO)),
    "pseudo headers last": _said(_headers([("x", "1"), *PSEUDO])),
    "a pseudo header of nobody": _said(_headers([*PSEUDO, (":odd", "1")])),
    "capitals": _said(_headers([*PSEUDO, ("X-Odd", "1")])),
    "connection headers": _said(_headers([*PSEUDO, ("connection", "close"), ("transfer-encoding", "chunked")])),
    "line ends in a value": _said(_headers([*PSEUDO, ("x", "1\r\ny: 2")])),
    "a NUL in a value": _said(_headers([*PSEUDO, ("x", "1\x002")])),
    "an empty path": _said(_headers([*PSEUDO[:3], (":path", "")])),
    "a path with a space": _said(_headers([*PSEUDO[:3], (":path", "/v1/messages /x")])),
    "an authority of nobody": _said(_headers([*PSEUDO[:2], (":authority", "x y@:::"), PSEUDO[3]])),
    "CONNECT": _said(_headers([(":method", "CONNECT"), (":authority", "127.0.0.1:1")])),
    "a content-length that lies": _said(
        _headers([*PSEUDO, ("content-length", "5")], end=False), DataFrame(1, b"x" * 50, flags=["END_STREAM"])
    ),
    "a content-length of words": _said(_headers([*PSEUDO, ("content-length", "many")])),
    "data without headers": _said(DataFrame(1, b"x" * 100)),
    "data after the end": _said(_headers(PSEUDO), DataFrame(1, b"x")),
    "data beyond the window": _said(OPENED, *(DataFrame(1, bytes(16_384)) for _ in range(40))),
    "data of no bytes, 5,000 times": _said(OPENED, *(DataFrame(1, b"") for _ in range(5000))),
    "a window of 0": _said(OPENED, WindowUpdateFrame(1, 1).serialize()[:-4] + bytes(4)),
    "a window that overflows": _said(WindowUpdateFrame(0, 2**31 - 1), WindowUpdateFrame(0, 2**31 - 1)),
    "a window of a stream that overflows": _said(
        OPENED, WindowUpdateFrame(1, 2**31 - 1), WindowUpdateFrame(1, 2**31 - 1)
    ),
    "settings of 5 bytes": _said(frame(4, 0, 0, b"12345")),
    "settings on a stream": _said(frame(4, 0, 3, b"")),
    "settings: frames of 1 byte": _said(SettingsFrame(0, {5: 1})),
    "settings: a window of 4 GB": _said(SettingsFrame(0, {4: 2**32 - 1})),
    "settings: push 7": _said(SettingsFrame(0, {2: 7})),
    "settings: no streams, no table": _said(SettingsFrame(0, {1: 0, 3: 0, 4: 0, 6: 0}), _headers(PSEUDO)),
    "settings: 2,000 times": _said(*(SettingsFrame(0, {3: 100}) for _ in range(2000))),
    "settings: an answer to none": _said(SettingsFrame(0, flags=["ACK"])),
    "pings: 3,000": _said(*(PingFrame(0, b"12345678") for _ in range(3000))),
    "a ping of 7 bytes": _said(frame(6, 0, 0, b"1234567")),
    "RST of nothing": _said(RstStreamFrame(7, 8)),
    "RST on stream 0": _said(frame(3, 0, 0, bytes(4))),
    "RST flood": _said(
        *(one for number in range(1, 601, 2) for one in (_headers(PSEUDO, number), RstStreamFrame(number, 8)))
    ),
    "300 streams at once": _said(*(_headers(PSEUDO, number, end=False) for number in range(1, 601, 2))),
    "continuation of nothing": _said(ContinuationFrame(1, b"\x82")),
    "continuation flood": _said(HeadersFrame(1, b"\x82"), *(ContinuationFrame(1, b"") for _ in range(3000))),
    "continuation of 200 KB": _said(
        HeadersFrame(1, b"\x82"), *(ContinuationFrame(1, b"\x00\x01x\x7f\x81\x06" + b"y" * 389) for _ in range(500))
    ),
    "continuation of another stream": _said(HeadersFrame(1, b"\x82"), ContinuationFrame(3, b"\x82")),
    "a promise from a client": _said(PushPromiseFrame(1, 2, b"\x82")),
    "a stream that depends on itself": _said(PriorityFrame(1, depends_on=1)),
    "GOAWAY, then a request": _said(GoAwayFrame(0), _headers(PSEUDO)),
    "GOAWAY of 3 bytes": _said(frame(7, 0, 0, b"123")),
    "HTTP/1.1": call(),
}
