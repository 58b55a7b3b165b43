"""What no client should say where TLS is expected, by hand: a table of names and bytes."""

from __future__ import annotations

import ssl
from contextlib import suppress

from soak.malformed import HOST, call


def client_hello(host: str | None = HOST, versions: tuple[ssl.TLSVersion, ssl.TLSVersion] | None = None) -> bytes:
    """The first bytes of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if versions:
        context.minimum_version, context.maximum_version = versions
    given, taken = ssl.MemoryBIO(), ssl.MemoryBIO()
    speaking = context.wrap_bio(given, taken, server_hostname=host)
    with suppress(ssl.SSLWantReadError):
        speaking.do_handshake()
    return taken.read()


def _renamed(name: bytes) -> bytes:
    """The ClientHello with another server name of the same length."""
    return client_hello().replace(HOST.encode(), name.ljust(len(HOST), b"x")[: len(HOST)])


HELLO = client_hello()
HANDSHAKES = {
    **{f"{length} bytes of a ClientHello": HELLO[:length] for length in (1, 4, 5, 6, 40, 100, len(HELLO) - 1)},
    "a ClientHello, then silence": HELLO,
    "a ClientHello twice": HELLO * 2,
    "a ClientHello, then garbage": HELLO + bytes(range(256)) * 8,
    "a ClientHello, then an alert": HELLO + b"\x15\x03\x03\x00\x02\x02\x28",
    "a ClientHello, then data": HELLO + b"\x17\x03\x03\x00\x20" + bytes(32),
    "TLS 1.2": client_hello(versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)),
    "a record of version 9.9": b"\x16\x09\x09" + HELLO[3:],
    "a hello of version 0": HELLO[:9] + b"\x00\x00" + HELLO[11:],
    "a record that says 65,535 bytes": HELLO[:3] + b"\xff\xff" + HELLO[5:],
    "a record that says 0 bytes": HELLO[:3] + b"\x00\x00" + HELLO[5:],
    "a record of unknown kind": b"\x63" + HELLO[1:],
    "a hello that says 16 MB": HELLO[:6] + b"\xff\xff\xff" + HELLO[9:],
    "a hello in records of one byte": b"".join(
        b"\x16\x03\x01\x00\x01" + HELLO[at : at + 1] for at in range(5, len(HELLO))
    ),
    "no server name": client_hello(None),
    "a server name with NULs": _renamed(b"api\x00anthropic\x00com"),
    "a server name in bytes": _renamed(b"\xff\xfe\xfd.com"),
    "a server name of dots": _renamed(b"." * 17),
    "a server name with a slash": _renamed(b"../../etc/passwd"),
    "a server name with a star": _renamed(b"*.anthropic.com"),
    "SSL 2": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40),
    "plain HTTP": b"GET / HTTP/1.1\r\nhost: api.anthropic.com\r\n\r\n",
    "a model call in plain HTTP": call(),
    "garbage": bytes(range(256)) * 4,
}
