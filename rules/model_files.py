"""What our tables say about models: `models/*.toml`, one file a family, and the reference tables as they are.

A family's file gives what is common once; a row, by name or glob, says how a model differs. Names and globs are those
of `model_names.normalised`. `reference.toml` goes by provider, with the names of the tables.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ringlet_mitm.rules.model_names import normalised, plain

FOLDER = Path(__file__).parent / "models"
REFERENCE = FOLDER / "reference.toml"

CAPABILITIES = ("vision", "function-calling", "json", "thinking")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a table says about a model; None is unknown. `vendor` is the provider whose own model it is."""

    source: str
    family: str = ""
    vendor: str = ""
    context: int | None = None
    max_output: int | None = None
    capabilities: frozenset[str] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """The rows of one file: by name, and by pattern in the order of the file."""

    names: Mapping[str, Facts]
    patterns: tuple[tuple[re.Pattern[str], Facts], ...] = field(default=())

    def find(self, name: str) -> Facts | None:
        """The row of a normalised name."""
        found = self.names.get(name)
        return found or next((facts for pattern, facts in self.patterns if pattern.match(name)), None)


def facts(model: str) -> Facts | None:
    """What the family tables say about a model under any of its names; None where it is in none of them."""
    for name in dict.fromkeys((normalised(model), plain(model))):
        for family in _families():
            found = family.find(name)
            if found:
                return found
    return None


@cache
def reference() -> Mapping[str, Mapping[str, Facts]]:
    """The reference tables: provider -> name as it stands there -> facts."""
    data = _read(REFERENCE)
    source = f"{data['source']} {data['accessed']}"
    return {
        provider: {name: _facts({}, row, source) for name, row in rows.items()}
        for provider, rows in data.items()
        if isinstance(rows, dict)
    }


@cache
def _families() -> tuple[Family, ...]:
    return tuple(_family(_read(path)) for path in sorted(FOLDER.glob("*.toml")) if path != REFERENCE)


def _family(data: dict[str, Any]) -> Family:
    source = f"{data['source']} {data['accessed']}"
    known = {"family": data["family"], "vendor": data.get("vendor", "")}
    rows = {name: _facts(data["common"], row, source, **known) for name, row in data["models"].items()}
    return Family(
        {name: row for name, row in rows.items() if not _is_glob(name)},
        tuple((re.compile(translate(name)), row) for name, row in rows.items() if _is_glob(name)),
    )


def _facts(common: Mapping[str, Any], row: Mapping[str, Any], source: str, **known: str) -> Facts:
    """`common` with what the row says otherwise; nothing of it where the row says that nothing is known."""
    said = dict(row) if row.get("unknown") else {**common, **row}
    capabilities = said.get("capabilities")
    if capabilities is not None:
        capabilities = (frozenset(capabilities) | frozenset(row.get("with", ()))) - frozenset(row.get("without", ()))
    return Facts(
        source=source,
        context=said.get("context"),
        max_output=said.get("max-output"),
        capabilities=capabilities,
        note=said.get("note", ""),
        **known,
    )


def _is_glob(name: str) -> bool:
    return any(mark in name for mark in "*?[")


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
