"""Puts rows into the store that machines share, and teaches this machine's own database what they teach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from ringlet_mitm.addons.usage import stores
from ringlet_mitm.addons.usage.calibration import learn, learned
from ringlet_mitm.addons.usage.ledger import SETTINGS, Exchanged, fill, transaction, writing
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.usage.shared_tables import BATCH, GONE, SHARED
from ringlet_mitm.rules.ledger_target import LedgerTarget
from ringlet_mitm.rules.tokens import Calibration


def share(target: LedgerTarget, database: Path, exchanges: Sequence[Exchanged]) -> Calibration:
    """Put the rows of one file of the spool into the store; gives the ratios that are known then. Raises LedgerError.

    What is new in the store is learned from afterwards: who dies in between has learned a little less.
    """
    rows = {request.id: (request, attempts) for request, attempts in exchanges}
    with _batch(list(rows.values())) as connection:
        fresh = stores.put(connection, target)
    with writing(database) as connection:
        with transaction(connection):
            learn(connection, [request for request, _ in rows.values() if request.id in fresh])
        return learned(connection)


def bring(target: LedgerTarget, rows: Sequence[RequestRow]) -> None:
    """Have imported rows in the store, or what they have grown to; another machine may bring the same just now."""
    with _batch([(row, ()) for row in rows]) as connection:
        stores.replace(connection, target)


def take_out(target: LedgerTarget, rows: Sequence[RequestRow]) -> None:
    """Have imported rows no longer."""
    with _batch([(replace(row, usage_source=GONE), ()) for row in rows]) as connection:
        stores.remove(connection, target)


@contextmanager
def _batch(exchanges: list[Exchanged]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the rows that are to be put somewhere."""
    with duckdb.connect(config={**SETTINGS, "threads": 1}) as connection:
        connection.execute(f"ATTACH ':memory:' AS {BATCH}")
        for table, definition in SHARED.items():
            names = ", ".join(f'"{name}" {sql}' for name, sql in definition.items())
            connection.execute(f"CREATE TABLE {BATCH}.{table} ({names})")
        fill(connection, exchanges, f"{BATCH}.")
        yield connection
