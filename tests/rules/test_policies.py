"""What a rule, a profile and config.toml say of patience, merged into one policy."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.policies import (
    MOST,
    NOTHING_USUAL,
    POLICY_KEYS,
    PolicyKeys,
    Usual,
    merged,
    out_of_range,
    policy_of,
)
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.reliability import Policy, Timeouts, timeouts_at
from ringlet_mitm.rules.routes import named_route
from ringlet_mitm.rules.rulebook import Route, load_rulebook
from ringlet_mitm.rules.settings import Reliability, Settings
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Target, line_up

KEYS = st.builds(PolicyKeys, **{name: st.none() | st.integers(0, most) for name, most in MOST.items()})
PLACES = {
    "retries": lambda policy: policy.retries,
    "backoff_ms": lambda policy: policy.backoff_ms,
    "timeout_connect_ms": lambda policy: policy.timeouts.connect_ms,
    "timeout_first_byte_ms": lambda policy: policy.timeouts.first_byte_ms,
    "timeout_idle_ms": lambda policy: policy.timeouts.idle_ms,
    "timeout_total_ms": lambda policy: policy.timeouts.total_ms,
}


def test_every_key_has_a_place_in_the_policy() -> None:
    assert set(PLACES) == set(MOST) == {item.name for item in fields(PolicyKeys)}
    assert len(fields(Timeouts)) == 4


@given(KEYS, KEYS, KEYS)
def test_the_first_that_says_something_always_wins(rule: PolicyKeys, profile: PolicyKeys, config: PolicyKeys) -> None:
    policy = policy_of(rule, profile, config)
    for name, value in PLACES.items():
        said = [getattr(keys, name) for keys in (rule, profile, config) if getattr(keys, name) is not None]
        assert value(policy) == (said[0] if said else value(Policy()))


@given(KEYS, KEYS, KEYS)
def test_merging_can_be_done_in_steps(one: PolicyKeys, two: PolicyKeys, three: PolicyKeys) -> None:
    assert merged(merged(one, two), three) == merged(one, merged(two, three)) == merged(one, two, three)


def test_where_nobody_says_anything_it_is_the_defaults() -> None:
    assert policy_of() == policy_of(PolicyKeys(), Reliability().policy_keys) == Policy()


@pytest.mark.parametrize("name", MOST)
def test_ranges(name: str) -> None:
    for number, wrong in ((-1, True), (0, False), (MOST[name], False), (MOST[name] + 1, True)):
        assert [found for found, _ in out_of_range(PolicyKeys(**{name: number}))] == [name] * wrong


RULES = """
[[rule]]
match.stream = true
to = "groq"
[[rule]]
match.thinking = true
to = "groq"
fallback = ["openrouter"]
retries = 0
timeout-idle-ms = 7
[[rule]]
match.tool-use = true
to = "groq"
fallback = []
[default]
to = "anthropic"
backoff-ms = 9
"""
CONFIG = Settings(reliability=Reliability(provider_retries=5, timeout_connect_ms=50, timeout_idle_ms=51))
PROFILE = Usual(patience=PolicyKeys(retries=3, timeout_connect_ms=30), fallback=(Route("openai", "gpt-5"),))


class TestOfEachRule:
    @pytest.mark.parametrize(
        ("settings", "usual", "expected"),
        [
            (Settings(), NOTHING_USUAL, [(2, 500, 10_000, 300_000), (0, 500, 10_000, 7), (2, 9, 10_000, 300_000)]),
            (CONFIG, NOTHING_USUAL, [(5, 500, 50, 51), (0, 500, 50, 7), (5, 9, 50, 51)]),
            (CONFIG, PROFILE, [(3, 500, 30, 51), (0, 500, 30, 7), (3, 9, 30, 51)]),
        ],
        ids=["the defaults", "config.toml", "the profile"],
    )
    def test_who_is_heard(self, providers: Any, settings: Settings, usual: Usual, expected: list[Any]) -> None:
        book = load_rulebook(RULES, "r.toml", providers, None, settings, usual)
        found = [book.rules[0].policy, book.rules[1].policy, book.default.policy]
        assert expected == [
            (one.retries, one.backoff_ms, one.timeouts.connect_ms, one.timeouts.idle_ms) for one in found
        ]

    def test_a_rules_own_fallback_goes_before_the_profiles(self, providers: Any) -> None:
        book = load_rulebook(RULES, "r.toml", providers, None, CONFIG, PROFILE)
        routes = [*(rule.route for rule in book.rules), book.default.route]
        assert [(route.fallback, route.alone) for route in routes] == [
            (PROFILE.fallback, False),
            ((Route("openrouter"),), False),
            ((), True),
            (PROFILE.fallback, False),
        ]

    def test_without_any_the_route_is_as_ever(self, providers: Any) -> None:
        book = load_rulebook(RULES, "r.toml", providers)
        assert (book.rules[0].route, book.default.route) == (Route("groq"), Route("anthropic"))

    def test_both_spellings_are_the_same(self, providers: Any) -> None:
        snake = RULES.replace("timeout-idle-ms", "timeout_idle_ms").replace("backoff-ms", "backoff_ms")
        books = [load_rulebook(text, "r.toml", providers) for text in (RULES, snake)]
        assert books[0].rules == books[1].rules and books[0].default == books[1].default

    def test_a_model_of_its_own_key_stays_with_its_fallbacks(self, providers: Any) -> None:
        text = '[default]\nto = "groq"\nmodel = "m"\nfallback = ["groq", "groq/n", "passthrough"]\n'
        route = load_rulebook(text, "r.toml", providers).default.route
        assert route == Route("groq", "m", (Route("groq"), Route("groq", "n"), Route()))
        assert [str(one) for one in (route, *route.fallback)] == ["groq/m", "groq", "groq/n", "passthrough"]

    @given(rule=KEYS, profile=KEYS, config=KEYS)
    def test_what_a_rule_says_itself_always_holds(
        self, providers: Any, rule: PolicyKeys, profile: PolicyKeys, config: PolicyKeys
    ) -> None:
        said = {key: getattr(rule, name) for key, name in zip(POLICY_KEYS, MOST, strict=True)}
        lines = "".join(f"{key} = {value}\n" for key, value in said.items() if value is not None)
        timeouts = {name: getattr(config, name) for name in MOST if name.startswith("timeout")}
        settings = replace(CONFIG, reliability=Reliability(provider_retries=config.retries or 0, **timeouts))
        text = f'[[rule]]\nmatch.stream = true\nto = "groq"\n{lines}'
        book = load_rulebook(text, "r.toml", providers, None, settings, Usual(patience=profile))
        for name, value in PLACES.items():
            if getattr(rule, name) is not None:
                assert value(book.rules[0].policy) == getattr(rule, name)
            elif getattr(profile, name) is not None:
                assert value(book.rules[0].policy) == value(book.default.policy) == getattr(profile, name)


OLLAMA = registry({}, {"OLLAMA_HTTP_TIMEOUT": "1.5"})


def ollama(known: ProviderRegistry = OLLAMA, to: str = "ollama/qwen3:8b") -> Target:
    asked = AgentRequest(WireFormat.CHAT, "POST", "https", "api.openai.com", 443, "/v1/chat/completions", (), b"{}")
    return line_up(named_route(to, known), asked, None, known)[0]


class TestProvidersOwnPatience:
    """E-128: `OLLAMA_HTTP_TIMEOUT` holds wherever nobody says otherwise."""

    def test_it_limits_silence_and_nothing_else(self) -> None:
        assert timeouts_at(policy_of(), ollama()) == Timeouts(first_byte_ms=1500, idle_ms=1500)

    @pytest.mark.parametrize("place", [0, 1, 2], ids=["rule", "profile", "config.toml"])
    def test_words_go_before_it_each_for_itself(self, place: int) -> None:
        said = [PolicyKeys(), PolicyKeys(), PolicyKeys()]
        said[place] = PolicyKeys(timeout_idle_ms=Timeouts().idle_ms, timeout_connect_ms=5)
        assert timeouts_at(policy_of(*said), ollama()) == Timeouts(connect_ms=5, first_byte_ms=1500)

    def test_no_limit_is_a_word_too(self) -> None:
        policy = policy_of(PolicyKeys(timeout_first_byte_ms=0, timeout_idle_ms=0))
        assert timeouts_at(policy, ollama()) == policy.timeouts == Timeouts(first_byte_ms=0, idle_ms=0)

    def test_nobody_elses_provider_has_it(self) -> None:
        policy = policy_of(PolicyKeys(timeout_idle_ms=7))
        assert timeouts_at(policy, ollama(to="groq/m")) is policy.timeouts
        assert timeouts_at(policy, ollama(registry({}))) is policy.timeouts

    @pytest.mark.parametrize("said", ["", "soon", "0", "-1", "inf", "nan"])
    def test_what_is_no_time_says_nothing(self, said: str) -> None:
        assert ollama(registry({}, {"OLLAMA_HTTP_TIMEOUT": said})).timeout_s is None
