"""`ringlet-mitm usage statusline` as click has it: its help, and what is wrong with an option.

Where nothing is, `cli/entry.py` does not come by here: importing click alone takes what the whole line may.
"""

from __future__ import annotations

import os
import sys

import click

from ringlet_mitm.cli.usage.statusline import COLOURS, DEFAULT, SEPARATOR, pieces, printed
from ringlet_mitm.cli.usage.statusline_fields import FIELDS
from ringlet_mitm.rules.errors import UsageError, nearest
from ringlet_mitm.rules.folders import SNAPSHOTS
from ringlet_mitm.rules.home import home_of


def _explained() -> str:
    width = max(map(len, FIELDS))
    lines = "\n".join(f"  {name:{width}}  {meaning}" for name, (meaning, _) in FIELDS.items())
    return (
        "\b\nIn Claude Code's settings.json:\n"
        '  "statusLine": { "type": "command", "command": "ringlet-mitm usage statusline" }\n\n'
        "\b\nIn tmux.conf:\n"
        "  set -g status-right '#(ringlet-mitm usage statusline --color tmux)'\n\n"
        f"\b\nWhat --format may name, in braces; without it:\n  {DEFAULT}\n\n\b\n{lines}\n\n"
    )


def _template(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Raises UsageError with the nearest field."""
    if pieces(value) is None:
        names = [part.partition("}")[0] for part in value.split("{")[1:]]
        wrong = next((name for name in names if name not in FIELDS), "")
        close = nearest(wrong, FIELDS)
        hint = f"did you mean '{{{close}}}'?" if close else "ringlet-mitm usage statusline --help lists them"
        raise UsageError(
            f"--format: there is no field '{{{wrong}}}'; {hint}" if wrong else "--format: a { is not closed"
        )
    return value


@click.command(epilog=_explained())
@click.option(
    "--format",
    "template",
    default=DEFAULT,
    callback=_template,
    metavar="TEXT",
    help="What to print: {fields} in parts between |. A part whose field has nothing to say is left out.",
)
@click.option("--color", type=click.Choice(list(COLOURS)), help="Else ansi for Claude Code, none for others.")
@click.option("--separator", default=SEPARATOR, metavar="TEXT", help="What to put between parts.")
@click.option("--profile", default="", metavar="NAME", help="Of this profile; else of the session's, or the last one.")
def command(template: str, color: str | None, separator: str, profile: str) -> None:
    """Print one line for Claude Code's status line, or tmux's: spend, model, context, what runs.

    Reads what a running proxy has written down, not the ledger, and what Claude Code says on stdin. Costs are marked as
    in reports: ≥ without requests whose price is unknown, ~ with tokens that are estimated.
    """
    options = {"format": template, "color": color or "", "separator": separator, "profile": profile}
    printed(options, os.environ, str(home_of(os.environ).state / SNAPSHOTS) if sys.platform == "win32" else "")
