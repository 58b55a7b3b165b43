from __future__ import annotations

import time

import pytest
from oauth_vendor import ACCOUNT, SPECS, OAuthVendor

from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.asking import Answer, LoginRefused, VendorTrouble, new_proof
from ringlet_mitm.addons.credentials.logins.codex import CODEX, UNKNOWN_LIFE_S
from ringlet_mitm.addons.credentials.logins.device_code import Said, renewed
from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient
from ringlet_mitm.addons.credentials.secret import Secret

SPEC = SPECS["openai-codex"]


def stored(refresh: str) -> Login:
    extra = {
        "provider": "openai-codex",
        "client_id": SPEC.client_id,
        "token_url": SPEC.urls["token"],
        "revoke_url": SPEC.urls["revoke"],
        "account_id": "acct-before",
    }
    return Login("oauth", Secret("old", "login:openai-codex"), Secret(refresh), 0.0, extra)


@pytest.mark.parametrize("shown", ["user_code", "usercode"])
def test_the_code_has_two_names(shown: str) -> None:
    answer = Answer(200, {"device_auth_id": "d", shown: "ABCD", "interval": "7"})
    code = CODEX.read_code(SPEC, answer, new_proof(), 100)
    assert (code.user_code, code.interval_s, code.ends_at) == ("ABCD", 7, 1000)
    assert code.url == "https://auth.openai.com/codex/device"


def test_an_account_without_sign_in_by_code_is_told_where_to_switch_it_on() -> None:
    with pytest.raises(LoginRefused, match="ChatGPT's settings"):
        CODEX.read_code(SPEC, Answer(404, {}), new_proof(), 0)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(403, {"error": {"code": "deviceauth_authorization_pending"}}), Said.PENDING),
        (Answer(400, {"error": "deviceauth_authorization_pending"}), Said.PENDING),
        (Answer(403, {}), Said.PENDING),
        (Answer(404, {}), Said.PENDING),
        (Answer(403, {"error": {"code": "access_denied"}}), Said.DENIED),
        (Answer(429, {"error": {"code": "slow_down"}}), Said.SLOW_DOWN),
        (Answer(400, {"error": {"code": "invalid_request"}}), Said.REFUSED),
        (Answer(200, {}), Said.SILENT),
        (Answer(200, {"authorization_code": "a", "code_verifier": "v"}), Said.GRANTED),
    ],
)
def test_what_a_poll_means(answer: Answer, said: Said) -> None:
    assert CODEX.read_grant(answer).said is said


def test_a_refresh_rotates(oauth: OAuthVendor, client: VendorClient) -> None:
    login = stored(oauth.new_refresh_token())
    fresh = renewed(CODEX, login, client, time.time())
    assert fresh.refresh not in (None, login.refresh)
    assert fresh.extra["account_id"] == ACCOUNT
    assert fresh.expires_at == pytest.approx(time.time() + oauth.life_s, abs=10)
    assert oauth.seen[-1].body == {
        "client_id": SPEC.client_id,
        "grant_type": "refresh_token",
        "refresh_token": login.refresh.reveal() if login.refresh else "",
    }
    with pytest.raises(LoginRefused, match="used before"):
        renewed(CODEX, login, client, time.time())


def test_what_a_refresh_leaves_out_stays() -> None:
    tokens = CODEX.read_tokens(Answer(200, {"access_token": "opaque", "expires_in": 60}), 100)
    assert (tokens.refresh, tokens.expires_at, tokens.extra) == ("", 160, {})


def test_a_token_that_does_not_say_its_end_is_taken_for_codex_clis_eight_days() -> None:
    assert CODEX.read_tokens(Answer(200, {"access_token": "opaque"}), 100).expires_at == 100 + UNKNOWN_LIFE_S


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (Answer(401, {"error": {"code": "refresh_token_expired"}}), LoginRefused, "has expired"),
        (Answer(401, {"error": {"code": "refresh_token_invalidated"}}), LoginRefused, "revoked"),
        (Answer(400, {"error": "invalid_grant"}), LoginRefused, "no longer takes"),
        (Answer(401, {}), LoginRefused, "HTTP 401"),
        (Answer(403, {}, "auth.openai.com"), VendorTrouble, "auth.openai.com: HTTP 403"),
        (Answer(500, {}, "auth.openai.com"), VendorTrouble, "HTTP 500"),
    ],
    ids=["expired", "revoked", "RFC 6749", "no reason", "a bot check is no refusal", "trouble"],
)
def test_refused_or_only_in_trouble(answer: Answer, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        CODEX.read_tokens(answer, 0)


def test_revoking_takes_the_refresh_token(oauth: OAuthVendor, client: VendorClient) -> None:
    token = oauth.new_refresh_token()
    ask = CODEX.ask_revoke(stored(token))
    assert ask is not None
    assert client.ask(ask).ok
    with pytest.raises(LoginRefused):
        renewed(CODEX, stored(token), client, time.time())
