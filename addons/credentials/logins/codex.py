"""OpenAI's ChatGPT plans: the device login of Codex CLI, and its rotating refresh tokens.

Not RFC 8628: a code of its own is asked for and polled in JSON, "not yet" is 403 or 404, and the result is an
authorization code with the PKCE verifier that the server made; those two are then changed for tokens as in RFC 6749.
Sources, accessed 2026-11-21: openai/codex, codex-rs/login/src/device_code_auth.rs, server.rs, auth/manager.rs and
auth/revoke.rs; the error's name as several clients report it from the live service.
"""

from __future__ import annotations

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.asking import (
    Answer,
    Ask,
    LoginRefused,
    Proof,
    VendorTrouble,
    claims_of,
    number,
)
from ringlet_mitm.addons.credentials.logins.device_code import (
    DEFAULT_INTERVAL_S,
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

# Codex CLI gives up after so long; the answer has no `expires_in`.
LIFE_S = 900.0
# Where a token does not say when it ends: Codex CLI renews what is older.
UNKNOWN_LIFE_S = 8 * 24 * 3600.0
PENDING = "deviceauth_authorization_pending"
CLAIMS = "https://api.openai.com/auth"
# What 400 and 401 of a refresh say when the login is over (codex: `classify_refresh_token_failure`).
ENDED = {
    "refresh_token_expired": "its refresh token has expired",
    "refresh_token_reused": "its refresh token was used before, perhaps by a copy of it elsewhere",
    "refresh_token_invalidated": "it was revoked, or its password has changed",
    "invalid_grant": "OpenAI no longer takes its refresh token",
}


def _ask_code(spec: LoginSpec, proof: Proof) -> Ask:
    return Ask(url_of(spec, "code"), json={"client_id": spec.client_id})


def _read_code(spec: LoginSpec, answer: Answer, proof: Proof, now: float) -> Code:
    if answer.status == 404:
        raise LoginRefused(
            "OpenAI does not offer sign-in by code to this account: switch it on in ChatGPT's settings, under Security"
        )
    checked(answer, "OpenAI does not start a sign-in")
    shown = "user_code" if "user_code" in answer.body else "usercode"
    return Code(
        user_code=answer.text(shown),
        url=url_of(spec, "verify"),
        ends_at=now + (answer.seconds("expires_in") or LIFE_S),
        interval_s=answer.seconds("interval") or DEFAULT_INTERVAL_S,
        handle=answer.text("device_auth_id"),
    )


def _ask_grant(spec: LoginSpec, code: Code) -> Ask:
    return Ask(url_of(spec, "poll"), json={"device_auth_id": code.handle, "user_code": code.user_code})


def _read_grant(answer: Answer) -> Poll:
    """Without an error of a known name, 403 and 404 mean "not yet": so does Codex CLI read them."""
    said = said_by(answer)
    if answer.code == PENDING or (said is Said.REFUSED and answer.status in (403, 404)):
        said = Said.PENDING
    if said is Said.GRANTED and not {"authorization_code", "code_verifier"} <= answer.body.keys():
        said = Said.SILENT
    return Poll(said, answer)


def _ask_tokens(spec: LoginSpec, grant: Poll) -> Ask:
    form = {
        "grant_type": "authorization_code",
        "code": grant.answer.text("authorization_code"),
        "redirect_uri": url_of(spec, "callback"),
        "client_id": spec.client_id,
        "code_verifier": grant.answer.text("code_verifier"),
    }
    return Ask(url_of(spec, "token"), form=form)


def _ask_refresh(login: Login) -> Ask:
    if login.refresh is None:
        raise LoginRefused("it has no refresh token")
    body = {
        "client_id": login.extra["client_id"],
        "grant_type": "refresh_token",
        "refresh_token": login.refresh.reveal(),
    }
    return Ask(login.extra["token_url"], json=body)


def _read_tokens(answer: Answer, now: float) -> Tokens:
    """A refresh may leave out the id token and the refresh token; what was there stays."""
    if answer.status in (400, 401) or answer.code in ENDED:
        raise LoginRefused(ENDED.get(answer.code) or f"OpenAI refuses it: {answer.words}")
    if not answer.ok:
        raise VendorTrouble(f"{answer.host}: {answer.words}")
    access, refresh = answer.text("access_token"), answer.body.get("refresh_token")
    account = _account(answer.body.get("id_token")) or _account(access)
    return Tokens(
        access,
        _end(answer, access, now),
        refresh if isinstance(refresh, str) else "",
        {"account_id": account} if account else {},
    )


def _account(token: object) -> str:
    claims = claims_of(token).get(CLAIMS) if isinstance(token, str) else None
    found = claims.get("chatgpt_account_id") if isinstance(claims, dict) else None
    return found if isinstance(found, str) else ""


def _end(answer: Answer, access: str, now: float) -> float:
    seconds = answer.seconds("expires_in")
    if seconds is not None:
        return now + seconds
    return number(claims_of(access).get("exp")) or now + UNKNOWN_LIFE_S


def _ask_revoke(login: Login) -> Ask | None:
    if "revoke_url" not in login.extra:
        return None
    if login.refresh is None:
        return Ask(login.extra["revoke_url"], json={"token": login.secret.reveal(), "token_type_hint": "access_token"})
    body = {
        "token": login.refresh.reveal(),
        "token_type_hint": "refresh_token",
        "client_id": login.extra["client_id"],
    }
    return Ask(login.extra["revoke_url"], json=body)


CODEX = DeviceFlow(
    ask_code=_ask_code,
    read_code=_read_code,
    ask_grant=_ask_grant,
    read_grant=_read_grant,
    ask_tokens=_ask_tokens,
    ask_refresh=_ask_refresh,
    read_tokens=_read_tokens,
    ask_revoke=_ask_revoke,
)
