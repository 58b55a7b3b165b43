"""The arms of splits side by side, and the copies of shadows beside the requests that they are of.

Nothing is priced here. Of few requests little can be said, and the table says how little: an error share comes with the
interval that it may be in (Wilson, 95 %), a mean cost with its standard error, and a 95th percentile only where there
are enough answers for one to lie beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import combinations, groupby
from math import sqrt
from typing import Any

import duckdb

from ringlet_mitm.addons.usage.analyses import ESTIMATED, REQUESTS, total_of, usd_of
from ringlet_mitm.addons.usage.groups import Measure
from ringlet_mitm.addons.usage.reports import Ask, Row, Shown, Table, Unit, condition, fetched

SENT, COPY = "as sent", "copy"
GROUPS = {
    "rule": "the rule that splits or has a shadow",
    "shadow": "where its copies went; empty for a split",
    "side": "the arm, 'as sent', or 'copy'",
}
# Of 19 answers the 95th percentile is the slowest.
LEAST_FOR_P95 = 20
# Below it a share or a mean is more chance than fact; a convention.
LEAST_TO_SAY = 30
# Two standard errors: one time in twenty chance makes as much.
SURE = 1.96


def _middle(column: str, what: str) -> dict[str, Measure]:
    p95 = f"CASE WHEN count({column}) >= {LEAST_FOR_P95} THEN round(quantile_cont({column}, 0.95), 1) END"
    return {
        f"{column}_p50": Measure(f"round(quantile_cont({column}, 0.5), 1)", f"{what}, median"),
        f"{column}_p95": Measure(p95, f"{what}, 95th percentile; null of fewer than {LEAST_FOR_P95} answers"),
    }


MEASURES: dict[str, Measure] = {
    "requests": REQUESTS,
    "sessions": Measure("count(DISTINCT nullif(session, ''))", "of how many sessions they are"),
    "failed_requests": Measure(total_of("failed"), "of them, how many ended in an error"),
    "elsewhere_requests": Measure(total_of("elsewhere"), "of them, how many another provider answered"),
    **_middle("first_byte_ms", "milliseconds to the first byte"),
    **_middle("total_ms", "milliseconds to the last byte"),
    "input_tokens": Measure(total_of("input"), "tokens in, cached ones included"),
    "output_tokens": Measure(total_of("output"), "tokens out, reasoning included"),
    "estimated_requests": ESTIMATED,
    "known_cost_usd": Measure(usd_of("known_cost"), "USD of the requests whose price is known"),
    "unpriced_requests": Measure(total_of("unpriced"), "of them, how many have no known price"),
    "cost_spread_usd": Measure("stddev_samp(known_cost)", "how far apart the known costs are, standard deviation"),
    "cut_off_requests": Measure(total_of("cut_off"), "of them, how many answers were cut off at a limit of tokens"),
    "refused_requests": Measure(total_of("refused"), "of them, how many the model or a filter would not answer"),
}
DERIVED = {
    "error_share": "failed_requests as a part of requests, 0 to 1",
    "error_share_low": "the true share is hardly less (Wilson interval, 95 %)",
    "error_share_high": "nor more",
    "input_tokens_each": "tokens in, a request",
    "output_tokens_each": "tokens out, a request",
    "cost_usd": "USD in all; null as soon as one price is unknown",
    "cost_usd_each": "USD a request; null likewise",
    "known_cost_usd_each": "USD a request whose price is known",
    "cost_error_usd_each": "its standard error; null of fewer than two",
}
MEANINGS = GROUPS | {name: measure.meaning for name, measure in MEASURES.items()} | DERIVED
SHOWN: tuple[Shown, ...] = (
    Shown("RULE", Unit.NAME, ("rule",)),
    Shown("SIDE", Unit.NAME, ("side_shown",)),
    Shown("REQUESTS", Unit.COUNT, ("requests",)),
    Shown("SESSIONS", Unit.COUNT, ("sessions",)),
    Shown("ERRORS", Unit.INTERVAL, ("error_share", "error_share_low", "error_share_high")),
    Shown("TTFT P50", Unit.MS, ("first_byte_ms_p50",)),
    Shown("P95", Unit.MS, ("first_byte_ms_p95",)),
    Shown("TOTAL P50", Unit.MS, ("total_ms_p50",)),
    Shown("P95", Unit.MS, ("total_ms_p95",)),
    Shown("TOKENS EACH", Unit.TOKENS, ("input_tokens_each", "output_tokens_each", "estimated_requests")),
    Shown("CUT OFF", Unit.COUNT, ("cut_off_requests",), if_any="cut_off_requests"),
    Shown("REFUSED", Unit.COUNT, ("refused_requests",), if_any="refused_requests"),
    Shown("COST EACH", Unit.COST, ("cost_usd_each", "known_cost_usd_each", "unpriced_requests", "estimated_requests")),
    Shown("COST", Unit.COST, ("cost_usd", "known_cost_usd", "unpriced_requests", "estimated_requests")),
)

Values = Mapping[str, Any]


def compared(connection: duckdb.DuckDBPyConnection, ask: Ask) -> Table:
    """One row a side, those of a comparison one after the other: arms by name, what was sent before its copies."""
    where, values = condition(ask)
    names = (*GROUPS, *MEASURES)
    measures = ", ".join(f"{measure.sql} AS {name}" for name, measure in MEASURES.items())
    sql = f"SELECT {', '.join(GROUPS)}, {measures} FROM compared {where} GROUP BY ALL ORDER BY rule, shadow, side"
    found = [dict(zip(names, row, strict=True)) for row in fetched(connection, sql, values)]
    columns = (*names, *DERIVED, "side_shown")
    return Table(columns, SHOWN, tuple(_complete(names, row) for row in found))


def interval(failed: int, of: int) -> tuple[float, float]:
    """Between which shares the true one lies, at 95 % (Wilson 1927); nothing is known of nothing."""
    if not of:
        return 0.0, 1.0
    square, share = SURE * SURE, failed / of
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = SURE * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return round(max(0.0, middle - half), 6), round(min(1.0, middle + half), 6)


def sides(table: Table) -> Iterator[tuple[str, str, list[Values]]]:
    """Each comparison: its rule, where copies went ('' for a split), and the values of its sides."""
    rows = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    for (rule, shadow), group in groupby(rows, key=lambda row: (row["rule"], row["shadow"])):
        yield rule, shadow, list(group)


def by_chance(sides_of_one: list[Values]) -> list[tuple[Values, Values]]:
    """Pairs whose cost a request differs by no more than chance may make of so many; the cheaper one first.

    Pairs of which nobody can tell, for want of prices or of requests, are not among them.
    """
    found = []
    for one, other in combinations(sides_of_one, 2):
        errors = (one["cost_error_usd_each"], other["cost_error_usd_each"])
        costs = (one["cost_usd_each"], other["cost_usd_each"])
        if None in errors or None in costs or costs[0] == costs[1]:
            continue
        if abs(costs[0] - costs[1]) < Decimal(SURE * sqrt(float(errors[0]) ** 2 + float(errors[1]) ** 2)):
            found.append((one, other) if costs[0] < costs[1] else (other, one))
    return found


def _complete(names: tuple[str, ...], row: Values) -> Row:
    requests, unpriced = row["requests"], row["unpriced_requests"]
    priced, known = requests - unpriced, Decimal(row["known_cost_usd"])
    low, high = interval(row["failed_requests"], requests)
    spread = row["cost_spread_usd"]
    each = round(known / priced, 10) if priced else Decimal(0)
    return (
        *(row[name] for name in names),
        round(row["failed_requests"] / requests, 6),
        low,
        high,
        round(row["input_tokens"] / requests),
        round(row["output_tokens"] / requests),
        None if unpriced else known,
        None if unpriced else each,
        each,
        None if spread is None or priced < 2 else round(spread / sqrt(priced), 10),
        _side(row),
    )


def _side(row: Values) -> str:
    """A copy by where it went."""
    return f"{COPY}: {row['shadow']}" if row["side"] == COPY else str(row["side"])
