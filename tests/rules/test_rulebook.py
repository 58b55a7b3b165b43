"""Routing files: what loads, what is refused and with which words, and what rules are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toml_texts import as_toml

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import Route, load_rulebook
from ringlet_mitm.rules.settings import ModelRoute, Settings

FIXTURES = Path(__file__).parents[2] / "fixtures" / "routing"
GOOD = sorted((FIXTURES / "good").glob("*.toml"))
BROKEN = sorted((FIXTURES / "broken").glob("*.toml"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_loads(path: Path, providers: Any) -> None:
    book = load_rulebook(path.read_text(encoding="utf-8"), path.name, providers)
    assert len(set(book.labels)) == len(book.rules) + 1
    assert [rule.index for rule in book.rules] == list(range(len(book.rules)))


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_file_is_refused_in_words(path: Path, providers: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        load_rulebook(path.read_text(encoding="utf-8"), path.name, providers)
    said = [str(problem) for problem in (caught.value, *caught.value.others)]
    assert said == path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()


def test_the_reference_routing_file_means_what_its_page_says(providers: Any) -> None:
    text = (FIXTURES / "good" / "reference-routing.toml").read_text()
    book = load_rulebook(text, "routing.toml", providers)
    assert [(rule.label, rule.route) for rule in book.rules] == [
        ("tool-use → anthropic", Route("anthropic", "claude-sonnet-4-5")),
        ("input-tokens-lt → groq", Route("groq", "llama-3.3-70b-versatile")),
        ("input-tokens-gt → anthropic", Route("anthropic", "claude-sonnet-4-5")),
    ]
    assert (book.default.label, book.default.route) == ("default → anthropic", Route("anthropic", "claude-haiku-4-5"))
    assert [rule.line for rule in book.rules] == [2, 6, 10]
    assert book.default_line == 14


def test_the_reference_providers_file_keeps_the_model(providers: Any) -> None:
    text = (FIXTURES / "good" / "reference-providers.toml").read_text()
    book = load_rulebook(text, "routing.toml", providers)
    assert [rule.route for rule in book.rules] == [Route("anthropic"), Route("groq")]
    assert book.default.route == Route("anthropic")


TO = {
    "a provider": ('to = "groq"', Route("groq")),
    "an alias is told by its id": ('to = "claude"', Route("anthropic")),
    "a provider and a model": ('to = "groq"\nmodel = "m"', Route("groq", "m")),
    "both in one": ('to = "groq/llama-3.3-70b"', Route("groq", "llama-3.3-70b")),
    "a model with a slash in it": ('to = "openrouter/meta-llama/llama-3"', Route("openrouter", "meta-llama/llama-3")),
    "a provider with slashes in its name": ('to = "custom:https://llm.example/v1"', Route("custom")),
    "the host that was asked": ('to = "passthrough"', Route()),
    "the host that was asked, another model": ('to = "passthrough"\nmodel = "m"', Route(None, "m")),
}


@pytest.mark.parametrize(("keys", "route"), TO.values(), ids=TO)
def test_where_a_rule_sends(providers: Any, keys: str, route: Route) -> None:
    book = load_rulebook(f"[[rule]]\nmatch.always = true\n{keys}\n[default]\n{keys}\n", "f", providers)
    assert book.rules[0].route == book.default.route == route


@pytest.mark.parametrize(
    ("provider", "label", "route"),
    [
        (None, "default → passthrough", Route()),
        ("groq", "default → groq", Route("groq")),
        ("claude", "default → anthropic", Route("anthropic")),
    ],
)
def test_a_file_without_a_default(providers: Any, provider: str | None, label: str, route: Route) -> None:
    book = load_rulebook("", "routing.toml", providers, provider)
    assert (book.rules, book.default.label, book.default.route, book.default_line) == ((), label, route, None)


def test_a_written_default_wins_over_the_profiles(providers: Any) -> None:
    assert load_rulebook('[default]\nto = "passthrough"', "f", providers, "groq").default.route == Route()


LABELS = {
    "one condition": (["tool-use = true"], ["tool-use → groq"]),
    "different providers": (
        ["tool-use = true -> groq", "tool-use = true -> openai"],
        ["tool-use → groq", "tool-use → openai"],
    ),
    "same condition, other value": (
        ["input-tokens-lt = 10", "input-tokens-lt = 20"],
        ["input-tokens-lt=10 → groq", "input-tokens-lt=20 → groq"],
    ),
    "the very same": (["stream = true", "stream = true"], ["stream → groq #1", "stream → groq #2"]),
    "an unnamed one like a named one": (["stream = true"], ["stream → groq"]),
}


@pytest.mark.parametrize(("rules", "labels"), LABELS.values(), ids=LABELS)
def test_labels(make_book: Any, rules: list[str], labels: list[str]) -> None:
    assert [rule.label for rule in make_book(*rules).rules] == labels


def test_a_name_is_the_label_and_others_give_way_to_it(providers: Any) -> None:
    rule = '[[rule]]\nmatch.stream = true\nto = "groq"\n'
    book = load_rulebook(f'{rule}name = "stream"\n{rule}{rule}name = "small"\n', "f", providers)
    assert [one.label for one in book.rules] == ["stream → groq", "stream → groq #2", "small → groq"]


def test_sticky_rules(providers: Any) -> None:
    book = load_rulebook((FIXTURES / "good" / "sticky.toml").read_text(), "routing.toml", providers)
    assert ([rule.sticky for rule in book.rules], book.sticks) == (["session", None], True)
    assert not load_rulebook('[[rule]]\nmatch.stream = true\nto = "groq"\n', "f", providers).sticks


def test_routes_by_model_name_are_never_sticky(providers: Any) -> None:
    settings = Settings(model_routes=(ModelRoute("claude-", "groq"),))
    book = load_rulebook("", "f", providers, None, settings)
    assert ([rule.sticky for rule in book.rules], book.sticks) == ([None], False)


FLAGS = st.sampled_from(["stream", "thinking", "tool-use"])
MATCHES = st.one_of(
    st.builds("{} = {}".format, FLAGS, st.sampled_from(["true", "false"])),
    st.builds("input-tokens-lt = {}".format, st.integers(0, 2)),
    st.builds("any = [{{ {} = true }}, {{ {} = false }}]".format, FLAGS, FLAGS),
)


@given(st.lists(st.tuples(MATCHES, st.sampled_from(["groq", "openai"])), max_size=12))
def test_labels_are_all_different(make_book: Any, rules: list[tuple[str, str]]) -> None:
    labels = make_book(*(f"{match} -> {to}" for match, to in rules)).labels
    assert len(set(labels)) == len(labels)


def test_the_digest_tells_texts_apart(make_book: Any) -> None:
    assert make_book("stream = true").digest == make_book("stream = true").digest
    assert make_book("stream = true").digest != make_book("stream = false").digest


KEYS = st.sampled_from(
    [
        *("match", "to", "model", "name", "tool-use", "any", "not", "header", "x"),
        *("fallback", "retries", "timeout-idle-ms", "timeout_idle_ms", "sticky"),
    ]
)
VALUES = st.recursive(
    st.sampled_from([True, 1, -1, 1.5, "groq", "", "passthrough"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["rule", "default", "rules"]),
        VALUES | st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=3),
    )
)
def test_whatever_a_file_says_it_loads_or_is_refused_with_its_line(providers: Any, data: dict[str, Any]) -> None:
    text = "".join(f"{key} = {as_toml(value)}\n" for key, value in data.items())
    try:
        load_rulebook(text, "f.toml", providers)
    except ConfigError as error:
        for problem in (error, *error.others):
            assert problem.line is not None
            assert "Input should" not in problem.message


KEY = KeyRef(file="config.toml", key=("model_routes", 0, "api_key"))
SETTINGS = Settings(
    default_provider="openrouter",
    default_model="m",
    model_routes=(
        ModelRoute("claude-", "anthropic", None, KEY, 4),
        ModelRoute("gpt-", "openai", "gpt-5", None, 9),
    ),
    file="/home/me/config.toml",
    default_line=1,
)


class TestSettings:
    """The routes of config.toml come after the profile's rules, and its default after the profile's provider."""

    def test_routes_by_model_name_are_rules(self, providers: Any) -> None:
        book = load_rulebook('[[rule]]\nmatch.stream = true\nto = "groq"\n', "r.toml", providers, None, SETTINGS)
        assert [(rule.index, rule.label, rule.route, rule.file, rule.line) for rule in book.rules] == [
            (0, "stream → groq", Route("groq"), "r.toml", 1),
            (1, "model-route claude- → anthropic", Route("anthropic", key=KEY), "/home/me/config.toml", 4),
            (2, "model-route gpt- → openai", Route("openai", "gpt-5"), "/home/me/config.toml", 9),
        ]
        assert [book.place(rule.line, rule.file) for rule in book.rules[:2]] == ["line 1", "line 4 of config.toml"]

    @pytest.mark.parametrize(
        ("text", "profiles", "route", "line", "file"),
        [
            ('[default]\nto = "passthrough"', "groq", Route(), 1, "r.toml"),
            ("", "groq", Route("groq"), None, ""),
            ("", None, Route("openrouter", "m"), 1, "/home/me/config.toml"),
        ],
        ids=["the file's [default]", "the profile's provider", "config.toml's"],
    )
    def test_whose_default_it_is(
        self, providers: Any, text: str, profiles: str | None, route: Route, line: int | None, file: str
    ) -> None:
        book = load_rulebook(text, "r.toml", providers, profiles, SETTINGS)
        assert (book.default.route, book.default_line, book.default_file) == (route, line, file)

    def test_labels_are_all_different(self, providers: Any) -> None:
        twice = replace(SETTINGS, model_routes=SETTINGS.model_routes[:1] * 3)
        rule = '[[rule]]\nmatch.stream = true\nto = "anthropic"\nname = "model-route claude-"\n'
        assert load_rulebook(rule, "r.toml", providers, None, twice).labels == (
            "model-route claude- → anthropic",
            "model-route claude- → anthropic #2",
            "model-route claude- → anthropic #3",
            "model-route claude- → anthropic #4",
            "default → openrouter",
        )

    def test_the_digest_tells_settings_apart(self, providers: Any) -> None:
        digests = {load_rulebook("", "f", providers, None, replace(SETTINGS, digest=text)).digest for text in "ab"}
        assert len(digests) == 2


def test_a_custom_url_that_is_none_is_a_complaint_like_any(providers: Any) -> None:
    with pytest.raises(ConfigError, match=r"f:3: rule\.to: the URL of 'custom:ftp://x' has to be a URL"):
        load_rulebook('[[rule]]\nmatch.stream = true\nto = "custom:ftp://x"\n', "f", registry({}))
