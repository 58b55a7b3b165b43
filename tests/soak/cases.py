"""All that is malformed by hand, and what mutations start from."""

from __future__ import annotations

from soak.frames import FRAMES, http2_call
from soak.handshakes import HANDSHAKES, HELLO
from soak.malformed import (
    BODIES,
    BODY,
    CONNECTS,
    FRAMINGS,
    GARBAGE,
    HEADERS,
    HOST,
    PATHS,
    UPGRADES,
    Case,
    Where,
    call,
    chunked,
)

BOTH: tuple[Where, Where] = ("port", "http1")


def cases() -> list[Case]:
    """All but the heavy one."""
    found = [Case("CONNECT", name, "port", data) for name, data in CONNECTS.items()]
    found += [Case("garbage", name, "port", data) for name, data in GARBAGE.items()]
    found += [Case("TLS", name, "tunnel", data) for name, data in HANDSHAKES.items()]
    found += [Case("HTTP/2", name, "http2", data) for name, data in FRAMES.items()]
    for where in BOTH:
        found += [Case("headers", name, where, call(more)) for name, more in HEADERS.items()]
        found += [Case("framing", name, where, data) for name, data in FRAMINGS.items()]
        found += [Case("upgrades", name, where, call(more)) for name, more in UPGRADES.items()]
        for path in PATHS:
            found += [
                Case("bodies", f"{name}, {path}", where, call(body=body).replace(b"/v1/messages", path.encode(), 1))
                for name, body in BODIES.items()
            ]
    return found


# What mutations start from: as it should be.
SOUND = (
    Case("mutated HTTP/1.1", "a call", "http1", call()),
    Case("mutated HTTP/1.1", "a chunked call", "http1", chunked(BODY)),
    Case("mutated HTTP/1.1", "two calls", "http1", call() * 2),
    Case("mutated HTTP/1.1", "straight to the proxy", "port", call()),
    Case("mutated HTTP/1.1", "health", "port", b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"),
    Case("mutated CONNECT", "a tunnel", "port", f"CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\n\r\n".encode()),
    Case("mutated TLS", "a ClientHello", "tunnel", HELLO),
    Case("mutated HTTP/2", "a call", "http2", http2_call()),
    Case("mutated HTTP/2", "a call of 60 KB", "http2", http2_call(BODY.replace(b"hi", b"h" * 60_000))),
)
