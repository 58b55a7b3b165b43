"""The entry point: a table of commands, each loaded when it is called.

Loading everything would cost each call what the heaviest command needs (mitmproxy alone takes 0.4 s); so names and
one-line helps stand here, and the module behind a name is imported on use. A test holds the helps here and there
together.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import NoReturn

import click

from ringlet_mitm.rules.errors import RingletError

INTERRUPTED = 130
BROKEN_PIPE = 1  # what click itself exits with, where it is the one to notice


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives, and the line that `--help` shows for it."""

    module: str
    help: str
    attribute: str = "command"


COMMANDS: dict[str, Entry] = {
    "start": Entry("ringlet_mitm.cli.proxy", "Run the proxy of a profile; the profile is created if there is none."),
    "env": Entry("ringlet_mitm.cli.shell", "Print the variables that send an agent through the proxy."),
    "status": Entry(
        "ringlet_mitm.cli.status",
        "Show what the proxy of a profile is doing: requests, resting providers, queues, limits.",
    ),
    "profiles": Entry("ringlet_mitm.cli.profiles", "Create, change, list, show and delete profiles."),
    "rules": Entry("ringlet_mitm.cli.rules", "Check and list routing rules, and explain what they decide."),
    "providers": Entry("ringlet_mitm.cli.providers", "List, show, test and find providers, and store their keys."),
    "models": Entry("ringlet_mitm.cli.models", "List and show models and prices, add your own, fetch newer prices."),
    "usage": Entry("ringlet_mitm.cli.usage.report", "Report requests, tokens and cost."),
    "demo": Entry("ringlet_mitm.cli.demo.command", "Show the main job on this machine, without an account or a key."),
}

# `ringlet-mitm --profile work` means `ringlet-mitm start --profile work`.
DEFAULT_COMMAND = "start"
OWN_OPTIONS = ("--help", "-h", "--version")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called; options without a command go to the default one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        found = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(found, click.Command)
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command before options that are not the group's own."""
        if args and args[0].startswith("-") and args[0] not in OWN_OPTIONS:
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
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
