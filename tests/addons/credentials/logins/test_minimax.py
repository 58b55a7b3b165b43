from __future__ import annotations

import time
from dataclasses import replace

import pytest
from oauth_vendor import SPECS, FastClock, OAuthVendor

from ringlet_mitm.addons.credentials.logins.asking import Answer, LoginRefused, VendorTrouble, new_proof
from ringlet_mitm.addons.credentials.logins.device_code import Clock, Said, log_in, renewed
from ringlet_mitm.addons.credentials.logins.minimax import MINIMAX, end_of
from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient

SPEC = SPECS["minimax-oauth"]
NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("expired_in", "end"),
    [
        (3600, NOW + 3600),
        ("3600", NOW + 3600),
        (1_795_003_600, 1_795_003_600),
        (1_795_003_600_000, 1_795_003_600),
        (0, None),
        (None, None),
        (-5, None),
    ],
    ids=["seconds from now", "as text", "seconds since 1970", "milliseconds since 1970", "zero", "nothing", "negative"],
)
def test_three_units_of_one_number(expired_in: object, end: float | None) -> None:
    assert end_of(expired_in, NOW) == end


def test_an_answer_to_another_sign_in_is_refused() -> None:
    answer = Answer(200, {"user_code": "A", "verification_uri": "https://x", "state": "somebody else's"})
    with pytest.raises(LoginRefused, match="another sign-in"):
        MINIMAX.read_code(SPEC, answer, new_proof(), NOW)


@pytest.mark.parametrize(
    ("said", "interval_s", "ends_at"),
    [
        ({"interval": 3000, "expired_in": (NOW + 60) * 1000}, 3, NOW + 60),
        ({"interval": 5, "expires_in": 600}, 5, NOW + 600),
        ({}, 2, NOW + 600),
    ],
    ids=["MiniMax's way", "RFC 8628", "nothing said"],
)
def test_how_often_and_how_long(said: dict[str, float], interval_s: float, ends_at: float) -> None:
    proof = new_proof()
    body = {"user_code": "A", "verification_uri": "https://x", "state": proof.state, **said}
    code = MINIMAX.read_code(SPEC, Answer(200, body), proof, NOW)
    assert (code.interval_s, code.ends_at) == (interval_s, ends_at)


def test_tokens_in_the_words_of_rfc_6749() -> None:
    answer = Answer(200, {"access_token": "a", "refresh_token": "r", "expires_in": 3600})
    assert MINIMAX.read_grant(answer).said is Said.GRANTED
    tokens = MINIMAX.read_tokens(answer, NOW)
    assert (tokens.access, tokens.refresh, tokens.expires_at) == ("a", "r", NOW + 3600)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(200, {"status": "pending"}), Said.PENDING),
        (Answer(200, {"status": "of next year"}), Said.PENDING),
        (Answer(200, {}), Said.PENDING),
        (Answer(200, {"status": "success"}), Said.GRANTED),
        (Answer(200, {"status": "error"}), Said.REFUSED),
        (Answer(400, {"base_resp": {"status_msg": "invalid user code"}}), Said.REFUSED),
        (Answer(400, {"error": "authorization_pending"}), Said.PENDING),
        (Answer(503, {}), Said.SILENT),
    ],
)
def test_what_a_poll_means(answer: Answer, said: Said) -> None:
    assert MINIMAX.read_grant(answer).said is said


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(200, {"status": "error"}), LoginRefused),
        (Answer(400, {"error": "invalid_grant"}), LoginRefused),
        (Answer(502, {}), VendorTrouble),
        (Answer(200, {"status": "success"}), VendorTrouble),
    ],
    ids=["status", "RFC 6749", "trouble", "success without a token"],
)
def test_refused_or_only_in_trouble(answer: Answer, error: type[Exception]) -> None:
    with pytest.raises(error):
        MINIMAX.read_tokens(answer, NOW)


def test_china_is_the_same_elsewhere_and_its_tokens_go_back_there(oauth: OAuthVendor, client: VendorClient) -> None:
    urls = {name: url.replace("minimax.io", "minimaxi.com") for name, url in SPEC.urls.items()}
    spec, clock = replace(SPEC, urls=urls), FastClock()
    login = log_in(MINIMAX, spec, "minimax-oauth-cn", client, lambda code: None, Clock(clock.now, clock.sleep))
    fresh = renewed(MINIMAX, login, client, time.time())
    assert {seen.host for seen in oauth.seen} == {"account.minimaxi.com"}
    assert fresh.secret != login.secret
    assert fresh.refresh != login.refresh
    with pytest.raises(LoginRefused, match="not valid"):
        renewed(MINIMAX, login, client, time.time())
