"""Sets of values that a condition accepts: whole numbers from here to there, and texts by pattern.

A condition's test and what the condition covers (for finding rules that can never fire) are both made from one of
these, so that they cannot disagree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

GLOB_SIGNS = re.compile(r"[*?\[]")
# A glob that ends in `*` and takes whatever begins as the rest of it; one sign in brackets (`[*]`) is that sign.
WHOLE_BEGINNING = re.compile(r"(?:[^\[]|\[[^\]!]\])*\*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Numbers:
    """The whole numbers from `low` to `high`, both included; without end where `high` is None."""

    low: int
    high: int | None = None

    @property
    def empty(self) -> bool:
        """No number is in it."""
        return self.high is not None and self.high < self.low

    def __contains__(self, number: int) -> bool:
        return self.low <= number and (self.high is None or number <= self.high)

    def within(self, other: Numbers) -> Numbers:
        """What both have."""
        ends = [end for end in (self.high, other.high) if end is not None]
        return Numbers(max(self.low, other.low), min(ends, default=None))

    def outside(self) -> tuple[Numbers, ...]:
        """All other numbers from 0 on."""
        if self.empty:
            return (Numbers(0),)
        below = () if self.low <= 0 else (Numbers(0, self.low - 1),)
        return below if self.high is None else (*below, Numbers(self.high + 1))


class Shape(Enum):
    """How a pattern is meant."""

    EXACT = "exact"
    PREFIX = "prefix"
    GLOB = "glob"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One text, all texts with a beginning, or all that a case-sensitive glob (`*`, `?`, `[abc]`) takes."""

    shape: Shape
    text: str

    @classmethod
    def glob(cls, text: str) -> Pattern:
        """A glob; told as the exact text or the prefix that it is where it is no more than that."""
        sign = GLOB_SIGNS.search(text)
        if sign is None:
            return cls(Shape.EXACT, text)
        if sign[0] == "*" and sign.end() == len(text):
            return cls(Shape.PREFIX, text[:-1])
        return cls(Shape.GLOB, text)

    @property
    def head(self) -> str:
        """What every text that it takes begins with."""
        return GLOB_SIGNS.split(self.text, maxsplit=1)[0] if self.shape is Shape.GLOB else self.text

    def __contains__(self, text: str) -> bool:
        match self.shape:
            case Shape.EXACT:
                return text == self.text
            case Shape.PREFIX:
                return text.startswith(self.text)
            case Shape.GLOB:
                return fnmatchcase(text, self.text)

    def covers(self, other: Pattern) -> bool:
        """Surely takes all that `other` takes. False may also mean that it cannot be told."""
        if other.shape is Shape.EXACT:
            return other.text in self
        if self.shape is Shape.PREFIX:
            return other.head.startswith(self.text)
        if self.shape is Shape.GLOB and other.shape is Shape.GLOB and WHOLE_BEGINNING.fullmatch(self.text):
            return other.text.startswith(self.text[:-1])
        return self == other

    def disjoint(self, other: Pattern) -> bool:
        """Surely takes nothing that `other` takes. False may also mean that it cannot be told."""
        if other.shape is Shape.EXACT:
            return other.text not in self
        if self.shape is Shape.EXACT:
            return self.text not in other
        return not (self.head.startswith(other.head) or other.head.startswith(self.head))


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts that one of the patterns takes."""

    patterns: tuple[Pattern, ...]

    def __contains__(self, text: str) -> bool:
        return any(text in pattern for pattern in self.patterns)

    def covers(self, pattern: Pattern) -> bool:
        """Surely has all that `pattern` takes."""
        return any(own.covers(pattern) for own in self.patterns)

    def disjoint(self, pattern: Pattern) -> bool:
        """Surely has nothing that `pattern` takes."""
        return all(own.disjoint(pattern) for own in self.patterns)


Domain = Numbers | Texts
