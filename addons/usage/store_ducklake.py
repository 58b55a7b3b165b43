"""A store of DuckLake: the catalogue is in PostgreSQL, the rows are in Parquet files below `data_path`.

A batch is a transaction, so that somebody who dies within leaves nothing; PostgreSQL keeps a batch of few rows itself
until `usage vacuum` makes files of them. Machines that commit at once do not mind each other: DuckLake tries again.
Which rows are there is asked within the transaction. Two processes that put the same batch in the same moment could
still both succeed, so `stores.sources` looks for rows that are there twice.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import MISSING, fields

import duckdb

from ringlet_mitm.addons.usage.extensions import quoted
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.addons.usage.shared_tables import BATCH, NAME, SHARED, There
from ringlet_mitm.rules.ledger_target import DUCKLAKE, POSTGRES, LedgerTarget

Connection = duckdb.DuckDBPyConnection
# Rows of a batch up to which it stays in PostgreSQL; a file for each would be thousands a day.
INLINE_ROWS = 500
CONNECT_S = 10
# An old reader may still need a file that was merged.
KEPT = "INTERVAL 1 DAY"
IDS = {"attempts": "request_id", "requests": "id"}
KINDS: dict[str, type[RequestRow] | type[AttemptRow]] = {"requests": RequestRow, "attempts": AttemptRow}


def read(connection: Connection, target: LedgerTarget) -> There | None:
    """The tables as they are."""
    _attach(connection, target, "READ_ONLY")
    there = _columns(connection)
    if not all(table in there for table in SHARED):
        return None
    return There({table: there[table] for table in SHARED}, f"{NAME}.requests")


def put(connection: Connection, target: LedgerTarget) -> set[str]:
    """One transaction; gives the ids of requests that were not there."""
    _attach(connection, target, f"DATA_PATH {quoted(target.data_path)}, DATA_INLINING_ROW_LIMIT {INLINE_ROWS}")
    _make(connection)
    connection.execute("BEGIN")
    try:
        fresh = _fresh(connection)
        for table, key in IDS.items():
            among = f"{key} IN (SELECT unnest(CAST(? AS VARCHAR[])))"
            connection.execute(f"INSERT INTO {NAME}.{table} BY NAME FROM {BATCH}.{table} WHERE {among}", [fresh])
        connection.execute("COMMIT")
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    return set(fresh)


def compact(connection: Connection, target: LedgerTarget) -> int:
    """What PostgreSQL has kept becomes files, and small files become larger ones."""
    _attach(connection, target, f"DATA_PATH {quoted(target.data_path)}")
    _make(connection)
    before = _count(connection)
    connection.execute(f"CALL ducklake_flush_inlined_data('{NAME}')")
    connection.execute(f"CALL ducklake_merge_adjacent_files('{NAME}')")
    connection.execute(f"CALL ducklake_expire_snapshots('{NAME}', older_than => now() - {KEPT})")
    connection.execute(f"CALL ducklake_cleanup_old_files('{NAME}', older_than => now() - {KEPT})")
    return max(0, before - _count(connection))


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
            names = ", ".join(f'"{name}" {sql}' for name, sql in SHARED[table].items())
            connection.execute(f"CREATE TABLE IF NOT EXISTS {NAME}.{table} ({names})")
        for column in fields(kind) if table in there else ():
            if column.name not in there[table]:
                default = "NULL" if column.default in (None, MISSING) else quoted(str(column.default))
                connection.execute(
                    f"ALTER TABLE {NAME}.{table} ADD COLUMN IF NOT EXISTS "
                    f'"{column.name}" {SHARED[table][column.name]} DEFAULT {default}'
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
        f"(SELECT min(id) FROM {BATCH}.requests) AND (SELECT max(id) FROM {BATCH}.requests))"
    ).fetchall()
    return [str(one) for (one,) in rows]


def _count(connection: Connection) -> int:
    """How many files there are."""
    rows = connection.execute(f"SELECT file_count FROM ducklake_table_info('{NAME}')").fetchall()
    return sum(int(count or 0) for (count,) in rows)
