"""`[limits]` of a routing file; what is refused, and in which words, is in fixtures/routing/broken."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.limit_words import limit_words
from ringlet_mitm.rules.limits import NO_LIMITS, Limit, LimitKind, Limits
from ringlet_mitm.rules.limits_file import KINDS, PARALLEL
from ringlet_mitm.rules.policies import PolicyKeys, Usual
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.rulebook import load_rulebook

GOOD = Path(__file__).parents[2] / "fixtures" / "routing" / "good" / "limits.toml"


def limits_of(text: str, providers: Any, **more: Any) -> Limits:
    return load_rulebook(text, "routing.toml", providers, **more).limits


def only(text: str, providers: Any, **more: Any) -> Limit:
    (limit,) = limits_of(text, providers, **more).limits
    return limit


def test_a_file_without_limits_has_none(providers: Any) -> None:
    assert limits_of("", providers) is NO_LIMITS
    assert limits_of("[limits]", providers) is NO_LIMITS


def test_the_whole_section(providers: Any) -> None:
    found = limits_of(GOOD.read_text(), providers)
    assert [(one.name, one.warn, one.switch, one.refuse, one.line, one.table) for one in found.limits] == [
        ("usd-per-day", 10, None, 20, 8, "limits"),
        ("usd-per-month", 150, Decimal("200.5"), 300, 9, "limits"),
        ("requests-per-minute", None, None, 60, 10, "limits"),
        ("tokens-per-minute", 1_000_000, None, None, 11, "limits"),
        ("minimax tokens-per-minute", None, 100_000, None, 15, "limits.minimax"),
        ("minimax usd-per-day", None, 1, None, 16, "limits.minimax"),
        ("anthropic requests-per-minute", None, 10, None, 19, "limits.claude"),
    ]
    assert (found.parallel, found.parallel_lines) == ({"minimax": 2}, {"minimax": 14})


def test_the_section_in_words(providers: Any) -> None:
    assert limit_words(limits_of(GOOD.read_text(), providers)) == [
        (8, "usd-per-day: warns at $10, refuses at $20"),
        (9, "usd-per-month: warns at $150, goes to openrouter/qwen3-coder at $200.50, refuses at $300"),
        (10, "requests-per-minute: refuses at 60"),
        (11, "tokens-per-minute: warns at 1,000,000"),
        (14, "minimax parallel: 2 at once, others wait in line"),
        (
            15,
            "minimax tokens-per-minute: goes to groq/llama-3.3-70b-versatile (rule 'cheap → groq') at 100,000",
        ),
        (16, "minimax usd-per-day: goes to anthropic at $1"),
        (19, "anthropic requests-per-minute: goes to passthrough at 10"),
    ]


def test_money_has_the_digits_that_were_written(providers: Any) -> None:
    assert only("limits.usd-per-day = 0.1", providers).refuse == Decimal("0.1")


# Where `to` leads

RULE = '[[rule]]\nname = "cheap"\nmatch.always = true\nto = "groq"\nmodel = "m"\n'
SWITCH = '[limits]\nusd-per-day = { switch = 1, to = "%s" }\n'


def test_to_a_rule_is_its_whole_way(providers: Any) -> None:
    text = RULE + 'fallback = ["openrouter"]\nretries = 7\n' + SWITCH % "cheap"
    found = only(text, providers)
    assert found.to == Route("groq", "m", fallback=(Route("openrouter"),))
    assert (found.policy.retries, found.label, found.index) == (7, "cheap → groq", 0)


def test_to_a_rule_has_what_the_profile_says_for_it(providers: Any) -> None:
    usual = Usual(patience=PolicyKeys(retries=9), fallback=(Route("openai"),))
    found = only(RULE + SWITCH % "cheap", providers, usual=usual)
    assert found.to == Route("groq", "m", fallback=(Route("openai"),))
    assert found.policy.retries == 9


def test_to_a_provider_tries_nothing_else(providers: Any) -> None:
    usual = Usual(patience=PolicyKeys(retries=9), fallback=(Route("anthropic"),))
    found = only(SWITCH % "groq/m", providers, usual=usual)
    assert found.to == Route("groq", "m", alone=True)
    assert (found.policy.retries, found.label, found.index) == (9, "limit usd-per-day → groq", None)


def test_to_the_default(providers: Any) -> None:
    found = only(SWITCH % "default" + '[default]\nto = "anthropic"\nretries = 1', providers)
    assert (found.to, found.policy.retries, found.label) == (Route("anthropic"), 1, "default → anthropic")


def test_a_rule_goes_before_a_provider_of_the_same_name(providers: Any) -> None:
    found = only(RULE.replace("cheap", "openai") + SWITCH % "openai", providers)
    assert found.to == Route("groq", "m")


def test_no_provider_is_called_like_a_limit() -> None:
    keys = {*KINDS, PARALLEL}
    assert not keys & {name.replace("_", "-") for name in registry({}).names()}


# Anything else that is TOML

WORDS = [*KINDS, PARALLEL, "warn", "switch", "refuse", "to", "groq", "claude", "usd_per_day", "x"]
ANYTHING = st.recursive(
    st.one_of(
        st.sampled_from([True, 0, -1, 1, 2, 1.5, float("inf"), float("nan"), 10**30, 1e300, "", "groq", "cheap"]),
        st.integers(-5, 5),
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=10,
)


@given(st.one_of(ANYTHING, st.dictionaries(st.sampled_from(WORDS), ANYTHING, max_size=5)))
def test_whatever_stands_there_loads_or_is_refused_with_its_line(providers: Any, value: Any) -> None:
    text = tomli_w.dumps({"limits": value})
    with suppress(ConfigError):
        try:
            limits = limits_of(text, providers)
        except ConfigError as error:
            assert all(problem.line for problem in (error, *error.others))
            raise
        for limit in limits.limits:
            steps = [step for step in (limit.warn, limit.switch, limit.refuse) if step is not None]
            assert steps and steps == sorted(set(steps)) and steps[0] > 0
            assert (limit.to is not None) == (limit.switch is not None)
        assert len(limit_words(limits)) == len(limits.limits) + len(limits.parallel)


@pytest.mark.parametrize("kind", LimitKind)
def test_a_bare_number_refuses(providers: Any, kind: LimitKind) -> None:
    found = only(f"limits.{kind} = 3", providers)
    assert (found.kind, found.warn, found.switch, found.refuse) == (kind, None, None, 3)
