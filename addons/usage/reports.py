"""The ground that all reports stand on: what is asked for, and the tables that come of it.

An `Ask` says which requests a report is about, and `condition` makes SQL of it for the view `spend` and for any other
that has its columns. Tables hold raw numbers: `cli/tables.py` makes text of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import duckdb

from ringlet_mitm.rules.errors import LedgerError, UsageError

READ_ONLY = (
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
ZONED = "TIMESTAMP WITH TIME ZONE"

Row = tuple[Any, ...]


class Unit(Enum):
    """How the values of a shown column are to be written."""

    NAME = "name"  # of what requests are grouped by, '' where there is none
    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    SHARE = "share"
    TOKENS = "tokens"  # in, out, requests that were estimated
    COST = "cost"  # USD where all is known, known USD, requests without a price, and ones that were estimated
    CHANGE = "change"  # USD more or less where all is known, as far as it is known, requests of which it is not
    USD = "usd"  # or unknown, and requests that were estimated; below 0 too
    USD_IF_ANY = "usd-if-any"
    AMOUNT = "amount"  # of tokens
    AMOUNT_IF_ANY = "amount-if-any"
    PART = "part"  # a share, or none of nothing
    INTERVAL = "interval"  # a share of what was seen, and between which it may be in truth
    RATIO = "ratio"  # 1 is as it should be
    MS = "ms"  # milliseconds
    SPEED = "speed"  # a second
    TIME = "time"  # a moment as text, to the minute


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


@dataclass(frozen=True, slots=True)
class Ask:
    """What a report is about: groups (names of `groups.REPORTS`), a time, and filters.

    Times are microseconds since the epoch, `until_us` not included. A filter is the names that are wanted, any where it
    is empty; a name may be a glob. `tz` is the time zone of hours and days, this machine's where it is ''.
    """

    by: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()
    since_us: int | None = None
    until_us: int | None = None
    model: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    agent: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    project: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    tz: str = ""

    @property
    def only_profile(self) -> str | None:
        """The profile that it is about, where it is one and no more."""
        return self.profile[0] if len(self.profile) == 1 and not is_glob(self.profile[0]) else None


# Which columns of `spend` the names of a filter are compared with; one of them has to fit.
FILTERS: dict[str, tuple[str, ...]] = {
    "profile": ("profile",),
    "model": ("model",),
    "provider": ("provider",),
    "agent": ("agent",),
    "rule": ("rule", "split_part(rule, ' → ', 1)"),
    "session": ("session",),
    "project": ("project",),
    "origin": ("origin", "split_part(origin, ':', 1)"),
}


def is_glob(name: str) -> bool:
    """It stands for all names that fit it."""
    return any(sign in name for sign in "*?[")


def condition(ask: Ask) -> tuple[str, list[Any]]:
    """`ask` as a WHERE for a view with the columns of `spend`, and the values of its question marks, in order.

    There is always one, so that ` AND …` may follow.
    """
    times = {"started_us >= ?": ask.since_us, "started_us < ?": ask.until_us}
    tests = [test for test, us in times.items() if us is not None]
    values: list[Any] = [us for us in times.values() if us is not None]
    for name, columns in FILTERS.items():
        wanted: tuple[str, ...] = getattr(ask, name)
        if wanted:
            every = [(column, one) for column in columns for one in wanted]
            tests.append(
                "(" + " OR ".join(f"{column} {'GLOB' if is_glob(one) else '='} ?" for column, one in every) + ")"
            )
            values += [one for _, one in every]
    return "WHERE " + " AND ".join(tests or ["true"]), values


def in_zone(connection: duckdb.DuckDBPyConnection, ask: Ask) -> None:
    """Have the days and hours of the views be those of `ask.tz`; raises UsageError where DuckDB does not know it."""
    if not ask.tz:
        return
    try:
        connection.execute(f"SET TimeZone = '{ask.tz.replace(chr(39), '')}'")
    except duckdb.Error as error:
        raise UsageError(f"--tz: {_one_line(error)}") from None


def fetched(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()
) -> list[Row]:
    """All rows of a query of ours; raises LedgerError."""
    try:
        return connection.execute(sql, values).fetchall()
    except duckdb.Error as error:
        raise LedgerError(f"the ledger cannot be read: {_one_line(error)}") from None


def first_us(connection: duckdb.DuckDBPyConnection, ask: Ask) -> int | None:
    """When the first request arrived that fits the filters of `ask`, whatever the time; None where there is none."""
    where, values = condition(replace(ask, since_us=None, until_us=None))
    ((found,),) = fetched(connection, f"SELECT min(started_us) FROM spend {where}", values)
    return None if found is None else int(found)


def recorded(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """Every name that a request carries in this column of `spend`: of the profiles, also those that were deleted."""
    return [str(value) for (value,) in fetched(connection, f"SELECT DISTINCT {name} FROM spend ORDER BY 1")]


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
