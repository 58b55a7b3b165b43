"""Deciding anew from what was recorded: what is certain, what is not, and what cannot be known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from past import book, turn

from ringlet_mitm.rules import conditions
from ringlet_mitm.rules.conditions import CONDITIONS, FACTS, Fact
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.redeciding import FIELDS, NO_FIELD, Decider, Doubt, likely_tokens
from ringlet_mitm.rules.routing import NEED_TOKENS, decide
from ringlet_mitm.rules.tokens import Calibration

NOTHING_LEARNED = Calibration()
SMALL = '[[rule]]\nmatch = { input-tokens-lt = 2000 }\nto = "groq/fast"\n'


def one(**given: Any) -> Recorded:
    return turn(1, **given)


def told(recorded: Recorded, rules: str = SMALL) -> tuple[str | None, Doubt | None]:
    decision, doubt = Decider(book(rules), NOTHING_LEARNED).of(recorded)
    return decision and decision.label, doubt


TAKEN, LEFT = "input-tokens-lt → groq", "default → anthropic"
COUNTS: dict[str, tuple[dict[str, Any], str | None, Doubt | None]] = {
    "counted": ({"counted": 1999}, TAKEN, None),
    "counted, times the ratio of then": ({"counted": 1999, "ratio": 1.2}, LEFT, None),
    "bounds settle it": ({"tokens_low": 10, "tokens_high": 1999}, TAKEN, None),
    "bounds settle it, times the ratio": (
        {"tokens_low": 10, "tokens_high": 1999, "ratio": 1.2, "text": 10},
        TAKEN,
        None,
    ),
    "reported": ({"text": 1900}, TAKEN, Doubt.REPORTED_TOKENS),
    "reported, and far from it": ({"text": 1000}, TAKEN, None),
    "reported by a vendor that counts more": ({"text": 2300, "target_ratio": 1.25}, TAKEN, Doubt.REPORTED_TOKENS),
    "reported, with what came from the cache": ({"text": 5, "read": 5000}, LEFT, None),
    "reported more than its length allows": ({"text": 5000, "tokens_high": 1500}, TAKEN, None),
    "not even reported": ({"source": "none", "tokens_high": 3000}, TAKEN, Doubt.GUESSED_TOKENS),
    "estimated is not reported": ({"source": "estimated", "text": 99, "tokens_high": 4200}, LEFT, Doubt.GUESSED_TOKENS),
    "nothing known at all": ({"source": "none", "tokens_low": None, "tokens_high": None}, None, None),
}


@pytest.mark.parametrize(("given_", "label", "doubt"), COUNTS.values(), ids=COUNTS)
def test_tokens(given_: dict[str, Any], label: str | None, doubt: Doubt | None) -> None:
    assert told(one(**given_)) == (label, doubt)


def test_tokens_that_no_rule_asks_for_are_no_matter() -> None:
    nothing = one(source="none", tokens_low=None, tokens_high=None)
    assert told(nothing, '[[rule]]\nmatch = { messages-gt = 0 }\nto = "groq"\n') == ("messages-gt → groq", None)


def test_a_ratio_that_was_not_recorded_is_the_learned_one() -> None:
    decider = Decider(book(SMALL), Calibration({("anthropic", "big"): 2.0}))
    decision, _ = decider.of(one(counted=1500, ratio=None))
    assert decision is not None and decision.label == LEFT


HEADER = '[[rule]]\nmatch = {{ {} }}\nto = "groq/fast"\n'
UNKNOWN: dict[str, tuple[str, str | None]] = {
    "hangs on it": ('header = { x-a = "b" }', None),
    "another condition rules it out": ('header = { x-a = "b" }, messages-gt = 9', LEFT),
    "not is no answer either": ('not = { header = { x-a = "b" } }', None),
    "any that holds anyway": (
        'any = [ { header = { x-a = "b" } }, { messages-gt = 0 } ]',
        "header.x-a|messages-gt → groq",
    ),
    "a path without its query": ('path-prefix = "/v1/mess"', "path-prefix → groq"),
    "the query of a path": ('path-prefix = "/v1/messages?beta"', None),
}


@pytest.mark.parametrize(("match", "label"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_was_not_recorded(match: str, label: str | None) -> None:
    assert told(one(), HEADER.format(match)) == (label, None)


def test_the_rule_that_it_hangs_on() -> None:
    rules = HEADER.format("messages-gt = 9") + HEADER.format('header = { x-a = "b" }')
    assert Decider(book(rules), NOTHING_LEARNED).hangs_on(one()) == "header.x-a → groq"


def test_a_body_that_could_not_be_read_takes_the_default() -> None:
    assert told(one(readable=False), HEADER.format("always = true")) == (LEFT, None)


def test_every_fact_that_rules_ask_about_has_a_field() -> None:
    named = {fact for fact in vars(conditions).values() if isinstance(fact, Fact)}
    assert named == {*FIELDS, *NO_FIELD} >= set(FACTS)
    assert set(FIELDS.values()) <= set(Recorded._fields)


def test_a_fact_without_a_field_is_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(FIELDS, conditions.MESSAGES)
    decider = Decider(book(HEADER.format("messages-gt = 4")), NOTHING_LEARNED)
    labels = [found.label for found, _ in (decider.of(one(messages=count)) for count in (4, 5)) if found]
    assert labels == [LEFT, "messages-gt → groq"]


HELD: dict[str, str] = {
    "tool-use": "true", "tool-result": "false", "tools-gte": "2", "input-tokens-lt": "3000", "input-tokens-gt": "2000",
    "output-tokens-gt": "50", "messages-gt": "3", "has-system-prompt": "true", "has-images": "false",
    "thinking": "true", "stream": "false", "model-equals": "'big'", "model-prefix": "'b'", "model-matches": "'*i*'",
    "agent": "'cl*'", "path-prefix": "'/v1'", "always": "true",
}  # fmt: skip
REQUESTS = st.fixed_dictionaries(
    {
        "messages": st.integers(0, 6), "tools": st.integers(0, 3), "tool_result": st.booleans(),
        "has_system": st.booleans(), "thinking": st.booleans(), "stream": st.booleans(), "images": st.integers(0, 1),
        "max_output_tokens": st.sampled_from([None, 10, 100]), "requested": st.sampled_from(["big", "small"]),
        "agent": st.sampled_from(["claude", "codex", ""]), "counted": st.integers(0, 5000),
        "ratio": st.sampled_from([0.5, 1.0, 1.7]), "path": st.sampled_from(["/v1/messages", "/x"]),
    }
)  # fmt: skip


def test_every_condition_is_tried() -> None:
    assert {*HELD, "header"} == CONDITIONS.keys()


@given(st.lists(st.sampled_from(sorted(HELD)), min_size=1, max_size=5), st.lists(REQUESTS, max_size=8))
def test_with_all_features_it_decides_as_the_proxy_did(names: list[str], asked: list[dict[str, Any]]) -> None:
    """Also where it remembers: the same decider is asked again and again."""
    rules = "".join(
        f'[[rule]]\nmatch = {{ {name} = {HELD[name]} }}\nto = "groq/fast"\nname = "{place}"\n'
        for place, name in enumerate(names)
    )
    decider, made = Decider(book(rules), NOTHING_LEARNED), book(rules)
    for given_ in asked:
        recorded = one(**given_)
        learned = Calibration({(recorded.asked, recorded.requested): given_["ratio"]})
        then = decide(made, recorded.features(recorded.counted), learned)
        assert then is not NEED_TOKENS
        now, doubt = decider.of(recorded)
        assert now is not None and doubt is None
        assert (now.label, now.route) == (then.label, then.route)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**7), st.sampled_from([0.0, 0.5, 1.0, 1.3]))
def test_likely_tokens_lie_between_the_bounds(low: int, span: int, reported: int, ratio: float) -> None:
    recorded = one(text=reported, target_ratio=ratio, tokens_low=low, tokens_high=low + span)
    tokens, doubt = likely_tokens(recorded)
    assert tokens is not None and low <= tokens <= low + span
    assert doubt is not None
