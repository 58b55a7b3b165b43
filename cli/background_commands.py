"""`ringlet-mitm start`, `stop` and `logs`: a proxy that needs no terminal."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import click

from ringlet_mitm.addons.leases import Leases
from ringlet_mitm.cli import background
from ringlet_mitm.cli.background import DRAIN_S, Launch, Running
from ringlet_mitm.cli.profile_choice import chosen, loaded_or_made
from ringlet_mitm.cli.proxy_log import earlier, log_file
from ringlet_mitm.cli.proxy_options import ProxyOptions, proxy_options
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import list_profiles, load_profile

NOTHING_THERE = 1
PERIOD_S = 0.2


@click.command("start")
@click.option("--profile", "name", help="Profile; without it, the only one there is, or `default`.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@proxy_options
def start(name: str | None, port: int | None, proxy: ProxyOptions) -> None:
    """Start the proxy of a profile in the background; nothing happens if it runs."""
    home = home_of(os.environ)
    profile = loaded_or_made(home, chosen(home, name), os.environ, click.echo)
    found, is_new = background.start(home, profile, Launch(port, proxy.words))
    if not is_new and port and port != found.port:
        raise UsageError(f"{_where(found)} already; stop it first:  ringlet-mitm stop --profile {profile.name}")
    click.echo(f"{_where(found)}{'' if is_new else ' already'}, process {found.pid}")
    own_port = found.port == profile.port
    click.echo(f"run an agent:          ringlet-mitm run --profile {profile.name} -- claude")
    click.echo(
        f'or point one at it:    eval "$(ringlet-mitm env --profile {profile.name}'
        f'{"" if own_port else f" --port {found.port}"})"'
    )


@click.command("stop")
@click.option("--profile", "name", help="Profile; without it, the only one whose proxy runs.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 3600),
    default=DRAIN_S,
    show_default=True,
    metavar="SECONDS",
    help="How long requests under way may take to end.",
)
@click.pass_context
def stop(context: click.Context, name: str | None, wait: float) -> None:
    """Stop the proxy of a profile, once what is under way has ended.

    Ends with 1 where none runs.
    """
    home = home_of(os.environ)
    found = _meant(home, name)
    if not found:
        click.echo(f"no proxy of '{name}' runs" if name else "no proxy runs")
        context.exit(NOTHING_THERE)
    for one in found:
        _stop(home, one, wait)


@click.command("logs")
@click.option("--profile", "name", help="Profile; without it, the only one there is, or `default`.")
@click.option("-f", "--follow", is_flag=True, help="Go on as it is written; leave with Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True, help="How many lines of before.")
@click.pass_context
def logs(context: click.Context, name: str | None, follow: bool, lines: int) -> None:
    """Print what proxies in the background have logged; the file is bounded.

    Ends with 1 where there is no log.
    """
    home = home_of(os.environ)
    name = chosen(home, name)
    path = log_file(home, name)
    if not path.exists() and not follow:
        load_profile(home, name)
        click.echo(f"no proxy of '{name}' has run in the background; {path} is not there", err=True)
        context.exit(NOTHING_THERE)
    said = _text(earlier(path)) + _text(path)
    kept = said.splitlines(keepends=True)[-lines:] if lines else []
    click.echo("".join(kept), nl=False)
    for text in following(path) if follow else ():
        click.echo(text, nl=False)


def following(path: Path, period_s: float = PERIOD_S) -> Iterator[str]:
    """What is written from now on, piece by piece and for ever; a file that begins anew is read anew."""
    position = path.stat().st_size if path.exists() else 0
    while True:
        size = path.stat().st_size if path.exists() else 0
        position = 0 if size < position else position
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                data = file.read(size - position)
            # A letter of several bytes may be half written.
            whole = data[: data.rfind(b"\n") + 1]
            position += len(whole)
            if whole:
                yield whole.decode("utf-8", "replace")
        time.sleep(period_s)


def _where(one: Running) -> str:
    return f"the proxy of '{one.profile}' runs at {one.url}"


def _meant(home: Home, name: str | None) -> list[Running]:
    if name is not None:
        profile = load_profile(home, name)
        return background.proxies(home, profile.name)
    found = [one for each in list_profiles(home) for one in background.proxies(home, each)]
    names = sorted({one.profile for one in found})
    if len(names) > 1:
        raise UsageError(f"say which one with --profile; those of {', '.join(names)} run")
    return found


def _stop(home: Home, one: Running, wait: float) -> None:
    leases = Leases(home, one.profile)

    def waiting(count: int) -> None:
        cut_off = f"Ctrl-C, then:  ringlet-mitm stop --profile {one.profile} --wait 0"
        click.echo(
            f"waiting up to {wait:.0f} s for {_several(count, 'request')} to end; to cut off: {cut_off}", err=True
        )

    with leases.locked():
        users = leases.held()
        cut = background.stop(one, drain_s=wait, waiting=waiting)
    words = [f"stopped the proxy of '{one.profile}' at {one.url}, process {one.pid}"]
    words += [f"{_several(cut, 'request')} under way {'was' if cut == 1 else 'were'} cut off"] if cut else []
    words += [f"{', '.join(users)} used it"] if users else []
    click.echo("; ".join(words))
    _warn_of_left(one, users)


def _warn_of_left(one: Running, users: list[str]) -> None:
    """Say what of agents that have ended is led to nothing now."""
    from ringlet_mitm.cli.left_running import ending, left_running, named

    left = [each for each in left_running(os.environ, one.url) if each.agent or not users]
    if left:
        reaches = "reaches" if len(left) == 1 else "reach"
        click.echo(f"{named(left)} still {reaches} for it, in vain; to end:  {ending(left)}", err=True)


def _several(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
