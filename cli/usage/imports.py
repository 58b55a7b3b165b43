"""`ringlet-mitm usage import` and `usage audit`: what agents have logged themselves, and how it compares."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.price_cache import price_book
from ringlet_mitm.addons.usage import periods
from ringlet_mitm.addons.usage.imports import audit as auditing
from ringlet_mitm.addons.usage.imports import importing
from ringlet_mitm.addons.usage.imports.audit import Audit
from ringlet_mitm.addons.usage.imports.bills import Bills
from ringlet_mitm.addons.usage.imports.importing import Progress, Summary
from ringlet_mitm.addons.usage.imports.logs import LOGS, AgentLog
from ringlet_mitm.addons.usage.reports import Table
from ringlet_mitm.cli import tables
from ringlet_mitm.cli.amounts import compact, usd
from ringlet_mitm.cli.columns import printable
from ringlet_mitm.cli.usage.asked import Ledger
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.installation import load_installation

DISAGREES = 1
SHOWN = 20
NAMED = 5


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be read, and what it is compared with."""

    source: AgentLog
    files: list[Path]
    bills: Bills
    ledger: Ledger
    since_us: int


def _task(agent: str, paths: Sequence[Path], since: str | None, database: Path | None) -> Task:
    """Raises UsageError where there is no log."""
    home, source = home_of(os.environ), LOGS[agent]
    since_us = periods.between(since, None, datetime.now()).since_us if since else None
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no file or folder {path}")
    places = list(paths) or source.places(os.environ, Path.home())
    files = list(dict.fromkeys(file for place in places if place.exists() for file in source.log.files(place)))
    if not files:
        where = " and ".join(str(place) for place in places)
        raise UsageError(f"no logs of {source.name} in {where}; name the place after the agent: {agent} PATH")
    return Task(source, files, _bills(home), Ledger.at(home, database), since_us or 0)


def _bills(home: Home) -> Bills:
    registry = load_installation(home, os.environ).registry
    return Bills(registry, price_book(home, registry))


