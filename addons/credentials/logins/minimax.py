"""MiniMax's portal login for its coding plan: a user code with PKCE, at the international site and at the Chinese one.

Not RFC 8628: the user code itself is what is polled with, `status` tells instead of `error`, `interval` is in
milliseconds, and `expired_in` is a time in milliseconds since 1970 for codes, that or seconds from now for tokens. The
service has moved once (from api.minimax.io, which since May 2026 redirects), and clients of the new place have seen
RFC 8628's and RFC 6749's own words there too: both are read.
Sources, accessed 2026-11-21: openclaw (extensions/minimax/oauth.ts, pull requests 82056 and 88608, the second tried
against the live service), and hermes-agent for the refresh. MiniMax documents none of it, nor a way to revoke.
"""

from __future__ import annotations

from uuid import uuid4

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.asking import Answer, Ask, LoginRefused, Proof, VendorTrouble, number
from ringlet_mitm.addons.credentials.logins.device_code import (
    ERRORS,
    Code,
    DeviceFlow,
    Poll,
    Said,
    Tokens,
    checked,
    said_by,
    url_of,
)
from ringlet_mitm.rules.provider_files import LoginSpec

GRANT = "urn:ietf:params:oauth:grant-type:user_code"
DEFAULT_INTERVAL_S = 2.0
DEFAULT_LIFE_S = 600.0
# Seconds from now are fewer than this, seconds since 1970 more; milliseconds since 1970 more than a thousand times it.
SINCE_1970_S = 1e9
SINCE_1970_MS = 1e12
# An interval of more is in milliseconds.
LONGEST_INTERVAL_S = 99.0
STATUSES = {"success": Said.GRANTED, "pending": Said.PENDING, "error": Said.REFUSED}


def _ask_code(spec: LoginSpec, proof: Proof) -> Ask:
    form = {
        "response_type": "code",
        "client_id": spec.client_id,
        "scope": spec.scope,
        "code_challenge": proof.challenge,
        "code_challenge_method": "S256",
        "state": proof.state,
    }
    return Ask(url_of(spec, "code"), form=form, headers={"x-request-id": str(uuid4())})


def _read_code(spec: LoginSpec, answer: Answer, proof: Proof, now: float) -> Code:
    checked(answer, "MiniMax does not start a sign-in")
    if answer.body.get("state", proof.state) != proof.state:
        raise LoginRefused("MiniMax answered to another sign-in than ours (its 'state' differs); nothing was accepted")
    interval = answer.seconds("interval") or DEFAULT_INTERVAL_S
    return Code(
        user_code=answer.text("user_code"),
        url=answer.text("verification_uri"),
        ends_at=_end(answer, now) or now + DEFAULT_LIFE_S,
        interval_s=interval if interval <= LONGEST_INTERVAL_S else interval / 1000,
        proof=proof,
    )


def _ask_grant(spec: LoginSpec, code: Code) -> Ask:
    form = {
        "grant_type": GRANT,
        "client_id": spec.client_id,
        "user_code": code.user_code,
        "code_verifier": code.proof.verifier if code.proof else "",
    }
    return Ask(url_of(spec, "token"), form=form)


def _read_grant(answer: Answer) -> Poll:
    """A status of a name that nobody has seen yet means "not yet"; so do MiniMax's own clients read it."""
    if answer.overloaded or answer.code in ERRORS or not answer.ok:
        return Poll(said_by(answer), answer)
    status = answer.body.get("status") or ("success" if answer.body.get("access_token") else "pending")
    return Poll(STATUSES.get(str(status), Said.PENDING), answer)


def _ask_refresh(login: Login) -> Ask:
    if login.refresh is None:
        raise LoginRefused("it has no refresh token")
    form = {
        "grant_type": "refresh_token",
        "client_id": login.extra["client_id"],
        "refresh_token": login.refresh.reveal(),
    }
    return Ask(login.extra["token_url"], form=form)


def _read_tokens(answer: Answer, now: float) -> Tokens:
    if answer.overloaded:
        raise VendorTrouble(f"{answer.host}: {answer.words}")
    if not answer.ok or answer.code or (answer.body.get("status") or "success") != "success":
        raise LoginRefused(f"MiniMax refuses it: {answer.words}")
    refresh, resource = answer.body.get("refresh_token"), answer.body.get("resource_url")
    return Tokens(
        answer.text("access_token"),
        _end(answer, now),
        refresh if isinstance(refresh, str) else "",
        {"resource_url": resource} if isinstance(resource, str) and resource else {},
    )


def _end(answer: Answer, now: float) -> float | None:
    return end_of(answer.body.get("expired_in") or answer.body.get("expires_in"), now)


def end_of(expired_in: object, now: float) -> float | None:
    """MiniMax's `expired_in` as seconds since 1970, whichever of its three units it has."""
    value = number(expired_in)
    if value is None or value <= 0:
        return None
    if value >= SINCE_1970_MS:
        return value / 1000
    return value if value >= SINCE_1970_S else now + value


MINIMAX = DeviceFlow(
    ask_code=_ask_code,
    read_code=_read_code,
    ask_grant=_ask_grant,
    read_grant=_read_grant,
    ask_tokens=lambda spec, grant: None,
    ask_refresh=_ask_refresh,
    read_tokens=_read_tokens,
    afterwards="MiniMax has no way to revoke it from here; its tokens end by themselves",
)
