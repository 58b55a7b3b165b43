"""`ringlet-mitm usage errors` and the others that answer one question each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import click

from ringlet_mitm.addons.usage import blocks as of_plans
from ringlet_mitm.addons.usage import conduct, periods, reports, worth
from ringlet_mitm.addons.usage.analyses import GROUPS, Analysis, analysed, first_us
from ringlet_mitm.addons.usage.blocks import Block, Limit
from ringlet_mitm.addons.usage.ledger import Connection
from ringlet_mitm.addons.usage.reports import Ask, Table
from ringlet_mitm.cli import tables
from ringlet_mitm.cli.amounts import span
from ringlet_mitm.cli.usage.asked import Asked, asking
from ringlet_mitm.cli.usage.printing import Printing, printing
from ringlet_mitm.rules.errors import UsageError, nearest

EXAMPLE = "work"
LIMIT = re.compile(r"(?P<usd>\$)?(?P<amount>\d+(?:\.\d+)?)(?P<unit>[kmb])?", re.IGNORECASE | re.ASCII)
UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
CSV_COLUMNS = "Columns of --json, --csv and --parquet:"


def _names(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """The names of GROUPS that were given, each once; raises UsageError with the nearest one."""
    names = [name.strip().lower() for some in value for name in some.split(",") if name.strip()]
    for name in names:
        if name not in GROUPS:
            close = nearest(name, GROUPS)
            hint = f"did you mean '{close}'?" if close else f"there are {', '.join(GROUPS)}"
            raise UsageError(f"--by: no group by '{name}'; {hint}")
    return tuple(dict.fromkeys(names))


def _grouping(analysis: Analysis) -> Callable[[Any], Any]:
    words = f"What to group by: {', '.join(GROUPS)}; else {','.join(analysis.by)}."
    return click.option("--by", multiple=True, callback=_names, metavar="NAME[,NAME]", help=words)


def _epilog(meanings: Mapping[str, str]) -> str:
    width = max(map(len, meanings))
    lines = "\n".join(f"  {name:{width}}  {meaning}" for name, meaning in meanings.items())
    return f"\b\n{CSV_COLUMNS}\n{lines}\n\n"


def _columns(analysis: Analysis, others: Mapping[str, str] | None = None) -> dict[str, str]:
    measured = {name: measure.meaning for name, measure in analysis.measures.items()}
    return measured | {name: derived.meaning for name, derived in analysis.derived.items()} | dict(others or {})


@click.command(epilog=_epilog(_columns(conduct.ERRORS, conduct.TRIES)))
@_grouping(conduct.ERRORS)
@asking
@printing
def errors(asked: Asked, to: Printing, by: tuple[str, ...]) -> None:
    """Report what failed, whether another try saved it, and what was waited for that.

    FAILED counts tries, and OF TRIES is their part of all that were made there. A request is SAVED where a later try
    went well, and GIVEN where the agent got that error.
    """
    _print(conduct.ERRORS, asked, to, by, conduct.errors)


@click.command(epilog=_epilog(_columns(conduct.LATENCY)))
@_grouping(conduct.LATENCY)
@asking
@printing
def latency(asked: Asked, to: Printing, by: tuple[str, ...]) -> None:
    """Report how long answers took, and how fast they came.

    TTFT is the time to the first byte. Times begin when the request had arrived, and so include deciding, tries that
    failed, and waiting between them. Only answers that came whole are counted. TOKENS is the output a second of
    streams, once they have begun.
    """
    _print(conduct.LATENCY, asked, to, by)


@click.command(epilog=_epilog(_columns(worth.CACHE)))
@_grouping(worth.CACHE)
@asking
@printing
def cache(asked: Asked, to: Printing, by: tuple[str, ...]) -> None:
    """Report how much of the input came from prompt caches, and what that saved.

    SAVED is the cost without any cache less the cost as it was, so that what writing to a cache costs extra is
    subtracted. What switches cost is the cache that they left behind.
    """
    _print(worth.CACHE, asked, to, by, notes=_unpriced_notes)


@click.command(epilog=_epilog(_columns(conduct.ACCURACY)))
@_grouping(conduct.ACCURACY)
@asking
@printing
def accuracy(asked: Asked, to: Printing, by: tuple[str, ...]) -> None:
    """Report how far token estimates were off what providers counted.

    Only requests that were counted are in it: those where a token threshold of a rule could go either way.
    CALIBRATION is the learned ratio in use, NEEDED the one that would have been right.
    """
    _print(conduct.ACCURACY, asked, to, by)


@click.command(epilog=_epilog(_columns(worth.SAVINGS)))
@_grouping(worth.SAVINGS)
@asking
@printing
def savings(asked: Asked, to: Printing, by: tuple[str, ...]) -> None:
    """Report what requests cost beside what the models asked for would have cost.

    AS ASKED takes the same tokens at the prices of the model and provider that the agent asked for, with the prompt
    cache that the conversation would have had there: the least it could have been.
    """
    _print(worth.SAVINGS, asked, to, by, notes=_savings_notes)


@click.command(epilog=_epilog({name: of_plans.MEANINGS[name] for name in of_plans.COLUMNS}))
@click.option("--limit", metavar="LIMIT", help="What a block may have: 2M (tokens), $20, or max: the most so far.")
@asking
@printing
def blocks(asked: Asked, to: Printing, limit: str | None) -> None:
    """Report the 5-hour blocks that Claude plans are counted in.

    A block begins with the hour (UTC) of its first request. Only what went to Anthropic is counted, unless --provider
    says otherwise. Plans are flat: costs are what the API would have charged. A block that runs has the rate since its
    first request, and what it comes to at that rate.
    """
    allowed = _limit(limit)
    if not asked.ask.provider:
        asked = replace(asked, ask=replace(asked.ask, provider=(of_plans.PLAN_PROVIDER,)))
    with asked.reading(["blocks", "counted"]) as connection:
        found = of_plans.blocks(connection, asked.ask)
        since = Since.of(connection, asked)
    table = of_plans.block_table(found, asked.now, allowed)
    running = of_plans.running(found, asked.now)
    nothing = "" if found else _nothing("requests", asked, since)
    to.table(
        table,
        _heading("5-hour blocks", asked, since),
        _block_notes(table, running, asked, since),
        _document(asked, table, since),
        nothing,
    )


@dataclass(frozen=True, slots=True)
class Since:
    """When the first request arrived that fits the filters, and the first there ever was, also if it was pruned."""

    first_us: int | None
    ever_us: int | None

    @classmethod
    def of(cls, connection: Connection, asked: Asked) -> Since:
        """As the ledger says it."""
        return cls(first_us(connection, asked.ask), reports.first_us(connection, asked.ask))

    def note(self, asked: Asked) -> str:
        """That days are missing, where some are."""
        if self.ever_us is None or self.ever_us == self.first_us:
            return ""
        if asked.ask.since_us is not None and self.first_us is not None and asked.ask.since_us >= self.first_us:
            return ""
        before = f"before {periods.day_of(self.first_us, asked.now)} " if self.first_us is not None else ""
        return f"days {before}that were pruned are not in it: `usage` has their sums"


def _print(
    analysis: Analysis,
    asked: Asked,
    to: Printing,
    by: tuple[str, ...],
    measured: Callable[[Connection, Ask], Table] | None = None,
    notes: Callable[[Mapping[str, Any]], list[str]] = lambda total: [],
) -> None:
    """To stdout, or into a file; `notes` are made of the total."""
    asked = replace(asked, ask=replace(asked.ask, by=by))
    with asked.reading([analysis.view, "counted"]) as connection:
        table = measured(connection, asked.ask) if measured else analysed(connection, analysis, asked.ask)
        since = Since.of(connection, asked)
    total = dict(zip(table.columns, table.total or (), strict=False))
    below = [note for note in (*(notes(total) if total else ()), since.note(asked)) if note]
    nothing = "" if table.rows else _nothing(analysis.nothing.removeprefix("no "), asked, since)
    to.table(table, _heading(analysis.about, asked, since), below, _document(asked, table, since, analysis), nothing)


def _document(asked: Asked, table: Table, since: Since, analysis: Analysis | None = None) -> dict[str, Any]:
    groups = analysis.groups(asked.ask) if analysis else ()
    return {
        **({"by": groups} if analysis else {}),
        "filters": asked.filters(),
        "since": periods.iso(asked.ask.since_us, asked.now),
        "until": periods.iso(asked.ask.until_us, asked.now),
        "rows": tables.as_records(table),
        **({"total": tables.total_record(table, groups) if table.total else None} if analysis else {}),
        "missing": since.note(asked) or None,
    }


def _heading(about: str, asked: Asked, since: Since) -> str:
    every = "" if asked.ask.profile else "all profiles"
    return f"{about} of {', '.join(filter(None, (every, asked.whose, _time(asked, since))))}"


def _time(asked: Asked, since: Since) -> str:
    when = asked.period
    if when.since_us is None and when.until_us is None and since.first_us is not None:
        return f"{when.words} (since {periods.day_of(since.first_us, asked.now)})"
    return when.words


def _nothing(what: str, asked: Asked, since: Since) -> str:
    whose = f" of {asked.whose}" if asked.whose else ""
    if since.first_us is not None:
        return f"no {what}{whose}, {_time(asked, since)}"
    if asked.filters().keys() - {"profile"}:
        return f"no requests{whose} are recorded"
    name = asked.ask.only_profile or EXAMPLE
    return f"no requests{whose} are recorded yet; start the proxy with:  ringlet-mitm --profile {name}"


def _unpriced_notes(total: Mapping[str, Any]) -> list[str]:
    unpriced, switches = total["unpriced_requests"], total["unpriced_switches"]
    return [
        f"? ≥ of {_several(unpriced, 'request')} the prices with and without a cache are not known" if unpriced else "",
        f"? ≥ what {_several(switches, 'switch')} cost is unknown" if switches else "",
        _estimated_note(total),
    ]


def _savings_notes(total: Mapping[str, Any]) -> list[str]:
    unknown = total["unknown_requests"]
    left_out = f"{_several(unknown, 'request')} {'is' if unknown == 1 else 'are'} not compared"
    return [
        f"{left_out}: what was paid, or what the model asked for costs, is unknown" if unknown else "",
        _estimated_note(total),
    ]


def _estimated_note(total: Mapping[str, Any]) -> str:
    count = total["estimated_requests"]
    return (
        f"~ the tokens of {_several(count, 'request')} are estimated, the provider did not report them" if count else ""
    )


def _block_notes(table: Table, running: Block | None, asked: Asked, since: Since) -> list[str]:
    found = []
    if running:
        left_s = running.end_us / periods.SECOND_US - asked.now.timestamp()
        found.append(f"the last block runs for another {span(left_s)}")
    if any(table.values("unpriced_requests")):
        found.append(f"? ≥ the price of {_several(sum(table.values('unpriced_requests')), 'request')} is unknown")
    return [*found, *filter(None, [since.note(asked)])]


def _several(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count} {word}{'es' if word.endswith('ch') else 's'}"


def _limit(said: str | None) -> Limit | None:
    """`--limit` as a limit; raises UsageError."""
    if said is None:
        return None
    if said.strip().lower() == "max":
        return Limit(most=True)
    found = LIMIT.fullmatch(said.strip().replace("_", "").replace(",", ""))
    amount = Decimal(found["amount"]) * UNITS[(found["unit"] or "").lower()] if found else Decimal(0)
    if not found or not amount:
        raise UsageError(f"--limit: '{said}' is no limit; write it like 500K or 2M (tokens), $20, or max")
    return Limit(usd=amount) if found["usd"] else Limit(tokens=int(amount))
