"""What is said below a report."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ringlet_mitm.addons.usage.groups import MEASURES, spend_table
from ringlet_mitm.addons.usage.reports import Table
from ringlet_mitm.cli.usage.advice import Rules, advice, notes, rules_of
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile

RULES = ("a → groq", "b → groq", "default → anthropic")
ROUTING = """
[[rule]]
match = { tool-use = true }
to = "anthropic"

[default]
to = "groq"
"""


def group(rule: str, requests: int = 1, **given: Any) -> tuple[Any, ...]:
    values = dict.fromkeys(MEASURES, 0) | {"known_cost_usd": Decimal(0), "requests": requests} | given
    return (rule, *values.values())


def table(*groups: tuple[Any, ...], rules: tuple[str, ...] = RULES) -> Table:
    return spend_table(("rule",), groups, rules)


CHECK = "(ringlet-mitm rules check --profile work)"
EXPLAIN = "the rules catch little (ringlet-mitm rules explain FILE says why)"


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        pytest.param({"a": 5, "b": 4, "default": 1}, "", id="all is well"),
        pytest.param({"a": 9, "b": 1}, "", id="the default may rest"),
        pytest.param({"a": 5, "default": 5}, f"'b → groq' never fired {CHECK}", id="a rule never fires"),
        pytest.param({"default": 1, "a": 4, "b": 0}, f"'b → groq' never fired {CHECK}", id="counted as 0"),
        pytest.param({"a": 5, "b": 5, "default": 90}, "", id="the default takes 90 %, not more"),
        pytest.param({"a": 5, "b": 4, "default": 91}, f"the default takes 91%: {EXPLAIN}", id="the default takes more"),
        pytest.param(
            {"default": 3},
            f"'a → groq', 'b → groq' never fired {CHECK}; the default takes 100%: {EXPLAIN}",
            id="both",
        ),
        pytest.param({}, "", id="no requests"),
    ],
)
def test_advice(counts: dict[str, int], said: str) -> None:
    targets = {"a": "groq", "b": "groq", "default": "anthropic"}
    found = table(*(group(f"{name} → {targets[name]}", count) for name, count in counts.items()))
    assert advice(found, Rules("work", RULES)) == said


def test_a_default_that_was_another_counts_as_the_default() -> None:
    found = table(
        group("default → anthropic", 50), group("default → groq", 46), group("a → groq", 4), group("b → groq")
    )
    assert "the default takes 95%" in advice(found, Rules("work", RULES))


def test_many_idle_rules_stay_one_line() -> None:
    labels = tuple(f"r{number} → groq" for number in range(6))
    found = table(group("r0 → groq"), rules=(*labels, "default → groq"))
    assert advice(found, Rules("work", (*labels, "default → groq"))) == (
        f"'r1 → groq', 'r2 → groq', 'r3 → groq' and 2 more never fired {CHECK}"
    )


def test_no_advice_without_rules() -> None:
    assert advice(table(group("default → anthropic", 9), rules=()), Rules("work")) == ""


def test_no_advice_for_other_reports() -> None:
    assert advice(spend_table(("model",), [group("m")]), Rules("work", RULES)) == ""


SWITCHING = (
    "{} of the cost is for switches within conversations (ringlet-mitm usage --by-switch); "
    'sticky = "session" on a rule keeps a conversation there'
)


@pytest.mark.parametrize(
    ("cost", "switches", "said"),
    [
        pytest.param("20", "2", "", id="a tenth is no matter"),
        pytest.param("20", "2.01", SWITCHING.format("$2.01"), id="more is"),
        pytest.param("0", "0", "", id="nothing cost anything"),
    ],
)
def test_switches_that_cost_much(cost: str, switches: str, said: str) -> None:
    spent = {"known_cost_usd": Decimal(cost), "known_switch_cost_usd": Decimal(switches)}
    found = table(group("a → groq", 5, **spent), group("b → groq", 4))
    assert advice(found, Rules("work", RULES)) == said


def test_what_is_not_known_of_switches_is_said_where_nothing_else_says_it() -> None:
    found = table(group("a → groq", 3, unpriced_requests=1, unpriced_switches=2), group("b → groq"))
    assert notes(found, Rules("work", ()))[:2] == [
        "? ≥ the price of 1 request is unknown",
        "? ≥ what 2 switches cost is unknown",
    ]
    found = table(group("a → groq", 3, unpriced_requests=1, unpriced_switches=1), group("b → groq"))
    assert notes(found, Rules("work", ())) == ["? ≥ the price of 1 request is unknown"]


def test_marks_are_explained() -> None:
    found = table(group("a → groq", 3, unpriced_requests=1, estimated_requests=2), group("b → groq", 0))
    assert notes(found, Rules("work", RULES, "rules cannot be read")) == [
        "? ≥ the price of 1 request is unknown",
        "~ the tokens of 2 requests are estimated, the provider did not report them",
        "rules cannot be read",
        f"advice: 'b → groq' never fired {CHECK}",
    ]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_of({"RINGLET_HOME": str(tmp_path)})


def profile(home: Home, name: str, routing: str | None = ROUTING, **given: Any) -> None:
    save_profile(home, Profile(name, **given))
    if routing is not None:
        home.routing_file(name).write_text(routing, encoding="utf-8")


LABELS = ("tool-use → anthropic", "default → groq")


def test_the_rules_of_a_profile(home: Home) -> None:
    profile(home, "work")
    profile(home, "other", None)
    assert rules_of(home, "work") == Rules("work", LABELS)


def test_the_only_profile_goes_without_saying(home: Home) -> None:
    profile(home, "work")
    assert rules_of(home, None) == Rules("work", LABELS)


def test_of_two_profiles_neither_is_meant(home: Home) -> None:
    profile(home, "work")
    profile(home, "home")
    assert rules_of(home, None) == Rules("")


@pytest.mark.parametrize(
    ("routing", "given"),
    [(None, {}), ("", {"provider": "anthropic"}), (ROUTING, {"proxy": "none"})],
    ids=["no file", "an empty file", "routing is off"],
)
def test_no_rules(home: Home, routing: str | None, given: dict[str, Any]) -> None:
    profile(home, "work", routing, **given)
    assert rules_of(home, "work") == Rules("work")


def test_a_profile_that_is_gone_has_no_rules(home: Home) -> None:
    assert rules_of(home, "gone") == Rules("gone")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("profiles/work/routing.toml", '[[rule]]\nmatch = { tool-use = true }\nto = "nowhere"\n'),
        ("profiles/work/routing.toml", "\x00"),
        ("profiles/work/profile.toml", "port = 'x'\n"),
        ("providers/mine.toml", "nonsense"),
    ],
    ids=["an unknown provider", "no TOML", "the profile", "a provider's file"],
)
def test_what_cannot_be_read_is_a_note_on_one_line(home: Home, file: str, text: str) -> None:
    profile(home, "work")
    path = home.config / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    found = rules_of(home, "work")
    assert found.labels == ()
    assert found.problem.startswith(f"rules that fired 0 times are not listed: {path}")
    assert "\n" not in found.problem
