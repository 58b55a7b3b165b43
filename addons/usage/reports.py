"""Reports over the ledger: what requests are grouped by, what is added up, and the tables that come of it.

Nothing is priced here. A cost was calculated once, by `rules/pricing.py` when the request was recorded; the view
`spend` says what it counts for, and this file adds up. Tables hold raw numbers: `cli/tables.py` makes text of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import duckdb

from ringlet_mitm.rules.errors import LedgerError, UsageError

DEFAULT_RULE = "default → "
READ_ONLY = (
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
ZONED = "TIMESTAMP WITH TIME ZONE"

Row = tuple[Any, ...]
# From the label of a rule to its place in routing.toml.
Places = Mapping[str, int]


class Unit(Enum):
    """How the values of a shown column are to be written."""

    NAME = "name"  # of what requests are grouped by, '' where there is none
    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    SHARE = "share"
    TOKENS = "tokens"  # in, out, requests that were estimated
    COST = "cost"  # USD where all is known, known USD, requests without a price, and ones that were estimated


@dataclass(frozen=True, slots=True)
class Shown:
    """A column as a person sees it, made of one or more raw ones.

    `if_any` names a raw one: where that is 0 in every row, there is nothing to be seen.
    """

    title: str
    unit: Unit
    of: tuple[str, ...]
    if_any: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Raw columns by name, for programs, and how they are shown, for people."""

    columns: tuple[str, ...]
    shown: tuple[Shown, ...]
    rows: tuple[Row, ...]
    total: Row | None = None

    def values(self, name: str) -> list[Any]:
        """One column."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


def _anywhere(value: Any, places: Places) -> int:
    return 0


def _as_it_is(value: Any, places: Places) -> Any:
    return value


def _rule_place(label: str, places: Places) -> int:
    """As they are asked. Rules that are no longer in the file come before the default, which is the last to be."""
    return len(places) + 1 if label.startswith(DEFAULT_RULE) else places.get(label, len(places))


@dataclass(frozen=True, slots=True)
class Report:
    """Something that requests can be grouped by: a column of the view `spend`.

    Groups of the same `place` are put in order by cost, the highest first; `weight` is the measure that this is.
    `only` is what a request has to be for the report to be about it, `none` what is said where none is. `hides` is what
    every row of it would say the same of.
    """

    title: str
    meaning: str
    place: Callable[[Any, Places], Any] = _anywhere
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
    "day": Report("DAY", "the day in this machine's time zone", _as_it_is),
    "agent": Report("AGENT", "the agent that asked, as far as it was recognised"),
    "session": Report("SESSION", "the agent's session"),
    "profile": Report("PROFILE", "the profile of the proxy"),
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


@dataclass(frozen=True, slots=True)
class Ask:
    """What a report is about: `by` names REPORTS; times are microseconds since the epoch, `until_us` not included."""

    by: tuple[str, ...]
    profile: str | None = None
    since_us: int | None = None
    until_us: int | None = None


def added_up(connection: duckdb.DuckDBPyConnection, ask: Ask) -> list[Row]:
    """The groups of `ask.by` with their MEASURES, in no order."""
    where, values = _where(ask)
    columns = [*ask.by, *(f"{measure.sql} AS {name}" for name, measure in MEASURES.items())]
    return _rows(connection, f"SELECT {', '.join(columns)} FROM spend {where} GROUP BY {', '.join(ask.by)}", values)


def first_us(connection: duckdb.DuckDBPyConnection, profile: str | None = None) -> int | None:
    """When the first request arrived, of `profile` or of any; None where there is none."""
    where, values = _where(Ask((), profile))
    ((found,),) = _rows(connection, f"SELECT min(started_us) FROM spend {where}", values)
    return None if found is None else int(found)


def profiles(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Every profile that has a request, also where the profile itself was deleted."""
    return [name for (name,) in _rows(connection, "SELECT DISTINCT profile FROM spend ORDER BY 1", [])]


