"""A store of DuckLake: the catalogue is in PostgreSQL, the rows are in Parquet files below `data_path`.

A batch is a transaction, so that somebody who dies within leaves nothing; PostgreSQL keeps a batch of few rows itself
until `usage vacuum` makes files of them. Machines that commit at once do not mind each other: DuckLake tries again.
Which rows are there is asked within the transaction. Two processes that put the same batch in the same moment could
still both succeed, so `stores.sources` looks for rows that are there twice.

What prunes counts the rows that it deletes: should another machine have been faster, it is all undone. Files of rows
that were merged or deleted stay for a day, for reports that began before.
"""

from __future__ import annotations

from dataclasses import MISSING, fields

import duckdb

from ringlet_mitm.addons.usage.extensions import quoted
from ringlet_mitm.addons.usage.rows import KINDS
from ringlet_mitm.addons.usage.shared_tables import (
    BATCH,
    IDS,
    NAME,
    OLD,
    SHARED,
    SUMS,
    TABLES,
    TOKENS,
    Compacted,
    Stored,
    There,
)
from ringlet_mitm.addons.usage.transactions import transaction
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import DUCKLAKE, POSTGRES, LedgerTarget

Connection = duckdb.DuckDBPyConnection
# Rows of a batch up to which it stays in PostgreSQL; a file for each would be thousands a day.
INLINE_ROWS = 500
CONNECT_S = 10
NO_LAKE = "creating a new DuckLake is explicitly disabled"
# An old reader may still need a file that was merged.
KEPT = "INTERVAL 1 DAY"


def read(connection: Connection, target: LedgerTarget) -> There | None:
    """The tables as they are."""
    try:
        _attach(connection, target, "READ_ONLY")
    except duckdb.InvalidInputException as error:
        # Nobody has put anything yet, and only who puts makes one.
        if NO_LAKE in str(error):
            return None
        raise
    there = _columns(connection)
    if not all(table in there for table in SHARED):
        return None
    return There({table: there[table] for table in KINDS if table in there}, f"{NAME}.requests")


def put(connection: Connection, target: LedgerTarget) -> set[str]:
    """One transaction; gives the ids of requests that were not there."""
    _attach_to_write(connection, target)
    with transaction(connection):
        fresh = _fresh(connection)
        for table in ("attempts", "requests"):
            among = f"{IDS[table]} IN (SELECT unnest(CAST(? AS VARCHAR[])))"
            connection.execute(f"INSERT INTO {NAME}.{table} BY NAME FROM {BATCH}.{table} WHERE {among}", [fresh])
    return set(fresh)


def replace(connection: Connection, target: LedgerTarget) -> None:
    """Have the requests of the batch as they are there, unless they say less than those that are stored."""
    _attach_to_write(connection, target)
    better = f"({TOKENS}, coalesce(around, false))"
    known = f"(SELECT id AS there, {better} AS how FROM {NAME}.requests WHERE {_AMONG}) ON there = id"
    with transaction(connection):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT b.* FROM {BATCH}.requests b LEFT JOIN {known} "
            f"WHERE there IS NULL OR {better} > how"
        )
        connection.execute(f"DELETE FROM {NAME}.requests WHERE id IN (SELECT id FROM fresh)")
        connection.execute(f"INSERT INTO {NAME}.requests BY NAME FROM fresh")


def remove(connection: Connection, target: LedgerTarget) -> None:
    """Have the requests of the batch no longer."""
    _attach_to_write(connection, target)
    with transaction(connection):
        connection.execute(f"DELETE FROM {NAME}.requests WHERE {_AMONG}")


def compact(connection: Connection, target: LedgerTarget) -> Compacted:
    """What PostgreSQL has kept becomes files, small files become larger ones, and files lose what was deleted."""
    _attach(connection, target, f"DATA_PATH {quoted(target.data_path)}")
    _make(connection)
    before = stored(connection, target).files
    for call in ("flush_inlined_data", "merge_adjacent_files", "rewrite_data_files"):
        connection.execute(f"CALL ducklake_{call}('{NAME}')")
    after = stored(connection, target).files
    connection.execute(f"CALL ducklake_expire_snapshots('{NAME}', older_than => now() - {KEPT})")
    gone = connection.execute(f"CALL ducklake_cleanup_old_files('{NAME}', older_than => now() - {KEPT})").fetchall()
    return Compacted(max(0, before - after), len(gone))


