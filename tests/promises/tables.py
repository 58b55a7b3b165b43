"""The tables of promises: what the reference documents say, number by number, and the cases made of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "fixtures" / "promises"
LETTERS = "abcdex"
OWN_KEYS = ("id", "says", "check", "differs")


@dataclass(frozen=True, slots=True)
class Promise:
    """One row. `check` names the test that holds us to it, `data` is for that test.

    `differs` says why we do something else than the document says; `data` then is what we do.
    """

    id: str
    says: str
    check: str
    differs: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def get(self, key: str, default: Any = None) -> Any:
        """What the row says of it."""
        return self.data.get(key, default)


@cache
def promises() -> tuple[Promise, ...]:
    """All rows of all tables."""
    return tuple(_rows())


def _rows() -> Iterator[Promise]:
    for letter in LETTERS:
        for row in tomllib.loads((FOLDER / f"{letter}.toml").read_text(encoding="utf-8"))["promise"]:
            yield Promise(
                row["id"],
                row["says"],
                row["check"],
                row.get("differs", ""),
                {key: value for key, value in row.items() if key not in OWN_KEYS},
            )


def held(check: str) -> pytest.MarkDecorator:
    """A test of one kind of check: its parameter `promise` is each of the rows that name it, with the number as id."""
    cases = [pytest.param(promise, id=promise.id) for promise in promises() if promise.check == check]
    assert cases, f"no promise is checked by '{check}'"
    return pytest.mark.parametrize("promise", cases)
