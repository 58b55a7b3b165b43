"""`ringlet-mitm env`: the variables that send an agent through the proxy and let it trust our certificates.

Which they are is said in rules/variables.py and in the agents' files. git's variable is never among them: what git
fetches is not decrypted.
"""

from __future__ import annotations

import os

import click

from ringlet_mitm.cli.background import running
from ringlet_mitm.cli.shell import SHELLS, named_agent, named_or_only, point_of, shell_of
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.variables import given_back, variables_of


@click.command()
@click.option("--profile", "name", help="Profile; without it, the only one there is.")
@click.option("--agent", help="Only what this agent needs, like claude or codex; without it, what any of them needs.")
@click.option("--shell", type=click.Choice(list(SHELLS)), help="Shell to print for; found out from $SHELL.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the proxy; found out where it runs.")
@click.option("--unset", is_flag=True, help="Print what puts back the values from before.")
def command(name: str | None, agent: str | None, shell: str | None, port: int | None, unset: bool) -> None:
    """Print the variables that send an agent through the proxy.

    \b
    Use it as:  eval "$(ringlet-mitm env --profile work)"
    and back:   eval "$(ringlet-mitm env --unset)"
    fish:       ringlet-mitm env --profile work | source
    PowerShell: ringlet-mitm env --profile work | Out-String | Invoke-Expression
    """
    values = given_back(os.environ)
    if unset and not values:
        click.echo("nothing of ringlet-mitm is set in this shell", err=True)
    elif not unset:
        values |= _wanted(name, agent, port)
    click.echo("".join(f"{line}\n" for line in SHELLS[shell or shell_of(os.environ)].lines(values)), nl=False)


def _wanted(name: str | None, agent: str | None, port: int | None) -> dict[str, str]:
    home = home_of(os.environ)
    preset = None if agent is None else named_agent(agent)
    profile = named_or_only(home, name)
    if port is None:
        found = running(home, profile)
        port = None if found is None else found.port
    return variables_of(preset, point_of(home, profile, os.environ, port), os.environ)
