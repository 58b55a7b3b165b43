"""Arms and copies side by side, by hand-computed figures; and that few requests are said to be few."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import NOON, connected, request

from ringlet_mitm.addons.usage.comparing import LEAST_FOR_P95, MEANINGS, by_chance, compared, interval, sides
from ringlet_mitm.addons.usage.reports import Ask
from ringlet_mitm.addons.usage.rows import RequestRow

MS = 1_000
SPLIT = "always → split"
RULE = "tool-use → anthropic"
GROQ = {"provider": "groq", "routed_model": "llama"}


def arm(name: str, count: int, **given: Any) -> list[RequestRow]:
    """`count` requests of one arm, each a session of its own and 1 ms slower than the one before."""
    return [
        request(
            rule=SPLIT,
            arm=name,
            session=f"{name}-{number}",
            provider=name.partition("/")[0],
            first_byte_us=NOON + (100 + number) * MS,
            ended_us=NOON + (1000 + number) * MS,
            **given,
        )
        for number in range(count)
    ]


def copied(count: int, **given: Any) -> Iterable[RequestRow]:
    for _ in range(count):
        sent = request(rule=RULE, session="s-1", cost_total=Decimal("0.02"), first_byte_us=NOON + 500 * MS)
        yield sent
        yield request(
            rule=f"shadow of {RULE}",
            origin="shadow",
            shadow_of=sent.id,
            session="s-1",
            **{**GROQ, "cost_total": Decimal("0.001"), "first_byte_us": NOON + 100 * MS, **given},
        )


def found(rows: Iterable[RequestRow], **ask: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Each side by rule and side."""
    table = compared(connected(rows), Ask(**ask))
    return {(row["rule"], row["side"]): dict(row) for _, _, both in sides(table) for row in both}


def test_arms_by_hand() -> None:
    rows = [
        *arm("groq/llama", 19, input_tokens=10, output_tokens=5, cost_total=Decimal("0.001")),
        *arm("groq/llama", 1, input_tokens=30, output_tokens=25, cost_total=Decimal("0.021"), stop_reason="max tokens"),
        *arm("anthropic", 4, input_tokens=100, cost_total=Decimal("0.02"), stop_reason="end"),
        *arm("anthropic", 1, status=529, error_class="overloaded", usage_source="none", cost_total=None),
        request(rule="default → anthropic"),
    ]
    sums = found(rows)
    assert set(sums) == {(SPLIT, "groq/llama"), (SPLIT, "anthropic")}
    groq, claude = sums[SPLIT, "groq/llama"], sums[SPLIT, "anthropic"]
    assert (groq["requests"], groq["sessions"], groq["failed_requests"], groq["cut_off_requests"]) == (20, 19, 0, 1)
    assert (groq["input_tokens_each"], groq["output_tokens_each"]) == (11, 6)
    assert (groq["cost_usd"], groq["cost_usd_each"]) == (Decimal("0.04"), Decimal("0.002"))
    # 19 of 0.001 and one of 0.021: a standard deviation of 0.00447, over the root of 20.
    assert groq["cost_error_usd_each"] == pytest.approx(0.001, rel=1e-3)
    assert (groq["first_byte_ms_p50"], groq["total_ms_p50"]) == (108.5, 1008.5)
    assert groq["first_byte_ms_p95"] == pytest.approx(117.05, abs=0.1)
    assert (claude["requests"], claude["error_share"], claude["unpriced_requests"]) == (5, 0.2, 0)
    assert (claude["error_share_low"], claude["error_share_high"]) == pytest.approx((0.036, 0.624), abs=0.001)
    assert (claude["first_byte_ms_p50"], claude["first_byte_ms_p95"]) == (101.5, None)
    assert claude["cost_usd"] == Decimal("0.08")


def test_copies_beside_the_very_requests_they_are_of() -> None:
    rows = [*copied(3), *copied(1, status=500, error_class="server-error", cost_total=None, usage_source="none")]
    rows += [request(rule=RULE, cost_total=Decimal(9)) for _ in range(5)]  # not copied, and so not compared
    sums = found(rows)
    sent, copy = sums[RULE, "as sent"], sums[RULE, "copy"]
    assert (sent["requests"], copy["requests"]) == (4, 4)
    assert (sent["cost_usd"], copy["cost_usd"]) == (Decimal("0.08"), Decimal("0.003"))
    assert (sent["first_byte_ms_p50"], copy["first_byte_ms_p50"]) == (500, 100)
    assert (sent["shadow"], copy["shadow"], copy["side_shown"]) == ("groq/llama", "groq/llama", "copy: groq/llama")
    assert (copy["failed_requests"], copy["error_share"]) == (1, 0.25)