def prune(connection: Connection, target: LedgerTarget, before_us: int) -> None:
    """Put the sums in OLD in the place of the requests of which they are, which this connection has `read`.

    Raises LedgerError, and nothing is done, where another machine prunes at the same time and comes first.
    """
    connection.execute(f"DETACH {NAME}")
    _attach_to_write(connection, target)
    among = f"id IN (SELECT id FROM {OLD}ids)"
    try:
        with transaction(connection):
            left = connection.execute(f"SELECT count(DISTINCT id) FROM {NAME}.requests WHERE {among}").fetchall()
            if left != connection.execute(f"SELECT count(*) FROM {OLD}ids").fetchall():
                raise _lost(target)
            connection.execute(f"DELETE FROM {NAME}.requests WHERE {among}")
            connection.execute(f"DELETE FROM {NAME}.attempts WHERE request_{among}")
            for table in SUMS:
                connection.execute(f"INSERT INTO {NAME}.{table} BY NAME FROM {OLD}{table}")
    except duckdb.TransactionException:
        raise _lost(target) from None


def stored(connection: Connection, target: LedgerTarget) -> Stored:
    """Its files; what is in PostgreSQL, and what waits to be deleted, nobody says the size of."""
    if not _is_attached(connection):
        _attach(connection, target, "READ_ONLY")
    rows = connection.execute(
        f"SELECT file_count + delete_file_count, file_size_bytes + delete_file_size_bytes "
        f"FROM ducklake_table_info('{NAME}')"
    ).fetchall()
    return Stored(sum(int(files or 0) for files, _ in rows), sum(int(bytes_ or 0) for _, bytes_ in rows))


_AMONG = f"id IN (SELECT id FROM {BATCH}.requests)"


def _lost(target: LedgerTarget) -> LedgerError:
    return LedgerError(f"the shared ledger {target}: another machine pruned it at the same time, and its sums count")


def _is_attached(connection: Connection) -> bool:
    return bool(connection.execute("FROM duckdb_databases() WHERE database_name = ?", [NAME]).fetchall())


def _attach_to_write(connection: Connection, target: LedgerTarget) -> None:
    if not _is_attached(connection):
        _attach(connection, target, f"DATA_PATH {quoted(target.data_path)}, DATA_INLINING_ROW_LIMIT {INLINE_ROWS}")
    _make(connection)


def _attach(connection: Connection, target: LedgerTarget, options: str) -> None:
    connection.execute(f"ATTACH {quoted(_patient(target.text))} AS {NAME} ({options})")


def _patient(text: str) -> str:
    """A database server that does not answer would otherwise be waited for as long as the network likes to."""
    catalogue = text.removeprefix(f"{DUCKLAKE}{POSTGRES}")
    if "://" in catalogue or "connect_timeout" in catalogue or "=" not in catalogue:
        return text
    return f"{text} connect_timeout={CONNECT_S}"


def _make(connection: Connection) -> None:
    """The tables, and the columns that an older version did not have; another machine may do the same just now."""
    there = _columns(connection)
    for table, kind in KINDS.items():
        if table not in there:
            names = ", ".join(f'"{name}" {sql}' for name, sql in TABLES[table].items())
            connection.execute(f"CREATE TABLE IF NOT EXISTS {NAME}.{table} ({names})")
        for column in fields(kind) if table in there else ():
            if column.name not in there[table]:
                default = "NULL" if column.default in (None, MISSING) else quoted(str(column.default))
                connection.execute(
                    f"ALTER TABLE {NAME}.{table} ADD COLUMN IF NOT EXISTS "
                    f'"{column.name}" {TABLES[table][column.name]} DEFAULT {default}'
                )


def _columns(connection: Connection) -> dict[str, frozenset[str]]:
    found = connection.execute(
        "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE database_name = ? GROUP BY ALL", [NAME]
    ).fetchall()
    return {table: frozenset(names) for table, names in found}


def _fresh(connection: Connection) -> list[str]:
    """Ids go up with time: what lies between the first and the last of a batch is in few files."""
    rows = connection.execute(
        f"SELECT id FROM {BATCH}.requests WHERE id NOT IN (SELECT id FROM {NAME}.requests WHERE id BETWEEN "
        f"(SELECT min(id) FROM {BATCH}.requests) AND (SELECT max(id) FROM {BATCH}.requests)) "
        f"AND (started_us >= (SELECT coalesce(max(before_us), 0) FROM {NAME}.pruned) "
        f"OR md5_number_lower(id) NOT IN (SELECT id_hash FROM {NAME}.pruned))"
    ).fetchall()
    return [str(one) for (one,) in rows]
