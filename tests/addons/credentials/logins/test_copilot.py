from __future__ import annotations

import time

import pytest
from oauth_vendor import COPILOT_API, SPECS, OAuthVendor

from ringlet_mitm.addons.credentials.login import MARGIN_S, Login
from ringlet_mitm.addons.credentials.logins.asking import Answer, LoginRefused, VendorTrouble
from ringlet_mitm.addons.credentials.logins.copilot import COPILOT
from ringlet_mitm.addons.credentials.logins.device_code import renewed
from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient
from ringlet_mitm.addons.credentials.secret import Secret


def stored(oauth: OAuthVendor) -> Login:
    extra = {"provider": "copilot", "exchange_url": SPECS["copilot"].urls["exchange"]}
    return Login("oauth", Secret("old", "login:copilot"), Secret(oauth.new_github_token()), 0.0, extra)


def test_a_new_token_for_the_same_github_token(oauth: OAuthVendor, client: VendorClient) -> None:
    login, now = stored(oauth), time.time()
    fresh = renewed(COPILOT, login, client, now)
    assert fresh.refresh == login.refresh
    assert fresh.secret.reveal().startswith("tid=")
    assert fresh.extra["api"] == COPILOT_API
    seen = oauth.seen[-1]
    assert login.refresh is not None
    assert seen.headers["authorization"] == f"token {login.refresh.reveal()}"
    assert seen.headers["editor-version"].startswith("vscode/")
    assert seen.headers["user-agent"].startswith("GitHubCopilotChat/")


@pytest.mark.parametrize(
    ("body", "spent_after_s"),
    [
        ({"expires_at": 11_800, "refresh_in": 1500}, 1500),
        ({"expires_at": 11_000, "refresh_in": 1500}, 1000 - MARGIN_S),
        ({"expires_at": 99_999, "refresh_in": 1500}, 1500),
        ({"refresh_in": 1500}, 1500),
        ({"expires_at": 11_800}, 1800 - MARGIN_S),
    ],
    ids=["refresh_in first", "an early end first", "a clock that is behind", "no end", "no refresh_in"],
)
def test_when_it_is_renewed(body: dict[str, int], spent_after_s: float) -> None:
    tokens = COPILOT.read_tokens(Answer(200, {"token": "t", **body}), 10_000)
    login = Login("oauth", Secret(tokens.access), None, tokens.expires_at)
    assert not login.spent(10_000 + spent_after_s - 1)
    assert login.spent(10_000 + spent_after_s)


@pytest.mark.parametrize("api", ["http://evil.example", 7, None])
def test_a_host_that_is_no_https_url_is_left_out(api: object) -> None:
    tokens = COPILOT.read_tokens(Answer(200, {"token": "t", "endpoints": {"api": api}}), 0)
    assert tokens.extra == {}


@pytest.mark.parametrize(
    ("status", "notification", "words", "mended"),
    [
        (403, "no_copilot_access", "has no access to Copilot: https://github.com/settings/copilot", False),
        (403, "subscription_ended", "has ended", False),
        (403, "of_next_year", "GitHub says: Sorry.", False),
        (401, "", "no longer takes its token", True),
        (404, "", "has no access to Copilot", False),
        (418, "", "gives no Copilot token", False),
    ],
)
def test_refusals_in_words(status: int, notification: str, words: str, mended: bool) -> None:
    details = {"notification_id": notification, "title": "x"}
    answer = Answer(status, {"message": "Sorry.", "error_details": details}, "api.github.com")
    with pytest.raises(LoginRefused, match=words) as caught:
        COPILOT.read_tokens(answer, 0)
    assert caught.value.mended_by_login is mended


def test_githubs_own_trouble_is_no_refusal() -> None:
    with pytest.raises(VendorTrouble, match=r"api\.github\.com"):
        COPILOT.read_tokens(Answer(502, {}, "api.github.com"), 0)
