"""`ringlet-mitm usage`: a table of reports; what is no name of one is options of the first."""

from __future__ import annotations

import click

from ringlet_mitm.cli.lazy import Entry, LazyGroup

ANALYSES = "ringlet_mitm.cli.usage.analyses"
IMPORTS = "ringlet_mitm.cli.usage.imports"
UPKEEP = "ringlet_mitm.cli.usage.upkeep"
COMMANDS: dict[str, Entry] = {
    "report": Entry("ringlet_mitm.cli.usage.report", "Report requests, tokens and cost."),
    "savings": Entry(
        ANALYSES, "Report what requests cost beside what the models asked for would have cost.", "savings"
    ),
    "cache": Entry(ANALYSES, "Report how much of the input came from prompt caches, and what that saved.", "cache"),
    "latency": Entry(ANALYSES, "Report how long answers took, and how fast they came.", "latency"),
    "errors": Entry(
        ANALYSES, "Report what failed, whether another try saved it, and what was waited for that.", "errors"
    ),
    "accuracy": Entry(ANALYSES, "Report how far token estimates were off what providers counted.", "accuracy"),
    "compare": Entry(
        "ringlet_mitm.cli.usage.compare", "Compare the arms of splits, and copies with what was sent.", "compare"
    ),
    "blocks": Entry(ANALYSES, "Report the 5-hour blocks that Claude plans are counted in.", "blocks"),
    "import": Entry(
        IMPORTS, "Import what an agent has logged itself: history from before the proxy, or from beside it.", "import_"
    ),
    "audit": Entry(
        IMPORTS,
        "Compare an agent's own log with the ledger: what went around the proxy, and whose tokens differ.",
        "audit",
    ),
    "live": Entry("ringlet_mitm.cli.usage.live", "Show what runs right now, refreshed."),
    "statusline": Entry("ringlet_mitm.cli.usage.statusline_command", "Print one line for Claude Code or tmux."),
    "sql": Entry("ringlet_mitm.cli.usage.sql", "Ask the ledger yourself, in SQL."),
    "size": Entry(UPKEEP, "Show how large the ledger is.", "size"),
    "prune": Entry(UPKEEP, "Make sums by day of old requests.", "prune"),
    "vacuum": Entry(UPKEEP, "Write the ledger anew, without the room of what was deleted.", "vacuum"),
}


class UsageGroup(LazyGroup):
    """`usage --live` is `usage live`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command in the place of the option."""
        return super().parse_args(ctx, ["live", *args[1:]] if args[:1] == ["--live"] else args)


@click.group(
    cls=UsageGroup,
    table=COMMANDS,
    default="report",
    own=("--help", "-h"),
    alone=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without a command it is `usage report`, whose options may follow at once:  ringlet-mitm usage --by-rule",
)
def command() -> None:
    """Report requests, tokens and cost."""
