"""Stores that several machines share, as the ledger sees them: two tables to read, and a place to put rows.

The spool is where rows are safe; a store takes what is sealed there and may be away for days. What was put
twice, since somebody died between putting it and deleting the spool's file, counts once.

What stays in the machine's own database: the learned token ratios, and what was recorded or imported before there was
a target. Reports count it with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from ringlet_mitm.addons.usage import store_ducklake, store_parquet
from ringlet_mitm.addons.usage.extensions import load, needed, quoted
from ringlet_mitm.addons.usage.parquet_files import find_s3
from ringlet_mitm.addons.usage.shared_tables import GONE, NAME, SHARED, Compacted, Stored, There, once
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import Kind, LedgerTarget

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Store:
    """What one kind of store can do. All of them take a connection that has the extensions.

    read: have the tables under the name NAME, as far as there are any.
    put: store what is in the tables of `batch`; gives the ids of requests that were not there.
    replace: have the requests of `batch` in the place of those with their ids, unless these say more.
    remove: have the requests of `batch`, whose `usage_source` is GONE, no longer.
    prune: have the sums in OLD in the place of the requests from before a time, which the connection has `read`.
    compact: make few large files of many small ones, as far as that harms nobody who is writing or reading.
    stored: what it takes up.
    """

    read: Callable[[Connection, LedgerTarget], There | None]
    put: Callable[[Connection, LedgerTarget], set[str]]
    replace: Callable[[Connection, LedgerTarget], object]
    remove: Callable[[Connection, LedgerTarget], object]
    prune: Callable[[Connection, LedgerTarget, int], None]
    compact: Callable[[Connection, LedgerTarget], Compacted]
    stored: Callable[[Connection, LedgerTarget], Stored]


STORES: Mapping[Kind, Store] = {
    Kind.PARQUET: Store(
        store_parquet.read,
        store_parquet.put,
        # Of several files that have a row the reader takes what says most.
        store_parquet.put,
        store_parquet.put,
        store_parquet.prune,
        store_parquet.compact,
        store_parquet.stored,
    ),
    Kind.DUCKLAKE: Store(
        store_ducklake.read,
        store_ducklake.put,
        store_ducklake.replace,
        store_ducklake.remove,
        store_ducklake.prune,
        store_ducklake.compact,
        store_ducklake.stored,
    ),
}
CONFIG: dict[str, Any] = {"python_enable_replacements": False}
# Another machine changes the same rows just now, or makes the same tables.
ELSEWHERE = re.compile(r"conflict|already exists|duplicate key|could not serialize", re.IGNORECASE)
TRIES = 8


@dataclass(frozen=True, slots=True)
class Source:
    """A table of a store: what to select from, and the columns that it has there."""

    relation: str
    columns: frozenset[str]


def sources(connection: Connection, target: LedgerTarget) -> dict[str, Source]:
    """The tables of a store, each row once; none where nobody has put anything yet. Raises LedgerError."""
    try:
        prepare(connection, target)
        there = STORES[target.kind].read(connection, target)
        if there is None:
            return {}
        twice = bool(there.doubtful) and _twice(connection, there.doubtful)
    except (duckdb.Error, OSError) as error:
        raise explained(error, target) from error
    return {table: Source(_relation(table, twice), names) for table, names in there.columns.items()}


def put(connection: Connection, target: LedgerTarget) -> set[str]:
    """Store what is in the tables of `batch`; gives the ids of requests that were not there. Raises LedgerError."""
    with _explaining(target):
        prepare(connection, target)
        return STORES[target.kind].put(connection, target)


def replace(connection: Connection, target: LedgerTarget) -> None:
    """Have the requests of `batch` in the place of those with their ids, unless these say more. Raises LedgerError."""
    _again_and_again(connection, target, STORES[target.kind].replace)


def remove(connection: Connection, target: LedgerTarget) -> None:
    """Have the requests of `batch`, whose `usage_source` is GONE, no longer. Raises LedgerError."""
    _again_and_again(connection, target, STORES[target.kind].remove)


def prune(connection: Connection, target: LedgerTarget, before_us: int) -> None:
    """Have the sums in OLD in the place of what the connection reads; raises LedgerError."""
    with _explaining(target):
        STORES[target.kind].prune(connection, target, before_us)


def compact(target: LedgerTarget) -> Compacted:
    """Make few large files of many small ones, and delete what nobody reads any more. Raises LedgerError."""
    with duckdb.connect(config=CONFIG) as connection, _explaining(target):
        prepare(connection, target)
        return STORES[target.kind].compact(connection, target)


def stored(target: LedgerTarget) -> Stored:
    """What it takes up. Raises LedgerError."""
    with duckdb.connect(config=CONFIG) as connection, _explaining(target):
        prepare(connection, target)
        return STORES[target.kind].stored(connection, target)


def _again_and_again(
    connection: Connection, target: LedgerTarget, does: Callable[[Connection, LedgerTarget], object]
) -> None:
    with _explaining(target):
        prepare(connection, target)
        for tries_left in reversed(range(TRIES)):
            try:
                does(connection, target)
                return
            except duckdb.Error as error:
                if not tries_left or not ELSEWHERE.search(str(error)):
                    raise


@contextmanager
def _explaining(target: LedgerTarget) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise explained(error, target) from error


def prepare(connection: Connection, target: LedgerTarget) -> None:
    """Load what the target needs, and tell it where S3 is, should that not be Amazon's."""
    # After two seconds DuckDB 1.5 draws one on stdout, where other programs read what was found.
    connection.execute("SET enable_progress_bar = false")
    load(connection, needed(target))
    # So that a person's own SELECT still reads it when all else outside is closed.
    files = quoted(f"{target.data_path or target.text}/")
    connection.execute(f"SET allowed_directories = [{files}]")
    if target.in_s3:
        find_s3(connection)


def explained(error: duckdb.Error | OSError, target: LedgerTarget) -> LedgerError:
    """On one line; without what a driver adds in brackets or a picture of the statement."""
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error).partition("\n")[0]
    return LedgerError(f"the shared ledger {target}: {text}")


def _twice(connection: Connection, relation: str) -> bool:
    ((found,),) = connection.execute(f"SELECT count(*) > count(DISTINCT id) FROM {relation}").fetchall()
    return bool(found)


def _relation(table: str, twice: bool) -> str:
    if table not in SHARED:
        return f"{NAME}.{table}"
    rows = f"({once(table, f'{NAME}.{table}')})" if twice else f"{NAME}.{table}"
    return f"(SELECT * FROM {rows} WHERE usage_source IS DISTINCT FROM '{GONE}')" if table == "requests" else rows
