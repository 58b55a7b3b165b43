"""A request of the past."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from past import recorded

from ringlet_mitm.rules.pricing import TOKEN_KINDS, Usage
from ringlet_mitm.rules.recorded import ENDLESS, Recorded
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.tokens import TokenBounds


@given(st.lists(st.integers(0, 10**6), min_size=len(TOKEN_KINDS), max_size=len(TOKEN_KINDS)))
def test_tokens_are_those_of_a_usage(counts: list[int]) -> None:
    kinds = dict(zip(TOKEN_KINDS, counts, strict=True))
    assert recorded(**kinds).counts == tuple(counts)
    assert recorded(**kinds).total_input == Usage(**kinds).total_input


def test_token_kinds_stand_together_in_their_order() -> None:
    first = Recorded._fields.index(TOKEN_KINDS[0])
    assert Recorded._fields[first : first + len(TOKEN_KINDS)] == TOKEN_KINDS


def test_features() -> None:
    features = recorded(messages=3, tools=2, tokens_low=7, tokens_high=9).features(8)
    assert (features.format, features.provider, features.model) == (WireFormat.MESSAGES, "anthropic", "big")
    assert (features.messages, features.tools, features.exact_tokens) == (3, 2, 8)
    assert features.token_bounds == TokenBounds(7, 9)


def test_bounds_that_were_not_recorded_have_no_end() -> None:
    assert recorded(tokens_low=None, tokens_high=None).bounds == (0, ENDLESS)
