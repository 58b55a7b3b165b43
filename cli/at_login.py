"""`ringlet-mitm service`: a proxy that runs from login on, kept by what the machine has for that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from ringlet_mitm.cli.background import proxies
from ringlet_mitm.cli.proxy_log import log_file
from ringlet_mitm.cli.shell import named_or_only
from ringlet_mitm.cli.supervisors import PLACES, SUPERVISORS, Wanted, Written
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.folders import person
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.whole_files import write_whole

NOT_THERE = 1
STATE_S = 5.0

name_option = click.option("--profile", "name", help="Profile; without it, the only one there is.")
kind_option = click.option(
    "--kind", type=click.Choice(list(SUPERVISORS)), help="What keeps it running; without it, what this system has."
)


@click.group()
def command() -> None:
    """Have the proxy of a profile run from login on, by systemd or launchd."""


@command.command()
@name_option
@kind_option
@click.option("--print", "only_print", is_flag=True, help="Print the file and write nothing.")
def install(name: str | None, kind: str | None, only_print: bool) -> None:
    """Write the file that has the proxy run from login on; says what to type next."""
    home, profile, written = _written(name, kind)
    if only_print:
        click.echo(written.text, nl=False)
        return
    try:
        log_file(home, profile.name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        written.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(written.path, written.text.encode())
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=str(written.path)) from None
    click.echo(f"wrote {written.path}")
    for one in proxies(home, profile.name):
        if one.port == profile.port:
            click.echo(f"its port is taken by process {one.pid}; first:  ringlet-mitm stop --profile {profile.name}")
    click.echo("now type:")
    click.echo("".join(f"  {line}\n" for line in (*written.begin, written.follow)), nl=False)
    kept = f"write NAME=value lines into {_keys(home)} (chmod 600)" if ".service" in written.path.name else ""
    click.echo(
        "it does not see this shell's keys: store them with `ringlet-mitm providers login`"
        + (f", or {kept}" if kept else "")
    )


@command.command()
@name_option
@kind_option
def uninstall(name: str | None, kind: str | None) -> None:
    """Take the file away again; says what to type next."""
    _, _, written = _written(name, kind)
    try:
        written.path.unlink()
        for link in written.links:
            link.unlink(missing_ok=True)
    except FileNotFoundError:
        raise UsageError(f"{written.path} is not there") from None
    except OSError as error:
        raise ConfigError(f"cannot be removed: {error.strerror}", file=str(written.path)) from None
    click.echo(f"removed {written.path}\nit may still run; end it with:")
    click.echo("".join(f"  {line}\n" for line in written.end), nl=False)


@command.command()
@name_option
@kind_option
@click.pass_context
def status(context: click.Context, name: str | None, kind: str | None) -> None:
    """Show whether the file is there and up to date, and whether the proxy runs.

    Ends with 1 unless it is there and runs.
    """
    home, profile, written = _written(name, kind)
    is_there = written.path.exists()
    running = proxies(home, profile.name)
    again = f"ringlet-mitm service install --profile {profile.name}"
    if not is_there:
        click.echo(f"{written.path} is not there; write it with:  {again}")
    elif written.path.read_text(encoding="utf-8", errors="replace") != written.text:
        click.echo(f"{written.path} is not as it would be written now; write it anew with:  {again}")
    else:
        click.echo(f"{written.path} is there")
    if is_there and (said := _state(written)):
        click.echo(f"{' '.join(written.state)}: {said}")
    where = ", ".join(f"{one.url} (process {one.pid})" for one in running)
    click.echo(f"the proxy of '{profile.name}' runs at {where}" if running else f"no proxy of '{profile.name}' runs")
    context.exit(0 if is_there and running else NOT_THERE)


def _written(name: str | None, kind: str | None) -> tuple[Home, Profile, Written]:
    home = home_of(os.environ)
    profile = named_or_only(home, name)
    make = SUPERVISORS[kind or _kind()]
    places = {place: os.environ[place] for place in PLACES if os.environ.get(place)}
    if "RINGLET_HOME" in places:
        places["RINGLET_HOME"] = str(home.config)  # as it is from the root on
    log = log_file(home, profile.name)
    wanted = Wanted(profile.name, (*_program(), "serve", "--profile", profile.name), places, _keys(home), log)
    return home, profile, make(wanted, os.environ, person(os.environ))


def _kind() -> str:
    if sys.platform == "darwin":
        return "launchd"
    if sys.platform == "win32":
        raise UsageError("there is neither systemd nor launchd; have Task Scheduler start:  ringlet-mitm serve")
    return "systemd"


def _program() -> tuple[str, ...]:
    """This very installation's program; without one, its interpreter and the module."""
    beside = shutil.which("ringlet-mitm", path=str(Path(sys.executable).parent))
    return (beside,) if beside else (sys.executable, "-P", "-m", "ringlet_mitm.cli.main")


def _keys(home: Home) -> Path:
    return home.config / "service.env"


def _state(written: Written) -> str:
    """What the supervisor says, in a word."""
    if shutil.which(written.state[0]) is None:
        return ""
    try:
        done = subprocess.run(written.state, capture_output=True, text=True, timeout=STATE_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip().partition("\n")[0]
