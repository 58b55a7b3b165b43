"""What requests can be grouped by, what is added up, and the table that comes of it.

Nothing is priced here. A cost was calculated once, by `rules/pricing.py` when the request was recorded; the view
`spend` says what it counts for, and this file adds up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from ringlet_mitm.addons.usage.reports import Ask, Row, Shown, Table, Unit, condition, fetched

DEFAULT_RULE = "default → "
# As the view `spend` says it of sessions.
BY_DAY_ONLY = "(by day only)"

# From the label of a rule to its place in routing.toml.
Places = Mapping[str, int]


def _anywhere(value: Any, places: Places) -> Any:
    return 0


def _as_it_is(value: Any, places: Places) -> Any:
    return value


def _rule_place(label: str, places: Places) -> int:
    """As they are asked. Rules that are no longer in the file come before the default, which is the last to be."""
    return len(places) + 1 if label.startswith(DEFAULT_RULE) else places.get(label, len(places))


def _status_place(status: int | None, places: Places) -> int:
    return 1000 if status is None else status


def _same(value: Any) -> Any:
    return value


def _hour(moment: datetime | None) -> str:
    """Of what was pruned only the day is left."""
    return f"{moment:%Y-%m-%d %H:00}" if moment else BY_DAY_ONLY


def _week(monday: date) -> str:
    """As ISO 8601 writes it: the year is the one that most of its days are in."""
    return f"{monday:%G-W%V}"


def _month(first: date) -> str:
    return f"{first:%Y-%m}"


@dataclass(frozen=True, slots=True)
class Report:
    """Something that requests can be grouped by: a column of the view `spend`.

    Groups of the same `place` are put in order by cost, the highest first; `weight` is the measure that this is.
    `written` is how a value of the column goes into the table.
    `only` is what a request has to be for the report to be about it, `none` what is said where none is. `hides` is what
    every row of it would say the same of.
    """

    title: str
    meaning: str
    place: Callable[[Any, Places], Any] = _anywhere
    written: Callable[[Any], Any] = _same
    weight: str = "known_cost_usd"
    only: str = ""
    none: str = ""
    hides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that is added up over the requests of a group."""

    sql: str
    meaning: str


REPORTS: dict[str, Report] = {
    "rule": Report("RULE", "the rule that decided", _rule_place),
    "model": Report("MODEL", "the model that the provider was asked for"),
    "provider": Report("PROVIDER", "the provider it went to"),
    "agent": Report("AGENT", "the agent that asked, as far as it was recognised"),
    "session": Report("SESSION", "the agent's session"),
    "profile": Report("PROFILE", "the profile of the proxy"),
    "project": Report("PROJECT", "the folder that the agent works in, as far as it is known"),
    "hour": Report("HOUR", "the hour, like 2026-11-21 14:00, in the time zone of --tz", _as_it_is, _hour),
    "day": Report("DAY", "the day, in that time zone as well", _as_it_is),
    "week": Report("WEEK", "the ISO week, like 2026-W47; it begins on Monday", _as_it_is, _week),
    "month": Report("MONTH", "the month, like 2026-11", _as_it_is, _month),
    "status": Report("STATUS", "the HTTP status that the agent got, none where it got no answer", _status_place),
    "origin": Report("ORIGIN", "proxy, shadow, or import:AGENT"),
    "arm": Report("ARM", "the arm of a rule's split that it was sent to"),
    "switch": Report(
        "SWITCH",
        "what had answered a conversation and what did then; only requests that switched",
        weight="known_switch_cost_usd",
        only="switches = 1",
        none="no switches within a conversation",
        hides=("switches",),
    ),
}

MEASURES: dict[str, Measure] = {
    "requests": Measure("CAST(sum(requests) AS BIGINT)", "how many requests"),
    "input_tokens": Measure("CAST(sum(input) AS BIGINT)", "tokens in, cached ones included"),
    "output_tokens": Measure("CAST(sum(output) AS BIGINT)", "tokens out, reasoning included"),
    "known_cost_usd": Measure("coalesce(sum(known_cost), 0)", "USD of the requests whose price is known"),
    "unpriced_requests": Measure("CAST(sum(unpriced) AS BIGINT)", "of them, how many have no known price"),
    "estimated_requests": Measure("CAST(sum(estimated) AS BIGINT)", "of them, how many have estimated tokens"),
    "failed_requests": Measure("CAST(sum(failed) AS BIGINT)", "of them, how many ended in an error"),
    "switches": Measure("CAST(sum(switches) AS BIGINT)", "of them, how many switched their conversation"),
    "known_switch_cost_usd": Measure(
        "coalesce(sum(switch_cost), 0)", "USD of the cost that these switches cost, as far as prices are known"
    ),
    "unpriced_switches": Measure("CAST(sum(switch_unpriced) AS BIGINT)", "switches whose cost is not known"),
}

