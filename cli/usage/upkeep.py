"""`ringlet-mitm usage size`, `prune` and `vacuum`: how large the ledger is, and what makes it smaller."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.usage import compaction, retention, stores
from ringlet_mitm.addons.usage.compaction import Size
from ringlet_mitm.addons.usage.ledger import POLL_S, LedgerBusy
from ringlet_mitm.addons.usage.retention import Old, Pruned
from ringlet_mitm.addons.usage.shared_tables import Compacted
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.addons.usage.writer import Writer
from ringlet_mitm.cli.amounts import data_size
from ringlet_mitm.cli.tables import json_text
from ringlet_mitm.cli.usage.asked import Ledger
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import home_of

# A proxy's writer holds the database for some 50 ms at a time.
WAIT_S = 10.0
AGE = re.compile(r"(\d{1,5})\s*([dw])", re.ASCII)
DAYS = {"d": 1, "w": 7}

database_option = click.option(
    "--db", "database", type=click.Path(path_type=Path), help="Another database than this home's."
)


def _days(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """An age in days; raises UsageError."""
    found = AGE.fullmatch(value.strip())
    if found is None:
        raise UsageError(f"--older-than: '{value}' is no age; write it like 365d or 52w")
    return int(found[1]) * DAYS[found[2]]


def _ledger(database: Path | None) -> Ledger:
    return Ledger.at(home_of(os.environ), database)


@click.command()
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in bytes.")
def size(database: Path | None, as_json: bool) -> None:
    """Show how large the ledger is, and what could be given back to the disk."""
    ledger = _ledger(database)
    found = compaction.size(ledger.database, ledger.spool, ledger.shared)
    if as_json:
        places = {"database": str(ledger.database), "store": str(ledger.shared) if ledger.shared else None}
        click.echo(json_text({**places, **asdict(found), "total_bytes": found.total_bytes}))
    else:
        click.echo(_sized(ledger, found))


def _sized(ledger: Ledger, found: Size) -> str:
    since = f", since {_day(found.first_us)}" if found.first_us is not None else ""
    lines = [f"{ledger.database}  {data_size(found.file_bytes + found.log_bytes)}"]
    if ledger.shared is not None:
        files = "1 file" if found.store_files == 1 else f"{found.store_files:,} files"
        lines.append(f"{ledger.shared}  {data_size(found.store_bytes)}, {files}")
    lines.append(f"  {found.requests:,} requests, {found.attempts:,} tries upstream{since}")
    if found.daily:
        lines.append(f"  {found.daily:,} sums by day of requests that were pruned")
    if found.spool_files:
        files = "1 file" if found.spool_files == 1 else f"{found.spool_files} files"
        lines.append(f"  {data_size(found.spool_bytes)} wait in {files} of {ledger.spool}")
    if found.free_bytes:
        lines.append(f"  {data_size(found.free_bytes)} are free in it:  ringlet-mitm usage vacuum")
    if found.store_waiting_bytes:
        waiting = data_size(found.store_waiting_bytes)
        lines.append(f"  {waiting} of {ledger.shared} are merged or pruned; a day later:  ringlet-mitm usage vacuum")
    return "\n".join(lines)


@click.command()
@click.option(
    "--older-than", "days", required=True, callback=_days, metavar="AGE", help="Like 365d or 52w; 32d at least."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be pruned, and do nothing.")
@database_option
def prune(days: int, yes: bool, dry_run: bool, database: Path | None) -> None:
    """Make sums by day of old requests; reports by day, model, rule and so on still add up to the cent.

    What is gone for good: each request by itself, sessions, hours, and what errors, latency, cache, accuracy, savings,
    blocks and a backtest say of those days. Safe while a proxy runs. A store that machines share is pruned as well, for
    all of them.
    """
    ledger = _ledger(database)
    before_us = retention.before(days, datetime.now())
    here = retention.would_prune(ledger.database, ledger.spool, before_us)
    away = retention.would_prune_shared(ledger.shared, before_us) if ledger.shared else Old(before_us)
    if not here.requests and not away.requests:
        click.echo(f"nothing to prune: no requests from before {_day(before_us)}")
        return
    what = _amounts(ledger, here, away)
    if dry_run:
        click.echo(f"would prune {what}")
        return
    if not yes:
        _confirm(what)
    _brought_in(ledger)
    if here.requests and ledger.database.exists():
        _say_pruned(_held(ledger, lambda: retention.prune(ledger.database, before_us)))
    if ledger.shared is not None and (away.requests or here.requests):
        _say_pruned(retention.prune_shared(ledger.shared, before_us), f" of {ledger.shared}")
    click.echo("give the room back to the disk:  ringlet-mitm usage vacuum")
    if ledger.shared is not None:
        click.echo("in the shared store that is a day from now, for those who read it just now")


def _say_pruned(done: Pruned, where: str = "") -> None:
    if done.old.requests:
        click.echo(f"pruned {_amount(done.old)}{where}; {done.sums:,} sums by day are left of them")


def _confirm(what: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"this cannot be undone: {what}; say --yes to do it, --dry-run to see it")
    click.confirm(f"Prune {what}? This cannot be undone.", abort=True)


def _amounts(ledger: Ledger, here: Old, away: Old) -> str:
    """In this machine's database, and in the store that it shares."""
    said = [_amount(here)] if here.requests else []
    return " and ".join([*said, f"{_amount(away)} of {ledger.shared}"] if away.requests else said)


