"""`ringlet-mitm usage`: what requests were made and what they cost, by rule, model, provider, day and so on."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.usage import periods, reports
from ringlet_mitm.addons.usage.groups import DERIVED, MEASURES, REPORTS, added_up, spend_table
from ringlet_mitm.addons.usage.ledger import Connection
from ringlet_mitm.addons.usage.ranking import BACKWARDS, SORTS, ranked
from ringlet_mitm.addons.usage.reports import FILTERS, Row, Table, is_glob
from ringlet_mitm.cli import tables
from ringlet_mitm.cli.usage.advice import Rules, advice, notes, rules_of
from ringlet_mitm.cli.usage.asked import Asked, asking
from ringlet_mitm.cli.usage.printing import Printing, printing
from ringlet_mitm.rules.errors import UsageError, nearest

EXAMPLE = "work"
NAMED = 5


def _names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """The names of REPORTS that were given, each once; raises UsageError with the nearest one."""
    names = [name.strip().lower() for some in value for name in some.split(",")]
    for name in names:
        if name not in REPORTS:
            close = nearest(name, REPORTS)
            hint = f"did you mean '{close}'?" if close else f"there are {', '.join(REPORTS)}"
            raise UsageError(f"--by: no report by '{name}'; {hint}")
    return tuple(dict.fromkeys(names))


def _sort(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    name = (value or "").lower()
    if name and name.removeprefix(BACKWARDS) not in SORTS:
        close = nearest(name, SORTS)
        hint = f"did you mean '{close}'?" if close else f"there are {', '.join(SORTS)}"
        raise UsageError(f"--sort: nothing is called '{value}'; {hint}")
    return name


def _explained(title: str, meanings: Mapping[str, str]) -> str:
    width = max(map(len, meanings))
    lines = "\n".join(f"  {name:{width}}  {meaning}" for name, meaning in meanings.items())
    return f"\b\n{title}\n{lines}\n\n"


EPILOG = _explained("What --by takes:", {name: report.meaning for name, report in REPORTS.items()}) + _explained(
    "Columns of --json, --csv and --parquet, besides these:",
    {name: measure.meaning for name, measure in MEASURES.items()} | DERIVED,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger says: the groups, and when the first request was made of those that were not left out by time.

    `hint` is of a name in a filter that no request carries.
    """

    groups: list[Row]
    first_us: int | None
    hint: str = ""


@click.command(epilog=EPILOG)
@click.option(
    "--by", multiple=True, callback=_names, metavar="NAME[,NAME]", help="What to group by, see below; else by rule."
)
@click.option("--by-rule", is_flag=True, help="The same as --by rule.")
@click.option("--by-switch", is_flag=True, help="The same as --by switch: what switching provider or model has cost.")
@asking
@click.option(
    "--sort", callback=_sort, metavar="COLUMN", help=f"{', '.join(SORTS)}; with a - before it the other way round."
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the first N, the others in one line.")
@printing
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the dashboard as one file with these numbers inside, to look at or to send.",
)
@click.option("--sql", metavar="SELECT", help="Ask the ledger yourself: tables requests and attempts, view spend.")
def command(
    asked: Asked,
    to: Printing,
    by: tuple[str, ...],
    by_rule: bool,
    by_switch: bool,
    sort: str,
    top: int | None,
    page: Path | None,
    sql: str | None,
) -> None:
    """Report requests, tokens and cost.

    Costs are what each request was priced at when it was made. A cost after ≥ lacks requests whose price is unknown,
    one that is wholly unknown is a ?, and ~ marks tokens that were estimated. A NAME of a filter may be a glob
    ('claude-*'), and several are given one by one.
    """
    if sql is not None:
        _print_selected(asked, to, sql)
        return
    if page is not None:
        _write_page(asked, to, page)
        return
    flags = tuple(name for name, wanted in (("rule", by_rule), ("switch", by_switch)) if wanted)
    names = tuple(dict.fromkeys((*flags, *by))) or ("rule",)
    asked = replace(asked, ask=replace(asked.ask, by=names))
    # Reading rules means importing pydantic, which takes as long as DuckDB takes to add up: so they run side by side.
    with ThreadPoolExecutor(1) as aside:
        profile = asked.ask.only_profile
        wanted = names == ("rule",) and (profile or not asked.ask.profile)
        reading_rules = aside.submit(rules_of, asked.home, profile) if wanted else None
        found = _found(asked)
        rules = reading_rules.result() if reading_rules else Rules("")
    _Output(asked, found, rules).print(to, sort, top)


