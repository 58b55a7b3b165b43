"""Requests that are no longer there but as sums: how one is known again, should its row come a second time.

A spool file that could not be deleted, or an agent's log that is imported once more, brings rows that were stored and
pruned since. Their ids would be most of what pruning saves; eight bytes of a hash tell a million of them apart from
each other with a chance of error of 1 in 30 million.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from ringlet_mitm.addons.usage.rows import RequestRow


def pruned(connection: duckdb.DuckDBPyConnection, requests: Iterable[RequestRow], where: str = "") -> set[str]:
    """The ids of those that are counted in `daily`; `where` is the database with its dot.

    Only what is older than the last that was pruned is looked up, which is nothing of what a proxy brings.
    """
    ((before_us,),) = connection.execute(f"SELECT coalesce(max(before_us), 0) FROM {where}pruned").fetchall()
    old = [request.id for request in requests if request.started_us < before_us]
    if not old:
        return set()
    found = connection.execute(
        "SELECT id FROM (SELECT unnest(CAST(? AS VARCHAR[])) AS id) "
        f"WHERE md5_number_lower(id) IN (SELECT id_hash FROM {where}pruned)",
        [old],
    ).fetchall()
    return {request_id for (request_id,) in found}