def _amount(old: Old) -> str:
    requests = "1 request" if old.requests == 1 else f"{old.requests:,} requests"
    on = "1 day" if old.days == 1 else f"{old.days:,} days"
    return f"{requests} on {on}, {_day(old.first_us)} to {_day(old.before_us - 1)}"


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what there is to gain, and do nothing.")
@database_option
def vacuum(dry_run: bool, database: Path | None) -> None:
    """Write the ledger anew, without the room of what was deleted.

    Safe while a proxy runs; the disk needs room for both meanwhile. In a store that machines share, small files become
    large ones, and what was merged or pruned a day ago is deleted.
    """
    ledger = _ledger(database)
    if dry_run:
        found = compaction.size(ledger.database, ledger.spool, ledger.shared)
        click.echo(f"{ledger.database}  {data_size(found.file_bytes + found.log_bytes)}")
        click.echo(f"at least {data_size(found.free_bytes)} of it are free")
        if ledger.shared is not None:
            waiting = f"{data_size(found.store_waiting_bytes)} of it are merged or pruned"
            click.echo(f"{ledger.shared}  {data_size(found.store_bytes)}, {found.store_files:,} files\n{waiting}")
        return
    # A machine that has only ever shared has no database of its own, and that is no error.
    if ledger.shared is None or ledger.database.exists():
        before, after = _held(ledger, lambda: compaction.compact(ledger.database))
        click.echo(f"{ledger.database}  {data_size(before)} → {data_size(after)}")
    if ledger.shared is not None:
        click.echo(f"{ledger.shared}  {_compacted(stores.compact(ledger.shared))}")


def _compacted(done: Compacted) -> str:
    said = [f"{done.less} fewer files to read"] if done.less else []
    said += [f"{done.deleted} deleted that were merged or pruned before"] if done.deleted else []
    return ", ".join(said) or "nothing to merge"


def _brought_in(ledger: Ledger) -> None:
    """Into the database, or the store, with what proxies left in the spool, or it would come after the pruning."""
    if ledger.spool.is_dir():
        writer = Writer(Spool(ledger.spool, "pruning"), ledger.database, shared=ledger.shared)
        _held(ledger, lambda: writer.store(math.inf, WAIT_S))


def _held(ledger: Ledger, does: Callable[[], Any]) -> Any:
    """Try it until nobody else has the ledger; raises LedgerBusy where that takes longer than WAIT_S."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            return does()
        except LedgerBusy:
            if time.monotonic() >= end:
                raise
        time.sleep(POLL_S)


def _day(us: int | None) -> str:
    return f"{datetime.fromtimestamp((us or 0) / 1_000_000):%Y-%m-%d}"
