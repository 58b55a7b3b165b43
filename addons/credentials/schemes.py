"""How each provider wants its key: a table of authentication schemes by name.

Those here put a key into a header. The others make or fetch what they send: `signing.py` has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.shapes import Headers

Scheme = Callable[[Secret], Headers]

SCHEMES: dict[str, Scheme] = {
    "bearer": lambda secret: ((b"authorization", b"Bearer " + header_value(secret)),),
    "x-api-key": lambda secret: ((b"x-api-key", header_value(secret)),),
    "x-goog-api-key": lambda secret: ((b"x-goog-api-key", header_value(secret)),),
    "api-key": lambda secret: ((b"api-key", header_value(secret)),),
}


def sign(outbound: Outbound, scheme: str, secret: Secret | None) -> Outbound:
    """`outbound` with the key set as `scheme` wants it, in place of a header of that name; "none" sends no key."""
    if scheme == "none" or secret is None:
        return outbound
    return with_headers(outbound, SCHEMES[scheme](secret))


def with_headers(outbound: Outbound, wanted: Headers) -> Outbound:
    """`outbound` with these headers in place of any of the same names."""
    names = {name for name, _ in wanted}
    return replace(outbound, headers=tuple(item for item in outbound.headers if item[0].lower() not in names) + wanted)


def header_value(secret: Secret) -> bytes:
    """The key as a header carries it; raises ConfigError, which does not show it, where none can."""
    text = secret.reveal()
    if not text.isascii() or not text.isprintable():
        raise ConfigError("the key has characters that no header may carry; set it again without line breaks")
    return text.encode()
