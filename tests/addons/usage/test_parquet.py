"""Tables as Parquet files, read back by DuckDB."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.usage.parquet import write_parquet
from ringlet_mitm.addons.usage.reports import Shown, Table, Unit
from ringlet_mitm.rules.errors import UsageError


def column(*values: Any, unit: Unit | None = None) -> Table:
    shown = (Shown("A", unit, ("a",)),) if unit else ()
    return Table(("a",), shown, tuple((value,) for value in values))


def read(path: Path) -> tuple[list[str], list[Any]]:
    with duckdb.connect() as connection:
        relation = connection.read_parquet(str(path))
        return [str(kind) for kind in relation.types], relation.fetchall()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ((Decimal("7.81"), None, Decimal("0.0000000001")), "DECIMAL(38,10)"),
        ((Decimal("7.81"), 0), "DECIMAL(38,10)"),
        ((Decimal("0.123456789012"),), "DECIMAL(38,12)"),
        ((Decimal(2**130),), "DOUBLE"),
        ((1, None, -5), "BIGINT"),
        ((2**63,), "DECIMAL(38,0)"),
        ((2**130,), "DOUBLE"),
        ((0.25, 1), "DOUBLE"),
        ((True, False), "BOOLEAN"),
        ((date(2026, 11, 21), None), "DATE"),
        ((datetime(2026, 11, 21, 14, 30),), "TIMESTAMP"),
        (("tool-use → anthropic", "", None, "a\n\"b'", "null"), "VARCHAR"),
        ((date(2026, 11, 21), "others (2)"), "VARCHAR"),
        ((200, None, "others (2)"), "VARCHAR"),
        ((None,), "VARCHAR"),
        ((), "VARCHAR"),
    ],
    ids=str,
)
def test_types_and_values(tmp_path: Path, values: tuple[Any, ...], kind: str) -> None:
    write_parquet(column(*values), tmp_path / "t.parquet")
    types, rows = read(tmp_path / "t.parquet")
    assert types == [kind]
    expected = [str(value) if kind == "VARCHAR" and value is not None else value for value in values]
    assert [value for (value,) in rows] == expected


def test_lists_are_json(tmp_path: Path) -> None:
    write_parquet(column([1, Decimal("0.5")]), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == (["VARCHAR"], [('[1,"0.5"]',)])


@pytest.mark.parametrize("unit", [Unit.COST, Unit.CHANGE, Unit.USD])
def test_money_that_is_wholly_unknown_is_money_all_the_same(tmp_path: Path, unit: Unit) -> None:
    write_parquet(column(None, unit=unit), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == (["DECIMAL(38,10)"], [(None,)])


@settings(max_examples=20)
@given(st.lists(st.decimals(-(10**9), 10**9, allow_nan=False, places=10), min_size=1))
def test_no_digit_is_lost(tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal]) -> None:
    path = tmp_path_factory.getbasetemp() / "amounts.parquet"
    write_parquet(column(*amounts), path)
    assert [value for (value,) in read(path)[1]] == amounts


def test_a_name_with_a_quote_and_a_file_that_is_there(tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    for number in (1, 2):
        write_parquet(column(number), path)
    assert read(path)[1] == [(2,)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--parquet: .*t\.parquet cannot be written: there is no folder"):
        write_parquet(column(1), tmp_path / "nowhere" / "t.parquet")


def test_a_file_that_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_parquet(column(1), tmp_path / "t.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]
