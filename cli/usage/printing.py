"""The options that say how a table is printed, the same for every report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.usage.reports import Table
from ringlet_mitm.cli import tables
from ringlet_mitm.rules.errors import UsageError

WAYS = ("json", "csv", "markdown", "parquet")


@dataclass(frozen=True, slots=True)
class Printing:
    """How: one of WAYS, or '' for a person; `file` is where Parquet goes."""

    way: str = ""
    file: Path | None = None

    def table(
        self,
        table: Table,
        heading: str = "",
        notes: Sequence[str] = (),
        document: Mapping[str, Any] | None = None,
        nothing: str = "",
    ) -> None:
        """Print `table`: for a person below its heading and above its notes, or only `nothing` where that is said.

        JSON is `document`, or where there is none the rows alone.
        """
        if self.way == "json":
            click.echo(tables.json_text(tables.as_records(table) if document is None else document))
        elif self.way == "csv":
            click.echo(tables.csv_text(table))
        elif self.way == "parquet":
            self._write(table)
        elif nothing:
            click.echo(nothing)
        elif self.way == "markdown":
            click.echo(tables.markdown_text(table, heading, notes))
        else:
            tables.show(table, heading, notes)

    def _write(self, table: Table) -> None:
        from ringlet_mitm.addons.usage.parquet import write_parquet

        assert self.file is not None
        write_parquet(table, self.file)
        rows = "1 row" if len(table.rows) == 1 else f"{len(table.rows)} rows"
        click.echo(f"wrote {rows} to {self.file}", err=True)


def printing(call: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options, and what they come to as `to`."""

    @wraps(call)
    def with_printing(**given: Any) -> None:
        own = {way: given.pop(f"as_{way}") for way in WAYS}
        chosen = [way for way, wanted in own.items() if wanted]
        if len(chosen) > 1:
            raise UsageError(f"--{chosen[0]} and --{chosen[1]} are two ways to print; choose one")
        call(to=Printing(chosen[0] if chosen else "", own["parquet"]), **given)

    for option in reversed(OPTIONS):
        with_printing = option(with_printing)
    return with_printing


OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--json", "as_json", is_flag=True, help="Print JSON: numbers raw, money exact, what is unknown null."),
    click.option("--csv", "as_csv", is_flag=True, help="Print CSV: as in JSON, what is unknown empty, no total."),
    click.option("--markdown", "as_markdown", is_flag=True, help="Print a Markdown table."),
    click.option(
        "--parquet",
        "as_parquet",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write a Parquet file: as in CSV.",
    ),
)
