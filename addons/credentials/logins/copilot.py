"""GitHub Copilot: a device login at GitHub, whose token then gets Copilot tokens of about half an hour.

A login keeps GitHub's token as its refresh token. Sources, accessed 2026-11-21: docs.github.com, "Authorizing OAuth
apps", device flow; for the exchange, which GitHub does not document, VS Code's Copilot Chat and the clients that follow
it (Roo Code, copilot-api, LiteLLM): `Authorization: token …` and the headers of an editor, without which it is refused.
"""

from __future__ import annotations

from ringlet_mitm.addons.credentials.login import MARGIN_S, Login
from ringlet_mitm.addons.credentials.logins.asking import Answer, Ask, LoginRefused, Proof, VendorTrouble
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

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_LIFE_S = 900.0
EDITOR = {
    "editor-version": "vscode/1.107.0",
    "editor-plugin-version": "copilot-chat/0.35.0",
    "user-agent": "GitHubCopilotChat/0.35.0",
    "x-github-api-version": "2025-04-01",
}
# `error_details.notification_id` of a refused exchange (VS Code's names for them), and what a person does about it.
REFUSALS = {
    "not_signed_up": "this GitHub account has no Copilot subscription: https://github.com/settings/copilot",
    "no_copilot_access": "this GitHub account has no access to Copilot: https://github.com/settings/copilot",
    "subscription_ended": "the Copilot subscription of this account has ended: https://github.com/settings/copilot",
    "enterprise_managed_user_account": "this account's company has not given it Copilot; its admin can",
    "feature_flag_blocked": "Copilot is blocked for this account; GitHub's support knows why",
    "spammy_user": "GitHub has flagged this account; its support knows why",
    "snippy_not_configured": "choose first about suggestions like public code: https://github.com/settings/copilot",
}


def _ask_code(spec: LoginSpec, proof: Proof) -> Ask:
    return Ask(url_of(spec, "code"), form={"client_id": spec.client_id, "scope": spec.scope})


def _read_code(spec: LoginSpec, answer: Answer, proof: Proof, now: float) -> Code:
    checked(answer, "GitHub does not start a sign-in")
    return Code(
        user_code=answer.text("user_code"),
        url=answer.text("verification_uri"),
        ends_at=now + (answer.seconds("expires_in") or DEFAULT_LIFE_S),
        interval_s=answer.seconds("interval") or DEFAULT_INTERVAL_S,
        handle=answer.text("device_code"),
    )


def _ask_grant(spec: LoginSpec, code: Code) -> Ask:
    form = {"client_id": spec.client_id, "device_code": code.handle, "grant_type": GRANT}
    return Ask(url_of(spec, "token"), form=form)


def _read_grant(answer: Answer) -> Poll:
    """GitHub answers 200 to everything; `error` tells, and with `slow_down` comes the new interval."""
    said = said_by(answer)
    token = answer.text("access_token") if said is Said.GRANTED else ""
    return Poll(said, answer, answer.seconds("interval") or 0.0, token)


def _exchange(url: str, token: str) -> Ask:
    return Ask(url, headers={**EDITOR, "authorization": f"token {token}"}, method="GET")


def _ask_tokens(spec: LoginSpec, grant: Poll) -> Ask:
    return _exchange(url_of(spec, "exchange"), grant.refresh)


def _ask_refresh(login: Login) -> Ask:
    if login.refresh is None:
        raise LoginRefused("it has no GitHub token")
    return _exchange(login.extra["exchange_url"], login.refresh.reveal())


def _read_tokens(answer: Answer, now: float) -> Tokens:
    """`endpoints.api` is the host that serves this account's plan.

    `refresh_in` counts from now and so does not mind a wrong clock here; `expires_at` does.
    """
    if answer.overloaded:
        raise VendorTrouble(f"{answer.host}: {answer.words}")
    if not answer.ok:
        raise LoginRefused(_why(answer), mended_by_login=answer.status == 401)
    ends = [end for end in (answer.seconds("expires_at"), _renewed_by(answer, now)) if end is not None]
    endpoints = answer.body.get("endpoints")
    api = endpoints.get("api") if isinstance(endpoints, dict) else None
    extra = {"api": api} if isinstance(api, str) and api.startswith("https://") else {}
    return Tokens(answer.text("token"), min(ends, default=None), extra=extra)


def _renewed_by(answer: Answer, now: float) -> float | None:
    seconds = answer.seconds("refresh_in")
    return None if seconds is None else now + seconds + MARGIN_S


def _why(answer: Answer) -> str:
    details = answer.body.get("error_details")
    named = REFUSALS.get(str(details.get("notification_id"))) if isinstance(details, dict) else None
    if named:
        return named
    if answer.status == 401:
        return "GitHub no longer takes its token"
    if answer.status in (403, 404):
        return f"{REFUSALS['no_copilot_access']} (GitHub says: {answer.words})"
    return f"GitHub gives no Copilot token: {answer.words}"


COPILOT = DeviceFlow(
    ask_code=_ask_code,
    read_code=_read_code,
    ask_grant=_ask_grant,
    read_grant=_read_grant,
    ask_tokens=_ask_tokens,
    ask_refresh=_ask_refresh,
    read_tokens=_read_tokens,
    # GitHub revokes a token only for who has the client's secret, which a public client has not.
    afterwards="revoke it at GitHub too, where others may have it: https://github.com/settings/apps/authorizations",
)
