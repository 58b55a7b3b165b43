"""Running sums that limits are compared with: USD of today and this month, requests and tokens of the last minute.

Each in all (under None) and by provider. Days and months are the calendar's in this machine's time zone, and a request
belongs to the one in which it had arrived, as in the reports.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from ringlet_mitm.addons.minute import Minute, Slice
from ringlet_mitm.addons.usage.spending import Since, Spent
from ringlet_mitm.rules.limits import Amount, LimitKind

SECOND_US = 1_000_000
MINUTE_S = 60

ByProvider = dict[str | None, "Sum"]


@dataclass(slots=True)
class Sum:
    """USD where the price is known, and how many requests had none."""

    usd: Decimal = Decimal(0)
    unpriced: int = 0

    def add(self, usd: Decimal, unpriced: int) -> None:
        """That much more."""
        self.usd += usd
        self.unpriced += unpriced


def _sums() -> ByProvider:
    return defaultdict(Sum)


def _minutes() -> dict[str | None, Minute]:
    return defaultdict(Minute)


@dataclass(slots=True)
class Books:
    """What one source of spending came to. `day_us` and `month_us` are where those that it counts began."""

    day_us: int = 0
    month_us: int = 0
    day: ByProvider = field(default_factory=_sums)
    month: ByProvider = field(default_factory=_sums)
    minutes: dict[str | None, Minute] = field(default_factory=_minutes)

    def roll(self, since: Since) -> None:
        """Begin a new day, and a new month, where the calendar does; a clock that is set back begins none."""
        if since.day_us > self.day_us:
            self.day_us = since.day_us
            self.day.clear()
        if since.month_us > self.month_us:
            self.month_us = since.month_us
            self.month.clear()

    def spend(self, provider: str, started_us: int, usd: Decimal, unpriced: int) -> None:
        """Count what a request cost."""
        for name in (None, provider):
            if started_us >= self.day_us:
                self.day[name].add(usd, unpriced)
            if started_us >= self.month_us:
                self.month[name].add(usd, unpriced)

    def count(self, provider: str, at: float, requests: int, tokens: int) -> tuple[Slice, Slice]:
        """Count traffic at `at`, in seconds since the epoch; where it was put."""
        return self.minutes[None].add(at, requests, tokens), self.minutes[provider].add(at, requests, tokens)

    def correct(self, provider: str, where: tuple[Slice, Slice], tokens: int) -> None:
        """That many tokens more were at a place of `count`."""
        self.minutes[None].correct(where[0], tokens)
        self.minutes[provider].correct(where[1], tokens)

    def money(self, kind: LimitKind, provider: str | None) -> Sum:
        """Of the day or month that is counted."""
        found = self.day if kind is LimitKind.USD_PER_DAY else self.month
        return found.get(provider) or Sum()

    def used(self, kind: LimitKind, provider: str | None, now: float) -> Amount:
        """What a limit of that kind counts."""
        if kind.is_money:
            return self.money(kind, provider).usd
        minute = self.minutes.get(provider)
        if minute is None:
            return 0
        minute.prune(now)
        return minute.requests if kind is LimitKind.REQUESTS_PER_MINUTE else minute.tokens

    def slices(self, provider: str | None) -> list[Slice]:
        """What counts of the last minute, oldest first."""
        minute = self.minutes.get(provider)
        return [] if minute is None else list(minute.slices())


def books_of(spent: Spent, since: Since) -> Books:
    """What was found by asking for all since then."""
    books = Books(since.day_us, since.month_us)
    for purse in spent.purses:
        for name in (None, purse.provider):
            books.day[name].add(purse.day_usd, purse.day_unpriced)
            books.month[name].add(purse.month_usd, purse.month_unpriced)
    for moment in spent.moments:
        books.count(moment.provider, moment.at_us / SECOND_US, moment.requests, moment.tokens)
    return books


@dataclass(slots=True)
class Calendar:
    """Where day and month begin; worked out anew once a day."""

    _since: Since = field(default_factory=lambda: Since(0, 0, 0))
    _from_s: float = 0.0
    _until_s: float = 0.0

    def since(self, now: float) -> Since:
        """Of `now`, in seconds since the epoch; `minute_us` is always that of 60 seconds ago."""
        if not self._from_s <= now < self._until_s:
            self._turn(now)
        return Since(self._since.day_us, self._since.month_us, int((now - MINUTE_S) * SECOND_US))

    def _turn(self, now: float) -> None:
        day = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
        self._from_s = day.timestamp()
        self._until_s = (day + timedelta(days=1)).timestamp()
        self._since = Since(_us(day), _us(day.replace(day=1)), 0)


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * SECOND_US)
