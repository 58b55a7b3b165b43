"""A table as a Parquet file: raw columns, money as decimals with every digit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from ringlet_mitm.addons.usage.reports import Table, Unit
from ringlet_mitm.rules.errors import UsageError

# What DuckDB adds decimals of the ledger up to.
PLACES = 10
DIGITS = 38
MONEY = f"DECIMAL({DIGITS},{PLACES})"
# Parquet has no HUGEINT: DuckDB would make a DOUBLE of it.
LARGE = f"DECIMAL({DIGITS},0)"
WHOLE = 2**63
# How many of the raw columns of such a shown one are USD; they come first.
DOLLARS: dict[Unit, int] = {Unit.COST: 2, Unit.CHANGE: 2, Unit.USD: 1, Unit.USD_IF_ANY: 1}
# A datetime is a date and a bool an int as well, so it is the type itself that counts.
TYPES: dict[type, str] = {bool: "BOOLEAN", float: "DOUBLE", date: "DATE", datetime: "TIMESTAMP", str: "VARCHAR"}


def write_parquet(table: Table, path: Path) -> None:
    """Write `table` to `path`, whole or not at all; raises UsageError where that cannot be."""
    types = {name: _type(table, name) for name in table.columns}
    records = [
        {name: _plain(value, types[name]) for name, value in zip(table.columns, row, strict=True)} for row in table.rows
    ]
    shape = msgspec.json.encode([types]).decode()
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with duckdb.connect() as connection:
            connection.execute(
                "CREATE TABLE found AS SELECT unnest(from_json(?, ?), recursive := true)",
                [msgspec.json.encode(records).decode(), shape],
            )
            connection.execute(f"COPY found TO '{_quoted(fresh)}' (FORMAT parquet)")
        fresh.replace(path)
    except (duckdb.Error, OSError) as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise UsageError(f"--parquet: {path} cannot be written: {_reason(error, path)}") from None


def _type(table: Table, name: str) -> str:
    """The DuckDB type that holds every value of a column; of one without any, what it would have held."""
    values = [value for value in table.values(name) if value is not None]
    if not values:
        return MONEY if name in _money(table) else "VARCHAR"
    kinds = {type(value) for value in values}
    if kinds <= {int, Decimal}:
        return _number(values) if Decimal in kinds else _whole(values)
    if kinds == {int, float}:
        return "DOUBLE"
    return TYPES.get(next(iter(kinds)), "VARCHAR") if len(kinds) == 1 else "VARCHAR"


def _money(table: Table) -> set[str]:
    return {name for shown in table.shown for name in shown.of[: DOLLARS.get(shown.unit, 0)]}


def _number(values: Iterable[int | Decimal]) -> str:
    """Ten places, or more where there are more; a DOUBLE where it takes more digits than a decimal can have."""
    exact = [Decimal(value) for value in values]
    if not all(value.is_finite() for value in exact):
        return "DOUBLE"
    places = max(PLACES, *(-int(value.as_tuple().exponent) for value in exact))
    whole = max(value.adjusted() + 1 for value in exact)
    return f"DECIMAL({DIGITS},{places})" if whole + places <= DIGITS else "DOUBLE"


def _whole(values: Iterable[int]) -> str:
    largest = max(map(abs, values))
    return "BIGINT" if largest < WHOLE else LARGE if largest < 10**DIGITS else "DOUBLE"


def _plain(value: Any, kind: str) -> Any:
    """As DuckDB reads it out of JSON: decimals as text, so that no digit is lost."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and kind == "BIGINT"):
        return value
    if isinstance(value, list | dict):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("'", "''")


def _reason(error: duckdb.Error | OSError, path: Path) -> str:
    if not path.absolute().parent.is_dir():
        return f"there is no folder {path.absolute().parent}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0]
