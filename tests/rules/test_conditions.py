"""Each condition by itself: when it holds, when it does not, and when only counting could tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.conditions import CONDITIONS, Cost, Truth, header_fact
from ringlet_mitm.rules.matching import COMBINATORS, MATCH_KEYS, AnyOf, Not, compiled, cost_of, reference, walk, words

HOLDS: dict[str, tuple[str, dict[str, Any], Truth]] = {
    "tool-use, tools offered": ("tool-use = true", {"tools": 1}, True),
    "tool-use, none offered": ("tool-use = true", {"tools": 0}, False),
    "no tool-use, none offered": ("tool-use = false", {"tools": 0}, True),
    "no tool-use, tools offered": ("tool-use = false", {"tools": 3}, False),
    "tool-result": ("tool-result = true", {"tool_result": True}, True),
    "no tool-result": ("tool-result = false", {"tool_result": True}, False),
    "tools-gte, as many": ("tools-gte = 23", {"tools": 23}, True),
    "tools-gte, one less": ("tools-gte = 23", {"tools": 22}, False),
    "tools-gte 0 is always": ("tools-gte = 0", {"tools": 0}, True),
    "messages-gt, one more": ("messages-gt = 12", {"messages": 13}, True),
    "messages-gt, as many": ("messages-gt = 12", {"messages": 12}, False),
    "has-system-prompt": ("has-system-prompt = true", {"has_system": True}, True),
    "has-system-prompt, none": ("has-system-prompt = true", {"has_system": False}, False),
    "has-images": ("has-images = true", {"images": 2}, True),
    "has-images, none": ("has-images = false", {"images": 0}, True),
    "thinking": ("thinking = true", {"thinking": True}, True),
    "stream": ("stream = false", {"stream": False}, True),
    "output-tokens-gt, more asked for": ("output-tokens-gt = 1000", {"max_output_tokens": 1001}, True),
    "output-tokens-gt, as many": ("output-tokens-gt = 1000", {"max_output_tokens": 1000}, False),
    "output-tokens-gt, nothing said": ("output-tokens-gt = 0", {"max_output_tokens": None}, False),
    "model-equals": ('model-equals = "m"', {"model": "m"}, True),
    "model-equals is exact": ('model-equals = "claude"', {"model": "claude-x"}, False),
    "model-equals, one of a list": ('model-equals = ["a", "b"]', {"model": "b"}, True),
    "model-equals takes no globs": ('model-equals = "c*"', {"model": "claude"}, False),
    "model-prefix": ('model-prefix = "claude-"', {"model": "claude-x"}, True),
    "model-prefix, one of a list": ('model-prefix = ["gpt-", "claude-"]', {"model": "claude-x"}, True),
    "model-prefix, elsewhere": ('model-prefix = "claude-"', {"model": "my-claude-x"}, False),
    "model-prefix takes no globs": ('model-prefix = "*"', {"model": "claude"}, False),
    "model-matches": ('model-matches = "*-haiku-*"', {"model": "claude-haiku-4-5"}, True),
    "model-matches is about the whole": ('model-matches = "haiku"', {"model": "claude-haiku-4-5"}, False),
    "model-matches minds case": ('model-matches = "*Haiku*"', {"model": "claude-haiku-4-5"}, False),
    "model-matches, a set of characters": ('model-matches = "gpt-[45]*"', {"model": "gpt-5.1"}, True),
    "model-matches, one of a list": ('model-matches = ["x", "g?t-*", "*q*z"]', {"model": "gpt-5"}, True),
    "agent": ('agent = "claude"', {"agent": "claude"}, True),
    "agent, another": ('agent = "codex"', {"agent": "claude"}, False),
    "agent by glob": ('agent = ["codex", "cl*"]', {"agent": "claude"}, True),
    "path-prefix": ('path-prefix = "/v1/messages"', {"path": "/v1/messages?beta=true"}, True),
    "path-prefix, another": ('path-prefix = "/v2/"', {"path": "/v1/messages"}, False),
    "header": ('header = { x-initiator = "user" }', {}, True),
    "header, name in any case": ('header = { X-INITIATOR = "u*" }', {}, True),
    "header, other value": ('header = { x-initiator = "agent" }', {}, False),
    "header, absent": ('header = { x-other = "*" }', {}, False),
    "header, absent, negated": ('not = { header = { x-other = "*" } }', {}, True),
    "header, several of one name are joined": ('header = { x-tag = "a, b" }', {}, True),
    "header, all named have to fit": ('header = { x-initiator = "user", x-tag = "z" }', {}, False),
    "always": ("always = true", {}, True),
    "not always": ("always = false", {}, False),
    "input-tokens-lt, counted, below": ("input-tokens-lt = 2000", {"exact_tokens": 1999}, True),
    "input-tokens-lt, counted, equal": ("input-tokens-lt = 2000", {"exact_tokens": 2000}, False),
    "input-tokens-gt, counted, above": ("input-tokens-gt = 2000", {"exact_tokens": 2001}, True),
    "input-tokens-gt, counted, equal": ("input-tokens-gt = 2000", {"exact_tokens": 2000}, False),
    "input-tokens-lt, bounds below": ("input-tokens-lt = 2000", {"bounds": (100, 1999)}, True),
    "input-tokens-lt, bounds above": ("input-tokens-lt = 2000", {"bounds": (2000, 9000)}, False),
    "input-tokens-lt, bounds around": ("input-tokens-lt = 2000", {"bounds": (1999, 2000)}, None),
    "input-tokens-gt, bounds above": ("input-tokens-gt = 2000", {"bounds": (2001, 9000)}, True),
    "input-tokens-gt, bounds below": ("input-tokens-gt = 2000", {"bounds": (100, 2000)}, False),
    "input-tokens-gt, bounds around": ("input-tokens-gt = 2000", {"bounds": (2000, 2001)}, None),
    "input-tokens-lt 0 is never": ("input-tokens-lt = 0", {"bounds": (0, 9)}, False),
    "all of a match, a cheap part settles it": (
        "stream = true, input-tokens-gt = 2000",
        {"stream": False, "bounds": (0, 9000)},
        False,
    ),
    "all of a match, the unknown part is left": ("stream = true, input-tokens-gt = 2000", {"bounds": (0, 9000)}, None),
    "any, a cheap part settles it": (
        "any = [{ input-tokens-gt = 2000 }, { stream = true }]",
        {"bounds": (0, 9000)},
        True,
    ),
    "any, the unknown part is left": (
        "any = [{ input-tokens-gt = 2000 }, { stream = false }]",
        {"bounds": (0, 9000)},
        None,
    ),
    "any, none": ("any = [{ thinking = true }, { stream = false }]", {}, False),
    "all": ("all = [{ thinking = false }, { stream = true }]", {}, True),
    "all of a match, an unknown part does not hide one that fails": (
        "input-tokens-gt = 100, input-tokens-lt = 40",
        {"bounds": (50, 200)},
        False,
    ),
    "not unknown": ("not = { input-tokens-gt = 2000 }", {"bounds": (0, 9000)}, None),
    "not of several": ("not = { stream = true, thinking = true }", {}, True),
    "snake_case": ("input_tokens_gt = 2000, tool_use = true", {"exact_tokens": 2001}, True),
}


@pytest.mark.parametrize(("match", "given", "truth"), HOLDS.values(), ids=HOLDS)
def test_a_condition_holds(make_book: Any, make_features: Any, match: str, given: dict[str, Any], truth: Truth) -> None:
    features = make_features(**given)
    exact = features.exact_tokens
    low, high = (exact, exact) if exact is not None else (features.token_bounds.low, features.token_bounds.high)
    assert make_book(match).rules[0].test(features, low, high) is truth


def test_every_condition_has_a_case() -> None:
    named = {key for match, _, _ in HOLDS.values() for key in MATCH_KEYS if f"{key} =" in match.replace("_", "-")}
    assert named == set(MATCH_KEYS)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_bounds_never_contradict_the_count(
    make_book: Any, make_features: Any, low: int, more: int, exact: int, limit: int
) -> None:
    """What bounds settle is what counting would have said."""
    low, high = min(low, exact), max(low + more, exact)
    book = make_book(f"input-tokens-lt = {limit}", f"input-tokens-gt = {limit}")
    features = make_features()
    for rule in book.rules:
        guessed, counted = rule.test(features, low, high), rule.test(features, exact, exact)
        assert counted is not None
        assert guessed in (None, counted)


def test_cheap_parts_are_tested_first(make_book: Any, make_features: Any) -> None:
    match = make_book('input-tokens-gt = 5, model-matches = "*x*", stream = true').rules[0].match
    assert [part.cost for part in sorted(match.parts, key=cost_of)] == [Cost.FREE, Cost.CHEAP, Cost.TOKENS]
    assert [part.name for part in match.parts] == ["input-tokens-gt", "model-matches", "stream"]


WORDS = {
    "one": ("tool-use = true", "tool-use", "tool-use"),
    "a denied flag": ("tool-use = false", "not-tool-use", "not-tool-use"),
    "several": ("tool-use = true, input-tokens-lt = 9", "tool-use+input-tokens-lt", "tool-use+input-tokens-lt=9"),
    "order as written": ("thinking = true, agent = 'x'", "thinking+agent", "thinking+agent=x"),
    "not": ("not = { stream = true }", "not-stream", "not-stream"),
    "not of several": ("not = { stream = true, agent = 'x' }", "not-(stream+agent)", "not-(stream+agent=x)"),
    "any": ("any = [{ stream = true }, { thinking = true }]", "stream|thinking", "stream|thinking"),
    "any beside another": (
        "agent = ['x', 'y'], any = [{ stream = true }, { thinking = true }]",
        "agent+(stream|thinking)",
        "agent=x,y+(stream|thinking)",
    ),
    "header": ("header = { x-a = '*' }", "header.x-a", "header.x-a=*"),
}


@pytest.mark.parametrize(("match", "short", "long"), WORDS.values(), ids=WORDS)
def test_a_match_in_words(make_book: Any, match: str, short: str, long: str) -> None:
    tree = make_book(match).rules[0].match
    assert (words(tree), words(tree, detail=True)) == (short, long)


def test_the_reference_lists_every_key_with_an_example_that_loads(make_book: Any) -> None:
    examples = [example for example, _ in reference()]
    assert [example.partition(" = ")[0] for example in examples] == list(MATCH_KEYS)
    book = make_book(*(example.replace("…", "stream = true") for example in examples))
    assert len(book.rules) == len(CONDITIONS) + len(COMBINATORS)


def test_walking_a_match_shows_its_nesting(make_book: Any) -> None:
    tree = (
        make_book("stream = true, any = [{ agent = 'a' }, { not = { agent = 'b', thinking = true } }]").rules[0].match
    )
    shown = [(depth, type(part).__name__ if isinstance(part, AnyOf | Not) else str(part)) for depth, part in walk(tree)]
    assert shown == [
        (0, "stream = true"),
        (0, "AnyOf"),
        (1, 'agent = "a"'),
        (1, "Not"),
        (2, 'agent = "b"'),
        (2, "thinking = true"),
    ]
    assert all(compiled(part) for _, part in walk(tree))


@pytest.mark.parametrize(
    ("name", "shown"),
    [("x-initiator", '"user"'), ("X-Tag", '"a, b"'), ("x-api-key", "***"), ("authorization", "absent")],
)
def test_a_header_is_shown_unless_it_is_secret(make_features: Any, name: str, shown: str) -> None:
    assert header_fact(name).shown(make_features()) == shown


def test_a_key_in_a_path_is_not_shown(make_features: Any, make_book: Any) -> None:
    fact = make_book("path-prefix = '/'").rules[0].match.parts[0].fact
    assert "AIzaSySecretSecretSecret" not in fact.shown(
        make_features(path="/v1beta/m:generateContent?key=AIzaSySecretSecretSecret")
    )


def test_a_pattern_for_a_secret_is_not_shown(make_book: Any) -> None:
    book = make_book("header = { x-api-key = 'sk-1*' }", "header = { x-api-key = 'sk-2*' }")
    shown = [*book.labels, *(str(part) for rule in book.rules for _, part in walk(rule.match))]
    assert not [text for text in shown if "sk-" in text]
    assert len(set(book.labels)) == 3


@pytest.mark.parametrize(
    ("match", "given", "shown"),
    [
        ("output-tokens-gt = 1", {"max_output_tokens": None}, "not said"),
        ("output-tokens-gt = 1", {"max_output_tokens": 32_000}, "32,000"),
        ("agent = 'x'", {"agent": ""}, "not recognised"),
        ("stream = true", {"stream": True}, "yes"),
        ("tool-use = true", {"tools": 0}, "0"),
    ],
)
def test_a_fact_is_shown_as_a_person_says_it(
    make_book: Any, make_features: Any, match: str, given: dict[str, Any], shown: str
) -> None:
    assert make_book(match).rules[0].match.parts[0].fact.shown(make_features(**given)) == shown
