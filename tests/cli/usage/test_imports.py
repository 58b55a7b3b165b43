"""`ringlet-mitm usage import` and `usage audit` from the command line, over logs of real agents."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from logged import FIXTURES, SECOND_US, written

from ringlet_mitm.addons.usage.rows import decode_line, encode_line
from ringlet_mitm.cli.main import group
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of

CLAUDE = FIXTURES / "claude"
PROJECTS = CLAUDE / "projects"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("RINGLET_HOME", str(tmp_path / "ringlet"))
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "XDG_DATA_HOME", "OPENCODE_DB"):
        monkeypatch.delenv(name, raising=False)
    return home_of(os.environ)


def recorded(home: Home, change: Any = None) -> None:
    """What the proxy has recorded of Claude Code, as it waits for the ledger."""
    home.spool_dir.mkdir(parents=True)
    lines = [decode_line(line) for line in (CLAUDE / "ledger.jsonl").read_bytes().splitlines()]
    kept = [encode_line(row if change is None else change(row), attempts) for row, attempts in lines]
    written(home.spool_dir / "1.1.jsonl", kept)


def run(*words: str) -> Result:
    return CliRunner().invoke(group, ["usage", *words], catch_exceptions=False, standalone_mode=False)


def said(*words: str) -> str:
    result = run(*words)
    assert result.stderr == ""
    return result.stdout


def test_an_import_says_what_it_found_and_what_is_new(home: Home) -> None:
    expected = "2 files of Claude Code: 5 answers\n  5  {}\nleft out: 12 said twice\n"
    new = "new: 2026-11-21, 64K tokens in, 100 out, $0.05"
    assert said("import", "claude", str(PROJECTS), "--dry-run") == expected.format(f"would be {new}")
    assert said("import", "claude", str(PROJECTS)) == expected.format(new)
    assert said("import", "claude", str(PROJECTS)) == expected.format("imported before")


def test_an_import_for_programs(home: Home) -> None:
    found = json.loads(said("import", "claude", str(PROJECTS), "--json"))
    assert (found["agent"], found["dry_run"], found["found"], found["new"], found["usd"]) == (
        "claude",
        False,
        5,
        5,
        0.050404,
    )


def test_imported_requests_are_a_rule_of_their_own_in_reports(home: Home) -> None:
    run("import", "claude", str(PROJECTS))
    report = json.loads(said("report", "--by", "rule,origin,project,model", "--json"))
    (row,) = report["rows"]
    assert (row["rule"], row["origin"], row["project"], row["model"]) == (
        "imported",
        "import:claude",
        "work",
        "claude-opus-4-8",
    )
    assert (row["requests"], row["input_tokens"], row["cost_usd"]) == (5, 63938, 0.050404)


def test_logs_are_looked_for_where_the_agent_keeps_them(home: Home) -> None:
    shutil.copytree(PROJECTS, Path.home() / ".claude" / "projects")
    shutil.copytree(FIXTURES / "codex" / "sessions", Path.home() / ".codex" / "sessions")
    assert "5  new" in said("import", "claude")
    assert "5  new" in said("import", "codex")


def test_what_is_left_out_and_what_has_no_price_is_said(home: Home, tmp_path: Path) -> None:
    (file,) = CLAUDE.rglob("972d82ae*.jsonl")
    line = json.loads(file.read_text().splitlines()[7])
    line["message"]["model"] = "kimi-\u001b[31m"
    written(tmp_path / "log.jsonl", [line, b'{"usage" oh\n', b'{"usage"'])
    assert said("import", "claude", str(tmp_path / "log.jsonl")) == (
        "1 file of Claude Code: 1 answer\n"
        "  1  new: 2026-11-21, 13K tokens in, 20 out, ?\n"
        "without a known price: ?/kimi-\N{REPLACEMENT CHARACTER}[31m (1); ringlet-mitm models add says one\n"
        "left out: 1 not readable, 1 still being written\n"
    )


def test_an_audit_where_all_went_through_the_proxy(home: Home) -> None:
    recorded(home)
    result = run("audit", "claude", str(PROJECTS), "--strict")
    assert result.exit_code == 0
    assert (
        result.stdout
        == """\
2 files of Claude Code beside the ledger

WHAT                                    SESSIONS  REQUESTS     TOKENS     COST
went around the proxy: only in the log         0         0      0 / 0    $0.00
in both, with the same tokens                  2         5  64K / 100    $0.05
in both, with other tokens                     0         0      0 / 0    $0.00
only in the ledger                             1         1   935 / 20  $0.0008
"""
    )


def test_an_audit_where_nothing_did(home: Home) -> None:
    result = CliRunner().invoke(group, ["usage", "audit", "claude", str(PROJECTS), "--strict"])
    assert result.exit_code == 1
    assert result.stdout.endswith("""\

sessions that went around the proxy

SESSION                               PROJECT  MODEL            REQUESTS    TOKENS   COST
972d82ae-01d3-46fd-9f24-5048d9d4d92b  work     claude-opus-4-8         4  51K / 80  $0.04
d0c33775-a8e7-46e3-84f2-23039c260d07  work     claude-opus-4-8         1  13K / 20  $0.01

bring them in with:  ringlet-mitm usage import claude
""")


def test_an_audit_shows_whose_tokens_differ(home: Home) -> None:
    recorded(home, lambda row: replace(row, output_tokens=row.output_tokens + (row.cache_read_tokens == 12505)))
    result = CliRunner().invoke(group, ["usage", "audit", "claude", str(PROJECTS), "--json", "--strict"])
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["agrees"] is False
    (one,) = found["differences"]
    assert (one["log_output_tokens"], one["ledger_output_tokens"], one["log_cache_read_tokens"]) == (20, 21, 12505)
    assert {part["part"]: part["requests"] for part in found["sums"]} == {
        "around": 0,
        "equal": 4,
        "differing": 1,
        "unlogged": 1,
    }
    assert "requests with other tokens, by the log and by the ledger" in said("audit", "claude", str(PROJECTS))


def test_since(home: Home) -> None:
    found = json.loads(said("import", "claude", str(PROJECTS), "--since", "2026-11-21T19:14:40Z", "--json"))
    assert (found["new"], found["early"]) == (1, 4)
    assert found["first_us"] > 1_795_288_480 * SECOND_US


WRONG = {
    "no log": (("import", "codex"), "no logs of Codex in .*/person/.codex; name the place"),
    "no place": (("import", "claude", "/no/where"), "there is no file or folder /no/where"),
    "no time": (("audit", "claude", str(PROJECTS), "--since", "soon"), "--since: 'soon' is not a time"),
    "no database": (("import", "claude", str(PROJECTS), "--db", "/no/db"), "--db: there is no file /no/db"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said(home: Home, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(*words)