DERIVED: dict[str, str] = {
    "cost_usd": "USD in all; null as soon as one price is unknown",
    "switch_cost_usd": "of it, USD for switches: the prompt cache left behind; null likewise",
    "share": "part of all requests of the report, 0 to 1",
}

SHOWN: tuple[Shown, ...] = (
    Shown("REQUESTS", Unit.COUNT, ("requests",)),
    Shown("SWITCHES", Unit.COUNT, ("switches",), if_any="switches"),
    Shown("TOKENS", Unit.TOKENS, ("input_tokens", "output_tokens", "estimated_requests")),
    Shown("COST", Unit.COST, ("cost_usd", "known_cost_usd", "unpriced_requests", "estimated_requests")),
    Shown(
        "OF IT SWITCHES",
        Unit.COST,
        ("switch_cost_usd", "known_switch_cost_usd", "unpriced_switches", "estimated_requests"),
        if_any="switches",
    ),
    Shown("SHARE", Unit.SHARE, ("share",)),
    Shown("ERRORS", Unit.COUNT, ("failed_requests",), if_any="failed_requests"),
)


def added_up(connection: duckdb.DuckDBPyConnection, ask: Ask) -> list[Row]:
    """The groups of `ask.by` with their MEASURES, in no order."""
    where, values = condition(ask)
    tests = " AND ".join([where, *(REPORTS[name].only for name in ask.by if REPORTS[name].only)])
    columns = [*ask.by, *(f"{measure.sql} AS {name}" for name, measure in MEASURES.items())]
    groups = fetched(connection, f"SELECT {', '.join(columns)} FROM spend {tests} GROUP BY {', '.join(ask.by)}", values)
    written = [REPORTS[name].written for name in ask.by]
    return [
        (*(write(value) for write, value in zip(written, row, strict=False)), *row[len(written) :]) for row in groups
    ]


def spend_table(by: tuple[str, ...], groups: Iterable[Row], rules: Sequence[str] = ()) -> Table:
    """What `added_up` found as a table with its total.

    `rules` are the labels of a routing.toml from first to default: their order is the report's, and those that no
    request carries are put in with 0.
    """
    rows = list(groups)
    if by == ("rule",):
        seen = {row[0] for row in rows}
        rows += [(label, *sums_of(())) for label in rules if label not in seen]
    rows.sort(key=_order(by, rows, rules))
    sums = sums_of(rows)
    complete = tuple((*row, *derived(row[len(by) :], sums)) for row in rows)
    return Table(
        columns=(*by, *MEASURES, *DERIVED),
        shown=(*(Shown(REPORTS[name].title, Unit.NAME, (name,)) for name in by), *_shown(by)),
        rows=complete,
        total=(*[""] * len(by), *sums, *derived(sums, sums)),
    )


def sums_of(rows: Iterable[Row]) -> Row:
    """The MEASURES of all rows together."""
    columns = list(zip(*(row[-len(MEASURES) :] for row in rows), strict=True))
    return tuple(map(sum, columns)) if columns else (0,) * len(MEASURES)


def derived(measures: Row, sums: Row) -> Row:
    """DERIVED of one row, beside the sums of all rows."""
    of, of_all = (dict(zip(MEASURES, values, strict=True)) for values in (measures, sums))
    cost = None if of["unpriced_requests"] else Decimal(of["known_cost_usd"])
    switching = None if of["unpriced_switches"] else Decimal(of["known_switch_cost_usd"])
    return cost, switching, round(of["requests"] / of_all["requests"], 6) if of_all["requests"] else 0.0


def _shown(by: tuple[str, ...]) -> Iterable[Shown]:
    """What is shown beside the names."""
    hidden = {name for report in by for name in REPORTS[report].hides}
    return (shown for shown in SHOWN if shown.of[0] not in hidden)


def _order(by: tuple[str, ...], rows: list[Row], rules: Sequence[str]) -> Callable[[Row], tuple[Any, ...]]:
    """By the groups of the first column, in these by the second, and so on; a group weighs what all its rows do."""
    cost, requests = (len(by) + list(MEASURES).index(name) for name in (REPORTS[by[0]].weight, "requests"))
    weights: dict[Row, tuple[Any, int]] = defaultdict(lambda: (0, 0))
    for row in rows:
        for group in _groups(row, len(by)):
            spent, count = weights[group]
            weights[group] = (spent - row[cost], count - row[requests])
    places = {label: place for place, label in enumerate(rules)}

    def key(row: Row) -> tuple[Any, ...]:
        groups = zip(by, _groups(row, len(by)), strict=True)
        return tuple((REPORTS[name].place(group[-1], places), weights[group], group[-1]) for name, group in groups)

    return key


def _groups(row: Row, depth: int) -> list[Row]:
    """The group of its first column, of its first two, and so on."""
    return [row[: length + 1] for length in range(depth)]