@contextmanager
def _progress(task: Task) -> Iterator[Progress]:
    """A bar on stderr, by bytes; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda file: None
        return
    sizes = max(1, sum(map(_size, task.files)))
    label = f"reading {_count(len(task.files), 'file')} of {task.source.name}"
    with click.progressbar(length=sizes, label=label, file=sys.stderr, show_eta=False) as bar:
        yield lambda file: bar.update(_size(file))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _options(call: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(
        (
            click.argument("agent", type=click.Choice(list(LOGS))),
            click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path)),
            click.option("--since", metavar="TIME", help="From then on: a day, 2026-11-21T14:30, 2h or 3d (ago)."),
            click.option(
                "--db", "database", type=click.Path(path_type=Path), help="Another database than this home's."
            ),
            click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        )
    ):
        call = option(call)
    return call


@click.command("import")
@_options
@click.option("--dry-run", is_flag=True, help="Only say what would be imported.")
def import_(
    agent: str, paths: tuple[Path, ...], since: str | None, database: Path | None, as_json: bool, dry_run: bool
) -> None:
    """Import what an agent has logged itself: history from before the proxy, or from beside it.

    PATH is a log or a folder of logs; without it they are looked for where the agent keeps them. Each answer is
    imported once, also when you import again, and not at all where the proxy has it already. It is priced now, at the
    prices of its day. Reports show these requests as the rule 'imported'; usage --origin proxy leaves them out.
    """
    task = _task(agent, paths, since, database)
    ledger = task.ledger
    with _progress(task) as progress:
        found = importing.run(
            task.source,
            task.files,
            task.bills,
            ledger.database,
            ledger.spool,
            now_us=time.time_ns() // 1000,
            since_us=task.since_us,
            dry=dry_run,
            progress=progress,
            shared=ledger.shared,
        )
    if as_json:
        counts = {item.name: getattr(found, item.name) for item in fields(found)}
        click.echo(tables.json_text({"agent": agent, "dry_run": dry_run, **counts}))
    else:
        click.echo("\n".join(_said_of_import(task, found, dry_run)))


def _said_of_import(task: Task, found: Summary, dry_run: bool) -> list[str]:
    read = f"{_count(found.files, 'file')} of {task.source.name}: {_count(found.found, 'answer')}"
    rows = {
        "would be new" if dry_run else "new": found.new,
        "would be brought up to date" if dry_run else "brought up to date": found.grown,
        "imported before": found.known,
        "went through the proxy, there already": found.proxied,
    }
    width = len(str(max(rows.values())))
    lines = [read, *(f"  {count:{width}}  {words}" for words, count in rows.items() if count)]
    if found.new:
        lines[1] += (
            f": {_span(found)}, {compact(found.tokens_in)} tokens in, {compact(found.tokens_out)} out, {_cost(found)}"
        )
    notes = [_unpriced(found.unpriced), _skipped(found), *_unreadable(found.unreadable)]
    return [*lines, *filter(None, notes)]


def _span(found: Summary) -> str:
    days = [f"{datetime.fromtimestamp(us / 1_000_000):%Y-%m-%d}" for us in (found.first_us, found.last_us)]
    return days[0] if days[0] == days[1] else f"{days[0]} to {days[1]}"


def _cost(found: Summary) -> str:
    unpriced = sum(found.unpriced.values())
    if unpriced == found.new:
        return "?"
    return f"{'≥' if unpriced else ''}{usd(found.usd)}"


def _unpriced(counts: Mapping[str, int]) -> str:
    if not counts:
        return ""
    names = sorted(counts, key=lambda name: -counts[name])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    named = ", ".join(f"{printable(name)} ({counts[name]})" for name in names[:NAMED])
    return f"without a known price: {named}{more}; ringlet-mitm models add says one"


def _skipped(found: Summary) -> str:
    counts = {**found.skipped, "before --since": found.early, "said twice": found.copies}
    said = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    return f"left out: {said}" if said else ""


def _unreadable(files: Mapping[str, str]) -> list[str]:
    more = [f"… and {len(files) - NAMED} more files"] if len(files) > NAMED else []
    return [f"not read: {printable(file)}: {printable(why)}" for file, why in list(files.items())[:NAMED]] + more


def _count(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count} {word}s"


@click.command()
@_options
@click.option("--strict", is_flag=True, help="Exit with code 1 where the log and the ledger disagree.")
@click.pass_context
def audit(
    ctx: click.Context,
    agent: str,
    paths: tuple[Path, ...],
    since: str | None,
    database: Path | None,
    as_json: bool,
    strict: bool,
) -> None:
    """Compare an agent's own log with the ledger: what went around the proxy, and whose tokens differ.

    What is only in the ledger are calls that agents do not log (titles, summaries), or sessions whose log is gone:
    Claude Code deletes its logs after 30 days.
    """
    task = _task(agent, paths, since, database)
    with _progress(task) as progress:
        found = auditing.audit(
            task.source,
            task.files,
            task.bills,
            task.ledger.database,
            task.ledger.spool,
            since_us=task.since_us,
            progress=progress,
            shared=task.ledger.shared,
        )
    if as_json:
        click.echo(tables.json_text(_document(agent, found)))
    else:
        _show(task, found)
    if strict and not found.agrees:
        ctx.exit(DISAGREES)


def _document(agent: str, found: Audit) -> dict[str, Any]:
    return {
        "agent": agent,
        "agrees": found.agrees,
        "sums": tables.as_records(auditing.sums_table(found)),
        "around": tables.as_records(auditing.around_table(found)),
        "differences": tables.as_records(auditing.differences_table(found)),
        "unreadable": found.unreadable,
    }


def _show(task: Task, found: Audit) -> None:
    heading = f"{_count(found.files, 'file')} of {task.source.name} beside the ledger"
    tables.show(auditing.sums_table(found), heading, _unreadable(found.unreadable))
    around, differences = auditing.around_table(found), auditing.differences_table(found)
    if around.rows:
        click.echo()
        advice = f"bring them in with:  ringlet-mitm usage import {task.source.agent}"
        tables.show(_first(around), "sessions that went around the proxy", [*_more(around), advice])
    if differences.rows:
        click.echo()
        tables.show(_first(differences), "requests with other tokens, by the log and by the ledger", _more(differences))


def _first(table: Table) -> Table:
    return Table(table.columns, table.shown, table.rows[:SHOWN])


def _more(table: Table) -> list[str]:
    left = len(table.rows) - SHOWN
    return [f"… and {left} more; --json has them all"] if left > 0 else []