def spend_table(by: tuple[str, ...], groups: Iterable[Row], rules: Sequence[str] = ()) -> Table:
    """What `added_up` found as a table with its total.

    `rules` are the labels of a routing.toml from first to default: their order is the report's, and those that no
    request carries are put in with 0.
    """
    rows = list(groups)
    if by == ("rule",):
        seen = {row[0] for row in rows}
        rows += [(label, *_sums(())) for label in rules if label not in seen]
    rows.sort(key=_order(by, rows, rules))
    sums = _sums(rows)
    complete = tuple((*row, *_derived(row[len(by) :], sums)) for row in rows)
    return Table(
        columns=(*by, *MEASURES, *DERIVED),
        shown=(*(Shown(REPORTS[name].title, Unit.NAME, (name,)) for name in by), *_shown(by)),
        rows=complete,
        total=(*[""] * len(by), *sums, *_derived(sums, sums)),
    )


def selected(connection: duckdb.DuckDBPyConnection, sql: str) -> Table:
    """What a person's own SELECT gives; the connection can do nothing but read from then on.

    Besides the settings only a SELECT is let through: with external access off, DuckDB 2.0.0 still lets COPY overwrite
    the write-ahead file of a database that is attached. Raises UsageError with what DuckDB says, on one line.
    """
    for setting in READ_ONLY:
        connection.execute(setting)
    try:
        statements = connection.extract_statements(sql)
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            raise UsageError("--sql takes one SELECT and nothing else; the ledger is only read")
        relation = connection.sql(statements[0].query)
        types = [str(kind) for kind in relation.types]
        zoned = any(ZONED in kind for kind in types)
        rows = connection.execute(_unzoned(statements[0].query, types)).fetchall() if zoned else relation.fetchall()
    except duckdb.Error as error:
        raise UsageError(f"--sql: {_one_line(error)}") from None
    names = _distinct(relation.columns)
    units = (Unit.NUMBER if kind.removeprefix("U").startswith(NUMBERS) else Unit.TEXT for kind in types)
    shown = tuple(Shown(name, unit, (name,)) for name, unit in zip(names, units, strict=True))
    return Table(names, shown, tuple(rows))


def _where(ask: Ask) -> tuple[str, list[Any]]:
    tests = {"profile = ?": ask.profile, "started_us >= ?": ask.since_us, "started_us < ?": ask.until_us}
    given = {test: value for test, value in tests.items() if value is not None}
    every = [*given, *(REPORTS[name].only for name in ask.by if REPORTS[name].only)]
    return "WHERE " + " AND ".join(every) if every else "", list(given.values())


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: list[Any]) -> list[Row]:
    try:
        return connection.execute(sql, values).fetchall()
    except duckdb.Error as error:
        raise LedgerError(f"the ledger cannot be read: {_one_line(error)}") from None


def _sums(rows: Iterable[Row]) -> Row:
    """The MEASURES of all rows together."""
    columns = list(zip(*(row[-len(MEASURES) :] for row in rows), strict=True))
    return tuple(map(sum, columns)) if columns else (0,) * len(MEASURES)


def _derived(measures: Row, sums: Row) -> Row:
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


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """A column that is called like one before it gets a number, or JSON would have only one of them."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(found)


def _unzoned(sql: str, types: list[str]) -> str:
    """`sql` with times in a zone as text: DuckDB wants pytz to hand them out, which nothing else here needs."""
    names = [f"column{place}" for place in range(len(types))]
    columns = (f"CAST({name} AS VARCHAR)" if ZONED in kind else name for name, kind in zip(names, types, strict=True))
    return f"SELECT {', '.join(columns)} FROM ({sql}\n) AS found({', '.join(names)})"


def _one_line(error: duckdb.Error) -> str:
    """Without the picture of the statement, which takes three lines."""
    text = str(error).partition("\n\nLINE ")[0]
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
