"""Stores that several machines share, as the ledger sees them: two tables to read, and a place to put rows.

The spool is where rows are safe; a store takes what is sealed there and may be away for days. Nothing in one is ever
changed, and what was put twice, since somebody died between putting it and deleting the spool's file, counts once.

What stays in the machine's own database: the learned token ratios, what agents' logs were imported, and what was
recorded before there was a target. Reports count it with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import duckdb

from ringlet_mitm.addons.usage import store_ducklake, store_parquet
from ringlet_mitm.addons.usage.extensions import load, needed, quoted
from ringlet_mitm.addons.usage.shared_tables import KEYS, NAME, There
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import Kind, LedgerTarget

Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Store:
    """What one kind of store can do. All of them take a connection that has the extensions.

    read: have the tables under the name NAME, as far as there are any.
    put: store what is in the tables of `batch`; gives the ids of requests that were not there.
    compact: make few large files of many small ones, as far as that harms nobody who is writing; gives how many less.
    """

    read: Callable[[Connection, LedgerTarget], There | None]
    put: Callable[[Connection, LedgerTarget], set[str]]
    compact: Callable[[Connection, LedgerTarget], int]


STORES: Mapping[Kind, Store] = {
    Kind.PARQUET: Store(store_parquet.read, store_parquet.put, store_parquet.compact),
    Kind.DUCKLAKE: Store(store_ducklake.read, store_ducklake.put, store_ducklake.compact),
}


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
    return {
        table: Source(_once(table) if twice else f"{NAME}.{table}", names) for table, names in there.columns.items()
    }


def put(connection: Connection, target: LedgerTarget) -> set[str]:
    """Store what is in the tables of `batch`; gives the ids of requests that were not there. Raises LedgerError."""
    try:
        prepare(connection, target)
        return STORES[target.kind].put(connection, target)
    except (duckdb.Error, OSError) as error:
        raise explained(error, target) from error


def compact(target: LedgerTarget) -> int:
    """Make few large files of many small ones; gives how many less there are. Raises LedgerError."""
    with duckdb.connect(config={"python_enable_replacements": False}) as connection:
        try:
            prepare(connection, target)
            return STORES[target.kind].compact(connection, target)
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
        store_parquet.find_s3(connection)


def explained(error: duckdb.Error | OSError, target: LedgerTarget) -> LedgerError:
    """On one line; without what a driver adds in brackets or a picture of the statement."""
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error).partition("\n")[0]
    return LedgerError(f"the shared ledger {target}: {text}")


def _twice(connection: Connection, relation: str) -> bool:
    ((found,),) = connection.execute(f"SELECT count(*) > count(DISTINCT id) FROM {relation}").fetchall()
    return bool(found)


def _once(table: str) -> str:
    return f"(SELECT * FROM {NAME}.{table} QUALIFY row_number() OVER (PARTITION BY {KEYS[table]}) = 1)"
