"""5-hour blocks: where they begin, what is in them, and what a running one comes to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import connected, request, us

from ringlet_mitm.addons.usage.blocks import (
    BLOCK_US,
    COLUMNS,
    HOUR_US,
    MEANINGS,
    SUMS,
    Limit,
    block_table,
    blocks,
    folded,
    running,
)
from ringlet_mitm.addons.usage.reports import Ask, Table
from ringlet_mitm.addons.usage.rows import RequestRow

BERLIN = timezone(timedelta(hours=1))
LATER = datetime(2027, 1, 1, tzinfo=BERLIN)


def at(clock: str, **given: Any) -> RequestRow:
    """A request of 900 tokens in and 100 out for 0.10 USD, on 20 November by UTC."""
    said = {"input_tokens": 900, "output_tokens": 100, "cost_total": Decimal("0.1"), **given}
    return request(started_us=us(f"2026-11-20T{clock}+00:00"), **said)


def table(*rows: RequestRow, now: datetime = LATER, limit: Limit | None = None, ask: Ask | None = None) -> Table:
    with connected(rows) as connection:
        return block_table(blocks(connection, ask or Ask()), now, limit)


def starts(found: Table) -> list[str]:
    return [moment[11:16] for moment in found.values("block")]


@pytest.mark.parametrize(
    ("clocks", "begins", "requests"),
    [
        (["10:55:30"], ["10:00"], [1]),
        (["10:00", "14:59:59"], ["10:00"], [2]),
        (["10:55", "15:00"], ["10:00", "15:00"], [1, 1]),
        (["10:55", "16:30", "20:59", "21:00"], ["10:00", "16:00", "21:00"], [1, 2, 1]),
        (["00:10", "23:10"], ["00:00", "23:00"], [1, 1]),
        (["13:00", "09:30", "12:00"], ["09:00"], [3]),
    ],
    ids=["the hour of the first", "five hours", "not a minute more", "the next with the next", "a gap", "any order"],
)
def test_where_blocks_begin(clocks: list[str], begins: list[str], requests: list[int]) -> None:
    found = table(*map(at, clocks), now=LATER.astimezone(UTC))
    assert (starts(found), found.values("requests")) == (begins, requests)


def test_what_is_in_a_block() -> None:
    """Two requests an hour and a half apart: 2,000 tokens and 0.20 USD in 90 minutes."""
    found = table(at("10:30"), at("12:00"))
    assert dict(zip(found.columns, found.rows[0], strict=True)) == {
        "block": "2026-11-20 11:00:00+01:00",
        "ends": "2026-11-20 16:00:00+01:00",
        "running": False,
        "requests": 2,
        "input_tokens": 1800,
        "output_tokens": 200,
        "known_cost_usd": Decimal("0.2"),
        "unpriced_requests": 0,
        "estimated_requests": 0,
        "cost_usd": Decimal("0.2"),
        "tokens": 2000,
        "tokens_per_minute": 22,
        "usd_per_hour": Decimal("0.133333"),
        "projected_tokens": None,
        "projected_usd": None,
        "limit_share": None,
    }


def test_a_running_block_comes_to_what_it_would_at_its_rate() -> None:
    """2,000 tokens in the two hours since 10:30; the block ends at 15:00, so 2.5 hours of the same are to come."""
    now = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
    found = table(at("10:30"), at("11:00"), now=now)
    columns = ("running", "tokens_per_minute", "usd_per_hour", "projected_tokens", "projected_usd")
    assert [found.values(name)[0] for name in columns] == [True, 17, Decimal("0.1"), 4500, Decimal("0.45")]


def test_a_minute_says_nothing_of_five_hours() -> None:
    found = table(at("10:30"), now=datetime(2026, 11, 20, 10, 30, 59, tzinfo=UTC))
    assert [found.values(name)[0] for name in ("running", "usd_per_hour", "projected_usd")] == [True, None, None]


@pytest.mark.parametrize(("clock", "runs"), [("14:59:59", True), ("15:00:00", False), ("09:59:59", False)])
def test_which_block_runs(clock: str, runs: bool) -> None:
    with connected([at("10:30")]) as connection:
        found = blocks(connection, Ask())
    assert (running(found, datetime.fromisoformat(f"2026-11-20T{clock}+00:00")) is not None) is runs


def test_an_unknown_price_makes_the_cost_unknown() -> None:
    found = table(at("10:30"), at("10:40", cost_total=None), at("10:50", usage_source="estimated"))
    columns = ("cost_usd", "known_cost_usd", "unpriced_requests", "estimated_requests")
    assert [found.values(name)[0] for name in columns] == [None, Decimal("0.2"), 1, 1]


LIMITS = {
    "tokens": (Limit(tokens=4000), [0.5, 0.25]),
    "dollars": (Limit(usd=Decimal("0.4")), [0.5, 0.25]),
    "the most so far": (Limit(most=True), [1.0, 0.5]),
}


@pytest.mark.parametrize(("limit", "shares"), LIMITS.values(), ids=LIMITS)
def test_how_much_of_a_limit_is_used(limit: Limit, shares: list[float]) -> None:
    assert table(at("10:30"), at("12:00"), at("16:00"), limit=limit).values("limit_share") == shares


def test_the_running_block_is_not_the_most_so_far() -> None:
    now = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
    made = (at("10:30"), at("16:00"), at("16:10"))
    assert table(*made, now=now, limit=Limit(most=True)).values("limit_share") == [1.0, 2.0]
    assert table(*made[1:], now=now, limit=Limit(most=True)).values("limit_share") == [None]


def test_time_leaves_blocks_out_and_does_not_move_them() -> None:
    """Since 14:30 is in the middle of a block that began at 10:00: it stays, whole."""
    ask = Ask(since_us=us("2026-11-20T14:30+00:00"), until_us=us("2026-11-20T16:00+00:00"))
    made = (at("04:00"), at("10:30"), at("14:45"), at("15:30"), at("21:00"))
    found = table(*made, now=LATER.astimezone(UTC), ask=ask)
    assert (starts(found), found.values("requests")) == (["10:00", "15:00"], [2, 1])


def test_only_what_went_to_the_provider_opens_a_block() -> None:
    found = table(at("08:30", provider="groq"), at("10:30"), ask=Ask(provider=("anthropic",)))
    assert (starts(found), found.values("requests")) == (["11:00"], [1])


def test_every_column_is_explained() -> None:
    assert set(COLUMNS) == set(MEANINGS)


@given(st.lists(st.integers(0, 3 * 24 * 60), min_size=1, max_size=40))
def test_blocks_are_as_one_would_make_them_one_by_one(minutes: list[int]) -> None:
    begin = us("2026-11-20T00:00+00:00")
    made = sorted(begin + minute * 60_000_000 for minute in minutes)
    expected: list[list[int]] = []
    for moment in made:
        if not expected or moment >= expected[-1][0] + BLOCK_US:
            expected.append([moment - moment % HOUR_US, 0])
        expected[-1][1] += 1
    hours = {moment - moment % HOUR_US: [one for one in made if one // HOUR_US == moment // HOUR_US] for moment in made}
    sums = dict.fromkeys(SUMS, 0)
    found = folded(
        (hour, inside[0], inside[-1], *(sums | {"requests": len(inside)}).values()) for hour, inside in hours.items()
    )
    assert [[block.start_us, block.sums["requests"]] for block in found] == expected