def test_a_copy_alone_is_compared_with_nothing() -> None:
    assert found([request(rule=f"shadow of {RULE}", origin="shadow", shadow_of="gone", **GROQ)]) == {}


def test_what_is_split_and_copied_is_in_both() -> None:
    sent = request(rule=SPLIT, arm="anthropic")
    rows = [sent, request(rule=f"shadow of {SPLIT}", origin="shadow", shadow_of=sent.id, **GROQ)]
    assert set(found(rows)) == {(SPLIT, "anthropic"), (SPLIT, "as sent"), (SPLIT, "copy")}


@pytest.mark.parametrize(
    ("ask", "rules"),
    [
        ({}, {SPLIT, RULE}),
        ({"rule": (RULE,)}, {RULE}),
        ({"rule": ("tool-use",)}, {RULE}),
        ({"profile": ("home",)}, set()),
        ({"since_us": NOON + 1}, set()),
        ({"session": ("s-1",)}, {RULE}),
    ],
    ids=["nothing", "a label", "its name", "profile", "since", "session"],
)
def test_filters(ask: dict[str, Any], rules: set[str]) -> None:
    assert {rule for rule, _ in found([*arm("anthropic", 2), *copied(2)], **ask)} == rules


def test_a_fallbacks_answers_count_for_the_arm() -> None:
    rows = [*arm("groq/llama", 3), *(request(rule=SPLIT, arm="groq/llama", provider="anthropic") for _ in range(2))]
    rows.append(request(rule=SPLIT, arm="passthrough", provider="openai"))
    sums = found(rows)
    assert (sums[SPLIT, "groq/llama"]["requests"], sums[SPLIT, "groq/llama"]["elsewhere_requests"]) == (5, 2)
    assert sums[SPLIT, "passthrough"]["elsewhere_requests"] == 0


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    rows = [*arm("groq/llama", 1, cost_total=None), *arm("groq/llama", 1, cost_total=Decimal("0.5"))]
    side = found(rows)[SPLIT, "groq/llama"]
    assert (side["cost_usd"], side["cost_usd_each"], side["known_cost_usd_each"]) == (None, None, Decimal("0.5"))
    assert (side["unpriced_requests"], side["cost_error_usd_each"]) == (1, None)


def test_what_may_be_chance_is_told_from_what_is_not() -> None:
    def costs(name: str, *amounts: str) -> list[RequestRow]:
        return [row for amount in amounts for row in arm(name, 1, cost_total=Decimal(amount))]

    noisy = compared(connected([*costs("a", "0.01", "0.09"), *costs("b", "0.02", "0.11")]), Ask())
    clear = compared(connected([*costs("a", "0.010", "0.011"), *costs("b", "0.020", "0.021")]), Ask())
    one = compared(connected([*costs("a", "0.01"), *costs("b", "0.02")]), Ask())
    pairs = [next(by_chance(both) for _, _, both in sides(table)) for table in (noisy, clear, one)]
    assert [[(less["side"], more["side"]) for less, more in pair] for pair in pairs] == [[("a", "b")], [], []]


@given(st.integers(1, 10_000), st.data())
def test_the_interval_ends_where_what_was_seen_would_be_as_odd_as_it_may(of: int, data: st.DataObject) -> None:
    """Wilson's definition: at its ends the share that was seen is 1.96 standard deviations away."""
    failed = data.draw(st.integers(0, of))
    seen, ends = failed / of, interval(failed, of)
    assert 0 <= ends[0] <= seen + 1e-6
    assert seen - 1e-6 <= ends[1] <= 1
    for end in ends:
        away = 1.96 * (end * (1 - end) / of) ** 0.5
        assert abs(seen - end) == pytest.approx(away, abs=2e-4)


def test_of_nothing_nothing_is_known() -> None:
    assert interval(0, 0) == (0, 1)


def test_every_column_has_its_meaning_and_p95_its_least() -> None:
    table = compared(connected(arm("groq/llama", LEAST_FOR_P95 - 1)), Ask())
    assert table.columns[:-1] == tuple(MEANINGS)
    assert table.values("total_ms_p95") == [None]
