"""One line of the table: what was measured on both sides, and whether the target is met."""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TESTS: dict[str, Callable[[float, float], bool]] = {"≤": operator.le, "≥": operator.ge}
HEADINGS = ("figure", "mitmdump", "ringlet-mitm", "ratio", "target", "met")


@dataclass(frozen=True, slots=True)
class Target:
    """`limit` holds for the ratio, or for our own value where `absolute`; `unit` is only shown."""

    test: str
    limit: float
    absolute: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """Values of blocks that were measured in turn: the n-th of one side belongs to the n-th of the other."""

    name: str
    unit: str
    theirs: tuple[float, ...]
    ours: tuple[float, ...]
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """The median over the blocks of ours to theirs."""
        pairs = [(mine, other) for mine, other in zip(self.ours, self.theirs, strict=False) if other > 0]
        return statistics.median(mine / other for mine, other in pairs) if pairs else None

    @property
    def met(self) -> bool | None:
        """None where there is no target."""
        if self.target is None:
            return None
        value = statistics.median(self.ours) if self.target.absolute else self.ratio
        return value is not None and TESTS[self.target.test](value, self.target.limit)

    def cells(self) -> tuple[str, ...]:
        """The line as texts, in the order of `HEADINGS`."""
        goal = ""
        if self.target:
            limit = _shown(self.target.limit, self.unit) if self.target.absolute else f"{self.target.limit:g}"
            goal = f"{self.target.test} {limit}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        met = {None: "", True: "yes", False: "**no**"}[self.met]
        return self.name, _median(self.theirs, self.unit), _median(self.ours, self.unit), ratio, goal, met


def quantile(values: Sequence[int], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    return float(sorted(values)[max(0, math.ceil(len(values) * share) - 1)])


def markdown(figures: Sequence[Figure]) -> str:
    """The table."""
    rows = [HEADINGS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS))]
    ruler = tuple("-" * width if at in (0, 4) else "-" * (width - 1) + ":" for at, width in enumerate(widths))
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in (rows[0], ruler, *rows[1:])
    ]
    return "\n".join(lines)


def _median(values: Sequence[float], unit: str) -> str:
    return _shown(statistics.median(values), unit) if values else ""


def _shown(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 or unit == "MB" else 2
    return f"{value:,.{digits}f}{' ' + unit if unit else ''}"
