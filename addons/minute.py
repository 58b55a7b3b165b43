"""What the last sixty seconds saw, in slices of a tenth of a second: bounded, however much there was.

A slice counts until its end is sixty seconds ago, so that no sixty seconds hold more than a limit says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SLICES_A_SECOND = 10
SPAN = 60 * SLICES_A_SECOND


@dataclass(slots=True)
class Slice:
    """A tenth of a second; `number` counts them from the epoch on."""

    number: int
    requests: int = 0
    tokens: int = 0


class Minute:
    """Requests and tokens of the last minute. Times are seconds since the epoch."""

    def __init__(self) -> None:
        self._slices: dict[int, Slice] = {}
        self.requests = 0
        self.tokens = 0

    def add(self, at: float, requests: int, tokens: int) -> Slice:
        """Count these, and say where; `at` is not before the last, but for a clock that was set back."""
        self.prune(at)
        number = int(at * SLICES_A_SECOND)
        found = self._slices.get(number)
        if found is None:
            found = self._slices[number] = Slice(number)
        found.requests += requests
        found.tokens += tokens
        self.requests += requests
        self.tokens += tokens
        return found

    def correct(self, where: Slice, tokens: int) -> None:
        """That many tokens more (or less) were in a slice; one that no longer counts is passed over."""
        if self._slices.get(where.number) is where:
            where.tokens += tokens
            self.tokens += tokens

    def prune(self, now: float) -> None:
        """Forget what no longer counts, and what a clock that was set back would have count for longer."""
        current = int(now * SLICES_A_SECOND)
        while self._slices:
            oldest = next(iter(self._slices))
            if current - SPAN <= oldest <= current + SPAN:
                break
            gone = self._slices.pop(oldest)
            self.requests -= gone.requests
            self.tokens -= gone.tokens

    def slices(self) -> Iterator[Slice]:
        """Those that count, oldest first."""
        return iter(self._slices.values())

    @property
    def empty(self) -> bool:
        """Whether nothing counts."""
        return not self._slices


def leaves_in_s(number: int, now: float) -> float:
    """For how many seconds a slice still counts."""
    return (number + SPAN + 1) / SLICES_A_SECOND - now


def by_age(*minutes: Iterable[Slice]) -> list[Slice]:
    """The slices of several, oldest first."""
    return sorted((one for minute in minutes for one in minute), key=lambda one: one.number)
