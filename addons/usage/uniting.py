"""What a report reads: a table as it is stored here, as it is spooled, and as other machines have it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import MISSING, Field, fields
from decimal import Decimal
from typing import Any

from ringlet_mitm.addons.usage.rows import AnyRow, AttemptRow, RequestRow, columns
from ringlet_mitm.addons.usage.stores import Source

_IMPORTED = "SELECT id FROM stored.requests WHERE origin >= 'import:' AND origin < 'import;'"


def united(table: str, kind: type[AnyRow], there: Collection[str] | None, beyond: Source | None) -> str:
    """The table as it is stored, spooled and shared; a column that an older version did not have has its default."""
    names = ", ".join(f'"{name}"' for name in columns(kind))
    parts = [f"SELECT {names} FROM spool.{table}"]
    if there is not None:
        parts.insert(0, f"SELECT {_chosen(kind, there)} FROM stored.{table}")
    if beyond is not None:
        # Attempts come before their request, which until then is in the spool with all of them.
        early = " WHERE request_id NOT IN (SELECT id FROM spool.requests)" if kind is AttemptRow else ""
        # What this machine imported before it had the store, another one may have imported into that.
        twice = f" WHERE id NOT IN ({_IMPORTED})" if kind is RequestRow and "origin" in (there or ()) else ""
        parts.append(f"SELECT {_chosen(kind, beyond.columns, mixed=True)} FROM {beyond.relation}{early}{twice}")
    return " UNION ALL ".join(parts)


def _chosen(kind: type[AnyRow], there: Collection[str], *, mixed: bool = False) -> str:
    """The columns of a table that has those of `there`; `mixed` where files of several versions make it up."""
    return ", ".join(_column(column, column.name in there, mixed) for column in fields(kind))


def _column(column: Field[Any], there: bool, mixed: bool) -> str:
    default = f"CAST({_literal(column.default)} AS {column.metadata['sql']})"
    if not there:
        return f'{default} AS "{column.name}"'
    if mixed and column.metadata["since"] > 1 and column.default not in (None, MISSING, Decimal(0)):
        return f'coalesce("{column.name}", {default}) AS "{column.name}"'
    return f'"{column.name}"'


def _literal(value: object) -> str:
    if value is None or value is MISSING:
        return "NULL"
    return "'" + str(value).replace("'", "''") + "'"
