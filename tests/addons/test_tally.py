"""Sums over rows, as the connector shows them."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from ledgers import request

from ringlet_mitm.addons.tally import COUNTERS, Tally, delta

CALLS = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())


@given(st.lists(CALLS, max_size=8), st.lists(CALLS, max_size=8))
def test_models_add_up_to_totals_and_deltas_to_what_came_between(
    first: list[tuple[str, int, int, bool]], then: list[tuple[str, int, int, bool]]
) -> None:
    tally = Tally()
    start = tally.snapshot()
    for calls in (first, then):
        before = tally.snapshot()
        for model, tokens_in, tokens_out, failed in calls:
            error = "auth" if failed else ""
            tally.add(request(routed_model=model, input_tokens=tokens_in, output_tokens=tokens_out, error_class=error))
        good = [call for call in calls if not call[3]]
        wanted = (len(good), sum(call[1] for call in good), sum(call[2] for call in good))
        assert tuple(delta(before, tally.snapshot()).values()) == wanted
    summary = tally.summary()
    for total, kind in zip(COUNTERS, ("calls", "prompt_tokens", "completion_tokens"), strict=True):
        assert summary["totals"][total] == sum(found[kind] for found in summary["by_model"].values())
    assert delta(start, tally.snapshot()) == tally.snapshot()


def test_cached_and_reasoning_tokens_count_and_unknown_prices_are_told() -> None:
    tally = Tally()
    tally.add(request(provider="x", routed_model="m", cache_read_tokens=5, reasoning_tokens=7, cost_total=None))
    tally.add(
        request(provider="x", routed_model="m", input_tokens=1, usage_source="estimated", cost_total=Decimal("0.5"))
    )
    assert tally.summary()["by_model"] == {
        "x/m": {
            "calls": 2,
            "prompt_tokens": 6,
            "completion_tokens": 7,
            "cost_usd": Decimal("0.5"),
            "estimated_calls": 1,
            "unpriced_calls": 1,
        }
    }


def test_before_the_first_call() -> None:
    assert Tally().summary()["last_call"] is None
    assert Tally().snapshot() == dict.fromkeys(COUNTERS, 0)
