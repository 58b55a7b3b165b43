"""Reports on one question each, over small ledgers whose figures were worked out by hand."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from ledgers import NOON, connected, request

from ringlet_mitm.addons.usage.analyses import Analysis, analysed, first_us
from ringlet_mitm.addons.usage.conduct import ACCURACY, ERRORS, LATENCY, errors
from ringlet_mitm.addons.usage.ledger import Exchanged, insert
from ringlet_mitm.addons.usage.reports import Ask, Table
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.addons.usage.worth import CACHE, SAVINGS

S = 1_000_000
LLAMA = {"provider": "groq", "routed_model": "llama", "rule": "cheap → groq"}


def tried(row: RequestRow, *tries: dict[str, Any]) -> Exchanged:
    """A request with its attempts, of which `tries` say what is not usual."""
    usual = {"provider": row.provider, "model": row.routed_model, "status": 200, "started_us": row.started_us}
    return row, tuple(
        AttemptRow(**{**usual, "request_id": row.id, "number": number, **one}) for number, one in enumerate(tries, 1)
    )


def ledger(*exchanges: Exchanged | RequestRow) -> duckdb.DuckDBPyConnection:
    connection = connected()
    insert(connection, [one if isinstance(one, tuple) else (one, ()) for one in exchanges])
    return connection


def rows(table: Table, *columns: str) -> list[tuple[Any, ...]]:
    return list(zip(*(table.values(name) for name in columns), strict=True))


def total(table: Table) -> dict[str, Any]:
    assert table.total is not None
    return dict(zip(table.columns, table.total, strict=True))


def picked(values: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(values[name] for name in names)


# ---- errors ----

OVERLOADED = {"status": 529, "error_class": "overloaded"}
LIMITED = {"status": 429, "error_class": "rate-limited"}
FAILED = {"usage_source": "none", "cost_total": None}


def failures() -> Iterable[Exchanged]:
    """Seven tries at Claude: three overloaded, one 404 by its status; two at llama, both limited."""
    ok = request(attempts=2)
    yield tried(ok, OVERLOADED, {"wait_ms": 700})
    twice = request(attempts=3, **FAILED, **OVERLOADED, started_us=NOON + 9 * S)
    yield tried(twice, OVERLOADED | {"started_us": NOON + 9 * S}, {**OVERLOADED, "wait_ms": 500}, LIMITED | LLAMA_TRY)
    fallback = request(**LLAMA, attempts=2)
    yield tried(fallback, {"provider": "anthropic", "model": "claude-sonnet-4-5", "status": 404}, {"wait_ms": 30})
    yield tried(request(**LLAMA, attempts=1, **FAILED, **LIMITED), LIMITED)
    yield tried(request(), {})
    yield request(attempts=0, rule="", **FAILED, status=402, error_class="not-sent"), ()


LLAMA_TRY = {"provider": "groq", "model": "llama", "wait_ms": 40}
ERROR_COLUMNS = (
    *("provider", "error_class", "status", "failed_tries", "requests", "saved_requests", "given_requests"),
    *("waited_ms", "tries"),
)


def test_errors_by_provider_model_class_and_status() -> None:
    with ledger(*failures()) as connection:
        table = errors(connection, Ask())
    assert rows(table, *ERROR_COLUMNS) == [
        ("anthropic", "overloaded", 529, 3, 2, 1, 0, 700 + 500 + 40, 7),
        ("groq", "rate-limited", 429, 2, 2, 0, 2, 0, 3),
        ("anthropic", "", 404, 1, 1, 1, 0, 30, 7),
        ("anthropic", "not-sent", 402, 1, 1, 0, 1, 0, 7),
    ]
    assert table.values("rate") == [round(3 / 7, 6), round(2 / 3, 6), round(1 / 7, 6), round(1 / 7, 6)]
    assert table.values("last")[0].startswith("2026-11-20 12:00:09")
    assert picked(total(table), "failed_tries", "requests", "saved_requests", "given_requests", "tries", "rate") == (
        7, 5, 2, 3, 10, 0.7,
    )  # fmt: skip


def test_errors_of_one_provider_are_the_tries_there() -> None:
    with ledger(*failures()) as connection:
        table = errors(connection, Ask(provider=("groq",)))
    assert rows(table, "error_class", "failed_tries", "tries") == [("rate-limited", 2, 3)]


def test_errors_by_something_else() -> None:
    with ledger(*failures()) as connection:
        table = errors(connection, Ask(by=("rule",)))
    assert table.columns[:3] == ("rule", "error_class", "status")
    assert rows(table, "rule", "error_class", "failed_tries", "tries")[0] == ("default → anthropic", "overloaded", 3, 6)
    assert total(table)["tries"] == 10


def test_a_stream_that_broke_off_is_an_error_that_was_given() -> None:
    broken = request(error_class="broken-stream", status=200)
    with ledger(tried(broken, {"error_class": "broken-stream"})) as connection:
        table = errors(connection, Ask())
    assert rows(table, "error_class", "status", "given_requests", "rate") == [("broken-stream", 200, 1, 1.0)]


# ---- latency ----


def answer(first_ms: int, total_ms: int, **more: Any) -> RequestRow:
    times = {"first_byte_us": NOON + first_ms * 1000, "ended_us": NOON + total_ms * 1000}
    return request(**{"stream": True, "output_tokens": 100, "decision_us": 500, **times, **more})


def test_latency_percentiles() -> None:
    """Of 100, 200 … 1000 ms: the middle is 550, p95 lies at 8.55 of the way from the first to the last, p99 at 8.91."""
    with ledger(
        *(answer(100 * place, 1000 + 100 * place, decision_us=20 * place) for place in range(1, 11))
    ) as connection:
        table = analysed(connection, LATENCY, Ask())
    columns = ("requests", "first_byte_ms_p50", "first_byte_ms_p95", "first_byte_ms_p99", "total_ms_p50")
    assert rows(table, *columns) == [(10, 550.0, 955.0, 991.0, 1550.0)]
    assert rows(table, "tokens_per_second", "decision_ms_p50", "decision_ms_p99") == [(100.0, 0.11, 0.198)]
    assert picked(total(table), *columns) == (10, 550.0, 955.0, 991.0, 1550.0)


NO_LATENCY = {
    "it failed": {"status": 500},
    "it broke off": {"error_class": "broken-stream"},
    "it has no first byte": {"first_byte_us": None},
    "it was imported": {"origin": "import:claude"},
}


@pytest.mark.parametrize("given", NO_LATENCY.values(), ids=NO_LATENCY)
def test_only_answers_have_a_latency(given: dict[str, Any]) -> None:
    with ledger(answer(100, 200, **given), answer(300, 400)) as connection:
        assert rows(analysed(connection, LATENCY, Ask()), "requests", "first_byte_ms_p50") == [(1, 300.0)]


def test_whole_answers_have_no_speed() -> None:
    with ledger(answer(100, 200, stream=False), answer(100, 100)) as connection:
        assert rows(analysed(connection, LATENCY, Ask()), "requests", "tokens_per_second") == [(2, None)]


# ---- cache ----


def test_what_the_cache_was_worth() -> None:
    """10,000 in, 6,000 of them read; 0.03 USD without a cache, 0.012 with it. One wrote more than it read."""
    read = request(
        input_tokens=4_000, cache_read_tokens=6_000, cost_total=Decimal("0.012"), cost_uncached=Decimal("0.03")
    )
    switched = {"switched_from": "groq/llama", "cost_switch": Decimal("0.002")}
    money = {"cost_total": Decimal("0.01"), "cost_uncached": Decimal("0.006")}
    wrote = request(cache_write_5m_tokens=1_000, cache_write_1h_tokens=1_000, **money, **switched)
    other = request(**LLAMA, input_tokens=500, cost_total=Decimal("0.1"), usage_source="estimated")
    with ledger(read, wrote, other, request(**FAILED, status=500)) as connection:
        table = analysed(connection, CACHE, Ask())
    columns = ("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "hit_share", "saved_usd")
    assert rows(table, "provider", *columns) == [
        ("anthropic", 2, 12_000, 6_000, 2_000, 0.5, Decimal("0.014")),
        ("groq", 1, 500, 0, 0, 0.0, 0),
    ]
    assert rows(table, "switches", "switch_cost_usd", "estimated_requests") == [(1, Decimal("0.002"), 0), (0, 0, 1)]
    assert picked(total(table), *columns) == (3, 12_500, 6_000, 2_000, 0.48, Decimal("0.014"))


def test_a_cache_whose_prices_are_unknown_saved_an_unknown_amount() -> None:
    known = request(cache_read_tokens=10, cost_total=Decimal(1), cost_uncached=Decimal(3))
    before = request(cache_read_tokens=10, cost_total=Decimal(1))
    with ledger(known, before) as connection:
        table = analysed(connection, CACHE, Ask())
    columns = ("saved_usd", "known_saved_usd", "unpriced_requests")
    assert rows(table, *columns) == [(None, Decimal(2), 1)]
    assert picked(total(table), *columns) == (None, Decimal(2), 1)


# ---- accuracy ----


def counted(estimated: int, reported: int, **more: Any) -> RequestRow:
    return request(counted_tokens=1_000, estimated_input_tokens=estimated, input_tokens=reported, **more)


def test_how_good_estimates_were() -> None:
    """Ratios 0.8, 1, 1.1, 1.2 and 2: median 1.1. Errors 0, 0.1, 0.2, 0.2, 1: nine of ten are at 0.2 + 0.6 x 0.8."""
    made = [(800, 1_000), (1_000, 1_000), (1_100, 1_000), (1_200, 1_000), (2_000, 1_000)]
    rising = (counted(*pair, started_us=NOON + place, calibration=1 + place / 10) for place, pair in enumerate(made))
    with ledger(*rising) as connection:
        table = analysed(connection, ACCURACY, Ask())
    columns = ("requests", "ratio_p50", "error_p50", "error_p90", "calibration", "needed_p50")
    assert rows(table, *columns) == [(5, 1.1, 0.2, 0.68, 1.4, 1.0)]


NOT_COMPARED = {
    "nobody counted": {"counted_tokens": None},
    "nobody reported": {"usage_source": "estimated"},
    "nothing was used": {"input_tokens": 0},
}


@pytest.mark.parametrize("given", NOT_COMPARED.values(), ids=NOT_COMPARED)
def test_estimates_need_both_counts(given: dict[str, Any]) -> None:
    said = {"counted_tokens": 5, "estimated_input_tokens": 5, "input_tokens": 5} | given
    with ledger(request(**said)) as connection:
        table = analysed(connection, ACCURACY, Ask())
    assert (table.rows, table.total) == ((), None)


# ---- savings ----


def paid(cost: str | None, as_asked: str | None, **more: Any) -> RequestRow:
    money = {"cost_total": cost and Decimal(cost), "cost_as_asked": as_asked and Decimal(as_asked)}
    return request(asked_provider="anthropic", **{**money, **more})


def test_savings_by_rule_and_in_all() -> None:
    """Cheap: 0.1 and 0.2 instead of 1 and 2; one whose price nobody knows is apart. Default: as asked. Copies cost."""
    made = (
        *(paid("0.1", "1", **LLAMA), paid("0.2", "2", **LLAMA), paid(None, "5", **LLAMA), paid("5", None, **LLAMA)),
        *(paid("1", "1"), paid(None, None, usage_source="none", status=500)),
        paid("0.5", None, **LLAMA, origin="shadow"),
    )
    with ledger(*made) as connection:
        table = analysed(connection, SAVINGS, Ask())
    columns = ("requests", "kept_requests", "unknown_requests", "cost_usd", "as_asked_usd", "saved_usd", "saved_share")
    assert rows(table, "rule", *columns) == [
        ("cheap → groq", 4, 0, 2, Decimal("0.3"), 3, Decimal("2.7"), 0.9),
        ("default → anthropic", 1, 1, 0, 1, 1, 0, 0.0),
        ("shadow of cheap → groq", 1, 0, 0, Decimal("0.5"), 0, Decimal("-0.5"), None),
    ]
    assert picked(total(table), *columns, "compared_requests") == (
        6, 1, 2, Decimal("1.8"), 4, Decimal("2.2"), 0.55, 4,
    )  # fmt: skip


def test_where_nothing_can_be_compared_savings_are_unknown() -> None:
    with ledger(paid(None, "5")) as connection:
        table = analysed(connection, SAVINGS, Ask())
    assert rows(table, "cost_usd", "as_asked_usd", "saved_usd", "saved_share") == [(None, None, None, None)]


def test_what_was_imported_is_as_asked() -> None:
    with ledger(paid("2", None, origin="import:claude", session="s")) as connection:
        assert rows(analysed(connection, SAVINGS, Ask()), "as_asked_usd", "saved_usd") == [(2, 0)]


# ---- all of them ----

ALL = {"errors": ERRORS, "latency": LATENCY, "cache": CACHE, "accuracy": ACCURACY, "savings": SAVINGS}


@pytest.mark.parametrize("analysis", ALL.values(), ids=ALL)
def test_of_nothing_there_is_nothing(analysis: Analysis) -> None:
    with ledger() as connection:
        table = analysed(connection, analysis, Ask())
        assert (table.rows, table.total, first_us(connection, Ask())) == ((), None, None)


FILTERED = {
    "profile": ({"profile": "home"}, Ask(profile=("home",))),
    "model": ({"routed_model": "opus"}, Ask(model=("op*",))),
    "agent": ({"agent": "codex"}, Ask(agent=("codex",))),
    "rule": ({"rule": "big → openai"}, Ask(rule=("big",))),
    "session": ({"session": "s1"}, Ask(session=("s1",))),
    "project": ({"project": "app"}, Ask(project=("app",))),
    "since": ({"started_us": NOON + S}, Ask(since_us=NOON + S)),
    "until": ({"started_us": NOON - S}, Ask(until_us=NOON)),
}


@pytest.mark.parametrize("analysis", ALL.values(), ids=ALL)
def test_every_report_obeys_every_filter(analysis: Analysis) -> None:
    """One request fits each filter; all have failed once, were answered, counted and priced."""
    whole = {"counted_tokens": 5, "estimated_input_tokens": 5, "input_tokens": 5, "ended_us": NOON + 3 * S}
    made = [
        request(**whole, first_byte_us=NOON + 2 * S, attempts=2, **more) for more, _ in (*FILTERED.values(), ({}, 0))
    ]
    measure = "failed_tries" if analysis is ERRORS else "requests"
    with ledger(*(tried(row, OVERLOADED, {}) for row in made)) as connection:
        found = {name: total(analysed(connection, analysis, ask))[measure] for name, (_, ask) in FILTERED.items()}
        everything = total(analysed(connection, analysis, Ask()))[measure]
    assert (found, everything) == (dict.fromkeys(FILTERED, 1), len(made))


@pytest.mark.parametrize("analysis", ALL.values(), ids=ALL)
def test_every_report_can_be_by_anything(analysis: Analysis) -> None:
    by = ("day", "agent", "origin")
    whole = {"counted_tokens": 5, "estimated_input_tokens": 5, "input_tokens": 5, "first_byte_us": NOON + S}
    with ledger(tried(request(**whole, attempts=2), OVERLOADED, {})) as connection:
        table = analysed(connection, analysis, Ask(by=by))
    assert table.columns[:3] == by
    assert [str(value) for value in table.rows[0][:3]] == ["2026-11-20", "claude", "proxy"]


@pytest.mark.parametrize("analysis", ALL.values(), ids=ALL)
def test_what_is_shown_is_there(analysis: Analysis) -> None:
    extra = {"rate"} if analysis is ERRORS else set()
    there = {*analysis.measures, *analysis.derived, *extra}
    assert {name for shown in analysis.shown for name in (*shown.of, *filter(None, [shown.if_any]))} <= there
