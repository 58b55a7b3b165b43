"""Another order than a report's own, and only the first rows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.usage.groups import MEASURES, REPORTS, derived, sums_of
from ringlet_mitm.addons.usage.reports import Row, Table

# What --sort takes: the columns whose sum it is; the highest comes first. Names go up.
SORTS: dict[str, tuple[str, ...]] = {
    "cost": ("known_cost_usd",),
    "requests": ("requests",),
    "tokens": ("input_tokens", "output_tokens"),
    "in": ("input_tokens",),
    "out": ("output_tokens",),
    "errors": ("failed_requests",),
    "switches": ("switches",),
    "name": (),
}
BACKWARDS = "-"
ANY = "…"


def ranked(table: Table, by: Sequence[str], sort: str = "", top: int | None = None) -> Table:
    """A table of `spend_table` in the order of `sort` (a name of SORTS, after a `-` the other way round).

    With `top`, the rows that follow it are added up in one, `others (N)`; without a `sort` the dearest come first then.
    """
    if not sort and top is None:
        return table
    columns = SORTS[sort.removeprefix(BACKWARDS)] if sort else (REPORTS[by[0]].weight,)
    rows = sorted(table.rows, key=_key(table, by, columns), reverse=sort.startswith(BACKWARDS))
    if top is None or len(rows) <= top:
        return replace(table, rows=tuple(rows))
    rest = [row[len(by) : len(by) + len(MEASURES)] for row in rows[top:]]
    sums, of_all = sums_of(rest), (table.total or ())[len(by) : len(by) + len(MEASURES)]
    others = (f"others ({len(rest)})", *[ANY] * (len(by) - 1), *sums, *derived(sums, of_all))
    return replace(table, rows=(*rows[:top], others))


def _key(table: Table, by: Sequence[str], columns: Sequence[str]) -> Callable[[Row], Any]:
    """By the sum of `columns`, the highest first; by name where there are none, those that have none first."""
    places = [table.columns.index(column) for column in columns]
    if not places:
        return lambda row: [(value is not None, value) for value in row[: len(by)]]
    return lambda row: -sum(row[place] for place in places)
