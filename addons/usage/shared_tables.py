"""The tables of a shared store: those of the ledger that a proxy writes, without constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow, columns

# What a store is attached as, and what holds the rows that are to be put into one.
NAME = "shared"
BATCH = "batch"


def _plain(kind: type[RequestRow] | type[AttemptRow]) -> dict[str, str]:
    """Column name to type: neither Parquet nor DuckLake knows a primary key."""
    return {name: sql.removesuffix(" PRIMARY KEY") for name, sql in columns(kind).items()}


SHARED: Mapping[str, Mapping[str, str]] = {"requests": _plain(RequestRow), "attempts": _plain(AttemptRow)}


@dataclass(frozen=True, slots=True)
class There:
    """What a store has under NAME: columns by table; `doubtful` is what to select ids from that may be there twice."""

    columns: Mapping[str, frozenset[str]]
    doubtful: str = ""


# What makes a row the same as another.
KEYS: Mapping[str, str] = {"requests": "id", "attempts": "request_id, number"}
