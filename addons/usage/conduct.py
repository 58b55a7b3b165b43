"""How providers and estimates behave: what failed, how long answers took, how far token estimates were off."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from ringlet_mitm.addons.usage.analyses import REQUESTS, Analysis, analysed, count, part, total_of
from ringlet_mitm.addons.usage.groups import Measure
from ringlet_mitm.addons.usage.reports import Ask, Row, Shown, Table, Unit, condition, fetched

ERRORS = Analysis(
    view="errors",
    about="errors",
    nothing="no errors",
    by=("provider", "model"),
    always=("error_class", "status"),
    order="failed_tries",
    measures={
        "failed_tries": REQUESTS,
        "requests": Measure(count("true"), "requests that they were of"),
        "saved_requests": Measure(count("saved = 1"), "of them, how many went well with another try"),
        "given_requests": Measure(count("given = 1"), "of them, how many ended in it"),
        "waited_ms": Measure(total_of("waited_ms"), "milliseconds waited after it in all, before the next try"),
        "last": Measure("CAST(make_timestamptz(max(at_us)) AS VARCHAR)", "when it was seen last"),
    },
    shown=(
        Shown("FAILED", Unit.COUNT, ("failed_tries",)),
        Shown("OF TRIES", Unit.PART, ("rate",)),
        Shown("REQUESTS", Unit.COUNT, ("requests",)),
        Shown("SAVED", Unit.COUNT, ("saved_requests",)),
        Shown("GIVEN", Unit.COUNT, ("given_requests",)),
        Shown("WAITED", Unit.MS, ("waited_ms",)),
        Shown("LAST", Unit.TIME, ("last",)),
    ),
)
TRIES = {"tries": "tries in all of the same group, whatever came of them", "rate": "failed_tries as a part of them"}


def _percentiles(column: str, what: str, places: int) -> dict[str, Measure]:
    """The middle one, and what the slowest 5 % and 1 % exceed."""
    return {
        f"{column}_p{percent}": Measure(
            f"round(quantile_cont({column}, [0.5, 0.95, 0.99])[{place}], {places})", f"{what}, {words}"
        )
        for place, (percent, words) in enumerate(((50, "median"), (95, "95th percentile"), (99, "99th percentile")), 1)
    }


LATENCY = Analysis(
    view="latency",
    about="latency",
    nothing="no answers",
    by=("provider", "model"),
    measures={
        "requests": Measure("CAST(count(*) AS BIGINT)", "how many answers"),
        **_percentiles("first_byte_ms", "milliseconds to the first byte, tries that failed before included", 1),
        **_percentiles("total_ms", "milliseconds to the last byte", 1),
        "tokens_per_second": Measure(
            "round(quantile_cont(tokens_per_second, 0.5), 1)",
            "output a second of streams, from their first byte; median",
        ),
        "decision_ms_p50": Measure("round(quantile_cont(decision_ms, 0.5), 3)", "milliseconds to decide, median"),
        "decision_ms_p99": Measure(
            "round(quantile_cont(decision_ms, 0.99), 3)", "milliseconds to decide, 99th percentile"
        ),
    },
    shown=(
        Shown("ANSWERS", Unit.COUNT, ("requests",)),
        Shown("TTFT P50", Unit.MS, ("first_byte_ms_p50",)),
        Shown("P95", Unit.MS, ("first_byte_ms_p95",)),
        Shown("P99", Unit.MS, ("first_byte_ms_p99",)),
        Shown("TOTAL P50", Unit.MS, ("total_ms_p50",)),
        Shown("P95", Unit.MS, ("total_ms_p95",)),
        Shown("P99", Unit.MS, ("total_ms_p99",)),
        Shown("TOKENS", Unit.SPEED, ("tokens_per_second",)),
        Shown("DECISION P50", Unit.MS, ("decision_ms_p50",)),
        Shown("P99", Unit.MS, ("decision_ms_p99",)),
    ),
)

ACCURACY = Analysis(
    view="accuracy",
    about="token estimates",
    nothing="no requests with counted and reported input",
    by=("provider", "model"),
    measures={
        "requests": REQUESTS,
        "ratio_p50": Measure("round(quantile_cont(ratio, 0.5), 4)", "estimated to reported input, median; 1 is right"),
        "error_p50": Measure("round(quantile_cont(error, 0.5), 4)", "how far off, as a part of reported, median"),
        "error_p90": Measure("round(quantile_cont(error, 0.9), 4)", "how far off nine of ten were at most"),
        "calibration": Measure("arg_max(calibration, started_us)", "learned ratio that the last estimate used"),
        "needed_p50": Measure("round(quantile_cont(needed, 0.5), 4)", "ratio that would have been right, median"),
    },
    shown=(
        Shown("REQUESTS", Unit.COUNT, ("requests",)),
        Shown("ESTIMATE / REPORTED", Unit.RATIO, ("ratio_p50",)),
        Shown("ERROR P50", Unit.PART, ("error_p50",)),
        Shown("ERROR P90", Unit.PART, ("error_p90",)),
        Shown("CALIBRATION", Unit.RATIO, ("calibration",)),
        Shown("NEEDED", Unit.RATIO, ("needed_p50",)),
    ),
)


def errors(connection: duckdb.DuckDBPyConnection, ask: Ask) -> Table:
    """The report on errors, with how many tries there were of the same group: that is what a rate is of."""
    table = analysed(connection, ERRORS, ask)
    if not table.rows:
        return replace(table, columns=(*table.columns, *TRIES))
    groups = tuple(name for name in ask.by or ERRORS.by if name not in ERRORS.always)
    tries = _tries(connection, groups, ask)
    failed = table.columns.index("failed_tries")
    rows = tuple((*row, of := tries[row[: len(groups)]], part(row[failed], of)) for row in table.rows)
    of_all = sum(tries.values())
    total = (*(table.total or ()), of_all, part((table.total or ())[failed], of_all))
    return replace(table, columns=(*table.columns, *TRIES), rows=rows, total=total)


def _tries(connection: duckdb.DuckDBPyConnection, groups: tuple[str, ...], ask: Ask) -> dict[Row, int]:
    """By group, those that failed and those that went well: of these every request has one, the one that answered."""
    where, values = condition(ask)
    names = "".join(f"{name}, " for name in groups)
    found = fetched(
        connection,
        f"SELECT {names} CAST(sum(tries) AS BIGINT) FROM ("
        f"SELECT {names} count(*) AS tries FROM errors {where} GROUP BY ALL UNION ALL "
        f"SELECT {names} count(*) AS tries FROM counted {where} AND failed = 0 AND origin IN ('proxy', 'shadow') "
        "GROUP BY ALL) GROUP BY ALL",
        [*values, *values],
    )
    return {row[:-1]: row[-1] for row in found}
