"""AWS Signature Version 4: headers that prove who sends a request, over exactly what is sent.

AWS, "Create a signed AWS API request" (IAM User Guide), accessed 2026-11-21. For every service but S3: the path is
normalised and encoded once more than it is sent, so `%2F` of an ARN is signed as `%252F`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote

from ringlet_mitm.rules.shapes import Headers

ALGORITHM = "AWS4-HMAC-SHA256"
DEFAULT_PORTS = {"http": 80, "https": 443}
# Ours to set: what an agent's own signer wrote there is another's.
OWN_HEADERS = frozenset({b"authorization", b"host", b"x-amz-date", b"x-amz-security-token", b"x-amz-content-sha256"})


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """Access key, secret key, and the session token of keys that end."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signature is good for: a second, a region and a service."""

    now: float
    region: str
    service: str

    @property
    def stamp(self) -> str:
        """`20150830T123600Z`."""
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now))

    @property
    def text(self) -> str:
        """`20150830/us-east-1/service/aws4_request`."""
        return f"{self.stamp[:8]}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class Call:
    """What is signed: `path` with its query as it goes out, `headers` the ones to sign, `host` with an unusual port."""

    method: str
    host: str
    path: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)


def authority(scheme: str, host: str, port: int) -> str:
    """The `Host` header's text."""
    name = f"[{host}]" if ":" in host else host
    return name if DEFAULT_PORTS.get(scheme) == port else f"{name}:{port}"


def signature_headers(call: Call, keys: AwsKeys, scope: Scope) -> Headers:
    """The headers to add to the call: the date, the session token if there is one, and the signature."""
    added: Headers = ((b"x-amz-date", scope.stamp.encode()),)
    if keys.session_token:
        added += ((b"x-amz-security-token", keys.session_token.encode()),)
    request, names = canonical_request(call, added)
    text = "\n".join((ALGORITHM, scope.stamp, scope.text, hashlib.sha256(request).hexdigest()))
    key = _signing_key(keys.secret_key, scope.stamp[:8], scope.region, scope.service)
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"{keys.access_key}/{scope.text}"
    value = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return (*added, (b"authorization", value.encode()))


def canonical_request(call: Call, added: Headers) -> tuple[bytes, str]:
    """What is hashed, and the names of the signed headers."""
    path, _, query = call.path.partition("?")
    headers = _canonical_headers(((b"host", call.host.encode()), *call.headers, *added))
    names = ";".join(headers)
    lines = (
        *(call.method, _canonical_path(path), _canonical_query(query)),
        *(f"{name}:{value}" for name, value in headers.items()),
        *("", names, hashlib.sha256(call.body).hexdigest()),
    )
    return "\n".join(lines).encode("utf-8", "surrogateescape"), names


def _canonical_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """By name, values of one name joined, white space inside them made one blank."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        text = " ".join(value.decode("utf-8", "surrogateescape").split())
        found.setdefault(name.decode("latin-1").strip().lower(), []).append(text)
    return {name: ",".join(found[name]) for name in sorted(found)}


def _canonical_path(path: str) -> str:
    """Without `.`, `..` and empty segments, and percent signs encoded again."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    ends = "/" if kept and path.endswith("/") else ""
    return quote(f"/{'/'.join(kept)}{ends}", safe="/~", errors="surrogateescape")


def _canonical_query(query: str) -> str:
    """Every name and value decoded and encoded the one way, then sorted."""
    if not query:
        return ""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(
        f"{name}={value}" for name, value in sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    )


def _encoded(text: str) -> str:
    return quote(unquote(text, errors="surrogateescape"), safe="~", errors="surrogateescape")


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """Good for a day."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
