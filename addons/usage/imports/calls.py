"""What an agent's own log says of one answer of a model; the same for every agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from xxhash import xxh3_64_intdigest

from ringlet_mitm.rules.pricing import Usage

# Times that no log of an agent has: before 2020, and after 2100. They would be garbage, and 0 is.
EARLIEST_US = 1_577_836_800_000_000
LATEST_US = 4_102_444_800_000_000

NO_TIME = "without a time"
NO_TOKENS = "without tokens"
BROKEN = "not readable"
UNFINISHED = "still being written"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCall:
    """One answer. Times are microseconds since the epoch.

    `key` is made of the log's own ids, so that an answer has the same one wherever it is copied to, and keeps it.
    `started_us` is `ended_us` where the log has one time only, which is when the answer was there. `provider` is the
    log's word for it. `cost` is what the log says that it cost, None where it says nothing. Tokens that are not `sure`
    may be those of the beginning of its stream.
    """

    agent: str
    key: str
    session: str
    started_us: int
    ended_us: int
    provider: str
    model: str
    usage: Usage
    project: str = ""
    wire_format: str = ""
    cost: Decimal | None = None
    sure: bool = True

    @property
    def digest(self) -> int:
        """Of its key, in 64 bits."""
        return xxh3_64_intdigest(f"{self.agent}\0{self.key}".encode("utf-8", "replace"))

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.usage.total_input + self.usage.total_output

    def with_copy(self, other: LoggedCall) -> LoggedCall:
        """The two as one: logs write an answer anew while it grows, and copy it into other sessions.

        The earlier one's times and place, the figures of the one that has more.
        """
        first, second = sorted((self, other), key=lambda call: call.started_us)
        more = first if first.tokens > second.tokens else second
        ended_us = max(first.ended_us, second.ended_us) if first.session == second.session else first.ended_us
        return replace(first, usage=more.usage, cost=more.cost, ended_us=ended_us, sure=first.sure or second.sure)


@dataclass(slots=True)
class Section:
    """A part of a log that is read at once, a session as a rule; `skipped` counts by reason what is no call."""

    calls: dict[str, LoggedCall] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    copies: int = 0

    def add(self, call: LoggedCall) -> None:
        """Take a call in, or into the one of the same key."""
        known = self.calls.get(call.key)
        if known is None and not call.tokens:
            self.skipped[NO_TOKENS] += 1
            return
        self.copies += known is not None
        self.calls[call.key] = call if known is None else known.with_copy(call)


class Log(Protocol):
    """How the log of one agent is found and read."""

    def files(self, place: Path) -> list[Path]:
        """The files at a place that is a file or a folder, oldest sessions first."""

    def sections(self, file: Path) -> Iterator[Section]:
        """What is in a file, little by little; raises OSError."""


def microseconds(said: str | float | None) -> int:
    """An ISO time, or milliseconds since the epoch; 0 for what is neither, or of no year in which there were agents."""
    try:
        if isinstance(said, str):
            found = round(datetime.fromisoformat(said).timestamp() * 1_000_000)
        else:
            found = round((said or 0) * 1000)
    except (ValueError, OverflowError, OSError):
        return 0
    return found if EARLIEST_US <= found <= LATEST_US else 0
