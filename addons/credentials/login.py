"""A stored login: a key that a person pasted, or the tokens that a vendor gave after a sign-in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ringlet_mitm.addons.credentials.secret import Secret

# So long before its end a token counts as spent: a long answer begins with one that lasts, and clocks differ.
MARGIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Login:
    """What `providers login` got.

    secret: what requests carry: the key, or the access token.
    refresh: what a new access token is got with, None where there is nothing to renew.
    expires_at: end of the access token in seconds since 1970; None where nobody said.
    extra: what else the scheme needs, by name: an account's id, the host that serves this account.
    """

    kind: Literal["key", "oauth"]
    secret: Secret
    refresh: Secret | None = None
    expires_at: float | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)

    def spent(self, now: float, margin_s: float = MARGIN_S) -> bool:
        """Whether its access token has ended, or is about to."""
        return self.expires_at is not None and now >= self.expires_at - margin_s


def labelled(login: Login, label: str) -> Login:
    """The login, its secrets said to be from there."""
    refresh = Secret(login.refresh.reveal(), label) if login.refresh else None
    return replace(login, secret=Secret(login.secret.reveal(), label), refresh=refresh)


def as_json(login: Login) -> dict[str, Any]:
    """The one place that writes a login out; for the keyring and for files that only their owner can read."""
    return {
        "kind": login.kind,
        "secret": login.secret.reveal(),
        "refresh": login.refresh.reveal() if login.refresh else None,
        "expires_at": login.expires_at,
        "extra": dict(login.extra),
    }


def from_json(values: Mapping[str, Any], label: str) -> Login:
    """Raises ValueError, which never shows a value, where it is none of ours."""
    kind, secret, refresh = values.get("kind"), values.get("secret"), values.get("refresh")
    expires_at, extra = values.get("expires_at"), values.get("extra") or {}
    if kind not in ("key", "oauth") or not isinstance(secret, str) or not isinstance(refresh, str | None):
        raise ValueError("is no login")
    if not isinstance(expires_at, int | float | None) or not isinstance(extra, dict):
        raise ValueError("is no login")
    return Login(
        kind="key" if kind == "key" else "oauth",
        secret=Secret(secret, label),
        refresh=Secret(refresh, label) if refresh else None,
        expires_at=expires_at,
        extra={str(name): str(value) for name, value in extra.items()},
    )


def read(text: str, label: str) -> Login:
    """A login as text; raises ValueError."""
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("is no login")
    return from_json(values, label)
