"""`rules backtest` on a small ledger, as a person and as a program reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ledgers import NOON, request

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.cli.main import group
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import TOKEN_KINDS, cost
from ringlet_mitm.rules.profiles import Profile, save_profile

IN_FORCE = '[default]\nto = "anthropic"\nmodel = "claude-sonnet-4-5"\n'
CHEAP = f'[[rule]]\nmatch = {{ input-tokens-lt = 2000 }}\nto = "groq"\nmodel = "llama-3.3-70b-versatile"\n\n{IN_FORCE}'
HEADER = '[[rule]]\nmatch = { header = { x-who = "me" }, tools-gte = 1 }\nto = "openai"\n\n' + IN_FORCE
SONNET, LLAMA = "anthropic/claude-sonnet-4-5", "groq/llama-3.3-70b-versatile"
SINCE = ("--since", "2026-11-20T00:00+00:00")


def recorded(number: int, tokens: int, **given: Any) -> Any:
    """A request that Sonnet answered; 100 tokens out."""
    row = request(
        id=f"r{number}", agent_format="anthropic-messages", session=f"s{number}", asked_provider="anthropic",
        started_us=NOON + number * 60_000_000, ended_us=NOON + number * 60_000_000 + 1_000_000, messages=1,
        input_tokens=tokens, output_tokens=100, counted_tokens=tokens, decision_ratio=1.0, **given,
    )  # fmt: skip
    bill = cost(row.usage, PriceBook().card("anthropic", "claude-sonnet-4-5"))
    return request(**{kind: getattr(row, kind) for kind in TOKEN_KINDS}, **_others(row), cost_total=bill.total)


def _others(row: Any) -> dict[str, Any]:
    names = ("id", "agent_format", "session", "asked_provider", "started_us", "ended_us", "messages", "counted_tokens")
    return {name: getattr(row, name) for name in (*names, "decision_ratio", "tools", "note")}


ROWS = [recorded(1, 1_000), recorded(2, 1_500), recorded(3, 10_000, tools=2)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a ledger; made once, since the price catalogue that is kept in it takes a second."""
    folder = tmp_path_factory.mktemp("home")
    place = home_of({"RINGLET_HOME": str(folder)})
    save_profile(place, Profile(name="work"))
    place.routing_file("work").write_text(IN_FORCE)
    with writing(place.database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in ROWS])
    for name, text in {"cheap": CHEAP, "header": HEADER, "same": IN_FORCE}.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.fixture
def home(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RINGLET_HOME", str(kept))
    monkeypatch.chdir(kept)
    return kept


def called(*words: str) -> Result:
    return CliRunner().invoke(group, ["rules", "backtest", *words, "--profile", "work"])


def run(*words: str) -> str:
    result = called(*words, *SINCE)
    assert result.exit_code == 0, result.output
    return result.output


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*words, "--json"))
    return found


# 1,000 and 1,500 in, 100 out each: at 3 and 15 USD a million $0.0045 and $0.0060, at 0.59 and 0.79 $0.0007 and $0.0010.
SHOWN = """\
cheap.toml beside what happened: profile 'work', since 2026-11-20 00:00

RULE                    REQUESTS  BEFORE  MOVED  COST THEN  COST NOW    CHANGE
input-tokens-lt → groq         2       0      2      $0.01  ~$0.0016  -$0.0089
default → anthropic            1       3      0      $0.03     $0.03     $0.00
──────────────────────────────────────────────────────────────────────────────
TOTAL                          3       3      2      $0.04    ~$0.03  -$0.0089

FROM → TO                                                   REQUESTS  COST THEN  COST NOW    CHANGE
anthropic/claude-sonnet-4-5 → groq/llama-3.3-70b-versatile         2      $0.01  ~$0.0016  -$0.0089

2 requests of 3 would have gone elsewhere; $0.0089 less (-21%)
2 requests: tokens as the other model counted them: no ratio is learned for one of the two
~ of what is worked out, $0.0002 is for answers, taken to be as long as they were; prompt caches are taken to hold what\
 the conversation's last request there had
"""


