"""What the page asks for, as its address says it: the filters and times of `usage`, under the same names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from ringlet_mitm.addons.usage import periods
from ringlet_mitm.addons.usage.reports import FILTERS, Ask, is_glob
from ringlet_mitm.rules.errors import UsageError, nearest

TIMES = ("period", "since", "until", "tz")
MOST_FIELDS = 64
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Wish:
    """What numbers are wanted, and the words for its time; `zone` is the one that days are of, None the machine's."""

    ask: Ask
    words: str
    zone: ZoneInfo | None = None


def wish_of(query: str, now: datetime) -> Wish:
    """The wish that the part of an address after its ? says; raises UsageError where it says nothing sensible.

    `now` is local, without a time zone. A name means itself, also where it has a `*` or a `[` in it.
    """
    given = _fields(query)
    zone = _zone(given.get("tz", [""])[-1])
    here = now.astimezone(zone) if zone else now
    period, since, until = (given.get(name, [""])[-1] for name in ("period", "since", "until"))
    if period and (since or until):
        raise UsageError("period says it all; leave it out to use since and until")
    if period and period not in periods.PERIODS:
        raise UsageError(f"period: there is no '{period}'; there are {', '.join(periods.PERIODS)}")
    when = periods.between(since, until, here) if since or until else periods.named(period or periods.DEFAULT, here)
    names = {name: tuple(map(_literal, given[name])) for name in FILTERS if name in given}
    ask = Ask(since_us=when.since_us, until_us=when.until_us, tz=zone.key if zone else "", **names)
    return Wish(ask, when.words, zone)


def _fields(query: str) -> dict[str, list[str]]:
    """What is given, each name with its values; what is empty counts as not given."""
    if len(query) > LONGEST:
        raise UsageError(f"more than {LONGEST} characters are asked for")
    try:
        pairs = parse_qsl(query, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise UsageError(f"what is asked for cannot be read: {error}") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in FILTERS and name not in TIMES:
            close = nearest(name, [*FILTERS, *TIMES])
            raise UsageError(f"nothing is called '{name}'" + (f"; did you mean '{close}'?" if close else ""))
        found.setdefault(name, []).append(value)
    return found


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, LookupError):
        raise UsageError(f"tz: there is no time zone '{name}'; write it like Europe/Berlin") from None


def _literal(name: str) -> str:
    """As a filter that fits this name alone; model names like `claude-opus-4-6[1m]` look like globs."""
    return re.sub(r"[*?\[]", r"[\g<0>]", name) if is_glob(name) else name
