"""Sorted and cut tables; what sums come to is in tests/cli/usage/test_seeded_ledger.py."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.usage.groups import MEASURES, spend_table
from ringlet_mitm.addons.usage.ranking import SORTS, ranked
from ringlet_mitm.addons.usage.reports import Table


def row(*names: Any, requests: int = 1, cost: str = "0", unpriced: int = 0, switch: str = "0") -> tuple[Any, ...]:
    measures = dict.fromkeys(MEASURES, 0) | {
        "requests": requests,
        "known_cost_usd": Decimal(cost),
        "unpriced_requests": unpriced,
        "known_switch_cost_usd": Decimal(switch),
    }
    return (*names, *measures.values())


MODELS = spend_table(
    ("model",), [row("a", requests=3, cost="1"), row("b", requests=1, cost="3"), row("c", requests=2, cost="2")]
)


def names(table: Table) -> list[Any]:
    return table.values(table.columns[0])


@pytest.mark.parametrize(
    ("sort", "top", "expected"),
    [
        ("", None, ["b", "c", "a"]),
        ("cost", None, ["b", "c", "a"]),
        ("-cost", None, ["a", "c", "b"]),
        ("requests", None, ["a", "c", "b"]),
        ("name", None, ["a", "b", "c"]),
        ("-name", None, ["c", "b", "a"]),
        ("", 1, ["b", "others (2)"]),
        ("requests", 2, ["a", "c", "others (1)"]),
        ("name", 3, ["a", "b", "c"]),
    ],
)
def test_order(sort: str, top: int | None, expected: list[str]) -> None:
    assert names(ranked(MODELS, ("model",), sort, top)) == expected


def test_days_are_cut_by_cost_and_not_by_date() -> None:
    days = spend_table(("day",), [row("2026-11-20", cost="1"), row("2026-11-21", cost="5")])
    assert names(days) == ["2026-11-20", "2026-11-21"]
    assert names(ranked(days, ("day",), top=1)) == ["2026-11-21", "others (1)"]


def test_switches_are_cut_by_what_they_cost() -> None:
    switches = spend_table(("switch",), [row("x", cost="9", switch="1"), row("y", cost="1", switch="2")])
    assert names(ranked(switches, ("switch",), top=1)) == ["y", "others (1)"]


def test_others_of_which_one_has_no_price_have_none() -> None:
    table = spend_table(("model",), [row("a", cost="3"), row("b", cost="2"), row("c", cost="1", unpriced=1)])
    found = ranked(table, ("model",), top=1)
    assert found.values("cost_usd") == [Decimal(3), None]
    assert found.values("known_cost_usd") == [Decimal(3), Decimal(3)]


def test_names_that_are_missing_come_first() -> None:
    table = spend_table(("status",), [row(500), row(None), row(200)])
    assert names(ranked(table, ("status",), "name")) == [None, 200, 500]


counts = st.integers(0, 10**9)
groups = st.lists(
    st.tuples(st.text(max_size=3), counts, counts, counts, st.decimals(0, 10**6, places=10), *[st.integers(0, 3)] * 4,
              st.decimals(0, 10**6, places=10), st.integers(0, 3)),
    unique_by=lambda group: group[0],
    max_size=12,
)  # fmt: skip


@given(groups, st.sampled_from([*SORTS, *(f"-{name}" for name in SORTS)]), st.integers(1, 12) | st.none())
def test_however_it_is_cut_the_rows_come_to_the_total(rows: list[Any], sort: str, top: int | None) -> None:
    table = spend_table(("model",), rows)
    found = ranked(table, ("model",), sort, top)
    assert found.total == table.total
    assert len(found.rows) == min(len(rows), (top or len(rows)) + 1)
    for name in MEASURES:
        assert sum(found.values(name)) == sum(table.values(name))