def test_what_a_person_reads(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    assert run("cheap.toml") == SHOWN


def test_what_a_program_reads(home: Path) -> None:
    found = document("cheap.toml")
    assert [rule["rule"] for rule in found["rules"]] == ["input-tokens-lt → groq", "default → anthropic"]
    assert [(move["from"], move["to"], move["requests"]) for move in found["moves"]] == [(SONNET, LLAMA, 2)]
    total = found["total"]
    assert (total["requests"], total["moved_requests"], total["estimated_now"]) == (3, 2, 2)
    assert total["cost_then_usd"] == pytest.approx(0.0045 + 0.0060 + 0.0315)
    assert total["cost_now_usd"] == pytest.approx(0.000669 + 0.000964 + 0.0315)
    assert total["change_usd"] == pytest.approx(total["cost_now_usd"] - total["cost_then_usd"])
    assert found["uncertain"]["doubts"] == {"tokenizer": 2}
    assert (found["profile"], found["file"], found["against"], found["until"]) == ("work", "cheap.toml", None, None)
    assert "moved" not in found


def test_the_list_of_what_moves(home: Path) -> None:
    moved = document("cheap.toml", "--moved")["moved"]
    assert [(one["id"], one["input_tokens"], one["to"], one["doubts"]) for one in moved] == [
        ("r1", 1000, LLAMA, ["tokenizer"]),
        ("r2", 1500, LLAMA, ["tokenizer"]),
    ]
    shown = run("cheap.toml", "--moved")
    assert shown.count(f"{SONNET}  {LLAMA}") == 2


def test_rules_that_change_nothing(home: Path) -> None:
    shown = run("same.toml")
    assert shown.endswith("\n\nthe same: every request goes where it went and costs what it cost\n")
    assert "FROM → TO" not in shown


def test_against_other_rules(home: Path) -> None:
    found = document("same.toml", "--against", "cheap.toml")
    assert [(move["from"], move["to"]) for move in found["moves"]] == [(LLAMA, SONNET)]
    assert found["total"]["estimated_then"] == 2
    assert found["total"]["change_usd"] == -document("cheap.toml")["total"]["change_usd"]
    assert "same.toml beside cheap.toml: profile 'work'" in run("same.toml", "--against", "cheap.toml")


def test_what_is_left_out(home: Path) -> None:
    line = (
        "left out: 1 request ($0.03 then) that hang on headers or tokens that were not recorded, "
        "at 'header.x-who+tools-gte → openai'"
    )
    assert line in run("header.toml").splitlines()
    found = document("header.toml")
    assert found["uncertain"]["undecided_at"] == {"header.x-who+tools-gte → openai": 1}
    assert found["total"]["requests"] == 2


def test_a_price_that_nobody_knows(home: Path) -> None:
    (home / "dear.toml").write_text('[default]\nto = "groq"\nmodel = "unheard-of"\n')
    shown = run("dear.toml")
    assert (
        "3 requests of 3 would have gone elsewhere; the same, as far as prices are known (not of 3 requests)" in shown
    )
    assert [line.split()[-2:] for line in shown.splitlines() if line.startswith("TOTAL")] == [["?", "?"]]


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("2026-11-21", "the first is from 2026-11-20, --since 2026-11-20 counts all"),
        ("2026-11-20", "MOVED"),
    ],
)
def test_a_time_without_requests(home: Path, since: str, said: str) -> None:
    assert said in called("cheap.toml", "--since", since).output


def test_a_profile_without_requests(home: Path) -> None:
    save_profile(home_of({"RINGLET_HOME": str(home)}), Profile(name="idle"))
    result = CliRunner().invoke(group, ["rules", "backtest", "cheap.toml", "--profile", "idle"])
    assert "no requests of profile 'idle' are recorded yet; start the proxy with:  ringlet-mitm --profile idle" in (
        result.output
    )


def test_rules_with_a_mistake(home: Path) -> None:
    (home / "bad.toml").write_text('[[rule]]\nmatch = { always = true }\nto = "grok-with-q"\n')
    result = called("bad.toml", *SINCE)
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("bad.toml:3: ")


def test_rules_that_are_not_there(home: Path) -> None:
    assert isinstance(called("none.toml", *SINCE).exception, ConfigError)


def test_a_database_that_is_not_there(home: Path) -> None:
    assert isinstance(called("cheap.toml", "--db", "none.duckdb").exception, UsageError)
