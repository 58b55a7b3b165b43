"""Puts rows into the store that machines share, and teaches this machine's own database what they teach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from ringlet_mitm.addons.usage import stores
from ringlet_mitm.addons.usage.calibration import learn, learned
from ringlet_mitm.addons.usage.ledger import SETTINGS, Exchanged, fill, transaction, writing
from ringlet_mitm.addons.usage.shared_tables import BATCH, SHARED
from ringlet_mitm.rules.ledger_target import LedgerTarget
from ringlet_mitm.rules.tokens import Calibration


def share(target: LedgerTarget, database: Path, exchanges: Sequence[Exchanged]) -> Calibration:
    """Put the rows of one file of the spool into the store; gives the ratios that are known then. Raises LedgerError.

    What is new in the store is learned from afterwards: who dies in between has learned a little less.
    """
    rows = {request.id: (request, attempts) for request, attempts in exchanges}
    with duckdb.connect(config={**SETTINGS, "threads": 1}) as connection:
        connection.execute(f"ATTACH ':memory:' AS {BATCH}")
        for table, definition in SHARED.items():
            names = ", ".join(f'"{name}" {sql}' for name, sql in definition.items())
            connection.execute(f"CREATE TABLE {BATCH}.{table} ({names})")
        fill(connection, list(rows.values()), f"{BATCH}.")
        fresh = stores.put(connection, target)
    with writing(database) as connection:
        with transaction(connection):
            learn(connection, [request for request, _ in rows.values() if request.id in fresh])
        return learned(connection)
