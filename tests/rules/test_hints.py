"""Which models a route by name takes: a prefix (X-015), also behind a provider's name and a slash."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.hints import hinted

TAKEN = {
    "a prefix": ("claude-", "claude-sonnet-4-6", True),
    "the very name": ("gpt-5", "gpt-5", True),
    "a longer name": ("gpt-5", "gpt-5-mini", True),
    "in the middle": ("sonnet", "claude-sonnet-4-6", False),
    "another case": ("claude-", "Claude-3", False),
    "a provider before it": ("claude-", "anthropic/claude-sonnet-4.6", True),
    "two names before it": ("claude-", "openrouter/anthropic/claude-sonnet-4.6", True),
    "the provider in the hint": ("anthropic/claude-", "anthropic/claude-sonnet-4.6", True),
    "the provider in the hint, and another before it": ("anthropic/", "openrouter/anthropic/claude-x", True),
    "only in the hint": ("anthropic/claude-", "claude-sonnet-4-6", False),
    "no model": ("claude-", "", False),
    "signs of a glob are signs": ("gpt-[5]*", "x/gpt-[5]*-mini", True),
    "and mean nothing": ("gpt-[5]*", "x/gpt-5-mini", False),
    "not after another sign": ("claude-", "my-claude-3", False),
}


@pytest.mark.parametrize(("hint", "model", "taken"), TAKEN.values(), ids=TAKEN)
def test_a_hint(make_features: Any, hint: str, model: str, taken: bool) -> None:
    assert hinted(hint).test()(make_features(model=model), 0, 0) is taken


@given(st.text(min_size=1), st.text(), st.text(st.characters(exclude_characters="/"), min_size=1))
def test_any_hint_takes_what_begins_with_it(make_features: Any, hint: str, rest: str, provider: str) -> None:
    test = hinted(hint).test()
    assert test(make_features(model=hint + rest), 0, 0)
    assert test(make_features(model=f"{provider}/{hint}{rest}"), 0, 0)


def test_in_words() -> None:
    assert str(hinted("claude-")) == 'hint = "claude-"'
