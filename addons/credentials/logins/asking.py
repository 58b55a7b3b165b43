"""Requests to a vendor's login service, and what it answers: values only, so that flows are tables without sockets."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.redaction import masked

# Of a vendor's own words as much as fits a line or two of a terminal.
LONGEST_WORDS = 300


class LoginRefused(RingletError):
    """The vendor said no, and would say it again: only a person can mend it.

    `mended_by_login` is false where another sign-in would be refused as well.
    """

    def __init__(self, why: str, *, mended_by_login: bool = True) -> None:
        super().__init__(why)
        self.mended_by_login = mended_by_login


class VendorTrouble(RingletError):
    """No answer, or none that can be used; the next try may get one."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request; of `form` and `json` at most one is given, with neither it has no body."""

    url: str
    form: Mapping[str, str] | None = field(default=None, repr=False)
    json: Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: Literal["GET", "POST"] = "POST"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is empty where it was no JSON object."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    host: str = ""

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300

    @property
    def overloaded(self) -> bool:
        """Whether it is about the server's state and not about what was asked."""
        return self.status >= 500 or self.status in (408, 429)

    @property
    def code(self) -> str:
        """The error's code in any of its usual places: `error`, `error.code`, `code`; "" without one."""
        error = self.body.get("error")
        found = error.get("code") or error.get("type") if isinstance(error, dict) else error or self.body.get("code")
        return found if isinstance(found, str) else ""

    @property
    def words(self) -> str:
        """What the vendor says of an error, without anything secret, in one line."""
        error = self.body.get("error")
        inner = error.get("message") if isinstance(error, dict) else None
        basis = self.body.get("base_resp")
        places = (
            self.body.get("error_description"),
            inner,
            basis.get("status_msg") if isinstance(basis, dict) else None,
            self.body.get("message"),
            self.code,
        )
        found = next((text for text in places if isinstance(text, str) and text.strip()), f"HTTP {self.status}")
        return in_one_line(found)

    def text(self, name: str) -> str:
        """A value that has to be there and to be text; raises VendorTrouble."""
        found = self.body.get(name)
        if not isinstance(found, str) or not found.strip():
            raise VendorTrouble(f"{self.host} answered without '{name}' (HTTP {self.status})")
        return found

    def seconds(self, name: str) -> float | None:
        """A number, also one written as text (OpenAI's `interval`); None where there is none."""
        return number(self.body.get(name))


class Client(Protocol):
    """Who asks a vendor."""

    def ask(self, ask: Ask) -> Answer:
        """The answer, whatever its status; raises VendorTrouble where there is none."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that who fetches the token is who asked for the code (PKCE, RFC 7636), and that answers are ours."""

    verifier: str = field(repr=False)
    state: str

    @property
    def challenge(self) -> str:
        """What goes out first, method S256."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def new_proof() -> Proof:
    """A fresh one, of 64 random bytes."""
    return Proof(secrets.token_urlsafe(64), secrets.token_urlsafe(16))


def number(value: object) -> float | None:
    """A number, or text that is one, as a float; None for anything else, also for what no clock can count."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def claims_of(token: str) -> Mapping[str, Any]:
    """What a JSON Web Token says; nothing where it is none.

    The signature is not checked: the token came from the vendor itself over TLS, and nothing is granted by it here.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def in_one_line(text: str) -> str:
    """Foreign words for a terminal: masked, printable, short."""
    plain = "".join(letter if letter.isprintable() else " " for letter in masked(text))
    short = " ".join(plain.split())
    return short if len(short) <= LONGEST_WORDS else f"{short[:LONGEST_WORDS]}…"
