"""The numbers of the page: what `usage` would print for the same filters, and how they lie in time.

All of it is a few hundred values, however many requests there are: DuckDB adds up, the page only draws. The tables are
those of `usage` (`groups.py` and the analyses), columns and words included, so that both show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from ringlet_mitm.addons.dashboard import live
from ringlet_mitm.addons.dashboard.wishes import Wish, wish_of
from ringlet_mitm.addons.usage import conduct, worth
from ringlet_mitm.addons.usage.analyses import Analysis, analysed
from ringlet_mitm.addons.usage.groups import MEASURES, added_up, spend_table
from ringlet_mitm.addons.usage.ledger import Connection, reading
from ringlet_mitm.addons.usage.ranking import ranked
from ringlet_mitm.addons.usage.reports import FILTERS, Ask, Row, Table, condition, fetched, first_us, in_zone, recorded
from ringlet_mitm.rules.ledger_target import LedgerTarget

STACKS = ("rule", "model", "provider")
GROUPS = (*STACKS, "agent", "project", "session")
# What `groups.MEASURES` add up.
SUMMED = (
    *("requests", "failed", "input", "output", "known_cost", "unpriced", "estimated"),
    *("switches", "switch_cost", "switch_unpriced"),
)
CHOICES = ("profile", "rule", "provider", "model", "agent")
# Colours that can be told apart; the rest is one more.
MOST_PARTS = 8
MOST_ROWS = 50
MOST_CHOICES = 300
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Bucket:
    """A length of time that is one bar: good for a time of up to `most_s`; `begins` reads what `groups` wrote."""

    name: str
    seconds: int
    most_s: float
    begins: Callable[[Any], datetime]


BUCKETS = (
    Bucket("hour", HOUR_S, 3.1 * 24 * HOUR_S, datetime.fromisoformat),
    Bucket("day", 24 * HOUR_S, 125 * 24 * HOUR_S, lambda day: datetime.combine(day, datetime.min.time())),
    Bucket("week", 7 * 24 * HOUR_S, 900 * 24 * HOUR_S, lambda week: datetime.strptime(f"{week}-1", "%G-W%V-%u")),
    Bucket("month", 30 * 24 * HOUR_S, float("inf"), lambda month: datetime.fromisoformat(f"{month}-01")),
)


@dataclass(frozen=True, slots=True)
class Looked:
    """A report of `usage NAME`, its title here, and what is said where there is nothing."""

    name: str
    title: str
    nothing: str
    of: Callable[[Connection, Ask], Table]


def _of(analysis: Analysis) -> Callable[[Connection, Ask], Table]:
    return lambda connection, ask: analysed(connection, analysis, ask)


ANALYSES = (
    Looked("cache", "Prompt cache", worth.CACHE.nothing, _of(worth.CACHE)),
    Looked("savings", "Beside the models asked for", worth.SAVINGS.nothing, _of(worth.SAVINGS)),
    Looked("latency", "Latency", conduct.LATENCY.nothing, _of(conduct.LATENCY)),
    Looked("errors", "Errors", conduct.ERRORS.nothing, conduct.errors),
)


def spending(connection: Connection, wish: Wish, now: datetime) -> dict[str, Any]:
    """What was spent on what, and when. The connection is good for nothing else afterwards."""
    begun_us = first_us(connection, wish.ask)
    bucket = _bucket(connection, wish.ask)
    _gather(connection, wish.ask, bucket)
    ask = replace(wish.ask, since_us=None, until_us=None)
    tables = {name: _grouped(connection, ask, name) for name in GROUPS}
    return {
        "made_us": round(now.timestamp() * 1_000_000),
        "words": wish.words,
        "zone": ask.tz,
        "first_us": begun_us,
        "choices": _choices(connection),
        "total": dict(zip(tables["rule"].columns[1:], (tables["rule"].total or ())[1:], strict=True)),
        "time": _over_time(connection, ask, bucket),
        "tables": {name: _topped(table) for name, table in tables.items()},
    }


def analyses(connection: Connection, wish: Wish, now: datetime) -> dict[str, Any]:
    """The reports on one question each, as `usage NAME` has them."""
    found = {one.name: one.of(connection, wish.ask) for one in ANALYSES}
    return {
        "made_us": round(now.timestamp() * 1_000_000),
        "analyses": [
            {"name": one.name, "title": one.title, "nothing": one.nothing, "table": _cut(found[one.name])}
            for one in ANALYSES
        ],
    }


@dataclass(frozen=True, slots=True)
class Document:
    """What the page asks for by name, and the views of the ledger that it is made of."""

    of: Callable[[Connection, Wish, datetime], dict[str, Any]]
    views: tuple[str, ...]


DOCUMENTS = {
    "usage": Document(spending, ("spend",)),
    "analyses": Document(analyses, tuple(one.name for one in ANALYSES)),
}
PAGE_VIEWS = tuple(view for document in DOCUMENTS.values() for view in document.views)


def answer(
    database: Path, spool_dir: Path, name: str, query: str, now: datetime, shared: LedgerTarget | None = None
) -> bytes:
    """One of DOCUMENTS as JSON, for the query of an address; raises UsageError, LedgerError."""
    wish = wish_of(query, now)
    document = DOCUMENTS[name]
    with reading(database, spool_dir, shared=shared, views=document.views) as connection:
        in_zone(connection, wish.ask)
        return encoded(document.of(connection, wish, now.astimezone()))


def now_running(snapshots: Path | None, now: datetime) -> bytes:
    """The proxies and streams of this moment as JSON, read from `snapshots`, the folder that proxies write to."""
    found = live.running(snapshots)
    now_us = round(now.timestamp() * 1_000_000)
    return encoded({"proxies": shape(live.proxies(found)), "streams": shape(live.streams(found, now_us))})


def whole(connection: Connection, wish: Wish, now: datetime) -> bytes:
    """All that the page shows in one, as JSON, for a page with its numbers inside."""
    of_each = analyses(connection, wish, now)
    return encoded({**of_each, **spending(connection, wish, now)})


def encoded(value: Any) -> bytes:
    """JSON with money as plain numbers."""
    return msgspec.json.Encoder(decimal_format="number").encode(value)


def _grouped(connection: Connection, ask: Ask, name: str) -> Table:
    by = (name,)
    return spend_table(by, added_up(connection, replace(ask, by=by)))


def _topped(table: Table) -> dict[str, Any]:
    """The dearest rows, and the others in one; `others` says that the last row is no group but these."""
    others = len(table.rows) > MOST_ROWS
    return {**shape(ranked(table, table.columns[:1], top=MOST_ROWS) if others else table), "others": others}


def _cut(table: Table) -> dict[str, Any]:
    """The first rows; `more` is how many follow."""
    more = max(0, len(table.rows) - MOST_ROWS)
    return {**shape(replace(table, rows=table.rows[:MOST_ROWS])), "more": more}


def shape(table: Table) -> dict[str, Any]:
    """A table as the page's `tables.js` reads it."""
    shown = [{"title": one.title, "unit": one.unit.value, "of": one.of, "if_any": one.if_any} for one in table.shown]
    return {"columns": table.columns, "shown": shown, "rows": table.rows, "total": table.total}


