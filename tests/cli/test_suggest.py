"""`rules suggest` on a small ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ledgers import NOON, request

from ringlet_mitm.addons.usage.ledger import insert, transaction, writing
from ringlet_mitm.cli.main import group
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage, cost
from ringlet_mitm.rules.profiles import Profile, save_profile

IN_FORCE = """\
[[rule]]
match = { has-images = true }
to = "groq"
model = "llama-3.3-70b-versatile"

[default]
to = "anthropic"
model = "claude-sonnet-4-5"
"""
DAY_US = 86_400_000_000
SINCE = ("--since", "2026-11-01")


def rows(count: int) -> list[Any]:
    """Requests of 100, 200, 300 … tokens over ten days, a session each."""
    card = PriceBook().card("anthropic", "claude-sonnet-4-5")
    return [
        request(
            id=f"r{place:03}", agent_format="anthropic-messages", session=f"s{place}", asked_provider="anthropic",
            started_us=NOON - (count - place) * 10 * DAY_US // count, messages=1, input_tokens=place * 100,
            output_tokens=50, counted_tokens=place * 100, decision_ratio=1.0,
            cost_total=cost(Usage(input_tokens=place * 100, output_tokens=50), card).total,
        )
        for place in range(1, count + 1)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a ledger; made once, since the price catalogue that is kept in it takes a second."""
    folder = tmp_path_factory.mktemp("home")
    place = home_of({"RINGLET_HOME": str(folder)})
    save_profile(place, Profile(name="work"))
    place.routing_file("work").write_text(IN_FORCE)
    with writing(place.database) as connection, transaction(connection):
        insert(connection, [(row, ()) for row in rows(100)])
    return folder


@pytest.fixture
def home(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RINGLET_HOME", str(kept))
    return kept


def called(*words: str) -> Result:
    return CliRunner().invoke(group, ["rules", "suggest", "--profile", "work", *SINCE, *words])


def run(*words: str) -> str:
    result = called(*words)
    assert result.exit_code == 0, result.output
    return result.output


def document(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*words, "--json"))
    return found


def test_what_a_person_reads(home: Path) -> None:
    shown = run()
    assert "100 requests, 100% of them taken by no rule" in shown
    assert (
        "advice: 'has-images → groq' never fired (ringlet-mitm rules check --profile work); the default takes" in shown
    )
    assert "to groq/llama-3.3-70b-versatile, with fewer input tokens than this:" in shown
    assert shown.count("← knee") == 1
    assert "[[rule]]\nmatch = { input-tokens-lt = " in shown
    assert "beside the rules in force, it would have come to this:" in shown
    assert shown.endswith("how good the answers are is not measured: try it before you keep it\n")


def test_the_rule_is_one_to_paste(home: Path) -> None:
    found = document()
    (home / "new.toml").write_text(found["rule"] + IN_FORCE)
    words = ["rules", "backtest", str(home / "new.toml"), "--profile", "work", *SINCE, "--json"]
    backtest = json.loads(CliRunner().invoke(group, words).output)
    assert backtest["total"] == found["backtest"]["total"]
    (curve,) = found["curves"]
    (knee,) = (point for point in curve["points"] if point["knee"])
    assert knee["moved_requests"] == backtest["total"]["moved_requests"]
    assert knee["saved_in_30_days_usd"] == pytest.approx(
        -backtest["total"]["change_usd"] * 30 / found["days"], abs=1e-3
    )
    assert (found["quality"], found["sampled_requests"]) == ("not measured", 100)


def test_a_place_that_the_rules_do_not_name(home: Path) -> None:
    found = document("--to", "openai/gpt-5-mini")
    assert [curve["to"] for curve in found["curves"]] == ["openai/gpt-5-mini"]


def test_a_place_that_is_none(home: Path) -> None:
    result = called("--to", "grok-with-q/x")
    assert isinstance(result.exception, UsageError) and str(result.exception).startswith("--to: ")


def test_a_place_that_saves_nothing(home: Path) -> None:
    assert "no threshold would have saved money by going to anthropic/claude-opus-4-1" in run(
        "--to", "anthropic/claude-opus-4-1"
    )


def test_rules_that_name_no_other_place(home: Path) -> None:
    file = home_of({"RINGLET_HOME": str(home)}).routing_file("work")
    file.write_text(IN_FORCE[IN_FORCE.index("[default]") :])
    try:
        assert "name one:  ringlet-mitm rules suggest --to PROVIDER/MODEL" in run()
    finally:
        file.write_text(IN_FORCE)


def test_a_time_without_requests(home: Path) -> None:
    assert (
        "--since 2026-11-"
        in CliRunner().invoke(group, ["rules", "suggest", "--profile", "work", "--since", "2026-11-21"]).output
    )
