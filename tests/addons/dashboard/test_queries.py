from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from ledgers import NOON, connected, reference, request

from ringlet_mitm.addons.dashboard.queries import GROUPS, MOST_PARTS, MOST_ROWS, analyses, encoded, spending, whole
from ringlet_mitm.addons.dashboard.wishes import wish_of
from ringlet_mitm.addons.usage.groups import MEASURES, added_up, spend_table
from ringlet_mitm.addons.usage.reports import Ask, in_zone
from ringlet_mitm.addons.usage.rows import RequestRow

NOW = datetime(2026, 11, 21, 14, 30)
HOUR_US = 3600 * 1_000_000
DAY_US = 24 * HOUR_US


def found(rows: list[RequestRow], query: str = "", zone: str = "UTC") -> dict[str, Any]:
    """The document as a browser reads it."""
    with connected(rows, zone) as connection:
        wish = wish_of(query, NOW)
        in_zone(connection, wish.ask)
        document: dict[str, Any] = json.loads(encoded(spending(connection, wish, NOW)))
    return document


def records(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def test_a_table_is_that_of_usage() -> None:
    with connected(reference()) as connection:
        printed = {name: spend_table((name,), added_up(connection, Ask((name,)))) for name in GROUPS}
    tables = found(reference())["tables"]
    assert {name: table["rows"] for name, table in tables.items()} == {
        name: json.loads(encoded(table.rows)) for name, table in printed.items()
    }


def test_the_total_is_to_the_cent() -> None:
    total = found(reference())["total"]
    assert (total["requests"], round(total["known_cost_usd"], 10)) == (1754, 9.09)


def test_filters_and_times_hold_for_everything_but_the_choices() -> None:
    rows = [
        request(provider="groq", cost_total=Decimal(1)),
        request(provider="groq", cost_total=Decimal(2), started_us=NOON - 30 * DAY_US),
        request(cost_total=Decimal(4)),
    ]
    document = found(rows, "provider=groq&since=2026-11-19&tz=UTC")
    assert document["total"]["known_cost_usd"] == 1
    assert [part["cost"] for part in document["time"]["stacks"]["rule"]] == [[1]]
    assert document["choices"]["provider"] == ["anthropic", "groq"]
    assert document["first_us"] == NOON - 30 * DAY_US


@pytest.mark.parametrize(
    ("length_us", "bucket", "labels", "starts"),
    [
        (2 * HOUR_US, "hour", ["2026-11-20 10:00", "2026-11-20 12:00"], ["2026-11-20T10:00", "2026-11-20T12:00"]),
        (10 * DAY_US, "day", ["2026-11-10", "2026-11-20"], ["2026-11-10T00:00", "2026-11-20T00:00"]),
        (200 * DAY_US, "week", ["2026-W19", "2026-W47"], ["2026-05-04T00:00", "2026-11-16T00:00"]),
        (1000 * DAY_US, "month", ["2024-02", "2026-11"], ["2024-02-01T00:00", "2026-11-01T00:00"]),
    ],
)
def test_bars_fit_the_time(length_us: int, bucket: str, labels: list[str], starts: list[str]) -> None:
    time = found([request(started_us=NOON - length_us), request()])["time"]
    assert (time["bucket"], time["labels"], time["starts"]) == (bucket, labels, starts)


def test_hours_are_those_of_the_zone() -> None:
    assert found([request()], "tz=Asia/Tokyo")["time"]["labels"] == ["2026-11-20 21:00"]


def test_small_parts_are_put_together() -> None:
    rows = [request(routed_model=f"m{place:02}", cost_total=Decimal(20 - place)) for place in range(20)]
    parts = found(rows)["time"]["stacks"]["model"]
    assert [part["name"] for part in parts] == [*(f"m{place:02}" for place in range(MOST_PARTS)), "others (12)"]
    assert sum(part["cost"][0] for part in parts) == sum(range(1, 21))
    assert sum(part["requests"][0] for part in parts) == 20


def test_many_sessions_are_put_together() -> None:
    rows = [request(session=f"s{place}", cost_total=Decimal(1)) for place in range(80)]
    table = found(rows)["tables"]["session"]
    assert len(table["rows"]) == MOST_ROWS + 1
    assert records(table)[-1]["session"] == "others (30)"
    assert sum(row["requests"] for row in records(table)) == 80
    assert table["others"] and not found(rows)["tables"]["rule"]["others"]


def test_what_is_unknown_stays_apart() -> None:
    rows = [
        request(cost_total=None, input_tokens=5),
        request(cost_total=Decimal("0.25")),
        request(usage_source="estimated", cost_total=Decimal(1)),
    ]
    document = found(rows)
    assert document["total"]["cost_usd"] is None
    (part,) = document["time"]["stacks"]["provider"]
    assert (part["cost"], part["unpriced"], part["estimated"]) == ([1.25], [1], [1])


def test_nothing_yet() -> None:
    document = found([])
    assert document["total"]["requests"] == 0
    assert document["time"]["labels"] == []
    assert document["first_us"] is None


def test_sums_go_through_every_measure() -> None:
    """A measure that is added to `usage` has to be gathered here as well."""
    with connected(reference()) as connection:
        before = added_up(connection, Ask(("rule",)))
        spending(connection, wish_of("", NOW), NOW)
        assert sorted(added_up(connection, Ask(("rule",)))) == sorted(before)
    assert len(before[0]) == 1 + len(MEASURES)


def test_a_page_with_its_numbers_has_all() -> None:
    with connected(reference()) as connection:
        document = json.loads(whole(connection, wish_of("", NOW), NOW))
    assert [one["name"] for one in document["analyses"]] == ["cache", "savings", "latency", "errors"]
    assert document["total"]["requests"] == 1754


def test_long_analyses_say_how_much_follows() -> None:
    rows = [request(routed_model=f"m{place}", input_tokens=1) for place in range(70)]
    with connected(rows) as connection:
        document = analyses(connection, wish_of("", NOW), NOW)
    table = document["analyses"][0]["table"]
    assert (len(table["rows"]), table["more"]) == (MOST_ROWS, 20)
