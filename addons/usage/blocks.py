"""The 5-hour blocks that Claude plans are counted in.

Anthropic calls them sessions: one "starts with your first message and lasts for 5 hours" (help centre, 11014257). How
that is rounded it does not say; ccusage, which most people know blocks from, takes the hour in UTC that the first
request is in as the beginning (both accessed 2026-11-21). So it is done here: blocks begin on the hour and last for
whole hours, so that sums by the hour are all that is needed.

How much a plan allows Anthropic does not say either, so a limit is the person's to give.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from ringlet_mitm.addons.usage.analyses import part, total_of, usd_of
from ringlet_mitm.addons.usage.groups import Measure
from ringlet_mitm.addons.usage.reports import Ask, Row, Shown, Table, Unit, condition, fetched

HOUR_US = 3600 * 1_000_000
BLOCK_US = 5 * HOUR_US
# What is spent in less time says nothing of an hour.
LEAST_US = 60 * 1_000_000
# Plans pay for what reaches Anthropic and nothing else.
PLAN_PROVIDER = "anthropic"

SUMS: dict[str, Measure] = {
    "requests": Measure("CAST(count(*) AS BIGINT)", "how many requests"),
    "input_tokens": Measure(total_of("input"), "tokens in, cached ones included"),
    "output_tokens": Measure(total_of("output"), "tokens out, reasoning included"),
    "known_cost_usd": Measure(
        usd_of("known_cost"), "USD of the requests whose price is known, at the prices of the API"
    ),
    "unpriced_requests": Measure(total_of("unpriced"), "of them, how many have no known price"),
    "estimated_requests": Measure(total_of("estimated"), "of them, how many have estimated tokens"),
}
OTHERS: dict[str, str] = {
    "block": "when it began, on the hour",
    "ends": "when it ended or will, five hours later",
    "running": "it has not ended yet",
    "cost_usd": "USD in all; null as soon as one price is unknown",
    "tokens": "in and out",
    "tokens_per_minute": "since the first request, up to the last one or to now; null for less than a minute",
    "usd_per_hour": "the known cost likewise",
    "projected_tokens": "of the running one, what it comes to at that rate",
    "projected_usd": "likewise",
    "limit_share": "tokens, or USD where the limit is in USD, as a part of --limit",
}
MEANINGS: dict[str, str] = OTHERS | {name: measure.meaning for name, measure in SUMS.items()}
SHOWN: tuple[Shown, ...] = (
    Shown("BLOCK", Unit.TIME, ("block",)),
    Shown("ENDS", Unit.TIME, ("ends",)),
    Shown("REQUESTS", Unit.COUNT, ("requests",)),
    Shown("TOKENS", Unit.TOKENS, ("input_tokens", "output_tokens", "estimated_requests")),
    Shown("COST", Unit.COST, ("cost_usd", "known_cost_usd", "unpriced_requests", "estimated_requests")),
    Shown("TOKENS/MIN", Unit.AMOUNT_IF_ANY, ("tokens_per_minute",)),
    Shown("COST/H", Unit.USD_IF_ANY, ("usd_per_hour",)),
    Shown("COMES TO", Unit.AMOUNT_IF_ANY, ("projected_tokens",), if_any="running"),
    Shown("COST", Unit.USD_IF_ANY, ("projected_usd",), if_any="running"),
    Shown("OF LIMIT", Unit.PART, ("limit_share",), if_any="limit_share"),
)
COLUMNS = ("block", "ends", "running", *SUMS, *(name for name in OTHERS if name not in ("block", "ends", "running")))


@dataclass(frozen=True, slots=True)
class Limit:
    """What a block may have: tokens, USD, or `most`, the tokens of the largest one that is over."""

    tokens: int | None = None
    usd: Decimal | None = None
    most: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """What was used from `start_us` on; `first_us` and `last_us` are when its requests had arrived."""

    start_us: int
    first_us: int
    last_us: int
    sums: dict[str, Any]

    @property
    def end_us(self) -> int:
        """Not included."""
        return self.start_us + BLOCK_US

    @property
    def tokens(self) -> int:
        """In and out."""
        return int(self.sums["input_tokens"] + self.sums["output_tokens"])


def blocks(connection: duckdb.DuckDBPyConnection, ask: Ask) -> list[Block]:
    """Those that overlap the time of `ask`, oldest first.

    Where they begin depends on all that was before, so all of it is read: hours, and not many of them.
    """
    where, values = condition(replace(ask, since_us=None, until_us=None))
    sums = ", ".join(measure.sql for measure in SUMS.values())
    hours = fetched(
        connection,
        f"SELECT hour_us, min(started_us), max(started_us), {sums} FROM blocks {where} "
        "GROUP BY hour_us ORDER BY hour_us",
        values,
    )
    found = folded(hours)
    since_us, until_us = ask.since_us, ask.until_us
    return [
        block
        for block in found
        if (since_us is None or block.end_us > since_us) and (until_us is None or block.start_us < until_us)
    ]


def folded(hours: Iterable[Row]) -> list[Block]:
    """Hours in their order as blocks; an hour is when it began, its first and last request, and its SUMS."""
    found: list[Block] = []
    for hour_us, first_us, last_us, *sums in hours:
        of_hour = dict(zip(SUMS, sums, strict=True))
        if not found or hour_us >= found[-1].end_us:
            found.append(Block(hour_us, first_us, last_us, of_hour))
            continue
        block = found[-1]
        added = {name: block.sums[name] + amount for name, amount in of_hour.items()}
        found[-1] = replace(block, last_us=last_us, sums=added)
    return found


def block_table(found: list[Block], now: datetime, limit: Limit | None = None) -> Table:
    """Blocks as a table, the newest last; times are those of the zone of `now`."""
    now_us = round(now.timestamp() * 1_000_000)
    allowed = _allowed(limit, [block for block in found if block.end_us <= now_us])
    rows = tuple(_row(block, now, now_us, allowed) for block in found)
    return Table(COLUMNS, SHOWN, rows)


def running(found: list[Block], now: datetime) -> Block | None:
    """The one that has not ended yet."""
    last = found[-1] if found else None
    return last if last and last.start_us <= now.timestamp() * 1_000_000 < last.end_us else None


def _allowed(limit: Limit | None, over: list[Block]) -> Limit | None:
    """In tokens or USD; the block that is the most so far is only known where there is one."""
    if limit is None or not limit.most:
        return limit
    return Limit(tokens=max(block.tokens for block in over)) if over else None


def _row(block: Block, now: datetime, now_us: int, limit: Limit | None) -> Row:
    is_running = block.start_us <= now_us < block.end_us
    known = Decimal(block.sums["known_cost_usd"])
    lasted_us = (now_us if is_running else block.last_us) - block.first_us
    left_us = block.end_us - now_us if is_running else None
    rates = (None, None) if lasted_us < LEAST_US else (block.tokens / lasted_us, known / lasted_us)
    tokens_rate, usd_rate = rates
    values = {
        "block": _moment(block.start_us, now),
        "ends": _moment(block.end_us, now),
        "running": is_running,
        **block.sums,
        "cost_usd": None if block.sums["unpriced_requests"] else known,
        "tokens": block.tokens,
        "tokens_per_minute": None if tokens_rate is None else round(tokens_rate * LEAST_US),
        "usd_per_hour": None if usd_rate is None else round(usd_rate * HOUR_US, 6),
        "projected_tokens": None
        if tokens_rate is None or left_us is None
        else block.tokens + round(tokens_rate * left_us),
        "projected_usd": None if usd_rate is None or left_us is None else round(known + usd_rate * left_us, 6),
        "limit_share": _limit_share(block.tokens, known, limit),
    }
    return tuple(values[name] for name in COLUMNS)


def _limit_share(tokens: int, known: Decimal, limit: Limit | None) -> float | None:
    if limit is None:
        return None
    return part(known, limit.usd) if limit.usd is not None else part(tokens, limit.tokens)


def _moment(us: int, now: datetime) -> str:
    moment = datetime.fromtimestamp(us / 1_000_000, now.tzinfo)
    return (moment if now.tzinfo else moment.astimezone()).isoformat(" ")
