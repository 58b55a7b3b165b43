from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.credentials.logins.asking import (
    LONGEST_WORDS,
    Answer,
    Ask,
    Proof,
    VendorTrouble,
    claims_of,
    in_one_line,
    new_proof,
    number,
)


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"error": "slow_down", "error_description": "Too many."}, "slow_down", "Too many."),
        ({"error": {"code": "refresh_token_reused", "message": "Again."}}, "refresh_token_reused", "Again."),
        ({"error": {"type": "server_error"}}, "server_error", "server_error"),
        ({"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "", "login fail"),
        ({"message": "Bad credentials"}, "", "Bad credentials"),
        ({"error": None, "code": 17}, "", "HTTP 418"),
        ({}, "", "HTTP 418"),
    ],
    ids=["RFC 6749", "OpenAI", "type instead of code", "MiniMax", "GitHub's API", "no text", "nothing"],
)
def test_errors_are_found_where_vendors_put_them(body: dict[str, Any], code: str, words: str) -> None:
    answer = Answer(418, body)
    assert (answer.code, answer.words) == (code, words)


def test_a_vendors_words_show_no_token_and_fit_a_line() -> None:
    said = in_one_line("your token ghu_0123456789abcdef0123456789abcdef0123\n\x1b[31mis\tbad " + "x" * 1000)
    assert "0123456789" not in said
    assert said.isprintable()
    assert len(said) <= LONGEST_WORDS + 1


def test_a_missing_value_is_the_servers_trouble() -> None:
    with pytest.raises(VendorTrouble, match=r"auth.openai.com answered without 'access_token' \(HTTP 200\)"):
        Answer(200, {"access_token": ""}, "auth.openai.com").text("access_token")


def test_nothing_secret_is_in_a_repr() -> None:
    ask = Ask("https://x", form={"refresh_token": "rt_1"}, json={"a": "rt_1"}, headers={"authorization": "rt_1"})
    assert "rt_1" not in repr((ask, Answer(200, {"access_token": "rt_1"}), Proof("rt_1", "s")))


def test_the_challenge_is_that_of_rfc_7636() -> None:
    proof = Proof("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "")
    assert proof.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_proof_is_new_each_time_and_as_long_as_allowed() -> None:
    made = [new_proof() for _ in range(5)]
    assert len({proof.verifier for proof in made} | {proof.state for proof in made}) == 10
    assert all(43 <= len(proof.verifier) <= 128 for proof in made)


@pytest.mark.parametrize(
    ("value", "found"), [("5", 5.0), (7, 7.0), (1.5, 1.5), (True, None), ("x", None), (None, None)]
)
def test_numbers_may_be_text(value: object, found: float | None) -> None:
    assert number(value) == found


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_any_text_has_claims_or_none(text: str) -> None:
    assert isinstance(claims_of(text), dict)
