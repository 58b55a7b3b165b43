"""`ringlet-mitm usage compare` from the command line: what a person reads, what a program gets, what is said of few."""

from __future__ import annotations

import csv
import io
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ledgers import NOON, request

from ringlet_mitm.addons.usage.comparing import MEANINGS
from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.cli.main import group
from ringlet_mitm.rules.home import Home, home_of

MS = 1_000
GROQ = "groq/llama-3.3-70b-versatile"
SPLIT, RULE = "input-tokens-lt → split", "tool-use → anthropic"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "home"))
    return home_of(os.environ)


def run(*words: str) -> Result:
    return CliRunner().invoke(group, ["usage", "compare", *words], catch_exceptions=False)


def store(home: Home, *rows: RequestRow) -> None:
    with writing(home.database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in rows])


def arm(name: str, count: int, first_ms: int, total_ms: int, usd: str) -> list[RequestRow]:
    return [
        request(
            rule=SPLIT,
            arm=name,
            session=f"{name}-{number // 5}",
            provider=name.partition("/")[0],
            input_tokens=1200,
            output_tokens=300,
            cost_total=Decimal(usd),
            first_byte_us=NOON + (first_ms + number) * MS,
            ended_us=NOON + (total_ms + number) * MS,
        )
        for number in range(count)
    ]


def copied(count: int, **given: Any) -> list[RequestRow]:
    rows = []
    for _ in range(count):
        sent = request(rule=RULE, cost_total=Decimal("0.02"), first_byte_us=NOON + 900 * MS, input_tokens=5000)
        copy = {"cost_total": Decimal("0.001"), "first_byte_us": NOON + 100 * MS, "input_tokens": 4800, **given}
        rows += [
            sent,
            request(
                rule=f"shadow of {RULE}",
                origin="shadow",
                shadow_of=sent.id,
                provider="groq",
                routed_model="llama-3.3-70b-versatile",
                **copy,
            ),
        ]
    return rows


def cells(result: Result) -> list[list[str]]:
    """The table's lines, cut where two spaces or more are."""
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[2:] if line]


def test_arms_side_by_side(home: Home) -> None:
    store(home, *arm("anthropic", 80, 800, 2400, "0.0081"), *arm(GROQ, 20, 200, 1000, "0.0009"))
    head, claude, groq, *notes = cells(run())
    assert head == [
        *("RULE", "SIDE", "REQUESTS", "SESSIONS", "ERRORS", "TTFT P50", "P95", "TOTAL P50", "P95"),
        *("TOKENS EACH", "COST EACH", "COST"),
    ]
    assert claude == [
        *(SPLIT, "anthropic", "80", "16", "0% (0% to 5%)", "840 ms", "875 ms", "2.4 s", "2.5 s"),
        *("1.2K / 300", "$0.0081", "$0.65"),
    ]
    assert groq == [
        *(SPLIT, GROQ, "20", "4", "0% (0% to 16%)", "210 ms", "218 ms", "1.0 s", "1.0 s"),
        *("1.2K / 300", "$0.0009", "$0.02"),
    ]
    assert notes == [[f"{SPLIT}: too few requests to tell much ({GROQ} 20); 30 of each say something"]]


def test_copies_below_what_was_sent(home: Home) -> None:
    store(home, *copied(30), *copied(1, status=500, error_class="server-error", usage_source="none", cost_total=None))
    _, sent, copy, *notes = cells(run())
    assert sent[:5] == [RULE, "as sent", "31", "0", "0% (0% to 11%)"]
    assert copy[:5] == [RULE, f"copy: {GROQ}", "31", "0", "3% (<1% to 16%)"]
    assert (sent[-2:], copy[-2:]) == (["$0.02", "$0.62"], ["$0.0010", "$0.03"])
    assert notes == [["only requests that were answered are copied, so what was sent has no errors here"]]


def test_notes_on_chance_and_fallbacks(home: Home) -> None:
    noisy = [request(rule=SPLIT, arm="a", provider="a", cost_total=Decimal(usd)) for usd in ("0.01", "0.09")]
    noisy += [request(rule=SPLIT, arm="b", provider="c", cost_total=Decimal(usd)) for usd in ("0.02", "0.11")]
    store(home, *noisy)
    said = run().output
    assert f"{SPLIT}: that a costs less a request than b may be chance" in said
    assert f"{SPLIT}: 2 of 2 requests of b were answered by a fallback" in said


def test_programs_get_every_column_and_no_words(home: Home, tmp_path: Path) -> None:
    store(home, *arm(GROQ, 2, 200, 1000, "0.0009"), *copied(1))
    document = json.loads(run("--json").output)
    assert [(row["rule"], row["side"]) for row in document["rows"]] == [
        (SPLIT, GROQ),
        (RULE, "as sent"),
        (RULE, "copy"),
    ]
    assert set(document["rows"][0]) == set(MEANINGS)
    assert document["rows"][0]["cost_usd_each"] == 0.0009
    table = list(csv.DictReader(io.StringIO(run("--csv").output)))
    assert [row["shadow"] for row in table] == ["", GROQ, GROQ]
    assert (run("--parquet", str(tmp_path / "f.parquet")).exit_code, (tmp_path / "f.parquet").exists()) == (0, True)
    assert f"copy: {GROQ}" in run("--markdown").output


def test_filters_are_those_of_every_report(home: Home) -> None:
    store(home, *arm(GROQ, 2, 200, 1000, "0.0009"), *copied(1))
    assert len(json.loads(run("--rule", RULE, "--json").output)["rows"]) == 2
    assert run("--since", "2026-11-21").output.startswith("nothing to compare, since 2026-11-21: no rule has split")


def test_nothing_says_how_to_begin(home: Home) -> None:
    store(home, request())
    said = run().output
    assert said.startswith("nothing to compare, all time: no rule has split or copied a request\n")
    assert 'split = { "groq/llama-3.3-70b-versatile" = 20, "anthropic" = 80 }' in said


def test_help_explains_the_columns() -> None:
    said = run("--help").output
    assert all(name in said for name in MEANINGS)
