"""`ringlet-mitm usage size`, `prune` and `vacuum`: how large the ledger is, and what makes it smaller."""

from __future__ import annotations

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
from ringlet_mitm.addons.usage.retention import Old
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
    found = compaction.size(ledger.database, ledger.spool)
    if as_json:
        click.echo(json_text({"database": str(ledger.database), **asdict(found), "total_bytes": found.total_bytes}))
    else:
        click.echo(_sized(ledger, found))


def _sized(ledger: Ledger, found: Size) -> str:
    since = f", since {_day(found.first_us)}" if found.first_us is not None else ""
    lines = [
        f"{ledger.database}  {data_size(found.file_bytes + found.log_bytes)}",
        f"  {found.requests:,} requests, {found.attempts:,} tries upstream{since}",
    ]
    if found.daily:
        lines.append(f"  {found.daily:,} sums by day of requests that were pruned")
    if found.spool_files:
        files = "1 file" if found.spool_files == 1 else f"{found.spool_files} files"
        lines.append(f"  {data_size(found.spool_bytes)} wait in {files} of {ledger.spool}")
    if found.free_bytes:
        lines.append(f"  {data_size(found.free_bytes)} are free in it:  ringlet-mitm usage vacuum")
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
    blocks and a backtest say of those days. Safe while a proxy runs.
    """
    ledger = _ledger(database)
    before_us = retention.before(days, datetime.now())
    old = retention.would_prune(ledger.database, ledger.spool, before_us)
    if not old.requests:
        click.echo(f"nothing to prune: no requests from before {_day(before_us)}")
        return
    if dry_run:
        click.echo(f"would prune {_amount(old)}")
        return
    if not yes:
        _confirm(old)
    _brought_in(ledger)
    done = _held(ledger, lambda: retention.prune(ledger.database, before_us))
    click.echo(f"pruned {_amount(done.old)}; {done.sums:,} sums by day are left of them")
    click.echo("give the room back to the disk:  ringlet-mitm usage vacuum")
    if ledger.shared is not None:
        click.echo("what is in the store that machines share is not touched")


def _confirm(old: Old) -> None:
    if not sys.stdin.isatty():
        raise UsageError(f"this cannot be undone: {_amount(old)}; say --yes to do it, --dry-run to see it")
    click.confirm(f"Prune {_amount(old)}? This cannot be undone.", abort=True)


def _amount(old: Old) -> str:
    requests = "1 request" if old.requests == 1 else f"{old.requests:,} requests"
    on = "1 day" if old.days == 1 else f"{old.days:,} days"
    return f"{requests} on {on}, {_day(old.first_us)} to {_day(old.before_us - 1)}"


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what there is to gain, and do nothing.")
@database_option
def vacuum(dry_run: bool, database: Path | None) -> None:
    """Write the ledger anew, without the room of what was deleted.

    Safe while a proxy runs; the disk needs room for both meanwhile.
    """
    ledger = _ledger(database)
    if dry_run:
        found = compaction.size(ledger.database, ledger.spool)
        click.echo(f"{ledger.database}  {data_size(found.file_bytes + found.log_bytes)}")
        click.echo(f"at least {data_size(found.free_bytes)} of it are free")
        return
    before, after = _held(ledger, lambda: compaction.compact(ledger.database))
    click.echo(f"{ledger.database}  {data_size(before)} → {data_size(after)}")
    if ledger.shared is not None:
        less = stores.compact(ledger.shared)
        click.echo(f"{ledger.shared}  {less} fewer files" if less else f"{ledger.shared}  nothing to merge")


def _brought_in(ledger: Ledger) -> None:
    """Into the database with what proxies left in the spool, or it would come after the pruning and stay."""
    if ledger.spool.is_dir() and ledger.shared is None:
        _held(ledger, Writer(Spool(ledger.spool, "pruning"), ledger.database, shared=ledger.shared).store)


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
