"""`ringlet-mitm usage compare`: arms of splits side by side, and what a shadow would have said, taken and cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ringlet_mitm.addons.usage import periods
from ringlet_mitm.addons.usage.comparing import (
    COPY,
    LEAST_TO_SAY,
    MEANINGS,
    SENT,
    Values,
    by_chance,
    compared,
    sides,
)
from ringlet_mitm.addons.usage.reports import Table
from ringlet_mitm.cli import tables
from ringlet_mitm.cli.usage.analyses import Since
from ringlet_mitm.cli.usage.asked import Asked, asking
from ringlet_mitm.cli.usage.printing import Printing, printing

WIDTH = max(map(len, MEANINGS))
EPILOG = "\b\nColumns of --json, --csv and --parquet:\n" + "\n".join(
    f"  {name:{WIDTH}}  {meaning}" for name, meaning in MEANINGS.items()
)
NOTHING = """nothing to compare{whose}, {time}: no rule has split or copied a request
in routing.toml:  split = {{ "groq/llama-3.3-70b-versatile" = 20, "anthropic" = 80 }}  instead of `to`,
or beside it:     shadow = "groq/llama-3.3-70b-versatile\""""


@click.command(epilog=EPILOG)
@asking
@printing
def compare(asked: Asked, to: Printing) -> None:
    """Compare the arms of splits, and copies with what was sent.

    ERRORS is the share that was seen, and between which the true one lies at 95 %. Times are of answers that went
    well, from the request's arrival on; a copy has no tries and no waiting in them. EACH is a mean over requests. Of a
    shadow only requests that were copied are counted, so both of its sides are about the same ones.
    """
    with asked.reading(["compared", "counted"]) as connection:
        table = compared(connection, asked.ask)
        missing = Since.of(connection, asked).note(asked)
    whose = f" of {asked.whose}" if asked.whose else ""
    nothing = "" if table.rows else NOTHING.format(whose=whose, time=asked.period.words)
    heading = f"arms and copies compared{whose}, {asked.period.words}"
    to.table(
        _for_programs(table) if to.way in ("csv", "parquet") else table,
        heading,
        [*notes(table), *([missing] if missing else [])],
        _document(asked, table, missing),
        nothing,
    )


def notes(table: Table) -> list[str]:
    """What the figures do not say by themselves."""
    found: dict[str, None] = {}
    for rule, shadow, both in sides(table):
        found.update(dict.fromkeys(_few(rule, both)))
        found.update(dict.fromkeys(_elsewhere(rule, both)))
        for less, more in by_chance(both):
            found[f"{rule}: that {_name(less)} costs less a request than {_name(more)} may be chance"] = None
        if shadow and any(side["side"] == SENT for side in both):
            found["only requests that were answered are copied, so what was sent has no errors here"] = None
    return list(found)


def _few(rule: str, both: list[Values]) -> Iterator[str]:
    few = [side for side in both if side["requests"] < LEAST_TO_SAY and side["side"] != COPY]
    if few:
        said = ", ".join(f"{_name(side)} {side['requests']}" for side in few)
        yield f"{rule}: too few requests to tell much ({said}); {LEAST_TO_SAY} of each say something"


def _elsewhere(rule: str, both: list[Values]) -> Iterator[str]:
    for side in both:
        if side["elsewhere_requests"]:
            of = f"{side['elsewhere_requests']} of {side['requests']} requests of {_name(side)}"
            yield f"{rule}: {of} were answered by a fallback, and count for the arm all the same"


def _name(side: Values) -> str:
    return str(side["side_shown"])


def _for_programs(table: Table) -> Table:
    """Without the words for people."""
    columns = table.columns[:-1]
    return Table(columns, table.shown, tuple(row[: len(columns)] for row in table.rows))


def _document(asked: Asked, table: Table, missing: str) -> dict[str, Any]:
    return {
        "filters": asked.filters(),
        "since": periods.iso(asked.ask.since_us, asked.now),
        "until": periods.iso(asked.ask.until_us, asked.now),
        "rows": tables.as_records(_for_programs(table)),
        "missing": missing or None,
    }
