"""The tables of a shared store: those of the ledger that a proxy writes, without constraints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ringlet_mitm.addons.usage.rows import (
    AnyRow,
    AttemptRow,
    DailyRow,
    PrunedRow,
    PrunedSessionRow,
    RequestRow,
    columns,
)
from ringlet_mitm.rules.pricing import TOKEN_KINDS

# What a store is attached as, and what holds the rows that are to be put into one.
NAME = "shared"
BATCH = "batch"


def _plain(kind: type[AnyRow]) -> dict[str, str]:
    """Column name to type: neither Parquet nor DuckLake knows a primary key."""
    return {name: sql.removesuffix(" PRIMARY KEY") for name, sql in columns(kind).items()}


SHARED: Mapping[str, Mapping[str, str]] = {"requests": _plain(RequestRow), "attempts": _plain(AttemptRow)}
# What pruning leaves. Before it is put into a store it is in temporary tables of these names with OLD before them.
SUMS: Mapping[str, Mapping[str, str]] = {
    "daily": _plain(DailyRow),
    "pruned": _plain(PrunedRow),
    "pruned_sessions": _plain(PrunedSessionRow),
}
TABLES: Mapping[str, Mapping[str, str]] = {**SHARED, **SUMS}
OLD = "old_"


@dataclass(frozen=True, slots=True)
class There:
    """What a store has under NAME: columns by table; `doubtful` is what to select ids from that may be there twice."""

    columns: Mapping[str, frozenset[str]]
    doubtful: str = ""


@dataclass(frozen=True, slots=True)
class Compacted:
    """`less` files to be read than before; `deleted` ones that were merged or pruned longer ago."""

    less: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store takes up; `waiting_bytes` of it are of what was merged or pruned, and is deleted later."""

    files: int = 0
    file_bytes: int = 0
    waiting_bytes: int = 0


# What makes a row the same as another.
KEYS: Mapping[str, str] = {"requests": "id", "attempts": "request_id, number"}
IDS: Mapping[str, str] = {"requests": "id", "attempts": "request_id"}
# `usage_source` of an imported call that was taken out again: it says so where no row can be deleted.
GONE = "gone"
TOKENS = " + ".join(f"coalesce({kind}, 0)" for kind in TOKEN_KINDS)
# Of several that are the same the one that counts: an imported call may have grown, or been settled.
BEST: Mapping[str, str] = {
    "requests": f"usage_source = '{GONE}' DESC NULLS LAST, {TOKENS} DESC, around DESC NULLS LAST",
    "attempts": "started_us",
}


def once(table: str, relation: str) -> str:
    """Each of its rows one time."""
    return f"SELECT * FROM {relation} QUALIFY row_number() OVER (PARTITION BY {KEYS[table]} ORDER BY {BEST[table]}) = 1"


def no_row(table: str) -> str:
    """A table that nothing is in."""
    names = ", ".join(f'CAST(NULL AS {sql}) AS "{name}"' for name, sql in TABLES[table].items())
    return f"SELECT {names} WHERE false"
