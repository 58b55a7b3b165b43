"""What there is in the ledger, in words: tables from the column list, views from the comments of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from inspect import getdoc
from pathlib import Path

from ringlet_mitm.addons.usage.rows import AnyRow, AttemptRow, DailyRow, RequestRow

VIEWS = Path(__file__).parent / "views"
# Those that a person reads; the others are for us.
TABLES: Mapping[str, type[AnyRow]] = {"requests": RequestRow, "attempts": AttemptRow, "daily": DailyRow}


@dataclass(frozen=True, slots=True)
class View:
    """A view: its first sentence, and all that is said of it."""

    name: str
    summary: str
    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Described:
    """A table."""

    name: str
    summary: str
    columns: tuple[Column, ...]


def views() -> list[View]:
    """In the order in which they are made."""
    return [_view(path.read_text(encoding="utf-8")) for path in sorted(VIEWS.glob("*.sql"))]


def tables() -> list[Described]:
    """Requests, their attempts, and what is left of pruned ones."""
    return [
        Described(name, (getdoc(kind) or "").partition("\n")[0], tuple(_columns(kind))) for name, kind in TABLES.items()
    ]


def _columns(kind: type[AnyRow]) -> list[Column]:
    return [Column(one.name, one.metadata["sql"].split()[0], one.metadata["meaning"]) for one in fields(kind)]


def _view(sql: str) -> View:
    lines = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    name, _, rest = "\n".join(lines).partition(": ")
    summary = " ".join(rest.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    return View(name, summary, rest)
