from __future__ import annotations

import pytest
from mitmproxy.test import tutils

from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.addons.model_lists import models_page, routed_models
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.targets import ProfilePin

RULES = """
[[rule]]
match = { tool-use = true }
to = "groq"
model = "llama-3.3-70b-versatile"

[default]
to = "anthropic"
model = "claude-haiku-4-5"
"""
NAMES = ["llama-3.3-70b-versatile", "claude-haiku-4-5"]


def ruling(rules: str = RULES, pin: ProfilePin | None = None) -> Ruling:
    providers = registry({})
    return Ruling(load_rulebook(rules, "routing.toml", providers), providers, pin)


def test_models_come_in_the_order_of_the_rules() -> None:
    assert routed_models(ruling()) == [("llama-3.3-70b-versatile", "groq"), ("claude-haiku-4-5", "anthropic")]


def test_a_rule_without_a_model_stands_for_its_providers() -> None:
    found = routed_models(ruling('[default]\nto = "groq"\n'))
    assert found[0] == ("openai/gpt-oss-120b", "groq")
    assert len(found) > 1


def test_a_pinned_model_is_listed() -> None:
    assert routed_models(ruling("", ProfilePin("anthropic", "claude-opus-4-6"))) == [("claude-opus-4-6", "anthropic")]


@pytest.mark.parametrize(
    ("path", "headers", "names"),
    [
        ("/v1/models", {}, lambda page: [model["id"] for model in page["data"]]),
        ("/models?limit=5", {}, lambda page: [model["id"] for model in page["data"]]),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, lambda page: [model["id"] for model in page["data"]]),
        ("/v1beta/models", {}, lambda page: [model["name"].removeprefix("models/") for model in page["models"]]),
    ],
    ids=["openai", "openai without v1", "anthropic", "gemini"],
)
def test_each_format_has_its_list(path, headers, names) -> None:  # type: ignore[no-untyped-def]
    fields = tuple((name.encode(), value.encode()) for name, value in headers.items())
    page = models_page(tutils.treq(method=b"GET", path=path.encode(), headers=fields), ruling())
    assert page is not None
    assert names(page) == NAMES


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/models"), ("GET", "/v1/files"), ("GET", "/")])
def test_other_requests_are_not_for_it(method: str, path: str) -> None:
    assert models_page(tutils.treq(method=method.encode(), path=path.encode()), ruling()) is None


def test_the_models_of_all_arms_are_listed_and_those_of_shadows_are_not() -> None:
    rules = """
        [default]
        split = { "groq/llama-3.3-70b-versatile" = 1, "anthropic/claude-haiku-4-5" = 1 }
        shadow = "openai/gpt-5-nano"
    """
    assert [name for name, _ in routed_models(ruling(rules))] == NAMES
