"""`ringlet-mitm usage`: what requests were made and what they cost, by rule, model, provider, day and so on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.usage import reports
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.reports import DERIVED, MEASURES, REPORTS, Ask, Row
from ringlet_mitm.cli import tables
from ringlet_mitm.cli.usage import periods
from ringlet_mitm.cli.usage.advice import Rules, advice, notes, rules_of
from ringlet_mitm.cli.usage.periods import PERIODS, Period
from ringlet_mitm.rules.errors import UsageError, nearest
from ringlet_mitm.rules.home import Home, home_of

EXAMPLE = "work"


def _names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """The names of REPORTS that were given, each once; raises UsageError with the nearest one."""
    names = [name.strip().lower() for some in value for name in some.split(",")]
    for name in names:
        if name not in REPORTS:
            close = nearest(name, REPORTS)
            hint = f"did you mean '{close}'?" if close else f"there are {', '.join(REPORTS)}"
            raise UsageError(f"--by: no report by '{name}'; {hint}")
    return tuple(dict.fromkeys(names))


def _explained(title: str, meanings: Mapping[str, str]) -> str:
    width = max(map(len, meanings))
    lines = "\n".join(f"  {name:{width}}  {meaning}" for name, meaning in meanings.items())
    return f"\b\n{title}\n{lines}\n\n"


EPILOG = _explained("What --by takes:", {name: report.meaning for name, report in REPORTS.items()}) + _explained(
    "Columns of --json and --csv, besides these:",
    {name: measure.meaning for name, measure in MEASURES.items()} | DERIVED,
)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The database and the spool before it. A database elsewhere has no spool that we know of."""

    database: Path
    spool: Path

    @classmethod
    def at(cls, home: Home, database: Path | None) -> Ledger:
        """The home's own, or a file that the person named."""
        if database is None or database.absolute() == home.database:
            return cls(home.database, home.spool_dir)
        if not database.is_file():
            raise UsageError(f"--db: there is no file {database}")
        return cls(database, database.parent / f"{database.name}.spool")


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger says: the groups, and when the first request was made of those that were not left out by time."""

    groups: list[Row]
    first_us: int | None


@click.command(epilog=EPILOG)
@click.option("--profile", metavar="NAME", help="Only this profile; all of them without it.")
@click.option(
    "--by", multiple=True, callback=_names, metavar="NAME[,NAME]", help="What to group by, see below; else by rule."
)
@click.option("--by-rule", is_flag=True, help="The same as --by rule.")
@click.option("--by-switch", is_flag=True, help="The same as --by switch: what switching provider or model has cost.")
@click.option("--period", type=click.Choice(list(PERIODS)), help="Days to count, in your time zone; else all.")
@click.option("--since", metavar="TIME", help="From then on: a day, 2026-11-21T14:30, 2h or 3d (ago).")
@click.option("--until", metavar="TIME", help="Up to then; a day counts to its end.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: numbers raw, money exact, what is unknown null.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: as in JSON, what is unknown empty, no total.")
@click.option("--sql", metavar="SELECT", help="Ask the ledger yourself: tables requests and attempts, view spend.")
@click.option("--db", "database", type=click.Path(path_type=Path), help="Another database than this home's.")
def command(
    by: tuple[str, ...],
    by_rule: bool,
    by_switch: bool,
    as_json: bool,
    as_csv: bool,
    sql: str | None,
    database: Path | None,
    **given: Any,
) -> None:
    """Report requests, tokens and cost.

    Costs are what each request was priced at when it was made. A cost after ≥ lacks requests whose price is unknown,
    one that is wholly unknown is a ?, and ~ marks tokens that were estimated.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv are two ways to print; choose one")
    home = home_of(os.environ)
    ledger = Ledger.at(home, database)
    asked = tuple(name for name, wanted in (("rule", by_rule), ("switch", by_switch)) if wanted)
    names = tuple(dict.fromkeys((*asked, *by)))
    if sql is None:
        _print_report(home, ledger, names or ("rule",), as_json=as_json, as_csv=as_csv, **given)
    elif names or any(given.values()):
        raise UsageError("--sql says itself what to count; the other filters do not go with it")
    else:
        _print_selected(ledger, sql, as_json, as_csv)


