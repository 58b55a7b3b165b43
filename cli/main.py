"""The entry point: the table of commands, and how errors end."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from ringlet_mitm.cli.lazy import Entry, LazyGroup
from ringlet_mitm.rules.errors import RingletError

INTERRUPTED = 130
BROKEN_PIPE = 1  # what click itself exits with, where it is the one to notice


COMMANDS: dict[str, Entry] = {
    "serve": Entry("ringlet_mitm.cli.proxy", "Run the proxy of a profile; the profile is created if there is none."),
    "init": Entry(
        "ringlet_mitm.cli.first_steps", "Find agents and keys, propose a profile with rules, and write it on a yes."
    ),
    "run": Entry(
        "ringlet_mitm.cli.run",
        "Run an agent through the proxy, which is started for it if none runs, and ends with the last agent.",
    ),
    "start": Entry(
        "ringlet_mitm.cli.background_commands",
        "Start the proxy of a profile in the background; nothing happens if it runs.",
        "start",
    ),
    "stop": Entry(
        "ringlet_mitm.cli.background_commands",
        "Stop the proxy of a profile, once what is under way has ended.",
        "stop",
    ),
    "logs": Entry(
        "ringlet_mitm.cli.background_commands",
        "Print what proxies in the background have logged; the file is bounded.",
        "logs",
    ),
    "service": Entry(
        "ringlet_mitm.cli.at_login", "Have the proxy of a profile run from login on, by systemd or launchd."
    ),
    "env": Entry("ringlet_mitm.cli.env", "Print the variables that send an agent through the proxy."),
    "status": Entry(
        "ringlet_mitm.cli.status",
        "Show what the proxy of a profile is doing: requests, resting providers, queues, limits.",
    ),
    "agents": Entry(
        "ringlet_mitm.cli.agents", "Find coding agents, and show what each needs to come through the proxy."
    ),
    "aliases": Entry("ringlet_mitm.cli.aliases", "Start agents through the proxy by their own names, in new shells."),
    "completion": Entry("ringlet_mitm.cli.completion", "Let the shell complete commands, options and names."),
    "ca": Entry("ringlet_mitm.cli.authority", "Show the certificate authority, install it, or give it a new key."),
    "doctor": Entry(
        "ringlet_mitm.cli.doctor", "Check everything between an agent and its answers, and say what mends it."
    ),
    "profiles": Entry("ringlet_mitm.cli.profiles", "Create, change, list, show and delete profiles."),
    "rules": Entry("ringlet_mitm.cli.rules", "Check and list routing rules, and explain what they decide."),
    "providers": Entry("ringlet_mitm.cli.providers", "List, show, test and find providers, and store their keys."),
    "models": Entry("ringlet_mitm.cli.models", "List and show models and prices, add your own, fetch newer prices."),
    "usage": Entry("ringlet_mitm.cli.usage.commands", "Report requests, tokens and cost."),
    "dashboard": Entry("ringlet_mitm.cli.dashboard", "Show in a browser where the money goes."),
    "demo": Entry("ringlet_mitm.cli.demo.command", "Show the main job on this machine, without an account or a key."),
}

# `ringlet-mitm --profile work` means `ringlet-mitm serve --profile work`.
DEFAULT_COMMAND = "serve"
OWN_OPTIONS = ("--help", "-h", "--version")


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    default=DEFAULT_COMMAND,
    own=OWN_OPTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with:  ringlet-mitm --profile work  "
    'and, in another shell,  eval "$(ringlet-mitm env --profile work)"',
)
@click.version_option(package_name="ringlet-mitm", message="%(prog)s %(version)s")
def group() -> None:
    """A local proxy that sends each request of a coding agent to the provider and model that your rules say,
    and writes down what it cost."""


def main() -> NoReturn:
    """Run the command line: errors are one line and code 2, a broken pipe is quiet, an interrupt is code 130."""
    try:
        result = group.main(standalone_mode=False)
        sys.stdout.flush()
        code = result if isinstance(result, int) else 0
    except RingletError as error:
        click.echo(f"ringlet-mitm: {error}", err=True)
        code = 2
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        # What is left in the buffer would raise again when Python closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BROKEN_PIPE
    sys.exit(code)


if __name__ == "__main__":
    main()
