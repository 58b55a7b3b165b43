"""How each provider wants its key: a table of authentication schemes by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.shapes import Headers

Scheme = Callable[[Secret], Headers]

SCHEMES: dict[str, Scheme] = {
    "bearer": lambda secret: ((b"authorization", b"Bearer " + _value(secret)),),
    "x-api-key": lambda secret: ((b"x-api-key", _value(secret)),),
    "x-goog-api-key": lambda secret: ((b"x-goog-api-key", _value(secret)),),
}


def sign(outbound: Outbound, scheme: str, secret: Secret | None) -> Outbound:
    """`outbound` with the key set as `scheme` wants it, in place of a header of that name; "none" sends no key."""
    if scheme == "none" or secret is None:
        return outbound
    signed = SCHEMES[scheme](secret)
    names = {name for name, _ in signed}
    return replace(outbound, headers=tuple(item for item in outbound.headers if item[0].lower() not in names) + signed)


def _value(secret: Secret) -> bytes:
    text = secret.reveal()
    if not text.isascii() or not text.isprintable():
        raise ConfigError("the key has characters that no header may carry; set it again without line breaks")
    return text.encode()
