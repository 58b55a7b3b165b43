"""`ringlet-mitm usage live`: what runs through the proxies right now, again every second.

Streams, rates and sums come from the files that proxies write down (`addons/usage/snapshot.py`); what rests, waits and
is limited from their `/health`. Nothing here opens the ledger, so it may run all day.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence, Sized
from concurrent.futures import ThreadPoolExecutor

import click

from ringlet_mitm.addons.usage.snapshot import Snapshot, all_of
from ringlet_mitm.cli.proxy_health import ask
from ringlet_mitm.cli.told_to_end import rest, told_to_end
from ringlet_mitm.cli.usage.live_frame import Proxy, Said, frame
from ringlet_mitm.rules.home import Home, home_of

# Somebody looks at it every second; a proxy that is that busy is asked again then.
PATIENCE_S = 0.5
STYLES = {"head": "bold", "title": "dim", "plain": "", "dim": "dim", "warn": "yellow"}
PLAIN_WIDTH = 160


@click.command()
@click.option("--profile", metavar="NAME", help="Only the proxies of this profile.")
@click.option("--once", is_flag=True, help="Print it once and end; so it is also where the output is no terminal.")
@click.option("--interval", type=click.FloatRange(0.2, 3600), default=1.0, show_default=True, help="Seconds between.")
def command(profile: str | None, once: bool, interval: float) -> None:
    """Show what runs right now, refreshed: streams, rates, spend, what rests, limits. Ctrl-C ends it."""
    home = home_of(os.environ)
    if once or not sys.stdout.isatty():
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH
        click.echo("\n".join(line.text for line in looked(home, profile, time.time(), width)))
        return
    _refreshing(home, profile, interval, told_to_end())


def looked(home: Home, profile: str | None, now: float, width: int, height: int | None = None) -> list[Said]:
    """What there is to be seen now; proxies that do not run any more only where none does."""
    found = [one for one in all_of(home.snapshots_dir) if profile in (None, one.profile)]
    shown = [one for one in found if one.running] or found[:1]
    if not shown:
        whose = profile or "work"
        return [Said(f"no proxy runs; start one with:  ringlet-mitm --profile {whose}")]
    return frame(_asked(shown), now, width, height)


def _asked(snapshots: Sequence[Snapshot]) -> list[Proxy]:
    with ThreadPoolExecutor(len(snapshots)) as asking:
        return list(asking.map(_proxy, snapshots))


def _proxy(snapshot: Snapshot) -> Proxy:
    host, _, port = snapshot.address.rpartition(":")
    if not snapshot.running or not port.isdigit():
        return Proxy(snapshot)
    said = ask(host.strip("[]"), int(port), PATIENCE_S)
    return Proxy(snapshot, said if isinstance(said, dict) else None)


def _refreshing(home: Home, profile: str | None, interval: float, told: Sized) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)

    def drawn() -> Text:
        size = console.size
        lines = looked(home, profile, time.time(), size.width, size.height - 1)
        text = Text(no_wrap=True, overflow="crop", end="")
        for place, line in enumerate(lines):
            text.append(("\n" if place else "") + line.text, STYLES[line.role] or None)
        return text

    with Live(drawn(), console=console, screen=True, auto_refresh=False) as live:
        while not told:
            rest(interval, told)
            live.update(drawn(), refresh=True)
