"""`ringlet-mitm usage errors` and so on from the command line: words, formats, what is unknown, what is not there."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from ledgers import NOON, request

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.cli.main import group
from ringlet_mitm.cli.usage.analyses import Since, accuracy, blocks, cache, errors, latency, savings
from ringlet_mitm.cli.usage.asked import asked_of
from ringlet_mitm.cli.usage.commands import COMMANDS
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of

FIXTURES = Path(__file__).parents[3] / "fixtures" / "reports"
S = 1_000_000
REPORTS = {one.name: one for one in (errors, latency, cache, accuracy, savings, blocks)}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "home"))
    return home_of(os.environ)


def run(name: str, *words: str) -> Result:
    return CliRunner().invoke(group, ["usage", str(name), *words], catch_exceptions=False)


def store(home: Home, *rows: RequestRow, attempts: tuple[AttemptRow, ...] = ()) -> None:
    with writing(home.database) as connection, transaction(connection):
        insert(connection, [(row, tuple(one for one in attempts if one.request_id == row.id)) for row in rows])


def attempt(row: RequestRow, number: int, **given: Any) -> AttemptRow:
    usual = {"provider": "anthropic", "model": "claude-sonnet-4-5", "started_us": NOON, "status": 200}
    return AttemptRow(**{**usual, "request_id": row.id, "number": number, **given})


@pytest.fixture
def month(filled: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(filled.database.parents[1]))
    assert home_of(os.environ) == filled
    return filled


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A request that was saved by a second try, one that was limited, and one whose price nobody knows."""
    saved = request(
        attempts=2, first_byte_us=NOON + S, ended_us=NOON + 3 * S, stream=True, decision_us=420,
        input_tokens=4_000, cache_read_tokens=6_000, output_tokens=100, counted_tokens=9_000, calibration=1.1,
        estimated_input_tokens=9_900, cost_total=Decimal("0.02"), cost_uncached=Decimal("0.05"),
        cost_as_asked=Decimal("0.08"), asked_provider="anthropic",
    )  # fmt: skip
    elsewhere: dict[str, Any] = {"provider": "groq", "routed_model": "llama", "rule": "cheap → groq"}
    limited = request(**elsewhere, status=429, error_class="rate-limited", usage_source="none", cost_total=None)
    unknown = request(**elsewhere, input_tokens=500, output_tokens=20, cost_total=None, first_byte_us=NOON + S // 2)
    tries = (
        attempt(saved, 1, status=529, error_class="overloaded"),
        attempt(saved, 2, wait_ms=700),
        attempt(limited, 1, provider="groq", model="llama", status=429, error_class="rate-limited"),
        attempt(unknown, 1, provider="groq", model="llama"),
    )
    home = home_of({"RINGLET_HOME": str(tmp_path_factory.mktemp("filled"))})
    store(home, saved, limited, unknown, attempts=tries)
    return home


@pytest.mark.parametrize("name", REPORTS)
def test_what_a_person_reads(month: Home, name: str) -> None:
    found = run(name, "--tz", "UTC")
    assert (found.exit_code, found.stdout) == (0, (FIXTURES / f"{name}.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", REPORTS)
def test_json_and_csv_say_the_same(month: Home, name: str) -> None:
    document = json.loads(run(name, "--tz", "UTC", "--json").stdout)
    lines = list(csv.DictReader(io.StringIO(run(name, "--tz", "UTC", "--csv").stdout)))
    assert [list(row) for row in document["rows"]] == [list(line) for line in lines]
    assert (document["since"], document["until"]) == (None, None)
    for row, line in zip(document["rows"], lines, strict=True):
        texts = {column: "" if value is None else str(value) for column, value in row.items()}
        assert {column: text.lower() for column, text in texts.items()} == line


def test_json_has_the_total_and_what_it_is_by(month: Home) -> None:
    document = json.loads(run("savings", "--by", "model", "--profile", "work", "--json").stdout)
    assert (document["by"], document["filters"]) == (["model"], {"profile": ["work"]})
    assert document["total"] == {
        "requests": 2, "kept_requests": 1, "unknown_requests": 1, "estimated_requests": 0, "cost_usd": 0.02,
        "as_asked_usd": 0.08, "compared_requests": 1, "saved_usd": 0.06, "saved_share": 0.75,
    }  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_markdown_has_a_line_for_each_row(month: Home, name: str) -> None:
    lines = run(name, "--tz", "UTC", "--markdown").stdout.splitlines()
    rows = json.loads(run(name, "--json").stdout)["rows"]
    assert len([line for line in lines if line.startswith("| ")]) == 2 + len(rows) + (name != "blocks")


@pytest.mark.parametrize("name", REPORTS)
def test_parquet_has_the_rows(month: Home, name: str, tmp_path: Path) -> None:
    file = tmp_path / "found.parquet"
    assert run(name, "--parquet", str(file)).exit_code == 0
    ((count,),) = duckdb.sql(f"SELECT count(*) FROM '{file}'").fetchall()
    assert count == len(json.loads(run(name, "--json").stdout)["rows"])


@pytest.mark.parametrize("name", REPORTS)
def test_before_there_is_a_ledger(home: Home, name: str) -> None:
    found = run(name)
    assert (found.exit_code, found.stdout.startswith("no requests")) == (0, True)
    assert json.loads(run(name, "--json").stdout)["rows"] == []


NOTHING = {
    "errors": "no errors of profile 'work', all time (since 2026-11-20)\n",
    "latency": "no answers of profile 'work', all time (since 2026-11-20)\n",
    "cache": "no requests that used tokens of profile 'work', all time (since 2026-11-20)\n",
    "accuracy": "no requests with counted and reported input of profile 'work', all time (since 2026-11-20)\n",
    "savings": "no requests that used tokens of profile 'work', all time (since 2026-11-20)\n",
    "blocks": "no requests of profile 'work', provider 'anthropic' are recorded\n",
}
FAILED = {"usage_source": "none", "cost_total": None, "status": 500, "provider": "groq"}


@pytest.mark.parametrize("name", REPORTS)
def test_where_a_report_has_nothing_to_say(home: Home, name: str) -> None:
    store(home, request() if name == "errors" else request(**FAILED))
    assert run(name, "--profile", "work", "--tz", "UTC").stdout == NOTHING[name]


def test_a_running_block_says_how_long(home: Home) -> None:
    now_us = time.time_ns() // 1000
    store(home, request(started_us=now_us - 120 * S, ended_us=now_us, input_tokens=1_000, cost_total=Decimal(1)))
    said = run("blocks").stdout
    assert ("COMES TO" in said, "the last block runs for another " in said) == (True, True)


@pytest.mark.parametrize(
    ("limit", "share"), [("20K", 0.505), ("10_100", 1.0), ("$0.04", 0.5), ("0.0101m", 1.0), ("max", 1.0)]
)
def test_limits_of_a_block(month: Home, limit: str, share: float) -> None:
    (row,) = json.loads(run("blocks", "--limit", limit, "--json").stdout)["rows"]
    assert row["limit_share"] == share


@pytest.mark.parametrize("limit", ["", "much", "-5", "0", "5 apples", "$"])
def test_what_is_no_limit(month: Home, limit: str) -> None:
    with pytest.raises(UsageError, match=r"write it like 500K or 2M \(tokens\), \$20, or max"):
        run("blocks", "--limit", limit)


def test_a_provider_that_is_named_counts_instead_of_anthropic(month: Home) -> None:
    (row,) = json.loads(run("blocks", "--provider", "groq", "--json").stdout)["rows"]
    assert (row["requests"], row["cost_usd"], row["unpriced_requests"]) == (2, None, 1)


def test_an_unknown_group_names_the_nearest(month: Home) -> None:
    with pytest.raises(UsageError, match="did you mean 'model'"):
        run("latency", "--by", "modle")


def test_the_table_of_commands_says_what_their_help_says() -> None:
    helps = {name: one.help.split("\n\n")[0].replace("\n", " ") for name, one in REPORTS.items() if one.help}
    assert {name: COMMANDS[name].help for name in REPORTS} == helps


@pytest.mark.parametrize(
    ("first_us", "ever_us", "since_us", "note"),
    [
        (None, None, None, ""),
        (NOON, NOON, None, ""),
        (NOON, NOON - 1, None, "days before 2026-11-20 that were pruned are not in it: `usage` has their sums"),
        (None, NOON, None, "days that were pruned are not in it: `usage` has their sums"),
        (NOON, NOON - 1, NOON, ""),
        (NOON, NOON - 1, NOON - 1, "days before 2026-11-20 that were pruned are not in it: `usage` has their sums"),
    ],
)
def test_days_that_were_pruned_are_missed_aloud(
    home: Home, first_us: int | None, ever_us: int | None, since_us: int | None, note: str
) -> None:
    asked = asked_of(home, tz="UTC")
    assert Since(first_us, ever_us).note(replace(asked, ask=replace(asked.ask, since_us=since_us))) == note
