"""What a check of the doctor's comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, in words, and the command that mends it; "" where there is nothing to mend."""

    state: State
    words: str
    mend: str = ""


def ok(words: str) -> Finding:
    """All is well."""
    return Finding(State.OK, words)


def warning(words: str, mend: str = "") -> Finding:
    """Nothing is broken by it, yet or at all."""
    return Finding(State.WARNING, words, mend)


def broken(words: str, mend: str = "") -> Finding:
    """Something does not work."""
    return Finding(State.BROKEN, words, mend)


def skipped(words: str) -> Finding:
    """There was nothing to look at."""
    return Finding(State.SKIPPED, words)