def _write_page(asked: Asked, to: Printing, page: Path) -> None:
    given = click.get_current_context().params
    if to.way or any(given[name] for name in ("by", "by_rule", "by_switch", "sort", "top")):
        raise UsageError("--html has every grouping in it; only filters and times go with it")
    from ringlet_mitm.cli.usage.page import write_page

    write_page(asked, page)


def _print_selected(asked: Asked, to: Printing, sql: str) -> None:
    given = click.get_current_context().params
    others = (*FILTERS, "by", "by_rule", "by_switch", "period", "since", "until", "sort", "top", "page")
    if any(given[name] for name in others):
        raise UsageError("--sql says itself what to count; the other filters do not go with it")
    with asked.reading() as connection:
        table = reports.selected(connection, sql)
    to.table(table)


def _found(asked: Asked) -> Found:
    with asked.reading(["spend"]) as connection:
        groups = added_up(connection, asked.ask)
        first_us = reports.first_us(connection, asked.ask)
        return Found(groups, first_us, "" if groups or first_us is not None else _hint(connection, asked))


def _hint(connection: Connection, asked: Asked) -> str:
    """What may have been meant where no request carries a name that was given."""
    for name, given in asked.filters().items():
        labels = reports.recorded(connection, name) if name != "profile" else []
        known = [*labels, *(label.partition(" → ")[0] for label in labels if name == "rule")]
        for one in given:
            if known and one not in known and not is_glob(one):
                close = nearest(one, known)
                return f"did you mean '{close}'?" if close else f"there are {_some(labels)}"
    return ""


def _some(names: list[str]) -> str:
    shown = [name or tables.NAMELESS for name in names[:NAMED]]
    return ", ".join(shown) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


class _Output:
    """A report, ready to be printed in one way or another."""

    def __init__(self, asked: Asked, found: Found, rules: Rules) -> None:
        self._asked = asked
        self._ask = asked.ask
        self._found = found
        self._narrowed = bool(asked.filters().keys() - {"profile"})
        self._rules = self._of_these(rules) if self._narrowed else rules

    def print(self, to: Printing, sort: str, top: int | None) -> None:
        """To stdout, or into a file."""
        whole = spend_table(self._ask.by, self._found.groups, self._rules.labels)
        table = ranked(whole, self._ask.by, sort, top)
        rules = replace(self._rules, labels=()) if self._narrowed else self._rules
        to.table(
            table,
            self._heading(),
            notes(whole, rules),
            self._document(whole, table, rules),
            "" if self._found.groups else self._nothing(),
        )

    def _of_these(self, rules: Rules) -> Rules:
        """With rules left out, one that is not there may well have fired."""
        there = {row[0] for row in self._found.groups}
        return replace(rules, labels=tuple(label for label in rules.labels if label in there))

    def _document(self, whole: Table, table: Table, rules: Rules) -> dict[str, Any]:
        return {
            "by": self._ask.by,
            "profile": self._ask.only_profile,
            "filters": self._asked.filters(),
            "since": periods.iso(self._ask.since_us, self._asked.now),
            "until": periods.iso(self._ask.until_us, self._asked.now),
            "rows": tables.as_records(table),
            "total": tables.total_record(table, self._ask.by),
            "advice": advice(whole, rules) or None,
        }

    def _heading(self) -> str:
        every = "" if self._ask.profile else "all profiles"
        return f"usage of {', '.join(filter(None, (every, self._asked.whose, self._time())))}"

    def _time(self) -> str:
        when, first_us = self._asked.period, self._found.first_us
        if when.since_us is None and when.until_us is None and first_us is not None:
            return f"{when.words} (since {periods.day_of(first_us, self._asked.now)})"
        return when.words

    def _nothing(self) -> str:
        whose = f" of {self._asked.whose}" if self._asked.whose else ""
        first_us, when = self._found.first_us, self._asked.period
        none = next((REPORTS[name].none for name in self._ask.by if REPORTS[name].none), "")
        if first_us is not None and none:
            return f"{none}{whose}, {self._time()}"
        if first_us is not None:
            return (
                f"no requests{whose}, {when.words}; "
                f"the first is from {periods.day_of(first_us, self._asked.now)}, --period all counts all"
            )
        if self._found.hint:
            return f"no requests{whose}; {self._found.hint}"
        if self._narrowed:
            return f"no requests{whose} are recorded"
        name = self._ask.only_profile or EXAMPLE
        return (
            f"no requests{whose} are recorded yet; start the proxy with:  ringlet-mitm --profile {name}\n"
            f'and then, in the shell of an agent:  eval "$(ringlet-mitm env --profile {name})"'
        )
