"""The options that all reports share: which requests, which time, which time zone, which ledger.

@click.command()
@asking
@printing
def command(asked: Asked, to: Printing) -> None:
    with asked.reading() as connection: …
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from ringlet_mitm.addons.usage import periods
from ringlet_mitm.addons.usage.ledger import Connection, reading
from ringlet_mitm.addons.usage.periods import PERIODS, Period
from ringlet_mitm.addons.usage.reports import FILTERS, Ask, in_zone, is_glob, recorded
from ringlet_mitm.rules.errors import UsageError, nearest
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.ledger_target import LedgerTarget, load_target

# What --help says of each filter; what it is compared with is reports.FILTERS.
MEANT: dict[str, str] = {
    "profile": "Only this profile of the proxy.",
    "model": "Only this model, as the provider was asked for it.",
    "provider": "Only what went to this provider.",
    "agent": "Only what this agent asked for.",
    "rule": "Only what this rule decided: its label, or what stands before the arrow.",
    "session": "Only this session.",
    "project": "Only what was asked for in a folder of this name.",
    "origin": "Only proxy, shadow, import, or import:AGENT.",
}
ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The database and the spool before it, and the store that this machine shares with others.

    A database elsewhere has neither that we know of.
    """

    database: Path
    spool: Path
    shared: LedgerTarget | None = None

    @classmethod
    def at(cls, home: Home, database: Path | None) -> Ledger:
        """The home's own, or a file that the person named."""
        if database is None or database.absolute() == home.database:
            return cls(home.database, home.spool_dir, load_target(home, os.environ))
        if not database.is_file():
            raise UsageError(f"--db: there is no file {database}")
        return cls(database, database.parent / f"{database.name}.spool")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for. `period` says the time in words, `now` is what time it is in the zone of the report."""

    home: Home
    ledger: Ledger
    ask: Ask
    period: Period
    now: datetime

    @contextmanager
    def reading(self, views: Collection[str] | None = None) -> Iterator[Connection]:
        """The ledger with these views (all where it is None, `spend` in any case), in the time zone of the report.

        Raises UsageError where there is no such profile.
        """
        needed = None if views is None else {*views, "spend"}
        with reading(self.ledger.database, self.ledger.spool, shared=self.ledger.shared, views=needed) as connection:
            in_zone(connection, self.ask)
            for name in self.ask.profile:
                if not is_glob(name) and not self.home.profile_file(name).exists():
                    _check_recorded(name, self.home, recorded(connection, "profile"))
            yield connection

    @property
    def whose(self) -> str:
        """The filters in words, like `profile 'work', model 'claude-*'`; '' where there is none."""
        given = {name: getattr(self.ask, name) for name in FILTERS}
        return ", ".join(f"{name} {_either(names)}" for name, names in given.items() if names)

    def filters(self) -> dict[str, tuple[str, ...]]:
        """The filters that were given, for programs."""
        return {name: getattr(self.ask, name) for name in FILTERS if getattr(self.ask, name)}


def asking(call: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options, and what they come to as `asked`."""

    @wraps(call)
    def with_asked(**given: Any) -> None:
        own = {name: given.pop(name) for name in (*FILTERS, "period", "since", "until", "tz", "database")}
        call(asked=asked_of(home_of(os.environ), **own), **given)

    for option in reversed(OPTIONS):
        with_asked = option(with_asked)
    return with_asked


def asked_of(
    home: Home,
    *,
    period: str | None = None,
    since: str | None = None,
    until: str | None = None,
    tz: str | None = None,
    database: Path | None = None,
    **names: tuple[str, ...],
) -> Asked:
    """The options as an ask; raises UsageError."""
    if period and (since or until):
        raise UsageError("--period says it all; leave it out to use --since and --until")
    now = datetime.now(_zone(tz) if tz else None)
    when = periods.between(since, until, now) if since or until else periods.named(period or periods.DEFAULT, now)
    ask = Ask(since_us=when.since_us, until_us=when.until_us, tz=tz or "", **names)
    return Asked(home, Ledger.at(home, database), ask, when, now)


def _names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Each once; what is empty is left out, as of a variable of the shell that is not set."""
    return tuple(dict.fromkeys(name.strip() for name in value if name.strip()))


def _option(name: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", multiple=True, callback=_names, metavar="NAME", help=MEANT[name])


OPTIONS: tuple[Callable[[Any], Any], ...] = (
    *(_option(name) for name in FILTERS),
    click.option("--period", type=click.Choice(list(PERIODS)), help="Days to count, in your time zone; else all."),
    click.option("--since", metavar="TIME", help="From then on: a day, 2026-11-21T14:30, 2h or 3d (ago)."),
    click.option("--until", metavar="TIME", help="Up to then; a day counts to its end."),
    click.option("--tz", metavar="ZONE", help="Time zone of days and hours, like Europe/Berlin; else this machine's."),
    click.option("--db", "database", type=click.Path(path_type=Path), help="Another database than this home's."),
)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # No list of them to choose the nearest from: reading it takes 0.1 s, and there are 600.
        raise UsageError(f"--tz: no time zone '{name}' is known here; write it like Europe/Berlin or UTC") from None


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _check_recorded(name: str, home: Home, recorded_profiles: Iterable[str]) -> None:
    """A profile that was deleted still has its rows; one that has neither is a slip."""
    known = sorted({*recorded_profiles, *(path.parent.name for path in home.profiles_dir.glob("*/profile.toml"))})
    if name not in known:
        close = nearest(name, known)
        there = f"there are {', '.join(known)}" if known else "there are none yet"
        raise UsageError(f"no profile '{name}'; " + (f"did you mean '{close}'?" if close else there))
