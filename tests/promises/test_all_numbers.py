"""Every number of the documents about providers, keys, models and prices has a case, and every case a number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from promises.tables import promises

HERE = Path(__file__).parent
RANGES = {"A": [(3, 44)], "B": [(6, 7), (24, 30), (34, 37)], "C": [(1, 63)], "D": [(1, 74)], "E": [(1, 134)]}
RANGES["X"] = [(3, 27)]


def numbers() -> Iterator[str]:
    for letter, spans in RANGES.items():
        for first, last in spans:
            yield from (f"{letter}-{number:03}" for number in range(first, last + 1))


def test_no_number_is_without_a_case() -> None:
    there = {promise.id for promise in promises()}
    assert [number for number in numbers() if number not in there] == []


def test_no_case_is_without_a_number() -> None:
    assert {promise.id for promise in promises()} - {*numbers()} == set()


def test_every_kind_of_check_is_a_test() -> None:
    held = {
        name for path in HERE.glob("test_*.py") for name in re.findall(r'^@held\("([\w-]+)"\)', path.read_text(), re.M)
    }
    assert {promise.check for promise in promises()} == held


def test_who_does_otherwise_says_why() -> None:
    silent = [p.id for p in promises() if {"now", "also"} & p.data.keys() and not p.differs]
    assert silent == []
    assert [p.id for p in promises() if p.id.startswith("X") and not p.get("choice")] == []