def _gather(connection: Connection, ask: Ask, bucket: Bucket) -> None:
    """Put sums in the place of `spend`: a row for all requests of a time that are alike in all that is asked of here.

    A million requests are some thousand such rows, so ten questions take the time of two. A temporary table goes before
    a view of its name, and sums of sums are the same sums; of the times it knows `bucket` alone.
    """
    columns = dict.fromkeys((bucket.name, *GROUPS, *FILTERS))
    sums = (f"sum({column}) AS {column}" for column in SUMMED)
    where, values = condition(Ask(since_us=ask.since_us, until_us=ask.until_us))
    sql = f"CREATE TEMP TABLE spend AS SELECT {', '.join((*columns, *sums))} FROM spend {where} GROUP BY ALL"
    fetched(connection, sql, values)


def _choices(connection: Connection) -> dict[str, list[str]]:
    """What the filters can be set to: every name within the time, whatever the other filters say."""
    return {name: [one for one in recorded(connection, name) if one][:MOST_CHOICES] for name in CHOICES}


def _bucket(connection: Connection, ask: Ask) -> Bucket:
    """Good for the time from the first request to the last."""
    where, values = condition(ask)
    ((begun_us, last_us),) = fetched(connection, f"SELECT min(started_us), max(started_us) FROM spend {where}", values)
    length_s = ((last_us or 0) - (begun_us or 0)) / 1_000_000
    return next(bucket for bucket in BUCKETS if length_s <= bucket.most_s)


def _over_time(connection: Connection, ask: Ask, bucket: Bucket) -> dict[str, Any]:
    """The sums of each part in each bucket that has any request; parts as in STACKS, the largest first."""
    groups = {name: added_up(connection, replace(ask, by=(bucket.name, name))) for name in STACKS}
    times = sorted({row[0] for row in groups[STACKS[0]]})
    return {
        "bucket": bucket.name,
        "seconds": bucket.seconds,
        "labels": [str(time) for time in times],
        "starts": [f"{bucket.begins(time):%Y-%m-%dT%H:%M}" for time in times],
        "stacks": {name: _parts(rows, times) for name, rows in groups.items()},
    }


COST, REQUESTS = (list(MEASURES).index(name) for name in ("known_cost_usd", "requests"))
SERIES = {
    "cost": "known_cost_usd",
    "unpriced": "unpriced_requests",
    "estimated": "estimated_requests",
    "input": "input_tokens",
    "output": "output_tokens",
    "requests": "requests",
}


def _parts(rows: Iterable[Row], times: list[str | date]) -> list[dict[str, Any]]:
    """One of each of the largest names and one of all others, with a number for each time."""
    of: dict[str, dict[Any, Row]] = {}
    for time, name, *measures in rows:
        of.setdefault(name, {})[time] = tuple(measures)
    weights = {name: _weight(found.values()) for name, found in of.items()}
    names = sorted(of, key=lambda name: weights[name], reverse=True)
    largest, others = (names, []) if len(names) <= MOST_PARTS + 1 else (names[:MOST_PARTS], names[MOST_PARTS:])
    parts = [_part(name, [of[name]], times) for name in largest]
    return [*parts, _part(f"others ({len(others)})", [of[name] for name in others], times)] if others else parts


def _weight(measures: Iterable[Row]) -> tuple[Any, int]:
    every = list(measures)
    return sum(row[COST] for row in every), sum(row[REQUESTS] for row in every)


def _part(name: str, found: list[dict[Any, Row]], times: list[str | date]) -> dict[str, Any]:
    places = {series: list(MEASURES).index(measure) for series, measure in SERIES.items()}
    return {
        "name": name,
        **{
            series: [sum(by_time[time][place] for by_time in found if time in by_time) for time in times]
            for series, place in places.items()
        },
    }
