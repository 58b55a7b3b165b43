"""Reports over real rows in a real DuckDB: what counts as what, in which order, and that `--sql` only reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import NOON, VIEWS, connected, reference, request, us

from ringlet_mitm.addons.usage.groups import MEASURES, added_up, spend_table
from ringlet_mitm.addons.usage.reports import Ask, Table, first_us, recorded, selected
from ringlet_mitm.rules.errors import LedgerError, UsageError

RULES = (
    "tool-use → anthropic",
    "input-tokens-lt → groq",
    "input-tokens-gt → anthropic",
    "default → anthropic",
)
BY_RULE = ("rule",)


def table(connection: duckdb.DuckDBPyConnection, *by: str, rules: tuple[str, ...] = (), **filters: Any) -> Table:
    return spend_table(by, added_up(connection, Ask(by, **filters)), rules)


def names(found: Table) -> list[Any]:
    return found.values(found.columns[0])


@pytest.fixture(scope="module")
def spent() -> Iterator[duckdb.DuckDBPyConnection]:
    with connected(reference()) as connection:
        yield connection


def test_the_reference_report_adds_up(spent: duckdb.DuckDBPyConnection) -> None:
    found = table(spent, "rule", rules=RULES, profile=("work",))
    shown = ("rule", "requests", "input_tokens", "output_tokens", "cost_usd")
    assert list(zip(*(found.values(name) for name in shown), strict=True)) == [
        ("tool-use → anthropic", 342, 1_100_000, 280_000, Decimal("7.81")),
        ("input-tokens-lt → groq", 1284, 980_000, 220_000, Decimal("0.18")),
        ("input-tokens-gt → anthropic", 0, 0, 0, 0),
        ("default → anthropic", 128, 180_000, 45_000, Decimal("1.10")),
    ]
    assert found.total is not None
    assert dict(zip(found.columns, found.total, strict=True)) == {
        "rule": "",
        "requests": 1754,
        "input_tokens": 2_260_000,
        "output_tokens": 545_000,
        "known_cost_usd": Decimal("9.09"),
        "unpriced_requests": 0,
        "estimated_requests": 0,
        "failed_requests": 0,
        "switches": 0,
        "known_switch_cost_usd": 0,
        "unpriced_switches": 0,
        "cost_usd": Decimal("9.09"),
        "switch_cost_usd": 0,
        "share": 1.0,
    }


UNKNOWN = {"cost_total": None}
NOTHING_USED = {"cost_total": None, "usage_source": "none"}


@pytest.mark.parametrize(
    ("given", "cost", "unpriced", "estimated", "failed"),
    [
        pytest.param({"cost_total": Decimal("0.0000000001")}, Decimal("0.0000000001"), 0, 0, 0, id="priced"),
        pytest.param({"cost_total": Decimal(0)}, Decimal(0), 0, 0, 0, id="free"),
        pytest.param(UNKNOWN, None, 1, 0, 0, id="tokens but no price"),
        pytest.param({**UNKNOWN, "usage_source": "estimated"}, None, 1, 1, 0, id="estimated tokens but no price"),
        pytest.param({"usage_source": "estimated"}, Decimal(0), 0, 1, 0, id="estimated and priced"),
        pytest.param({**NOTHING_USED, "status": 429}, Decimal(0), 0, 0, 1, id="refused: costs nothing"),
        pytest.param({**NOTHING_USED, "status": None}, Decimal(0), 0, 0, 1, id="never answered: costs nothing"),
        pytest.param(NOTHING_USED, None, 1, 0, 0, id="answered, but nobody knows what it used"),
        pytest.param({"error_class": "broken-stream"}, Decimal(0), 0, 0, 1, id="broken off after the status"),
        pytest.param({**UNKNOWN, "error_class": "broken-stream"}, None, 1, 0, 1, id="broken off, without a price"),
    ],
)
def test_what_a_request_counts_as(
    given: dict[str, Any], cost: Decimal | None, unpriced: int, estimated: int, failed: int
) -> None:
    with connected([request(**given)]) as connection:
        found = table(connection, "rule")
    columns = ("cost_usd", "unpriced_requests", "estimated_requests", "failed_requests")
    assert tuple(found.values(name)[0] for name in columns) == (cost, unpriced, estimated, failed)


def test_one_unknown_price_makes_the_sum_unknown_and_keeps_what_is_known() -> None:
    with connected([request(cost_total=Decimal("1.5")), request(**UNKNOWN)]) as connection:
        found = table(connection, "rule")
    assert found.total is not None
    for row in (found.rows[0], found.total):
        values = dict(zip(found.columns, row, strict=True))
        assert (values["cost_usd"], values["known_cost_usd"], values["unpriced_requests"]) == (None, Decimal("1.5"), 1)


KINDS_IN = {
    "input_tokens": 1,
    "image_input_tokens": 2,
    "audio_input_tokens": 4,
    "cache_read_tokens": 8,
    "cache_write_5m_tokens": 16,
    "cache_write_1h_tokens": 32,
}
KINDS_OUT = {"output_tokens": 64, "reasoning_tokens": 128, "image_output_tokens": 256, "audio_output_tokens": 512}


def test_every_kind_of_token_is_counted_once() -> None:
    row = request(**KINDS_IN, **KINDS_OUT)
    with connected([row]) as connection:
        found = table(connection, "rule")
    assert (found.values("input_tokens"), found.values("output_tokens")) == ([63], [960])
    assert (row.usage.total_input, row.usage.total_output) == (63, 960)


@pytest.mark.parametrize(
    ("by", "column", "values", "expected"),
    [
        ("rule", "rule", ("a → groq", "b → groq"), ["a → groq", "b → groq"]),
        ("model", "routed_model", ("m1", "m2"), ["m1", "m2"]),
        ("provider", "provider", ("groq", ""), ["groq", "passthrough"]),
        ("day", "started_us", (NOON, NOON - 86_400_000_000), [date(2026, 11, 19), date(2026, 11, 20)]),
        ("hour", "started_us", (NOON, NOON - 60_000_000), ["2026-11-20 11:00", "2026-11-20 12:00"]),
        ("week", "started_us", (NOON, NOON - 5 * 86_400_000_000), ["2026-W46", "2026-W47"]),
        ("month", "started_us", (NOON, NOON - 20 * 86_400_000_000), ["2026-10", "2026-11"]),
        ("agent", "agent", ("codex", ""), ["codex", ""]),
        ("session", "session", ("s1", "s2"), ["s1", "s2"]),
        ("profile", "profile", ("work", "home"), ["work", "home"]),
        ("project", "project", ("ledger", ""), ["ledger", ""]),
        ("status", "status", (None, 429), [429, None]),
        ("origin", "origin", ("proxy", "shadow"), ["proxy", "shadow"]),
        ("arm", "arm", ("groq", ""), ["groq", ""]),
        ("switch", "switched_from", ("a/m", "b/m"), [f"{one}/m → anthropic/claude-sonnet-4-5" for one in "ba"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_report_groups_by_its_column(by: str, column: str, values: tuple[Any, ...], expected: list[Any]) -> None:
    first, second = (
        request(**{column: value, "cost_total": Decimal(cost)}) for value, cost in zip(values, (3, 1), strict=True)
    )
    with connected([first, second, replace(second, id="again")]) as connection:
        found = table(connection, by)
    assert names(found) == expected
    assert sorted(found.values("requests")) == [1, 2]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, (0, 0, 0, 0), id="no switch"),
        pytest.param(
            {"switched_from": "a/m", "cost_switch": Decimal("0.5")},
            (1, Decimal("0.5"), 0, Decimal("0.5")),
            id="a switch",
        ),
        pytest.param({"switched_from": "a/m", "cost_switch": Decimal(0)}, (1, 0, 0, 0), id="one that cost nothing"),
        pytest.param({"switched_from": "a/m", "cost_switch": None}, (1, 0, 1, None), id="one of unknown cost"),
    ],
)
def test_what_a_switch_counts_as(given: dict[str, Any], expected: tuple[Any, ...]) -> None:
    names = ("switches", "known_switch_cost_usd", "unpriced_switches", "switch_cost_usd")
    with connected([request(cost_total=Decimal(1), **given)]) as connection:
        found = table(connection, "rule")
    assert found.total is not None
    assert tuple(found.values(name)[0] for name in names) == expected
    assert tuple(found.total[found.columns.index(name)] for name in names) == expected
    assert found.values("cost_usd") == [1], "what a switch cost is in it already"


SWITCHING = (
    request(rule="a → groq", switched_from="x/m", cost_total=Decimal(1), cost_switch=Decimal("0.9")),
    request(rule="b → groq", switched_from="y/m", cost_total=Decimal(7), cost_switch=Decimal("0.1")),
    request(rule="b → groq", switched_from="y/m", provider="", routed_model="", cost_total=Decimal(2)),
    request(rule="b → groq", cost_total=Decimal(9)),
)


def test_the_report_by_switch_is_about_those_that_switched_the_dearest_switches_first() -> None:
    with connected(SWITCHING) as connection:
        found = table(connection, "switch")
        assert [table(connection, *by).values("requests") for by in (("rule",), ("rule", "switch"))] == [
            [3, 1],
            [1, 1, 1],
        ]
    assert names(found) == [
        "x/m → anthropic/claude-sonnet-4-5",
        "y/m → anthropic/claude-sonnet-4-5",
        "y/m → passthrough/claude-sonnet-4-5",
    ]
    assert [round(share, 2) for share in found.values("share")] == [0.33, 0.33, 0.33]
    assert "SWITCHES" not in [shown.title for shown in found.shown]


def test_filters_and_the_report_by_switch_go_together() -> None:
    rows = [*SWITCHING, replace(SWITCHING[0], id="other", profile="home")]
    with connected(rows) as connection:
        assert table(connection, "switch", profile=("home",)).values("requests") == [1]


def test_the_model_asked_for_stands_in_where_none_was_routed_to() -> None:
    with connected([request(routed_model="", requested_model="gpt-5")]) as connection:
        assert names(table(connection, "model")) == ["gpt-5"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param({}, 4, id="everything"),
        pytest.param({"profile": ("home",)}, 1, id="a profile"),
        pytest.param({"since_us": NOON}, 3, id="since counts its own microsecond"),
        pytest.param({"until_us": NOON}, 1, id="until does not"),
        pytest.param({"since_us": NOON, "until_us": NOON + 1}, 2, id="one microsecond"),
        pytest.param({"profile": ("none",)}, 0, id="nobody"),
    ],
)
def test_filters(filters: dict[str, Any], expected: int) -> None:
    moments = (NOON - 1, NOON, NOON + 1)
    rows = [*(request(started_us=moment) for moment in moments), request(profile="home")]
    with connected(rows) as connection:
        assert sum(table(connection, "rule", **filters).values("requests")) == expected


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("UTC", "2026-11-20T23:59:59+00:00", date(2026, 11, 20)),
        ("Europe/Berlin", "2026-11-20T23:00:00+00:00", date(2026, 11, 21)),
        ("Europe/Berlin", "2026-07-20T22:00:00+00:00", date(2026, 7, 21)),
        ("America/Los_Angeles", "2026-11-21T07:59:59+00:00", date(2026, 11, 20)),
        ("Asia/Kolkata", "2026-11-20T18:30:00+00:00", date(2026, 11, 21)),
    ],
    ids=["UTC", "east in winter", "east in summer", "west", "half an hour"],
)
def test_days_are_those_of_the_time_zone(zone: str, moment: str, day: date) -> None:
    with connected([request(started_us=us(moment))], zone) as connection:
        assert names(table(connection, "day")) == [day]


@pytest.mark.parametrize(
    ("by", "rules", "expected"),
    [
        pytest.param(
            BY_RULE,
            ("z → groq", "a → groq", "default → groq"),
            ["z → groq", "a → groq", "gone → groq", "default → groq"],
            id="rules as they are asked, former ones before the default",
        ),
        pytest.param(
            BY_RULE, (), ["a → groq", "gone → groq", "z → groq", "default → groq"], id="by cost without a rules file"
        ),
        pytest.param(("model",), (), ["m2", "m1"], id="models by cost"),
        pytest.param(
            ("model", "rule"),
            (),
            ["m2 default → groq", "m1 a → groq", "m1 gone → groq", "m1 z → groq"],
            id="the first column's groups first",
        ),
    ],
)
def test_order(by: tuple[str, ...], rules: tuple[str, ...], expected: list[str]) -> None:
    spent = (("z", "m1", 1), ("a", "m1", 3), ("gone", "m1", 2), ("default", "m2", 10))
    rows = [request(rule=f"{rule} → groq", routed_model=model, cost_total=Decimal(cost)) for rule, model, cost in spent]
    with connected(rows) as connection:
        found = table(connection, *by, rules=rules)
    assert [" ".join(row[: len(by)]) for row in found.rows] == expected


def test_rules_that_never_fired_are_only_put_into_the_report_by_rule(spent: duckdb.DuckDBPyConnection) -> None:
    assert len(table(spent, "rule", rules=("never → groq", "default → anthropic")).rows) == 4
    assert len(table(spent, "provider", rules=("never → groq", "default → anthropic")).rows) == 2


def test_no_rows_at_all_are_a_table_of_nothing() -> None:
    with connected() as connection:
        found = table(connection, "day")
        assert (first_us(connection, Ask()), recorded(connection, "profile")) == (None, [])
    assert (found.rows, found.total) == ((), ("", *[0] * len(MEASURES), Decimal(0), Decimal(0), 0.0))


def test_the_first_request_and_the_profiles_there_are() -> None:
    rows = [request(), request(started_us=NOON - 5), request(profile="home", started_us=NOON - 9)]
    with connected(rows) as connection:
        assert (first_us(connection, Ask()), first_us(connection, Ask(profile=("work",)))) == (NOON - 9, NOON - 5)
        assert recorded(connection, "profile") == ["home", "work"]


counts = st.integers(0, 10**12)
groups = st.lists(
    st.tuples(
        st.text(max_size=3),
        st.text(max_size=3),
        counts,
        counts,
        counts,
        st.decimals(0, 10**6, places=10),
        *[st.integers(0, 3)] * 4,
        st.decimals(0, 10**6, places=10),
        st.integers(0, 3),
    ),
    unique_by=lambda row: row[:2],
    max_size=20,
)


@given(groups)
def test_a_report_holds_every_group_once_and_its_total_is_their_sum(rows: list[tuple[Any, ...]]) -> None:
    found = spend_table(("model", "session"), rows)
    assert sorted(row[: 2 + len(MEASURES)] for row in found.rows) == sorted(rows)
    assert found.total is not None
    for name in MEASURES:
        assert found.total[found.columns.index(name)] == sum(found.values(name))
    shares = found.values("share")
    assert not any(found.values("requests")) or abs(sum(shares) - 1) < 1e-4


# What a person may ask with --sql.


def test_a_select_gives_its_columns_and_rows() -> None:
    with connected([request(cost_total=Decimal("1.5")), request(**UNKNOWN)]) as connection:
        found = selected(connection, "SELECT id = '' AS odd, cost_total FROM requests ORDER BY 2;  -- dearest last\n")
    assert (found.columns, found.rows) == (("odd", "cost_total"), ((False, Decimal("1.5")), (False, None)))


@pytest.mark.parametrize(
    ("sql", "columns", "row"),
    [
        ("SELECT 1 AS a, 2 AS a", ("a", "a_2"), (1, 2)),
        ("SELECT make_timestamptz(0) AS t, 1 AS n", ("t", "n"), ("1970-01-01 00:00:00+00", 1)),
        ("SELECT [make_timestamptz(0)] AS t", ("t",), ("['1970-01-01 00:00:00+00']",)),
        ("WITH found AS (FROM requests) SELECT count(*) AS n FROM found", ("n",), (1,)),
        ("FROM spend SELECT requests AS n", ("n",), (1,)),
        ("SELECT column_name FROM (DESCRIBE attempts) LIMIT 1", ("column_name",), ("request_id",)),
    ],
    ids=["names twice", "a time in a zone", "times in a list", "WITH", "FROM first", "DESCRIBE"],
)
def test_selects_of_all_kinds(sql: str, columns: tuple[str, ...], row: tuple[Any, ...]) -> None:
    with connected([request()]) as connection:
        found = selected(connection, sql)
    assert (found.columns, found.rows) == (columns, (row,))


@pytest.fixture
def attached(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """As `reading` has it: the database attached for reading only."""
    database = tmp_path / "usage.duckdb"
    with duckdb.connect(str(database)) as writing:
        writing.execute("CREATE TABLE requests AS SELECT 1 AS a")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{database}' AS ledger (READ_ONLY)")
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM ledger.requests",
        "INSERT INTO ledger.requests VALUES (2)",
        "WITH gone AS (DELETE FROM ledger.requests RETURNING a) SELECT * FROM gone",
        "DROP TABLE ledger.requests",
        "CREATE TABLE mine AS SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE ledger.requests",
        "COPY (SELECT 1) TO '{folder}/new.csv'",
        "COPY (SELECT 1) TO '{folder}/usage.duckdb.wal'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/usage.duckdb.wal'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/other.duckdb'",
        "ATTACH '{folder}/usage.duckdb' AS again",
        "DETACH ledger",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_text('{folder}/secret')",
        "SELECT * FROM '{folder}/secret'",
        "FROM secret",
        "SELECT getenv('HOME')",
        "",
        "-- nothing",
    ],
)
def test_nothing_but_reading_the_ledger_is_let_through(
    attached: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str
) -> None:
    (tmp_path / "secret").write_text("hidden")
    secret = [("hidden",)]  # DuckDB would find it by its name
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError) as refused:
        selected(attached, sql.format(folder=tmp_path))
    assert "\n" not in str(refused.value)
    assert secret[0][0] not in str(refused.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELEC 1", '--sql: Parser Error: syntax error at or near "SELEC"'),
        ("SELECT rul FROM requests", '--sql: Binder Error: Referenced column "rul" not found in FROM clause!; Cand'),
        ("SELECT 1/0 + CAST('x' AS INT)", "--sql: Conversion Error: Could not convert string 'x' to INT32"),
    ],
    ids=["no SQL", "no such column", "fails as it runs"],
)
def test_what_duckdb_says_is_one_line(sql: str, expected: str) -> None:
    with connected() as connection, pytest.raises(UsageError) as refused:
        selected(connection, sql)
    assert str(refused.value).startswith(expected)
    assert "\n" not in str(refused.value)


def test_a_ledger_without_the_view_is_said_to_be_unreadable() -> None:
    with duckdb.connect() as connection, pytest.raises(LedgerError, match="spend"):
        added_up(connection, Ask(BY_RULE))


def test_every_view_is_documented_under_its_name() -> None:
    views = sorted(VIEWS.glob("*.sql"))
    assert views
    for view in views:
        text = view.read_text(encoding="utf-8")
        name = re.findall(r"^CREATE OR REPLACE VIEW (\w+) AS$", text, re.M)
        assert [f"-- {one}:" for one in name] == [text.partition(" one row")[0]]


def test_every_column_of_spend_is_documented() -> None:
    text = (VIEWS / "10_spend.sql").read_text(encoding="utf-8")
    comment = text.partition("CREATE")[0]
    with connected() as connection:
        columns = [row[0] for row in connection.execute("DESCRIBE spend").fetchall()]
    obvious = {"profile", "rule", "agent", "session", "requests"}
    assert [name for name in columns if name not in obvious and not re.search(rf"\b{name}\b", comment)] == []
