"""Tables as text, JSON and CSV. Exact texts are in fixtures/reports."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import connected, reference, request

from ringlet_mitm.addons.usage.groups import added_up, spend_table
from ringlet_mitm.addons.usage.reports import Ask, Shown, Table, Unit, selected
from ringlet_mitm.cli import tables
from ringlet_mitm.cli.tables import json_text, laid_out, shortened

FIXTURES = Path(__file__).parents[2] / "fixtures" / "reports"
RULES = ("tool-use → anthropic", "input-tokens-lt → groq", "default → anthropic")


def by_rule(*rows: Any, rules: tuple[str, ...] = ()) -> Table:
    with connected(rows) as connection:
        return spend_table(("rule",), added_up(connection, Ask(("rule",))), rules)


@pytest.fixture(scope="module")
def reference_table() -> Table:
    return by_rule(*reference(), rules=RULES)


def text_of(table: Table, width: int | None = None) -> str:
    return "".join(f"{line.text}\n" for line in laid_out(table, width))


def expected(name: str) -> str:
    return (FIXTURES / f"{name}.txt").read_text(encoding="utf-8")


def test_the_reference_report(reference_table: Table) -> None:
    assert text_of(reference_table) == expected("reference")


def test_the_lines_of_the_reference_document_are_in_it(reference_table: Table) -> None:
    """Word for word; its own spaces are lost."""
    lines = [" ".join(line.split()) for line in text_of(reference_table).splitlines()]
    for line, quoted in zip(
        lines,
        (
            "RULE REQUESTS TOKENS COST",
            "tool-use → anthropic 342 1.1M / 280K $7.81",
            "input-tokens-lt → groq 1284 980K / 220K $0.18",
            "default → anthropic 128 180K / 45K $1.10",
        ),
        strict=False,
    ):
        assert line.startswith(quoted)
    assert lines[-1].startswith("TOTAL")
    assert "$9.09" in lines[-1]


UNKNOWN = {"cost_total": None}
MARKED = (
    request(rule="priced → anthropic", cost_total=Decimal("12.5"), input_tokens=1200, output_tokens=300),
    request(rule="in part → groq", cost_total=Decimal("1.5"), input_tokens=100, output_tokens=1),
    request(rule="in part → groq", **UNKNOWN, input_tokens=900, output_tokens=1),
    request(rule="unknown → custom", **UNKNOWN, input_tokens=50_000, output_tokens=2_000),
    request(rule="estimated → groq", usage_source="estimated", cost_total=Decimal("0.004"), input_tokens=10),
    request(rule="both → groq", usage_source="estimated", cost_total=Decimal("0.2"), input_tokens=10),
    request(rule="both → groq", **UNKNOWN, input_tokens=10),
    request(rule="failed → openai", **UNKNOWN, usage_source="none", status=429),
    request(rule="", **UNKNOWN, usage_source="none", status=None),
)


def test_what_is_unknown_or_estimated_is_marked_and_errors_get_a_column() -> None:
    rules = (
        "priced → anthropic",
        "in part → groq",
        "unknown → custom",
        "estimated → groq",
        "both → groq",
        "idle → groq",
    )
    assert text_of(by_rule(*MARKED, rules=(*rules, "failed → openai", "default → groq"))) == expected("marks")


FROM_GROQ = {"switched_from": "groq/llama-3.3-70b-versatile", "rule": "tool-use → anthropic"}
TO_GROQ = {
    "switched_from": "anthropic/claude-sonnet-4-5",
    "rule": "input-tokens-lt → groq",
    "provider": "groq",
    "routed_model": "llama-3.3-70b-versatile",
}
SWITCHED = (
    *reference(),
    *(request(**FROM_GROQ, input_tokens=60_000, cost_total=Decimal("0.18"), cost_switch=Decimal("0.162"))
      for _ in range(9)),
    *(request(**TO_GROQ, input_tokens=60_000, cost_total=Decimal("0.0354"), cost_switch=Decimal(0))
      for _ in range(8)),
    request(switched_from="groq/llama-3.3-70b-versatile", routed_model="claude-nova", input_tokens=60_000,
            cost_total=None, cost_switch=None),
)  # fmt: skip


@pytest.mark.parametrize("by", ["rule", "switch"])
def test_what_switches_cost_is_shown_as_a_part_of_the_cost(by: str) -> None:
    with connected(SWITCHED) as connection:
        table = spend_table((by,), added_up(connection, Ask((by,))))
    assert text_of(table) == expected(f"switches-by-{by}")


def test_switches_whose_cost_nobody_knows_are_shown_all_the_same() -> None:
    assert "?" in text_of(by_rule(SWITCHED[-1])).splitlines()[1].split()


NARROW = [pytest.param(width, id=f"{width} columns") for width in (80, 60, 40, 10)]


@pytest.mark.parametrize("width", NARROW)
def test_only_words_are_shortened(reference_table: Table, width: int) -> None:
    whole = [line.split()[-6:] for line in text_of(reference_table).splitlines()[1:-2]]
    narrow = [line.split()[-6:] for line in text_of(reference_table, width).splitlines()[1:-2]]
    assert [row[-5:] for row in narrow] == [row[-5:] for row in whole]


@pytest.mark.parametrize("width", [64, 57, 54])
def test_a_table_fits_where_words_can_give_way(reference_table: Table, width: int) -> None:
    assert max(map(tables.columns_of, text_of(reference_table, width).splitlines())) <= width


def test_a_narrow_report(reference_table: Table) -> None:
    assert text_of(reference_table, 54) == expected("narrow")


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("short", 5, "short"),
        ("input-tokens-lt → groq", 14, "input-t…→ groq"),
        ("claude-sonnet-4-5-20250929", 16, "claude-s…0250929"),
        ("名前名前名前", 7, "名前…前"),
    ],
)
def test_shortened(text: str, width: int, short: str) -> None:
    assert shortened(text, width) == short


@given(st.text(max_size=40), st.integers(2, 50))
def test_shortened_fits(text: str, width: int) -> None:
    assert tables.columns_of(shortened(text, width)) <= width


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    text = text_of(by_rule(request(rule="\x1b[31mred\nnext\u202e → groq")))
    assert "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}next" in text
    assert len(text.splitlines()) == 4


def test_wide_letters_keep_the_columns_in_line() -> None:
    text = text_of(by_rule(request(rule="名前 → groq"), request(rule="name → groq")))
    assert len({tables.columns_of(line) for line in text.splitlines()}) == 1


# For programs.

VALUES = Table(
    ("text", "money", "whole", "none", "day", "time", "flag", "list", "big", "real"),
    (),
    (
        (
            'a, "b"\n→',
            Decimal("7.8100000000"),
            12,
            None,
            date(2026, 11, 20),
            datetime(2026, 11, 20, 12, 30),
            True,
            [1, Decimal("0.5")],
            10**30,
            0.25,
        ),
    ),
)


def test_json_parses_back_with_exact_numbers() -> None:
    (found,) = json.loads(json_text(tables.as_records(VALUES)), parse_float=Decimal)
    assert found == {
        "text": 'a, "b"\n→',
        "money": Decimal("7.81"),
        "whole": 12,
        "none": None,
        "day": "2026-11-20",
        "time": "2026-11-20T12:30:00",
        "flag": True,
        "list": [1, Decimal("0.5")],
        "big": 10**30,
        "real": Decimal("0.25"),
    }


def test_csv_parses_back() -> None:
    head, row = csv.reader(io.StringIO(tables.csv_text(VALUES)))
    assert dict(zip(head, row, strict=True)) == {
        "text": 'a, "b"\n→',
        "money": "7.81",
        "whole": "12",
        "none": "",
        "day": "2026-11-20",
        "time": "2026-11-20 12:30:00",
        "flag": "true",
        "list": "[1,0.5]",
        "big": str(10**30),
        "real": "0.25",
    }


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**8, places=10))
def test_money_loses_no_digit(amount: Decimal) -> None:
    table = Table(("money",), (), ((amount,),))
    assert json.loads(json_text(tables.as_records(table)), parse_float=Decimal, parse_int=Decimal)[0]["money"] == amount
    assert Decimal(tables.csv_text(table).splitlines()[1]) == amount


def test_the_total_is_a_record_without_the_names() -> None:
    record = tables.total_record(by_rule(*MARKED), ("rule",))
    assert record["requests"] == len(MARKED)
    assert record["cost_usd"] is None
    assert record["known_cost_usd"] == Decimal("14.204")
    assert "rule" not in record


def test_the_answer_of_a_select_is_not_rounded() -> None:
    with connected(MARKED[:1]) as connection:
        table = selected(connection, "SELECT rule, cost_total, input_tokens, NULL AS gone, '' AS empty FROM requests")
    assert text_of(table).splitlines() == [
        "rule                cost_total  input_tokens  gone  empty",
        "priced → anthropic        12.5          1200  NULL",
    ]


def test_a_durations_text() -> None:
    table = Table(("took",), (Shown("took", Unit.TEXT, ("took",)),), ((timedelta(seconds=90),),))
    assert text_of(table).splitlines() == ["took", "0:01:30"]
    assert json.loads(json_text(tables.as_records(table))) == [{"took": "PT90S"}]


# On a terminal. A pseudo terminal is one.

SHOW = """
from decimal import Decimal
from ringlet_mitm.addons.usage.groups import spend_table
from ringlet_mitm.cli import tables
import sys
group = ("input-tokens-lt → groq :smile: [bold]", 1284, 980_000, 220_000, Decimal("0.18"), 0, 0, 0, 0, 0, 0)
tables.show(spend_table(("rule",), [group], ("tool-use → groq",)), "heading", ["note"])
print("rich" in sys.modules)
"""
STYLE = "\x1b["


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
@pytest.mark.parametrize(
    ("columns", "environ", "styled"),
    [("100", {}, True), ("60", {}, True), ("60", {"TERM": "dumb"}, False)],
    ids=["wide", "narrow", "without colours"],
)
def test_a_terminal_gets_colours_and_what_fits(columns: str, environ: dict[str, str], styled: bool) -> None:
    pty = pytest.importorskip("pty")
    own, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(
        [sys.executable, "-c", SHOW],
        stdout=theirs,
        env={**kept, "TERM": "xterm-256color", "COLUMNS": columns, **environ},
        check=True,
        timeout=60,
    )
    os.close(theirs)
    text = os.read(own, 10_000).decode()
    os.close(own)
    assert (STYLE in text) == styled
    assert "980K / 220K  $0.18   100%" in text
    assert ("input-tokens-lt → groq :smile: [bold]" in text) == (columns == "100")
    assert ("…" in text) == (columns == "60")
    assert text.split()[-1] == "True"


def test_a_pipe_gets_plain_text_and_no_rich() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, timeout=60)
    assert STYLE not in done.stdout
    assert done.stdout.startswith("heading\n\nRULE ")
    assert done.stdout.endswith("100%\n\nnote\nFalse\n")


@pytest.mark.parametrize(
    ("known", "unknown", "shown"),
    [
        ("-3.2", 0, "-$3.20"),
        ("0.12", 0, "+$0.12"),
        ("0", 0, "$0.00"),
        ("-0.00001", 0, "-<$0.0001"),
        ("-3.2", 4, "-$3.20 + ?"),
        ("0", 4, "?"),
    ],
)
def test_changes(known: str, unknown: int, shown: str) -> None:
    columns = ("change", "known", "unknown")
    row = (None if unknown else Decimal(known), Decimal(known), unknown)
    table = Table(columns, (Shown("CHANGE", Unit.CHANGE, columns),), (row,))
    assert [line.split("  ")[-1].strip() for line in text_of(table).splitlines()][-1] == shown
