"""`ringlet-mitm usage`: a table of reports; what is no name of one is options of the first."""

from __future__ import annotations

import click

from ringlet_mitm.cli.lazy import Entry, LazyGroup

COMMANDS: dict[str, Entry] = {
    "report": Entry("ringlet_mitm.cli.usage.report", "Report requests, tokens and cost."),
}


@click.group(cls=LazyGroup, table=COMMANDS, default="report", alone=True)
def command() -> None:
    """Report requests, tokens and cost."""
