"""From words like `week` or `3d` to the bounds of a report, days being those of the person's own time zone.

`now` comes from outside. Where it has no time zone the machine's own rules hold, summer time included, which need no
time zone database; where it has one, that one's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from ringlet_mitm.rules.errors import UsageError

Days = tuple[date | None, date | None]

SECOND_US = 1_000_000
# 9999 weeks are 191 years: enough, and still a date.
AGO = re.compile(r"(\d{1,4})\s*([mhdw])(?:\s+ago)?", re.ASCII)
AGO_US = {"m": 60 * SECOND_US, "h": 3600 * SECOND_US, "d": 86400 * SECOND_US, "w": 7 * 86400 * SECOND_US}
FORMS = "2026-11-21, 2026-11-21T14:30, today, yesterday, 90m, 2h, 3d or 1w"


@dataclass(frozen=True, slots=True)
class Period:
    """`words` say it in a heading; bounds are microseconds since the epoch, `until_us` not included, None is open."""

    words: str
    since_us: int | None = None
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A period by name: its words, and its first and last day by what day it is."""

    words: str
    days: Callable[[date], Days]


PERIODS: dict[str, Named] = {
    "today": Named("today", lambda day: (day, day)),
    "yesterday": Named("yesterday", lambda day: (_before(day, 1), _before(day, 1))),
    "week": Named("this week", lambda day: (_before(day, day.weekday()), day)),
    "month": Named("this month", lambda day: (day.replace(day=1), day)),
    "7d": Named("the last 7 days", lambda day: (_before(day, 6), day)),
    "30d": Named("the last 30 days", lambda day: (_before(day, 29), day)),
    "all": Named("all time", lambda day: (None, None)),
}
DEFAULT = "all"


def named(name: str, now: datetime) -> Period:
    """The period of that name in PERIODS."""
    period = PERIODS[name]
    first, last = period.days(now.date())
    if first is None or last is None:
        return Period(period.words)
    span = f"{first}" if first == last else f"{first} to {last}"
    return Period(f"{period.words} ({span})", _start_us(first, now), _start_us(_before(last, -1), now))


def between(since: str | None, until: str | None, now: datetime) -> Period:
    """What `--since` and `--until` say; a day as `until` counts to its end. Raises UsageError."""
    first = _moment("--since", since, now) if since else None
    last = _moment("--until", until, now, end=True) if until else None
    if first and last and first.us >= last.us:
        raise UsageError(f"--since {since} is not before --until {until}")
    if first and last:
        return Period(f"{first.words} to {last.words}", first.us, last.us)
    if first:
        return Period(f"since {first.words}", first.us)
    return Period(f"until {last.words}", None, last.us) if last else Period(PERIODS[DEFAULT].words)


def day_of(us: int, now: datetime) -> date:
    """The day of a time in microseconds since the epoch, in the time zone of `now`."""
    return datetime.fromtimestamp(us / SECOND_US, now.tzinfo).date()


def iso(us: int | None, now: datetime) -> str | None:
    """A bound for programs: local, with its offset."""
    if us is None:
        return None
    moment = datetime.fromtimestamp(us / SECOND_US, now.tzinfo)
    return (moment if now.tzinfo else moment.astimezone()).isoformat()


@dataclass(frozen=True, slots=True)
class _Moment:
    us: int
    words: str


def _moment(option: str, text: str, now: datetime, *, end: bool = False) -> _Moment:
    try:
        return _read(text.strip(), now, end)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"{option}: '{text}' is not a time; write it like {FORMS}") from None


def _read(text: str, now: datetime, end: bool) -> _Moment:
    ago = AGO.fullmatch(text)
    if ago:
        return _clock(_us(now) - int(ago[1]) * AGO_US[ago[2]], now)
    if text in ("today", "yesterday"):
        text = str(PERIODS[text].days(now.date())[0])
    try:
        day = date.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return _clock(_us(moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)), now)
    return _Moment(_start_us(_before(day, -1) if end else day, now), str(day))


def _clock(us: int, now: datetime) -> _Moment:
    return _Moment(us, f"{datetime.fromtimestamp(us / SECOND_US, now.tzinfo):%Y-%m-%d %H:%M}")


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * SECOND_US)


def _start_us(day: date, now: datetime) -> int:
    return round(datetime.combine(day, time(), now.tzinfo).timestamp()) * SECOND_US


def _before(day: date, days: int) -> date:
    return day - timedelta(days=days)
