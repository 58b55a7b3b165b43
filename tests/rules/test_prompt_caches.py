from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.pricing import TOKEN_KINDS, PriceCard, Rates, Tier, Usage
from ringlet_mitm.rules.prompt_caches import LIVES_LONG_US, LIVES_US, held, lives_us, marks

PLAIN = Rates(
    input_tokens=Decimal(2),
    cache_read_tokens=Decimal(2),
    cache_write_5m_tokens=Decimal(2),
    cache_write_1h_tokens=Decimal(2),
)
BY_ITSELF = replace(PLAIN, cache_read_tokens=Decimal(1))
MARKED = replace(BY_ITSELF, cache_write_5m_tokens=Decimal(3), cache_write_1h_tokens=Decimal(4))
USED = Usage(input_tokens=900, cache_read_tokens=4_000, cache_write_5m_tokens=100)
FRESH, SHORT = Usage(input_tokens=1_024, output_tokens=9), Usage(input_tokens=1_023, output_tokens=9)


def card(rates: Rates) -> PriceCard:
    return PriceCard("p", "m", rates, "test")


@pytest.mark.parametrize(("rates", "marked"), [(PLAIN, False), (BY_ITSELF, False), (MARKED, True), (Rates(), False)])
def test_what_has_to_be_marked_is_dearer_to_write(rates: Rates, marked: bool) -> None:
    assert marks(card(rates)) is marked


@pytest.mark.parametrize(
    ("usage", "rates", "tokens"),
    [
        pytest.param(USED, MARKED, 4_100, id="what was marked"),
        pytest.param(FRESH, MARKED, 0, id="nothing was marked"),
        pytest.param(FRESH, BY_ITSELF, 1_024, id="all of a prompt, where it caches by itself"),
        pytest.param(USED, BY_ITSELF, 5_000, id="what was read from there and what followed"),
        pytest.param(SHORT, BY_ITSELF, 0, id="a prompt too short for that"),
        pytest.param(FRESH, PLAIN, 0, id="a model without a cache"),
        pytest.param(USED, None, 4_100, id="no prices, so what was reported"),
        pytest.param(FRESH, None, 0, id="no prices, and nothing was reported"),
    ],
)
def test_what_a_cache_holds(usage: Usage, rates: Rates | None, tokens: int) -> None:
    assert held(usage, None if rates is None else card(rates)) == tokens


def test_the_prices_are_those_of_the_tier() -> None:
    tiered = replace(card(PLAIN), tiers=(Tier(2_000, BY_ITSELF),))
    assert (held(FRESH, tiered), held(Usage(input_tokens=2_001), tiered)) == (0, 2_001)


@given(
    st.builds(Usage, **dict.fromkeys(TOKEN_KINDS, st.integers(0, 10**7))), st.sampled_from([PLAIN, BY_ITSELF, MARKED])
)
def test_it_holds_no_more_than_the_prompt_and_no_less_than_was_reported(usage: Usage, rates: Rates) -> None:
    reported = usage.cache_read_tokens + usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    assert reported <= held(usage, card(rates)) <= usage.total_input


@pytest.mark.parametrize(("tokens", "us"), [(0, LIVES_US), (1, LIVES_LONG_US)])
def test_how_long_it_lives(tokens: int, us: int) -> None:
    assert lives_us(tokens) == us
