"""Keys that look like another vendor's: a warning with the remedy, at the vendor's own host only."""

from __future__ import annotations

import pytest
from promises.sending import built_in
from promises.tables import Promise, held

from ringlet_mitm.addons.credentials.formats import complaint
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.rules.providers import registry


def said_of(provider: str, key: str) -> str | None:
    return complaint(built_in().require(provider), built_in(), Secret(key, "env:THE_KEY"))


@held("key-format")
def test_how_keys_begin(promise: Promise) -> None:
    provider = promise["provider"]
    assert [key for key in promise["good"] if said_of(provider, key)] == []
    for key in promise["bad"]:
        said = said_of(provider, key)
        assert said, key
        assert key not in said
        assert "env:THE_KEY" in said


@held("key-format-elsewhere")
def test_keys_of_gateways_are_their_own_business(promise: Promise) -> None:
    there = registry({}, {promise["variable"]: promise["value"]})
    spec = there.require(promise["provider"])
    assert complaint(spec, there, Secret(promise["key"], "env:THE_KEY")) is None
    assert said_of(promise["provider"], promise["key"]) is not None


@pytest.mark.parametrize(
    ("key", "owner"),
    [("sk-ant-api03-abcdefabcdef", "Anthropic"), ("sk-or-v1-abcdefabcdef", "OpenRouter"), ("gsk_abcdefabcd", "Groq")],
)
def test_whose_key_it_is_is_said(key: str, owner: str) -> None:
    assert owner in (said_of("openai", key) or "")
