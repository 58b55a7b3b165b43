"""How the reports that answer one question each are made: `conduct.py` has errors, latency and accuracy of estimates,
`worth.py` what the cache and the rules saved.

Each is a view (`views/30_errors.sql` and on), what its rows are grouped by, and what is measured of a group. Nothing is
priced here: the views have what was recorded with each request. `blocks.py` has the report on plans.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import duckdb

from ringlet_mitm.addons.usage.groups import REPORTS, Measure
from ringlet_mitm.addons.usage.reports import Ask, Row, Shown, Table, Unit, condition, fetched

# Of REPORTS, what every request has, also in the views of this file.
GROUPS: tuple[str, ...] = tuple(name for name in REPORTS if name != "switch")
# What only one report groups by.
OWN_TITLES = {"error_class": "ERROR"}

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Derived:
    """A column made of the measures of a row, and of those of the total."""

    of: Callable[[Values, Values], Any]
    meaning: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """A report: `by` is what it groups by where a person says nothing else, the group with the most of `order` first.

    `always` are columns that it groups by in any case. `about` says in a word what it is about, for its heading;
    `nothing` what there is none of.
    """

    view: str
    about: str
    nothing: str
    by: tuple[str, ...]
    measures: Mapping[str, Measure]
    shown: tuple[Shown, ...]
    derived: Mapping[str, Derived] = field(default_factory=dict)
    always: tuple[str, ...] = ()
    order: str = "requests"

    def groups(self, ask: Ask) -> tuple[str, ...]:
        """The columns that its rows are grouped by."""
        return (*(ask.by or self.by), *(name for name in self.always if name not in ask.by))


def analysed(connection: duckdb.DuckDBPyConnection, analysis: Analysis, ask: Ask) -> Table:
    """The report; its total is measured over all requests and not over groups, and is None where there are none."""
    groups = analysis.groups(ask)
    where, values = condition(ask)
    measures = ", ".join(f"{measure.sql} AS {name}" for name, measure in analysis.measures.items())
    sql = (
        f"SELECT grouping({groups[0]}) = 1 AS total, {', '.join(groups)}, {measures} FROM {analysis.view} {where} "
        f"GROUP BY GROUPING SETS (({', '.join(groups)}), ())"
    )
    found = fetched(connection, sql, values)
    (total,) = (row[1:] for row in found if row[0])
    rows = [row[1:] for row in found if not row[0]]
    return _table(analysis, groups, rows, total)


def first_us(connection: duckdb.DuckDBPyConnection, ask: Ask) -> int | None:
    """When the first request arrived that fits the filters and is still there as more than a sum by day."""
    where, values = condition(replace(ask, since_us=None, until_us=None))
    ((found,),) = fetched(connection, f"SELECT min(started_us) FROM counted {where}", values)
    return None if found is None else int(found)


def _table(analysis: Analysis, groups: tuple[str, ...], rows: list[Row], total: Row) -> Table:
    names = (*groups, *analysis.measures)
    of_all = dict(zip(names, total, strict=True))
    order = names.index(analysis.order)
    rows.sort(key=lambda row: (-(row[order] or 0), *(str(value) for value in row[: len(groups)])))
    complete = tuple((*_written(groups, row), *_derived(analysis, names, row, of_all)) for row in rows)
    return Table(
        columns=(*names, *analysis.derived),
        shown=(*(Shown(_title(name), Unit.NAME, (name,)) for name in groups), *analysis.shown),
        rows=complete,
        total=(*[""] * len(groups), *total[len(groups) :], *_derived(analysis, names, total, of_all)) if rows else None,
    )


def _title(name: str) -> str:
    return REPORTS[name].title if name in REPORTS else OWN_TITLES[name]


def _written(groups: tuple[str, ...], row: Row) -> Row:
    named = (
        REPORTS[name].written(value) if name in REPORTS else value for name, value in zip(groups, row, strict=False)
    )
    return (*named, *row[len(groups) :])


def _derived(analysis: Analysis, names: tuple[str, ...], row: Row, of_all: Values) -> Row:
    values = dict(zip(names, row, strict=True))
    return tuple(derived.of(values, of_all) for derived in analysis.derived.values())


def part(amount: Any, of: Any) -> float | None:
    """0 to 1, to six places; None of nothing."""
    return round(float(amount) / float(of), 6) if of else None


def all_known(amount: str, unknown: str) -> Callable[[Values, Values], Decimal | None]:
    """The amount where everything in it is known, else None."""
    return lambda row, _: None if row[unknown] else Decimal(row[amount])


def count(test: str) -> str:
    """SQL for how many requests hold `test`, each once, however many rows it has."""
    return f"count(DISTINCT CASE WHEN {test} THEN id END)"


def total_of(column: str) -> str:
    """SQL for a sum that is 0 of nothing."""
    return f"CAST(coalesce(sum({column}), 0) AS BIGINT)"


def usd_of(column: str) -> str:
    """SQL for a sum of money as far as it is known."""
    return f"coalesce(sum({column}), 0)"


REQUESTS = Measure("CAST(count(*) AS BIGINT)", "how many requests")
ESTIMATED = Measure(total_of("estimated"), "of them, how many have estimated tokens")
