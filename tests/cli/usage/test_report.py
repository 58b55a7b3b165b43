"""`ringlet-mitm usage` from the command line, over a home with rules, a database and a spool."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ledgers import NOON, reference, request, us

from ringlet_mitm.addons.usage.groups import DERIVED, MEASURES, REPORTS
from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.addons.usage.periods import PERIODS
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.usage.spool import Spool
from ringlet_mitm.cli.main import COMMANDS
from ringlet_mitm.cli.usage.report import command
from ringlet_mitm.rules.errors import LedgerError, UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

FIXTURES = Path(__file__).parents[3] / "fixtures" / "reports"
# The rules of the reference document, and one that catches nothing.
ROUTING = """
[[rule]]
match = { tool-use = true }
to = "anthropic"

[[rule]]
match = { input-tokens-lt = 4000 }
to = "groq"
model = "llama-3.3-70b-versatile"

[[rule]]
match = { input-tokens-gt = 100000 }
to = "anthropic"

[default]
to = "anthropic"
"""
HOUR_US = 3600 * 1_000_000
DAY_US = 24 * HOUR_US


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "home"))
    home = home_of(os.environ)
    save_profile(home, Profile("work"))
    home.routing_file("work").write_text(ROUTING, encoding="utf-8")
    return home


def stored(path: Path, rows: Iterable[RequestRow]) -> None:
    with writing(path) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in rows])


def spooled(home: Home, rows: Iterable[RequestRow]) -> None:
    spool = Spool(home.spool_dir, "work")
    for row in rows:
        spool.append(row, ())
    spool.seal()


@pytest.fixture
def reference_home(home: Home) -> Home:
    """Most rows in the database, the last ones still in the spool."""
    rows = reference()
    stored(home.database, rows[:-50])
    spooled(home, rows[-50:])
    return home


def call(*words: str) -> Result:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def document(*words: str) -> dict[str, Any]:
    found = json.loads(call(*words, "--json").stdout, parse_float=Decimal)
    assert isinstance(found, dict)
    return found


def counts(*words: str) -> dict[str, int]:
    found = document(*words)
    return {"/".join(str(row[name]) for name in found["by"]): row["requests"] for row in found["rows"]}


def program(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ringlet_mitm.cli.main", "usage", *words],
        env={**os.environ, "TZ": "UTC", **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_reference_report(reference_home: Home) -> None:
    """The program itself, to the letter."""
    done = program("--profile", "work", "--by-rule")
    assert (done.stdout, done.stderr) == ((FIXTURES / "by-rule.txt").read_text(encoding="utf-8"), "")
    assert done.returncode == 0


def test_by_rule_is_what_comes_without_being_asked_for(reference_home: Home) -> None:
    assert call().stdout.splitlines()[1:] == call("--profile", "work", "--by-rule").stdout.splitlines()[1:]
    assert call().stdout.startswith("usage of all profiles, all time (since 2026-11-2")


def test_json(reference_home: Home) -> None:
    found = document("--profile", "work", "--since", "2026-11-20T00:00Z", "--until", "2026-11-21T00:00Z")
    assert {key: found[key] for key in ("by", "profile")} == {"by": ["rule"], "profile": "work"}
    assert (us(found["since"]), us(found["until"])) == (us("2026-11-20T00:00Z"), us("2026-11-21T00:00Z"))
    assert found["rows"][1] == {
        "rule": "input-tokens-lt → groq",
        "requests": 1284,
        "input_tokens": 980_000,
        "output_tokens": 220_000,
        "known_cost_usd": Decimal("0.18"),
        "unpriced_requests": 0,
        "estimated_requests": 0,
        "failed_requests": 0,
        "switches": 0,
        "known_switch_cost_usd": 0,
        "unpriced_switches": 0,
        "cost_usd": Decimal("0.18"),
        "switch_cost_usd": 0,
        "share": Decimal("0.732041"),
    }
    assert found["rows"][2] == {"rule": "input-tokens-gt → anthropic", **dict.fromkeys([*MEASURES, *DERIVED], 0)}
    assert (found["total"]["requests"], found["total"]["cost_usd"]) == (1754, Decimal("9.09"))
    assert found["advice"].startswith("'input-tokens-gt → anthropic' never fired")


def test_csv(reference_home: Home) -> None:
    rows = list(csv.DictReader(io.StringIO(call("--by", "model", "--csv").stdout)))
    assert list(rows[0]) == ["model", *MEASURES, *DERIVED]
    assert [(row["model"], row["requests"], row["cost_usd"]) for row in rows] == [
        ("claude-sonnet-4-5", "470", "8.91"),
        ("llama", "1284", "0.18"),
    ]


def test_an_unknown_price_is_null_and_never_0(home: Home) -> None:
    spooled(home, [request(cost_total=None, input_tokens=9), request(cost_total=Decimal("1.25"))])
    found = document()
    for record in (found["rows"][-1], found["total"]):
        assert (record["cost_usd"], record["known_cost_usd"]) == (None, Decimal("1.25"))
    assert next(csv.DictReader(io.StringIO(call("--by", "model", "--csv").stdout)))["cost_usd"] == ""
    assert "≥$1.25" in call().stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--by", "provider"], {"groq": 2, "anthropic": 1}),
        (["--by", "agent"], {"codex": 2, "claude": 1}),
        (["--by", "provider,agent"], {"groq/codex": 2, "anthropic/claude": 1}),
        (["--by", "Provider , agent", "--by", "provider"], {"groq/codex": 2, "anthropic/claude": 1}),
        (["--by-rule", "--by", "agent"], {"a → groq/codex": 2, "default → anthropic/claude": 1}),
        (["--by", "profile"], {"play": 2, "work": 1}),
        (["--by", "profile", "--profile", "play"], {"play": 2}),
    ],
    ids=[
        "one",
        "another",
        "with a comma",
        "spelled loosely",
        "a rule and more",
        "profiles",
        "a profile without a file",
    ],
)
def test_by(home: Home, words: list[str], expected: dict[str, int]) -> None:
    other = {"provider": "groq", "agent": "codex", "rule": "a → groq", "profile": "play", "cost_total": Decimal(1)}
    spooled(home, [request(), request(**other), request(**other)])
    assert counts(*words) == expected


def test_by_switch(home: Home) -> None:
    switched = {"switched_from": "groq/llama", "cost_total": Decimal("0.5"), "cost_switch": Decimal("0.25")}
    spooled(home, [request(), request(**switched), request(**switched, agent="codex")])
    assert call("--by-switch").stdout == call("--by", "switch").stdout
    found = document("--by-switch", "--by", "agent")
    assert found["by"] == ["switch", "agent"]
    assert found["total"]["switch_cost_usd"] == Decimal("0.5")
    assert {row["agent"]: row["switches"] for row in found["rows"]} == {"claude": 1, "codex": 1}
    assert "SWITCHES  " in call("--by-rule").stdout.splitlines()[2]
    assert counts("--by-rule", "--by-switch") == {"default → anthropic/groq/llama → anthropic/claude-sonnet-4-5": 2}


def test_no_switches(home: Home) -> None:
    assert call("--by-switch").stdout.startswith("no requests are recorded yet")
    spooled(home, [request()])
    assert call("--by-switch", "--profile", "work").stdout == (
        f"no switches within a conversation of profile 'work', all time (since {FIRST_DAY})\n"
    )
    assert call("--by-switch", "--since", "2026-01-01", "--until", "2026-01-31").stdout == (
        "no switches within a conversation, 2026-01-01 to 2026-01-31\n"
    )


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_has_its_column_in_text(home: Home, name: str) -> None:
    spooled(home, [request(switched_from="groq/llama")])
    assert REPORTS[name].title in call("--by", name).stdout.splitlines()[2]


@pytest.mark.parametrize("period", PERIODS)
def test_every_period_counts_what_lies_within(home: Home, period: str) -> None:
    now_us = time.time_ns() // 1000
    moments = [now_us - days * DAY_US - 1 for days in (0, 1, 8, 32, 64)]
    spooled(home, [request(started_us=moment) for moment in moments])
    found = document("--period", period)
    since, until = (us(found[end]) if found[end] else None for end in ("since", "until"))
    inside = [moment for moment in moments if (since or 0) <= moment < (until or now_us)]
    assert found["total"]["requests"] == len(inside)
    assert (since is None) == (period == "all")


def test_since_and_until(home: Home) -> None:
    now_us = time.time_ns() // 1000
    spooled(home, [request(session=f"{hours}h", started_us=now_us - hours * HOUR_US - 1000) for hours in (1, 3, 5)])
    assert counts("--by", "session", "--since", "4h") == {"1h": 1, "3h": 1}
    assert counts("--by", "session", "--since", "4h", "--until", "2h") == {"3h": 1}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not read TZ this way")
@pytest.mark.parametrize(
    ("zone", "day"),
    [("UTC", "2026-11-20"), ("Pacific/Auckland", "2026-11-21"), ("America/Los_Angeles", "2026-11-20")],
)
def test_days_are_the_persons(home: Home, zone: str, day: str) -> None:
    spooled(home, [request()])
    done = program("--by", "day", "--since", day, "--until", day, "--json", TZ=zone)
    assert [row["day"] for row in json.loads(done.stdout)["rows"]] == [day]
    assert f"\n{day} " in program("--by", "day", TZ=zone).stdout


def test_a_database_elsewhere_is_read_without_the_spool_here(reference_home: Home, tmp_path: Path) -> None:
    other = tmp_path / "it's other.duckdb"
    stored(other, [request(), request()])
    assert counts("--by", "agent", "--db", str(other)) == {"claude": 2}
    assert counts("--by", "agent", "--db", str(reference_home.database)) == {"claude": 1754}


def test_rules_that_cannot_be_read_do_not_break_the_report(reference_home: Home) -> None:
    reference_home.routing_file("work").write_text('[[rule]]\nto = "nowhere"\n', encoding="utf-8")
    done = call("--profile", "work")
    assert done.exit_code == 0
    assert "$9.09" in done.stdout
    assert "input-tokens-gt" not in done.stdout
    assert "rules that fired 0 times are not listed: " in done.stdout.splitlines()[-1]


START = (
    "are recorded yet; start the proxy with:  ringlet-mitm --profile work\n"
    'and then, in the shell of an agent:  eval "$(ringlet-mitm env --profile work)"\n'
)
FIRST_DAY = date.fromtimestamp(NOON / 1_000_000)


@pytest.mark.parametrize(
    ("rows", "words", "said"),
    [
        pytest.param([], ["--profile", "work"], f"no requests of profile 'work' {START}", id="nothing at all"),
        pytest.param([], [], f"no requests {START}", id="nothing at all, of no profile"),
        pytest.param(
            [request(profile="other")],
            ["--profile", "work"],
            f"no requests of profile 'work' {START}",
            id="nothing of this profile",
        ),
        pytest.param(
            [request()],
            ["--since", "2026-01-01", "--until", "2026-01-31"],
            f"no requests, 2026-01-01 to 2026-01-31; the first is from {FIRST_DAY}, --period all counts all\n",
            id="nothing in this time",
        ),
    ],
)
def test_nothing_to_report(home: Home, rows: list[RequestRow], words: list[str], said: str) -> None:
    spooled(home, rows)
    assert call(*words).stdout == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "claude-sonet-4-5"], "no requests of model 'claude-sonet-4-5'; did you mean 'claude-sonnet-4-5'?"),
        (["--provider", "zz"], "no requests of provider 'zz'; there are anthropic"),
        (["--agent", "claude", "--project", "zz"], "no requests of agent 'claude', project 'zz'; there are (none)"),
        (["--rule", "tool-uze"], "no requests of rule 'tool-uze'; did you mean 'tool-use'?"),
        (["--model", "gpt-*"], "no requests of model 'gpt-*' are recorded"),
        (["--model", "claude-*", "--since", "2026-01-01", "--until", "2026-01-31"],
         f"no requests of model 'claude-*', 2026-01-01 to 2026-01-31; the first is from {FIRST_DAY}, --period all"),
    ],
)  # fmt: skip
def test_a_filter_that_nothing_fits(home: Home, words: list[str], said: str) -> None:
    spooled(home, [request(), request(rule="tool-use → groq")])
    assert call(*words).stdout.startswith(said)


def test_filters_are_in_the_heading_and_in_json(reference_home: Home) -> None:
    words = ("--profile", "work", "--model", "claude-*", "--model", "gpt-5", "--agent", "claude")
    assert call(*words).stdout.startswith(
        "usage of profile 'work', model 'claude-*' or 'gpt-5', agent 'claude', all time (since 2026-11-20)\n"
    )
    assert call("--agent", "claude").stdout.startswith("usage of all profiles, agent 'claude', all time")
    assert document(*words)["filters"] == {"profile": ["work"], "model": ["claude-*", "gpt-5"], "agent": ["claude"]}


def test_with_requests_left_out_no_rule_is_said_to_be_idle(reference_home: Home) -> None:
    """It may well have fired; the order is that of the file all the same."""
    found = document("--profile", "work", "--model", "claude-*")
    assert [row["rule"] for row in found["rows"]] == ["tool-use → anthropic", "default → anthropic"]
    assert found["advice"] is None


def test_top_folds_rules_that_never_fired_and_they_are_still_said(reference_home: Home) -> None:
    lines = call("--by-rule", "--top", "1").stdout.splitlines()
    assert lines[3].split()[:5] == ["tool-use", "→", "anthropic", "342", "1.1M"]
    assert lines[4].split()[:3] == ["others", "(3)", "1412"]
    assert lines[-1].startswith("advice: 'input-tokens-gt → anthropic' never fired")


def test_of_several_profiles_no_rules_are_listed(reference_home: Home) -> None:
    assert "input-tokens-gt" not in call("--profile", "work", "--profile", "w*").stdout
    assert "input-tokens-gt" not in call("--profile", "w*").stdout


def test_nothing_is_still_json_and_csv(home: Home) -> None:
    found = document("--by", "model")
    assert (found["rows"], found["total"]["requests"], found["total"]["cost_usd"]) == ([], 0, 0)
    assert call("--by", "model", "--csv").stdout == ",".join(["model", *MEASURES, *DERIVED]) + "\n"
    assert not home.database.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--profile", "wrk"], "no profile 'wrk'; did you mean 'work'?"),
        (["--profile", "old-on"], "no profile 'old-on'; did you mean 'old-one'?"),
        (["--profile", "zzz"], "no profile 'zzz'; there are old-one, work"),
        (["--by", "modle"], "--by: no report by 'modle'; did you mean 'model'?"),
        (["--by", "rule,"], "--by: no report by ''; there are rule, model, provider, agent, session, profile, project"),
        (["--since", "never"], "--since: 'never' is not a time; write it like"),
        (["--period", "today", "--since", "2h"], "--period says it all; leave it out"),
        (["--json", "--csv"], "--json and --csv are two ways to print"),
        (["--db", "nowhere.duckdb"], "--db: there is no file nowhere.duckdb"),
        (["--sort", "costs"], "--sort: nothing is called 'costs'; did you mean 'cost'?"),
        (["--sort", "-zzz"], "--sort: nothing is called '-zzz'; there are cost, requests, tokens, in, out, errors"),
        (["--tz", "Berlin"], "--tz: no time zone 'Berlin' is known here"),
        (["--parquet", "nowhere/t.parquet"], "--parquet: nowhere/t.parquet cannot be written: there is no folder"),
        (["--sql", "SELECT 1", "--model", "gpt-5"], "--sql says itself what to count"),
        (["--sql", "SELECT 1", "--top", "5"], "--sql says itself what to count"),
        (["--sql", "SELECT 1", "--by", "rule"], "--sql says itself what to count"),
        (["--sql", "SELECT 1", "--period", "all"], "--sql says itself what to count"),
        (["--sql", "SELEC 1"], "--sql: Parser Error"),
        (["--sql", "DROP VIEW spend"], "--sql takes one SELECT"),
    ],
)
def test_errors_are_one_line(home: Home, words: list[str], said: str) -> None:
    spooled(home, [request(profile="old-one")])
    with pytest.raises(UsageError) as refused:
        call(*words)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_database_is_an_error(home: Home, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear ledger" * 1000)
    with pytest.raises(LedgerError) as refused:
        call("--db", str(tmp_path / "letter.txt"))
    assert "\n" not in str(refused.value)


def test_an_error_of_the_program_is_one_line_and_code_2(home: Home) -> None:
    done = program("--profile", "wrk")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ringlet-mitm: no profile 'wrk'; did you mean 'work'?\n"


def test_sql_as_text_json_and_csv(reference_home: Home) -> None:
    sql = "SELECT rule, count(*) AS n, sum(cost_total) AS usd FROM requests GROUP BY rule ORDER BY usd"
    assert call("--sql", sql).stdout.splitlines()[:2] == [
        "rule                       n   usd",
        "input-tokens-lt → groq  1284  0.18",
    ]
    records = json.loads(call("--sql", sql, "--json").stdout, parse_float=Decimal)
    assert records[2] == {"rule": "tool-use → anthropic", "n": 342, "usd": Decimal("7.81")}
    assert call("--sql", sql, "--csv").stdout.splitlines()[1] == "input-tokens-lt → groq,1284,0.18"


def test_sql_reads_stored_and_spooled_rows_and_the_view(reference_home: Home) -> None:
    sql = "SELECT (SELECT count(*) FROM requests) AS a, (SELECT count(*) FROM spend) AS b, count(*) AS c FROM attempts"
    assert json.loads(call("--sql", sql, "--json").stdout) == [{"a": 1754, "b": 1754, "c": 0}]


def test_sql_without_rows(home: Home) -> None:
    assert call("--sql", "SELECT id FROM requests", "--json").stdout == "[]\n"
    assert call("--sql", "SELECT id FROM requests").stdout == "id\n"


def test_sql_leaves_every_file_as_it_was(reference_home: Home) -> None:
    before = {path: path.read_bytes() for path in reference_home.config.rglob("*") if path.is_file()}
    for sql in (
        "DELETE FROM stored.requests",
        f"COPY (SELECT 1) TO '{reference_home.database}.wal'",
        f"COPY (SELECT 1) TO '{reference_home.config}/new.csv'",
    ):
        with pytest.raises(UsageError):
            call("--sql", sql)
    assert {path: path.read_bytes() for path in reference_home.config.rglob("*") if path.is_file()} == before


def test_the_help_is_the_one_of_the_command_list_and_names_every_report_and_column() -> None:
    text = call("--help").stdout
    assert COMMANDS["usage"].help in text
    for name, meaning in {name: report.meaning for name, report in REPORTS.items()}.items():
        assert f"  {name:8}  {meaning}" in text
    for name in (*MEASURES, *DERIVED, *PERIODS):
        assert name in text


def test_a_report_by_model_does_without_what_reads_rules(reference_home: Home) -> None:
    """Which would be half of its time."""
    script = (
        "import sys\nfrom ringlet_mitm.cli.main import group\n"
        "group.main(['usage', '--by', 'model'], standalone_mode=False)\n"
        "print(sorted({'mitmproxy', 'pydantic', 'rich', 'genai_prices', 'tiktoken'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
