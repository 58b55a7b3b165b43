"""No secret gets past the mask, and nothing else is masked."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.redaction import MASK, is_secret_name, masked, masked_headers, masked_url

KEY = "Q7zT4mVb9XcN2pLsK8wR"  # stands for the part of a key that nobody may see

SHOWN = [
    ("anthropic key", f"sk-ant-api03-{KEY}", f"sk-ant-api03-{MASK}"),
    ("anthropic oauth", f"sk-ant-oat01-{KEY}", f"sk-ant-oat01-{MASK}"),
    ("openai key", f"sk-{KEY}", f"sk-{MASK}"),
    ("openai project key", f"sk-proj-{KEY}", f"sk-proj-{MASK}"),
    ("openrouter key", f"sk-or-v1-{KEY}", f"sk-or-v1-{MASK}"),
    ("groq key", f"gsk_{KEY}", f"gsk_{MASK}"),
    ("google key", f"AIza{KEY}", f"AIza{MASK}"),
    ("newer google key", f"AQ.{KEY}", f"AQ.{MASK}"),
    ("google token", f"ya29.{KEY}", f"ya29.{MASK}"),
    ("github token", f"ghu_{KEY}", f"ghu_{MASK}"),
    ("xai key", f"xai-{KEY}", f"xai-{MASK}"),
    ("inside a sentence", f"key gsk_{KEY} was refused", f"key gsk_{MASK} was refused"),
    ("bearer of any shape", f"Bearer {KEY}", f"Bearer {MASK}"),
    ("bearer in lower case", f"authorization: bearer {KEY}", f"authorization: bearer {MASK}"),
    ("basic", f"Proxy-Authorization: Basic {KEY}==", f"Proxy-Authorization: Basic {MASK}"),
    ("header line", f"x-api-key: {KEY}", f"x-api-key: {MASK}"),
    ("header of any vendor", f"X-Acme-Api-Key: {KEY}", f"X-Acme-Api-Key: {MASK}"),
    ("cookie line", f"Cookie: a={KEY}; b={KEY}", f"Cookie: {MASK}"),
    ("json body", f'{{"api_key": "{KEY}", "n": 1}}', f'{{"api_key": "{MASK}", "n": 1}}'),
    ("json token", f'{{"refresh_token":"{KEY}"}}', f'{{"refresh_token":"{MASK}"}}'),
    ("assignment", f"ANTHROPIC_API_KEY={KEY} claude", f"ANTHROPIC_API_KEY={MASK} claude"),
    ("python repr", f"{{'password': '{KEY}'}}", f"{{'password': '{MASK}'}}"),
    (
        "query",
        f"/v1beta/models/m:generateContent?key={KEY}&alt=sse",
        f"/v1beta/models/m:generateContent?key={MASK}&alt=sse",
    ),
    ("later in a query", f"https://h/x?alt=sse&access_token={KEY}#f", f"https://h/x?alt=sse&access_token={MASK}#f"),
    ("password in a url", f"http://user:{KEY}@proxy:3128/", f"http://user:{MASK}@proxy:3128/"),
    ("json web token", f"eyJhbGciOiJI.eyJzdWIiOiIx{KEY}.{KEY}", f"eyJhbGciOiJI.eyJ{MASK}"),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in SHOWN], ids=[case[0] for case in SHOWN])
def test_secrets_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert KEY not in masked(text)


@pytest.mark.parametrize("text", [case[1] for case in SHOWN], ids=[case[0] for case in SHOWN])
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "listening on http://127.0.0.1:8484",
        "task-force-with-a-very-long-name-indeed",
        "max_tokens: 4096, prompt_cache_key: abc",
        "input_tokens=120000 output_tokens=5",
        "rule tool-use → anthropic, key ANTHROPIC_API_KEY not set",
        "the Bearer token was refused",
        "https://host/path@2x?alt=sse&model=claude",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text


class TestKnownSecrets:
    def test_are_masked_whatever_they_look_like(self) -> None:
        assert masked("the word hunter2! appears", ["hunter2!"]) == f"the word {MASK} appears"

    def test_are_masked_when_quoted_for_a_url(self) -> None:
        assert masked("x=hunter%202%21", ["hunter 2!"]) == f"x={MASK}"

    def test_are_left_where_they_are_too_short_to_tell(self) -> None:
        assert masked("a b c", ["a"]) == "a b c"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("Authorization", True),
        ("X-API-Key", True),
        ("x-goog-api-key", True),
        ("Cookie", True),
        ("key", True),
        ("anthropic_auth_token", True),
        ("client-secret", True),
        ("max_tokens", False),
        ("prompt_cache_key", False),
        ("model", False),
        ("anthropic-version", False),
    ],
)
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_headers_are_masked_by_name_and_by_shape() -> None:
    headers = (
        (b"Authorization", f"Bearer {KEY}".encode()),
        (b"x-api-key", KEY.encode()),
        (b"x-note", f"sent with gsk_{KEY}".encode()),
        (b"x-odd", b"\xff\xfe"),
        (b"anthropic-version", b"2023-06-01"),
    )
    assert masked_headers(headers) == (
        (b"Authorization", b"Bearer ***"),
        (b"x-api-key", b"***"),
        (b"x-note", b"sent with gsk_***"),
        (b"x-odd", b"\xff\xfe"),
        (b"anthropic-version", b"2023-06-01"),
    )


def test_a_url_keeps_all_but_its_keys() -> None:
    assert masked_url("/v1/models?key=abc&pageSize=5") == "/v1/models?key=***&pageSize=5"


prose = st.text(st.sampled_from(string.ascii_letters + " \n.,;"), max_size=40)
keys = st.text(st.sampled_from(string.ascii_letters + string.digits), min_size=16, max_size=60)


@given(prose, st.sampled_from(["sk-ant-api03-", "sk-proj-", "gsk_", "AIza", "ghu_", "xai-"]), keys, prose)
def test_a_key_is_found_wherever_it_stands(before: str, prefix: str, key: str, after: str) -> None:
    assert f"{prefix}{key}" not in masked(f"{before} {prefix}{key} {after}")


@given(st.text(max_size=300))
def test_any_text_can_be_masked_twice(text: str) -> None:
    assert masked(masked(text)) == masked(text)
