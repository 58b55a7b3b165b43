"""`ringlet-mitm completion`: scripts that let a shell complete commands, options and names; and their installation."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping

import click
from click.shell_completion import get_completion_class

from ringlet_mitm.cli.aliases import agreed
from ringlet_mitm.cli.command_tree import command_tree
from ringlet_mitm.cli.completing import PROGRAM, VARIABLE
from ringlet_mitm.cli.main import group
from ringlet_mitm.cli.rc_files import Piece
from ringlet_mitm.cli.shell import shell_of
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of

MARK = "ringlet-mitm completion"
FUNCTION = "_ringlet_mitm_completion"
# The same for the short name of the program; before it what click's script takes to be there.
ALSO: Mapping[str, tuple[str, str]] = {
    "bash": ("", f"complete -o nosort -F {FUNCTION} ringlet\n"),
    # Where a person's .zshrc has not asked for completion, there is no `compdef`.
    "zsh": (
        "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\n",
        f"compdef {FUNCTION} ringlet\n",
    ),
    "fish": ("", f'complete --no-files --command ringlet --arguments "({FUNCTION})"\n'),
}
# Since 4.4 bash has the option that keeps the order; the bash of macOS is 3.2.
BASH = ("bash", "-c", "echo ${BASH_VERSINFO[0]} ${BASH_VERSINFO[1]}")


@click.group()
def command() -> None:
    """Let the shell complete commands, options and names."""


def script(shell: str) -> str:
    """What the shell has to read."""
    kind = get_completion_class(shell)
    assert kind is not None
    template = kind(click.Command(PROGRAM), {}, PROGRAM, VARIABLE)
    before, after = ALSO[shell]
    # Not `source()`, which looks at the version of bash and warns each time.
    return f"{before}{template.source_template % template.source_vars()}{after}"


def _printing(shell: str) -> Callable[[], None]:
    def print_script() -> None:
        _prepare(home_of(os.environ))
        click.echo(script(shell), nl=False)

    return print_script


for _shell in ALSO:
    command.command(_shell, help=f"Print the script for {_shell}.")(_printing(_shell))


@command.command()
@click.option("--shell", type=click.Choice(list(ALSO)), help="Shell; found out from $SHELL.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def install(shell: str | None, yes: bool) -> None:
    """Have new shells complete our commands, by one line in the shell's start-up file; shown first."""
    home = home_of(os.environ)
    kind = shell or shell_of(os.environ)
    if kind not in ALSO:
        raise UsageError(f"no completion for {kind}; there is one for {', '.join(ALSO)}")
    if kind == "bash":
        _check_bash()
    piece = Piece(kind, home.config, MARK)
    _prepare(home)
    if piece.put(script(kind), os.environ, lambda start: agreed(piece, script(kind), start, yes)):
        click.echo("new shells complete our commands; take it away with:  ringlet-mitm completion uninstall")
    else:
        click.echo("it is there already")


@command.command()
def uninstall() -> None:
    """Take it away again; start-up files are then as they were."""
    home = home_of(os.environ)
    taken = [file for kind in ALSO if (file := Piece(kind, home.config, MARK).take(os.environ))]
    click.echo(f"taken out of {', '.join(taken)}" if taken else "there was none")


def _prepare(home: Home) -> None:
    """So that the first TAB is as fast as the others."""
    command_tree(home.cache / "completion.json", lambda: group)


def _check_bash() -> None:
    try:
        done = subprocess.run(BASH, capture_output=True, text=True, timeout=10, check=True)
        found = tuple(int(part) for part in done.stdout.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return
    if found < (4, 4):
        raise UsageError("completion needs bash 4.4 or newer; on macOS: brew install bash, or use zsh")
