"""Rules that can never fire, and the traps; held against trying all requests of a small world."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.reachability import boxes_of, warnings
from ringlet_mitm.rules.routing import Decision, decide
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.settings import ModelRoute, Settings
from ringlet_mitm.rules.tokens import Calibration

FIXTURES = Path(__file__).parents[2] / "fixtures" / "routing"
NEVER = ("can never fire", "can never match", "is never used")


def never(book: Any) -> list[int | None]:
    """The lines of what can never fire."""
    return [found.line for found in warnings(book) if found.message.startswith(NEVER)]


# Rules stand in lines 1, 4, 7 … and the default behind them.
UNREACHABLE = {
    "a smaller threshold behind a larger one": (["input-tokens-lt = 2000", "input-tokens-lt = 1000"], [4]),
    "a larger threshold behind a smaller one": (["input-tokens-lt = 1000", "input-tokens-lt = 2000"], []),
    "gt the other way round": (["messages-gt = 5", "messages-gt = 6"], [4]),
    "tools-gte behind tool-use": (["tool-use = true", "tools-gte = 5"], [4]),
    "tool-use behind tools-gte 1": (["tools-gte = 1", "tool-use = true"], [4]),
    "tool-use behind tools-gte 2": (["tools-gte = 2", "tool-use = true"], []),
    "one more condition behind fewer": (["stream = true", "stream = true, thinking = true"], [4]),
    "fewer conditions behind more": (["stream = true, thinking = true", "stream = true"], []),
    "anything behind always, and the default": (["always = true", "stream = true"], [4, 7]),
    "always at the end makes the default useless": (["stream = true", "always = true"], [7]),
    "not always": (["always = false"], [1]),
    "own conditions exclude each other": (["input-tokens-lt = 10, input-tokens-gt = 20"], [1]),
    "own conditions leave one number": (["input-tokens-lt = 10, input-tokens-gt = 8"], []),
    "own conditions leave no number": (["input-tokens-lt = 10, input-tokens-gt = 9"], [1]),
    "below nothing": (["input-tokens-lt = 0"], [1]),
    "a flag and its opposite": (["all = [{ stream = true }, { stream = false }]"], [1]),
    "two rules together": (["stream = true", "stream = false", "thinking = true"], [7, 10]),
    "two thresholds together": (["input-tokens-lt = 100", "input-tokens-gt = 50", "stream = true"], [7, 10]),
    "two thresholds with a gap": (["input-tokens-lt = 100", "input-tokens-gt = 100", "stream = true"], []),
    "equal model behind its prefix": (["model-prefix = 'claude-'", "model-equals = ['claude-a', 'claude-b']"], [4]),
    "one of two models behind a prefix": (["model-prefix = 'claude-'", "model-equals = ['claude-a', 'gpt']"], []),
    "a glob behind its prefix": (["model-prefix = 'claude-'", "model-matches = 'claude-*-haiku'"], [4]),
    "a prefix behind the same as a glob": (["model-matches = 'claude-*'", "model-prefix = 'claude-h'"], [4]),
    "equal model behind a fitting glob": (["model-matches = '*-haiku'", "model-equals = 'claude-haiku'"], [4]),
    "the same glob": (["model-matches = '*h*'", "model-matches = '*h*'"], [4]),
    "a glob behind its beginning": (["model-matches = '*h*'", "model-matches = '*hh*'"], [4]),
    "globs that are hard to compare": (["model-matches = '*h*'", "model-matches = '*ah*'"], []),
    "two equal models in one rule": (["model-equals = 'a', all = [{ model-equals = 'b' }]"], [1]),
    "an equal model outside of the prefix": (["model-equals = 'a', model-prefix = 'b'"], [1]),
    "prefixes that exclude each other": (["model-prefix = 'ab', all = [{ model-prefix = 'ac' }]"], [1]),
    "all but one model, and that one": (
        ["not = { model-equals = 'a' }", "model-equals = 'a'", "stream = true"],
        [7, 10],
    ),
    "an agent": (["agent = 'claude'", "agent = 'claude', stream = true"], [4]),
    "another fact of the same text": (["agent = 'claude'", "model-equals = 'claude'"], []),
    "a header in another case": (["header = { x-a = 'u*' }", "header = { X-A = 'user' }"], [4]),
    "another header": (["header = { x-a = '*' }", "header = { x-b = 'user' }"], []),
    "a header that is there or not": (
        ["header = { x-a = '*' }", "not = { header = { x-a = '*' } }", "stream = true"],
        [7, 10],
    ),
    "any covers each of its parts": (["any = [{ stream = true }, { thinking = true }]", "thinking = true"], [4]),
    "a part does not cover any": (["thinking = true", "any = [{ stream = true }, { thinking = true }]"], []),
    "not covers what is left": (["not = { input-tokens-gt = 100 }", "input-tokens-lt = 50"], [4]),
    "path": (["path-prefix = '/v1/'", "path-prefix = '/v1/messages'"], [4]),
}


@pytest.mark.parametrize(("rules", "lines"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_what_can_never_fire(make_book: Any, rules: list[str], lines: list[int]) -> None:
    assert never(make_book(*rules)) == lines


def test_a_default_that_nobody_wrote_is_not_warned_of(make_book: Any) -> None:
    assert never(make_book("always = true", default=None)) == []


def test_the_warning_names_the_rule_in_front(make_book: Any) -> None:
    found = warnings(make_book("input-tokens-lt = 2000", "input-tokens-lt = 1000"))
    assert [str(one) for one in found] == [
        "line 4: input-tokens-lt=1000 → groq: can never fire: the rule in line 1 (input-tokens-lt=2000 → groq) "
        "already takes every request that it would match"
    ]


FLAGS = st.builds("{} = {}".format, st.sampled_from(["stream", "tool-use"]), st.sampled_from(["true", "false"]))
NUMBERS = st.builds(
    "{} = {}".format, st.sampled_from(["input-tokens-lt", "input-tokens-gt", "tools-gte"]), st.integers(0, 3)
)
MODELS = st.builds(
    "{} = '{}'".format,
    st.sampled_from(["model-equals", "model-prefix", "model-matches"]),
    st.sampled_from(["a", "ab", "b", "a*", "*b", "?b", "[ab]*", "*"]),
)


def matches(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(parts, min_size=1, max_size=3, unique_by=lambda term: term.partition(" ")[0]).map(", ".join)
    return st.recursive(
        several,
        lambda inner: (
            st.builds("any = [{{ {} }}, {{ {} }}]".format, inner, inner) | st.builds("not = {{ {} }}".format, inner)
        ),
        max_leaves=3,
    )


def taken(book: Any, make_features: Any, models: tuple[str, ...]) -> set[int | None]:
    """Which rules (None: the default) some request of a small world takes."""
    found = set()
    for stream, tools, tokens, model in product([False, True], range(5), range(6), models):
        made = decide(book, make_features(stream=stream, tools=tools, exact_tokens=tokens, model=model), Calibration())
        assert isinstance(made, Decision)
        found.add(made.index)
    return found


@given(st.lists(matches(FLAGS | NUMBERS), min_size=1, max_size=4))
def test_of_numbers_and_flags_exactly_those_are_warned_of_that_no_request_takes(
    make_book: Any, make_features: Any, rules: list[str]
) -> None:
    book = make_book(*rules)
    reached = taken(book, make_features, ("a",))
    lines = [rule.line for rule in book.rules if rule.index not in reached]
    assert never(book) == lines + ([] if None in reached else [book.default_line])


@given(st.lists(matches(FLAGS | MODELS), min_size=1, max_size=4))
def test_no_rule_is_warned_of_that_some_request_takes(make_book: Any, make_features: Any, rules: list[str]) -> None:
    book = make_book(*rules)
    reached = taken(book, make_features, ("", "a", "ab", "b", "bb", "abb", "c", "ca"))
    warned = never(book)
    assert not [rule.label for rule in book.rules if rule.index in reached and rule.line in warned]
    assert not (None in reached and book.default_line in warned)


def traps(book: Any) -> list[tuple[int | None, str]]:
    return [
        (found.line, found.message.split(",")[0].split(":")[0])
        for found in warnings(book)
        if not found.message.startswith(NEVER)
    ]


TOOLS = "takes nearly every turn"
LONG = "does not see every long request"
TRAPS = {
    "tool-use before others": (["tool-use = true -> openai", "messages-gt = 9 -> groq"], [(1, TOOLS)]),
    "tool-use before the default": (["tool-use = true -> openai"], [(1, TOOLS)]),
    "tool-use that changes nothing": (["tool-use = true -> anthropic"], []),
    "tool-use narrowed": (["tool-use = true, thinking = true -> openai"], []),
    "tool-use as one of several": (["any = [{ tool-use = true }, { stream = true }] -> openai"], [(1, TOOLS)]),
    "many tools": (["tools-gte = 30 -> openai"], []),
    "no tools": (["tool-use = false -> openai"], []),
    "long context behind a broader rule": (
        ["thinking = true -> openai", "input-tokens-gt = 100000 -> groq"],
        [(4, LONG)],
    ),
    "long context behind a rule of the same target": (
        ["thinking = true -> groq", "input-tokens-gt = 100000 -> groq"],
        [],
    ),
    "long context behind another model": (
        ["thinking = true -> groq/a", "input-tokens-gt = 100000 -> groq/b"],
        [(4, LONG)],
    ),
    "long context first": (["input-tokens-gt = 100000 -> groq", "thinking = true -> openai"], []),
    "long context behind small requests": (
        ["input-tokens-lt = 2000 -> openai", "input-tokens-gt = 100000 -> groq"],
        [],
    ),
    "long context behind a longer one": (
        ["input-tokens-gt = 200000 -> openai", "input-tokens-gt = 100000 -> groq"],
        [],
    ),
    "not so long": (["thinking = true -> openai", "input-tokens-gt = 500 -> groq"], []),
}


@pytest.mark.parametrize(("rules", "expected"), TRAPS.values(), ids=TRAPS)
def test_traps(make_book: Any, rules: list[str], expected: list[tuple[int, str]]) -> None:
    assert traps(make_book(*rules)) == expected


def test_the_reference_example_walks_into_the_tools_trap_only(providers: Any) -> None:
    text = (FIXTURES / "good" / "reference-routing.toml").read_text()
    book = load_rulebook(text, "routing.toml", providers)
    assert [(line, said) for line, said in traps(book)] == [(2, TOOLS)]
    assert never(book) == []


def test_a_match_of_too_many_combinations_is_not_judged(make_book: Any) -> None:
    parts = ", ".join(
        f"{{ any = [{{ messages-gt = {n} }}, {{ agent = '{n}' }}, {{ thinking = true }}] }}" for n in range(12)
    )
    book = make_book(f"all = [{parts}]", "always = true", default=None)
    assert warnings(book) == ()


def test_boxes_say_what_a_match_takes(make_book: Any) -> None:
    book = make_book("stream = true, any = [{ thinking = true }, { has-images = true }]")
    assert [sorted(fact.name for fact in box) for box in boxes_of(book.rules[0].match)] == [
        ["stream", "thinking"],
        ["images", "stream"],
    ]


AGENTS = ("claude", "codex", "gemini")
UNKNOWN_AGENTS = {
    "known": ("agent = 'claude'", []),
    "a glob that takes one": ("agent = 'c*'", []),
    "misspelt": ("agent = 'cladue'", ["no agent is called 'cladue'; did you mean 'claude'?"]),
    "one of a list": ("agent = ['codex', 'x']", ["no agent is called 'x'; there are claude, codex, gemini"]),
    "inside of a combinator": ("any = [{ agent = 'codxe' }]", ["no agent is called 'codxe'; did you mean 'codex'?"]),
    "a model of that name": ("model-equals = 'cladue'", []),
}


@pytest.mark.parametrize(("match", "said"), UNKNOWN_AGENTS.values(), ids=UNKNOWN_AGENTS)
def test_an_agent_that_nobody_is_called(make_book: Any, match: str, said: list[str]) -> None:
    assert [found.message for found in warnings(make_book(match), AGENTS)] == said
    assert warnings(make_book(match)) == ()


ROUTES = {
    "a longer hint behind a shorter one": (["claude-", "claude-opus-"], "", [5]),
    "a shorter hint behind a longer one": (["claude-opus-", "claude-"], "", []),
    "the same hint twice": (["gpt-", "gpt-"], "", [5]),
    "other hints": (["gpt-", "claude-"], "", []),
    "behind a rule that takes everything": (["gpt-"], "always = true", [4]),
    # `openai/gpt-5` still reaches the route.
    "behind a rule of the same prefix": (["gpt-"], "model-prefix = 'gpt-'", []),
    "behind a rule for both": (["gpt-"], "model-matches = ['gpt-*', '*/gpt-*']", [4]),
}


@pytest.mark.parametrize(("hints", "rule", "lines"), ROUTES.values(), ids=ROUTES)
def test_routes_by_model_name_that_can_never_fire(
    providers: Any, hints: list[str], rule: str, lines: list[int]
) -> None:
    routes = tuple(ModelRoute(hint, "groq", line=4 + number) for number, hint in enumerate(hints))
    settings = Settings(default_provider="openai", model_routes=routes, file="config.toml", default_line=1)
    text = f'[[rule]]\nmatch = {{ {rule} }}\nto = "anthropic"\n' if rule else ""
    found = warnings(load_rulebook(text, "routing.toml", providers, None, settings))
    assert [(one.line, one.file) for one in found] == [(line, "config.toml") for line in lines]


def test_a_warning_about_two_files_names_the_other(providers: Any) -> None:
    settings = Settings(
        model_routes=(ModelRoute("a", "groq", line=4), ModelRoute("ab", "groq", line=9)), file="/c.toml"
    )
    text = '[[rule]]\nmatch.always = true\nto = "openai"\n'
    first, second = warnings(load_rulebook(text, "routing.toml", providers, None, settings))
    assert (first.line, first.file, second.line) == (4, "/c.toml", 9)
    assert "the rule in line 1 (always → openai) already takes" in first.message
    (alone,) = warnings(load_rulebook("", "routing.toml", providers, None, settings))
    assert "the rule in line 4 of c.toml (model-route a → groq) already takes" in alone.message


def test_rules_that_split_alike_lead_to_the_same(providers: Any) -> None:
    """X-028 warns where what comes behind goes elsewhere; the same arms are no other way."""
    split = 'split = { "groq" = 1, "openai" = 1 }\n'
    same = f"[[rule]]\nmatch = {{ tool-use = true }}\n{split}[default]\n{split}"
    other = same.replace('"openai" = 1 }\n[default]', '"minimax" = 1 }\n[default]')
    found = [len(warnings(load_rulebook(text, "r.toml", providers))) for text in (same, other)]
    assert found == [0, 1]
