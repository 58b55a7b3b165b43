"""`ringlet-mitm aliases`: agents that go through the proxy by their own names.

Functions rather than aliases, which scripts and other aliases would not see in all shells. They stand in a file of ours
that one line of the shell's start-up file reads. Where ringlet-mitm is gone they start the agent itself.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from ringlet_mitm.addons.installed_agents import InstalledAgent, installed_agents
from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.cli.rc_files import Piece, RcFile, rc_file
from ringlet_mitm.cli.shell import fish_quoted, powershell_quoted, shell_of
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import load_profile

MARK = "ringlet-mitm aliases"
HEADER = "# Written by: ringlet-mitm aliases install {profile}\n# Taken away by: ringlet-mitm aliases uninstall\n"
PROFILE_LINE = re.compile(r"^# .* aliases install (\S+)$", re.MULTILINE)


def _posix(name: str, ours: str, profile: str, program: str) -> str:
    ours, program, profile = shlex.quote(ours), shlex.quote(program), shlex.quote(profile)
    # `function` keeps an alias of the same name from being put in place of the name here. It is taken away where it
    # leads to the program itself, as the one that an older installer of Claude Code made: it would win.
    unalias = "" if program == name else f"unalias {name} 2>/dev/null\n"
    return (
        f"{unalias}function {name} {{\n"
        f'  if [ -x {ours} ]; then {ours} run --profile {profile} -- {program} "$@"\n'
        f'  else command {program} "$@"; fi\n}}\n'
    )


def _fish(name: str, ours: str, profile: str, program: str) -> str:
    ours, program, profile = fish_quoted(ours), fish_quoted(program), fish_quoted(profile)
    return (
        f"function {name} --wraps {program}\n"
        f"  if test -x {ours}\n    {ours} run --profile {profile} -- {program} $argv\n"
        f"  else\n    command {program} $argv\n  end\nend\n"
    )


def _powershell(name: str, ours: str, profile: str, program: str) -> str:
    ours, program, profile = powershell_quoted(ours), powershell_quoted(program), powershell_quoted(profile)
    return (
        f"function {name} {{\n"
        f"  if (Test-Path {ours}) {{ & {ours} run --profile {profile} -- {program} @args }}\n"
        f"  else {{ & (Get-Command -CommandType Application {program})[0] @args }}\n}}\n"
    )


FUNCTION = re.compile(r"^function (\S+)", re.MULTILINE)
# A function of a shell: its name, our program, the profile, the agent's program.
FUNCTIONS: Mapping[str, Callable[[str, str, str, str], str]] = {
    "bash": _posix,
    "zsh": _posix,
    "fish": _fish,
    "powershell": _powershell,
}
shell_option = click.option("--shell", type=click.Choice(list(FUNCTIONS)), help="Shell; found out from $SHELL.")


@click.group()
def command() -> None:
    """Start agents through the proxy by their own names, in new shells."""


@command.command()
@click.argument("profile")
@shell_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def install(profile: str, shell: str | None, yes: bool) -> None:
    """Make the agents that are installed go through the proxy of PROFILE by their own names.

    What would be written is shown first: a file of ours, and one line in the shell's start-up file that reads it.
    """
    home = home_of(os.environ)
    load_profile(home, profile)
    piece = _piece(home, shell or shell_of(os.environ))
    agents = [one for one in installed_agents(os.environ) if one.preset.hosts]
    if not agents:
        raise UsageError("no agent is installed that could be routed; see: ringlet-mitm agents list --all")
    text = HEADER.format(profile=profile) + "".join(_function(piece.shell, one, profile) for one in agents)
    names = ", ".join(one.program.stem for one in agents)
    if piece.put(text, os.environ, lambda start: agreed(piece, text, start, yes)):
        click.echo(f"in new shells these go through '{profile}': {names}")
        click.echo("take them away with:  ringlet-mitm aliases uninstall")
    else:
        click.echo(f"these go through '{profile}' already: {names}")


@command.command()
@click.argument("profile", required=False)
@click.option("--shell", type=click.Choice(list(FUNCTIONS)), help="Only for this shell; without it, for all.")
def uninstall(profile: str | None, shell: str | None) -> None:
    """Take the functions away, and the line that reads them; start-up files are then as they were.

    With PROFILE, only where they lead to that one.
    """
    home = home_of(os.environ)
    pieces = [_piece(home, kind) for kind in (FUNCTIONS if shell is None else (shell,))]
    meant = [piece for piece in pieces if profile in (None, _profile_of(piece.text(os.environ)))]
    taken = [file for piece in meant if (file := piece.take(os.environ))]
    click.echo(f"taken out of {', '.join(taken)}; open shells keep them until they end" if taken else "there were none")


@command.command("list")
@click.argument("profile", required=False)
@click.option("--shell", type=click.Choice(list(FUNCTIONS)), help="Only of this shell; without it, of all.")
def list_(profile: str | None, shell: str | None) -> None:
    """List which names lead through which profile, in which shell."""
    home = home_of(os.environ)
    rows = [
        (kind, rc_file(kind, os.environ).shown, name, to)
        for kind in (FUNCTIONS if shell is None else (shell,))
        for name, to in _aliased_in(_piece(home, kind), os.environ).items()
        if profile in (None, to)
    ]
    if rows:
        click.echo(aligned(("SHELL", "FILE", "NAME", "PROFILE"), rows))
    else:
        click.echo("none; make some with:  ringlet-mitm aliases install PROFILE")


def aliased(home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """By name, the profile that it leads through in new shells of the kind that `environ` says."""
    return _aliased_in(_piece(home, shell_of(environ)), environ)


def agreed(piece: Piece, text: str, start: RcFile, yes: bool) -> bool:
    """Show what would be written, and ask; raises click.Abort on a no."""
    click.echo(f"{piece.place}:\n\n{text}\n{start.shown}, as its last line:\n\n{piece.line}\n")
    return yes or click.confirm("write both?", abort=True)


def _aliased_in(piece: Piece, environ: Mapping[str, str]) -> dict[str, str]:
    text = piece.text(environ)
    return dict.fromkeys(FUNCTION.findall(text), _profile_of(text))


def _piece(home: Home, kind: str) -> Piece:
    return Piece(kind, home.config, MARK)


def _profile_of(text: str) -> str:
    found = PROFILE_LINE.search(text)
    return found[1] if found else ""


def _function(kind: str, one: InstalledAgent, profile: str) -> str:
    name = one.program.stem
    return FUNCTIONS[kind](name, ourselves(), profile, name if one.named else str(one.program))


def ourselves() -> str:
    """The program that is running, for shells that may not have its folder on PATH."""
    beside = Path(sys.executable).with_name("ringlet-mitm" + (".exe" if sys.platform == "win32" else ""))
    return str(beside) if beside.is_file() else shutil.which("ringlet-mitm") or "ringlet-mitm"
