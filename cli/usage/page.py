"""`usage report --html FILE`: the dashboard as one file with its numbers inside."""

from __future__ import annotations

from pathlib import Path

import click

from ringlet_mitm.addons.dashboard.queries import PAGE_VIEWS, whole
from ringlet_mitm.addons.dashboard.single import single_file
from ringlet_mitm.addons.dashboard.wishes import Wish
from ringlet_mitm.cli.usage.asked import Asked
from ringlet_mitm.rules.errors import UsageError


def write_page(asked: Asked, file: Path) -> None:
    """Write the page for what is asked, and say what is in it; raises UsageError where it cannot be written."""
    words = ", ".join(filter(None, (asked.period.words, asked.whose)))
    with asked.reading(PAGE_VIEWS) as connection:
        text = single_file(whole(connection, Wish(asked.ask, words), asked.now.astimezone()))
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"--html: {file}: {error.strerror}") from None
    click.echo(
        f"wrote {file}: it opens in any browser and loads nothing; in it are sums and the names of rules, models, "
        "agents, projects and sessions, no keys and no words of any conversation",
        err=True,
    )