def _print_report(
    home: Home,
    ledger: Ledger,
    names: tuple[str, ...],
    *,
    profile: str | None,
    period: str | None,
    since: str | None,
    until: str | None,
    as_json: bool,
    as_csv: bool,
) -> None:
    if period and (since or until):
        raise UsageError("--period says it all; leave it out to use --since and --until")
    now = datetime.now()
    when = periods.between(since, until, now) if since or until else periods.named(period or periods.DEFAULT, now)
    ask = Ask(names, profile, when.since_us, when.until_us)
    # Reading rules means importing pydantic, which takes as long as DuckDB takes to add up: so they run side by side.
    with ThreadPoolExecutor(1) as aside:
        reading_rules = aside.submit(rules_of, home, profile) if names == ("rule",) else None
        found = _found(home, ledger, ask)
        rules = reading_rules.result() if reading_rules else Rules("")
    _Output(ask, when, now, found, rules).print(as_json, as_csv)


def _print_selected(ledger: Ledger, sql: str, as_json: bool, as_csv: bool) -> None:
    with reading(ledger.database, ledger.spool) as connection:
        table = reports.selected(connection, sql)
    if as_json:
        click.echo(tables.json_text(tables.as_records(table)))
    elif as_csv:
        click.echo(tables.csv_text(table))
    else:
        tables.show(table)


def _found(home: Home, ledger: Ledger, ask: Ask) -> Found:
    with reading(ledger.database, ledger.spool) as connection:
        if ask.profile and not home.profile_file(ask.profile).exists():
            _check_recorded(ask.profile, home, reports.profiles(connection))
        return Found(reports.added_up(connection, ask), reports.first_us(connection, ask.profile))


def _check_recorded(name: str, home: Home, recorded: Iterable[str]) -> None:
    """A profile that was deleted still has its rows; one that has neither is a slip."""
    known = sorted({*recorded, *(path.parent.name for path in home.profiles_dir.glob("*/profile.toml"))})
    if name not in known:
        close = nearest(name, known)
        there = f"there are {', '.join(known)}" if known else "there are none yet"
        raise UsageError(f"no profile '{name}'; " + (f"did you mean '{close}'?" if close else there))


@dataclass(frozen=True, slots=True)
class _Output:
    """A report, ready to be printed in one way or another."""

    ask: Ask
    when: Period
    now: datetime
    found: Found
    rules: Rules

    def print(self, as_json: bool, as_csv: bool) -> None:
        """To stdout."""
        table = reports.spend_table(self.ask.by, self.found.groups, self.rules.labels)
        if as_json:
            click.echo(tables.json_text(self._document(table)))
        elif as_csv:
            click.echo(tables.csv_text(table))
        elif self.found.groups:
            tables.show(table, self._heading(), notes(table, self.rules))
        else:
            click.echo(self._nothing())

    def _document(self, table: reports.Table) -> dict[str, Any]:
        return {
            "by": self.ask.by,
            "profile": self.ask.profile,
            "since": periods.iso(self.ask.since_us, self.now),
            "until": periods.iso(self.ask.until_us, self.now),
            "rows": tables.as_records(table),
            "total": tables.total_record(table, self.ask.by),
            "advice": advice(table, self.rules) or None,
        }

    def _heading(self) -> str:
        whose = f"profile '{self.ask.profile}'" if self.ask.profile else "all profiles"
        return f"usage of {whose}, {self._time()}"

    def _time(self) -> str:
        if self.when.since_us is None and self.when.until_us is None and self.found.first_us is not None:
            return f"{self.when.words} (since {periods.day_of(self.found.first_us, self.now)})"
        return self.when.words

    def _nothing(self) -> str:
        whose = f" of profile '{self.ask.profile}'" if self.ask.profile else ""
        first_us = self.found.first_us
        none = next((REPORTS[name].none for name in self.ask.by if REPORTS[name].none), "")
        if first_us is not None and none:
            return f"{none}{whose}, {self._time()}"
        if first_us is not None:
            return (
                f"no requests{whose}, {self.when.words}; "
                f"the first is from {periods.day_of(first_us, self.now)}, --period all counts all"
            )
        name = self.ask.profile or EXAMPLE
        return (
            f"no requests{whose} are recorded yet; start the proxy with:  ringlet-mitm --profile {name}\n"
            f'and then, in the shell of an agent:  eval "$(ringlet-mitm env --profile {name})"'
        )
