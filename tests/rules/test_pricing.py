"""The arithmetic of bills."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.pricing import (
    PARTS,
    TOKEN_KINDS,
    UNKNOWN_COST,
    PriceCard,
    Rates,
    RateTable,
    Tier,
    Usage,
    cost,
    cost_as_asked,
    cost_uncached,
    switch_cost,
)

ONE = Decimal(1)
FULL = Rates(**dict.fromkeys(TOKEN_KINDS, ONE))
CARD = PriceCard("p", "m", Rates(input_tokens=Decimal(3), output_tokens=Decimal(15)), "test")
usages = st.builds(Usage, **{kind: st.integers(0, 10**9) for kind in TOKEN_KINDS})


def test_rates_and_usage_have_the_same_kinds() -> None:
    assert tuple(field.name for field in fields(Rates)) == TOKEN_KINDS


def test_every_kind_is_in_one_part_of_the_bill() -> None:
    assert sorted(kind for kinds in PARTS.values() for kind in kinds) == sorted(TOKEN_KINDS)


@given(usages)
def test_kinds_are_disjoint_and_make_up_the_totals(usage: Usage) -> None:
    assert usage.total_input + usage.total_output == sum(getattr(usage, kind) for kind in TOKEN_KINDS)


@given(usages)
def test_parts_add_up_to_the_total(usage: Usage) -> None:
    bill = cost(usage, PriceCard("p", "m", FULL, "test"))
    tokens = sum(getattr(usage, kind) for kind in TOKEN_KINDS)
    assert bill.total == sum(getattr(bill, part) for part in PARTS) == Decimal(tokens) / 1_000_000


def test_no_card_is_unknown_not_free() -> None:
    assert cost(Usage(input_tokens=5), None) == UNKNOWN_COST
    assert UNKNOWN_COST.total is None


def test_a_part_with_tokens_and_no_price_makes_the_total_unknown() -> None:
    bill = cost(Usage(input_tokens=1_000_000, cache_read_tokens=1), CARD)
    assert (bill.input, bill.cache_read, bill.total) == (Decimal(3), None, None)


def test_a_kind_without_price_and_without_tokens_does_not_matter() -> None:
    assert cost(Usage(input_tokens=1_000_000, output_tokens=1_000_000), CARD).total == Decimal(18)


def test_one_unpriced_kind_hides_the_rest_of_its_part() -> None:
    assert cost(Usage(output_tokens=5, reasoning_tokens=5), CARD).output is None


def test_no_tokens_cost_nothing() -> None:
    assert cost(Usage(), CARD).total == 0


def test_a_price_per_request_is_in_the_total_only() -> None:
    card = PriceCard("p", "m", FULL, "test", per_request=Decimal("0.005"))
    bill = cost(Usage(input_tokens=1_000_000), card)
    assert (bill.input, bill.total) == (ONE, Decimal("1.005"))


TIERED = PriceCard(
    "p",
    "m",
    FULL,
    "test",
    tiers=(
        Tier(1000, Rates(**dict.fromkeys(TOKEN_KINDS, Decimal(2)))),
        Tier(5000, Rates(**dict.fromkeys(TOKEN_KINDS, Decimal(5)))),
    ),
)


@pytest.mark.parametrize(
    ("usage", "rate"),
    [
        pytest.param(Usage(input_tokens=1000), 1, id="at the threshold: below it"),
        pytest.param(Usage(input_tokens=1001), 2, id="above it: all tokens at the new rate"),
        pytest.param(Usage(input_tokens=1, cache_read_tokens=1000), 2, id="cached input counts towards it"),
        pytest.param(Usage(input_tokens=1000, output_tokens=9000), 1, id="output does not"),
        pytest.param(Usage(cache_write_1h_tokens=5001), 5, id="the highest that is passed"),
    ],
)
def test_tiers_hold_for_the_whole_request(usage: Usage, rate: int) -> None:
    assert cost(usage, TIERED).total == Decimal(usage.total_input + usage.total_output) * rate / 1_000_000


# Prices in which each kind is to be seen, per million tokens.
STEPS = Rates(
    input_tokens=Decimal(4),
    image_input_tokens=Decimal(4),
    audio_input_tokens=Decimal(7),
    cache_read_tokens=Decimal(1),
    cache_write_5m_tokens=Decimal(5),
    cache_write_1h_tokens=Decimal(10),
    output_tokens=Decimal(99),
)
MILLION = 1_000_000
SWITCHES: dict[str, tuple[Usage, Rates, int, str | None]] = {
    "all of it was cached before": (Usage(input_tokens=2 * MILLION), STEPS, 2 * MILLION, "6"),
    "only the first half was": (Usage(input_tokens=2 * MILLION), STEPS, MILLION, "3"),
    "the conversation was longer before": (Usage(input_tokens=MILLION), STEPS, 9 * MILLION, "3"),
    "nothing was": (Usage(input_tokens=MILLION), STEPS, 0, "0"),
    "of what was cached before, a part is read here": (
        Usage(input_tokens=2 * MILLION, cache_read_tokens=8 * MILLION),
        STEPS,
        9 * MILLION,
        "3",
    ),
    "all that was cached before is read here": (
        Usage(input_tokens=MILLION, cache_read_tokens=8 * MILLION),
        STEPS,
        8 * MILLION,
        "0",
    ),
    "more is read here than was cached before": (
        Usage(cache_write_5m_tokens=MILLION, cache_read_tokens=8 * MILLION),
        STEPS,
        MILLION,
        "0",
    ),
    "no price of what is all read here": (Usage(cache_read_tokens=2), Rates(), 2, "0"),
    "what is written stands in front": (
        Usage(input_tokens=MILLION, cache_write_5m_tokens=MILLION, cache_write_1h_tokens=MILLION),
        STEPS,
        2 * MILLION,
        "13",
    ),
    "images and sounds": (Usage(image_input_tokens=MILLION, audio_input_tokens=MILLION), STEPS, 9 * MILLION, "9"),
    "output is no part of it": (Usage(output_tokens=MILLION), STEPS, MILLION, "0"),
    "a cache that costs no less": (
        Usage(input_tokens=MILLION),
        Rates(input_tokens=Decimal(3), cache_read_tokens=Decimal(3)),
        MILLION,
        "0",
    ),
    "a cache that costs more is no gain": (
        Usage(input_tokens=MILLION),
        Rates(input_tokens=Decimal(3), cache_read_tokens=Decimal(4)),
        MILLION,
        "0",
    ),
    "no price of a read": (Usage(input_tokens=1), Rates(input_tokens=ONE), 1, None),
    "no price of what was paid": (Usage(input_tokens=1), Rates(cache_read_tokens=ONE), 1, None),
    "no price of what did not count": (Usage(output_tokens=1), Rates(), 1, "0"),
}


@pytest.mark.parametrize(("usage", "rates", "cached", "extra"), SWITCHES.values(), ids=SWITCHES)
def test_what_a_switch_costs(usage: Usage, rates: Rates, cached: int, extra: str | None) -> None:
    found = switch_cost(usage, PriceCard("p", "m", rates, "test"), cached)
    assert found == (None if extra is None else Decimal(extra))


def test_without_prices_a_switch_costs_something_only_where_something_was_cached() -> None:
    assert (switch_cost(Usage(input_tokens=5), None, 5), switch_cost(Usage(input_tokens=5), None, 0)) == (None, 0)


@given(usages, st.integers(0, 10**10))
def test_a_switch_costs_what_reading_that_cache_would_have_saved(usage: Usage, cached: int) -> None:
    """By the definition: what it did cost, less what the same prompt had cost with so much of it read."""
    card = PriceCard("p", "m", STEPS, "test")
    prompt = replace(usage, output_tokens=0, reasoning_tokens=0, image_output_tokens=0, audio_output_tokens=0)
    had, would = cost(prompt, card).total, cost_as_asked(prompt, card, cached)
    assert had is not None and would is not None
    assert switch_cost(usage, card, cached) == had - would


def test_a_switch_is_priced_in_the_tier_of_the_request() -> None:
    dear = Rates(input_tokens=Decimal(8), cache_read_tokens=Decimal(2))
    card = PriceCard("p", "m", STEPS, "test", (Tier(200_000, dear),))
    assert switch_cost(Usage(input_tokens=MILLION), card, MILLION) == 6


ANY_RATES = st.builds(Rates, **dict.fromkeys(TOKEN_KINDS, st.integers(0, 100).map(Decimal)))


@given(usages, ANY_RATES, st.integers(0, 10**10))
def test_a_switch_is_a_part_of_the_cost(usage: Usage, rates: Rates, cached: int) -> None:
    card = PriceCard("p", "m", rates, "test")
    bill, extra = cost(usage, card), switch_cost(usage, card, cached)
    assert bill.input is not None and bill.cache_write is not None and extra is not None
    assert 0 <= extra <= bill.input + bill.cache_write


# USD per million, as Anthropic has them for Sonnet.
SONNET = PriceCard(
    "p",
    "m",
    Rates(
        input_tokens=Decimal(3),
        cache_read_tokens=Decimal("0.3"),
        cache_write_5m_tokens=Decimal("3.75"),
        cache_write_1h_tokens=Decimal(6),
        output_tokens=Decimal(15),
    ),
    "test",
)


@pytest.mark.parametrize(
    ("usage", "cached", "usd"),
    [
        pytest.param(Usage(input_tokens=10_000, output_tokens=100), 0, "0.0315", id="nothing in a cache"),
        pytest.param(Usage(input_tokens=10_000, output_tokens=100), 8_000, "0.0099", id="the last request's tokens"),
        pytest.param(Usage(input_tokens=10_000), 50_000, "0.003", id="no more than there are"),
        pytest.param(Usage(input_tokens=1_000, cache_read_tokens=9_000), 0, "0.0057", id="what was read elsewhere"),
        pytest.param(Usage(input_tokens=1_000, cache_read_tokens=9_000), 9_500, "0.00435", id="and some more"),
        pytest.param(
            Usage(input_tokens=1_000, cache_write_5m_tokens=2_000, cache_write_1h_tokens=3_000), 4_000,
            "0.00795", id="written: what lives longest stands in front",
        ),
    ],
)  # fmt: skip
def test_what_the_model_asked_for_would_have_cost(usage: Usage, cached: int, usd: str) -> None:
    assert cost_as_asked(usage, SONNET, cached) == Decimal(usd)


def test_without_a_price_nobody_knows_what_it_would_have_cost() -> None:
    assert cost_as_asked(Usage(input_tokens=5), None, 0) is None
    assert cost_as_asked(Usage(input_tokens=5), CARD, 5) is None
    assert cost_uncached(Usage(input_tokens=5), None) is None


@pytest.mark.parametrize(
    ("usage", "usd"),
    [
        pytest.param(Usage(input_tokens=1_000, output_tokens=100), "0.0045", id="no cache"),
        pytest.param(Usage(input_tokens=1_000, cache_read_tokens=9_000), "0.03", id="read"),
        pytest.param(
            Usage(cache_write_5m_tokens=4_000, cache_write_1h_tokens=5_000, cache_read_tokens=1_000),
            "0.03",
            id="written",
        ),
    ],
)
def test_what_it_would_have_cost_without_a_cache(usage: Usage, usd: str) -> None:
    assert cost_uncached(usage, SONNET) == Decimal(usd)


@given(usages, st.integers(0, 10**10))
def test_where_all_kinds_cost_the_same_a_cache_makes_no_difference(usage: Usage, cached: int) -> None:
    card = PriceCard("p", "m", FULL, "test")
    assert cost_as_asked(usage, card, cached) == cost_uncached(usage, card) == cost(usage, card).total


@given(usages, st.integers(0, 10**10))
def test_a_cache_never_makes_what_was_asked_dearer(usage: Usage, cached: int) -> None:
    cheap = PriceCard("p", "m", replace(FULL, cache_read_tokens=Decimal("0.1")), "test")
    found, bill = cost_as_asked(usage, cheap, cached), cost(usage, cheap).total
    assert found is not None and bill is not None and found <= bill


tariffs = st.builds(
    PriceCard,
    st.just("p"),
    st.just("m"),
    st.builds(Rates, **{kind: st.none() | st.decimals(0, 100, places=6) for kind in TOKEN_KINDS}),
    st.just("test"),
    st.sampled_from([(), (Tier(1000, FULL),)]),
    st.sampled_from([Decimal(0), Decimal("0.01")]),
)


@given(usages, tariffs)
def test_amounts_are_those_of_the_bill(usage: Usage, card: PriceCard) -> None:
    bill = cost(usage, card)
    total, output = RateTable(card).amounts([getattr(usage, kind) for kind in TOKEN_KINDS])
    assert total == bill.total
    assert output == (None if total is None else bill.output)
