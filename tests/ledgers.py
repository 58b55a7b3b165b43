"""Rows for tests of the ledger, and a connection that has them as `usage` sees it, views included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from ringlet_mitm.addons.usage import rows
from ringlet_mitm.addons.usage.ledger import insert
from ringlet_mitm.addons.usage.rows import KINDS, RequestRow, columns

VIEWS = Path(rows.__file__).parent / "views"
_ids = count()


def us(text: str) -> int:
    """An ISO time with its offset as microseconds since the epoch."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


NOON = us("2026-11-20T12:00+00:00")


def request(**given: Any) -> RequestRow:
    """A request that went well and cost nothing; `given` says what matters."""
    said = {
        "id": f"{next(_ids):012}",
        "started_us": NOON,
        "ended_us": NOON + 1_000_000,
        "profile": "work",
        "agent": "claude",
        "agent_format": "messages",
        "asked_host": "api.anthropic.com",
        "path": "/v1/messages",
        "rule": "default → anthropic",
        "provider": "anthropic",
        "requested_model": "claude-sonnet-4-5",
        "routed_model": "claude-sonnet-4-5",
        "usage_source": "reported",
        "cost_total": Decimal(0),
        "status": 200,
    }
    return RequestRow(**{**said, **given})


def spread(requests: int, tokens_in: int, tokens_out: int, usd: str, **given: Any) -> Iterator[RequestRow]:
    """That many requests that come to these sums, cached and reasoning tokens among them."""
    for place in range(requests):
        own_in, own_out = part(tokens_in, requests, place), part(tokens_out, requests, place)
        yield request(
            input_tokens=own_in // 3,
            cache_read_tokens=own_in - own_in // 3 - own_in // 5,
            cache_write_5m_tokens=own_in // 5,
            output_tokens=own_out - own_out // 4,
            reasoning_tokens=own_out // 4,
            cost_total=Decimal(part(int(Decimal(usd) * 10**10), requests, place)).scaleb(-10),
            **given,
        )


def reference() -> list[RequestRow]:
    """Rows that come to the report that the reference document shows."""
    return [
        *spread(342, 1_100_000, 280_000, "7.81", rule="tool-use → anthropic"),
        *spread(1284, 980_000, 220_000, "0.18", rule="input-tokens-lt → groq", provider="groq", routed_model="llama"),
        *spread(128, 180_000, 45_000, "1.10"),
    ]


def connected(requests: Iterable[RequestRow] = (), zone: str = "UTC") -> duckdb.DuckDBPyConnection:
    """A connection with these rows."""
    connection = duckdb.connect()
    connection.execute(f"SET TimeZone = '{zone}'")
    for table, kind in KINDS.items():
        names = ", ".join(f'"{name}" {sql}' for name, sql in columns(kind).items())
        connection.execute(f"CREATE TABLE {table} ({names})")
    insert(connection, [(row, ()) for row in requests])
    for view in sorted(VIEWS.glob("*.sql")):
        connection.execute(view.read_text(encoding="utf-8"))
    return connection


def part(total: int, parts: int, place: int) -> int:
    """The share of one of `parts`, so that all of them come to `total`."""
    return total // parts + (place < total % parts)
