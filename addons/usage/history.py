"""Rows as a backtest reads them: what was recorded of each request, in the order in which they arrived.

`requests` is asked and not a view, since these are features and not sums; which of them is said by `spend`, as in every
report. Shadow copies were no agent's requests, and imported ones have no features: neither is part of a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import duckdb

from ringlet_mitm.addons.usage.ledger import Connection
from ringlet_mitm.addons.usage.reports import Ask, condition
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.pricing import TOKEN_KINDS
from ringlet_mitm.rules.recorded import Recorded

# Conversations, and what caches hold of them, are followed from so long before the time that is asked about.
LEAD_US = 24 * 3600 * 1_000_000
CHUNK = 10_000
# As bookkeeping and limits write them into a row's note.
UNREAD, KEPT, LIMITED = "not read: %", "%kept by a sticky rule%", "%limit reached: %; requests go to %"
# Before what is a host and no provider yet.
HOST = "@"

# What gives each field of `Recorded` that is not a column of the same name.
FIELDS: dict[str, str] = {
    "within": "r.started_us >= ?",
    "format": "r.agent_format",
    "asked": f"CASE WHEN r.asked_provider <> '' THEN r.asked_provider ELSE '{HOST}' || r.asked_host END",
    "requested": "r.requested_model",
    "body_bytes": "r.request_bytes",
    "counted": "r.counted_tokens",
    "ratio": "r.decision_ratio",
    "target_ratio": "r.calibration",
    "readable": f"r.note NOT LIKE '{UNREAD}'",
    "kept": f"r.note LIKE '{KEPT}'",
    "limited": f"r.note LIKE '{LIMITED}'",
    "model": "r.routed_model",
    "first_provider": "a.provider",
    "first_model": "a.model",
    "source": "r.usage_source",
    "cost": "s.known_cost",
    "failed": "s.failed = 1",
    # A number that no column can hold is NULL; it is not known, and none is asked about it.
    **{name: f"coalesce(r.{name}, 0)" for name in ("messages", "tools", "images", *TOKEN_KINDS)},
}
SQL = f"""
SELECT {", ".join(f"{FIELDS.get(name, f'r.{name}')} AS {name}" for name in Recorded._fields)}
FROM (SELECT id, known_cost, failed FROM spend {{where}}) s
JOIN requests r USING (id)
LEFT JOIN (SELECT request_id, provider, model FROM attempts WHERE number = 1) a
    ON r.attempts > 1 AND a.request_id = r.id
WHERE r.origin = 'proxy' AND r.rule <> ''
ORDER BY r.started_us, r.id
"""


def history(connection: Connection, ask: Ask, provider_of: Callable[[str], str]) -> Iterator[Recorded]:
    """The requests of `ask`, and those of the day before to lead up to them (`within` is false for these).

    `provider_of` gives the provider of a host, for rows that do not say whose it is.
    """
    since = ask.since_us
    where, values = condition(ask if since is None else replace(ask, since_us=since - LEAD_US))
    try:
        found = connection.execute(SQL.format(where=where), [since or 0, *values])
        while rows := found.fetchmany(CHUNK):
            # As `Recorded._make` does, which is written in Python.
            for recorded in map(partial(tuple.__new__, Recorded), rows):
                asked = recorded.asked
                if asked.startswith(HOST):
                    yield recorded._replace(asked=provider_of(asked.removeprefix(HOST)))
                else:
                    yield recorded
    except duckdb.Error as error:
        raise LedgerError(f"the ledger cannot be read: {error}") from None
