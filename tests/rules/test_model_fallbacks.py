"""Models to ask for instead: found by any spelling of the one that failed, and asked for where somebody has them."""

from __future__ import annotations

import pytest

from ringlet_mitm.rules.model_fallbacks import listed, places_of
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routes import Route

REGISTRY = registry({"gw.toml": 'name="gw"\nshape="openai"\nendpoint="https://gw.example/v1"\ndefault-model="big"'})
SONNET, HAIKU = "anthropic/claude-sonnet-4.6", "anthropic/claude-haiku-4.5"
TABLE = {SONNET: ("a",), "gpt-5": ("b",), "groq/gpt-5": ("c",), "GPT-4o": ("d",)}


@pytest.mark.parametrize(
    ("requested", "sent", "provider", "found"),
    [
        pytest.param(SONNET, "x", "openrouter", ("a",), id="as requested"),
        pytest.param("x", SONNET, "openrouter", ("a",), id="as sent"),
        pytest.param("gpt-5", SONNET, "openrouter", ("b",), id="the requested one goes first"),
        pytest.param("claude-sonnet-4-6", "claude-sonnet-4-6", "anthropic", ("a",), id="dashes, and no provider"),
        pytest.param("claude-sonnet-4-6-20260101", "x", "anthropic", ("a",), id="a dated release"),
        pytest.param("us.anthropic.claude-sonnet-4-6-v1:0", "x", "bedrock", ("a",), id="Bedrock's spelling"),
        pytest.param("gpt-5", "gpt-5", "groq", ("b",), id="written as it is"),
        pytest.param("openai/gpt-5", "", "groq", ("b",), id="with a provider where the table has none"),
        pytest.param("gpt-4O", "", "openai", ("d",), id="in any case"),
        pytest.param("gpt-5-mini", "gpt-5-mini", "openai", (), id="another model"),
        pytest.param("", "", "openai", (), id="a body that nobody could read"),
    ],
)
def test_which_entry_it_is(requested: str, sent: str, provider: str, found: tuple[str, ...]) -> None:
    assert listed(TABLE, requested, sent, provider) == found


def test_an_entry_for_one_provider_goes_before_another_spelling() -> None:
    table = {"openai/gpt-5": ("a",), "groq/gpt-5": ("b",)}
    assert listed(table, "gpt-5", "gpt-5", "groq") == ("b",)


@pytest.mark.parametrize(
    ("name", "to", "places"),
    [
        pytest.param(HAIKU, "openrouter", [f"openrouter/{HAIKU}", "anthropic/claude-haiku-4-5"], id="both readings"),
        pytest.param("claude-haiku-4-5", "openrouter", [f"openrouter/{HAIKU}"], id="in the provider's own spelling"),
        pytest.param("openai/gpt-4o", "anthropic", ["openai/gpt-4o"], id="another provider"),
        pytest.param(HAIKU, "anthropic", ["anthropic/claude-haiku-4-5"], id="the same provider, named"),
        pytest.param("groq/compound", "groq", ["groq/groq/compound"], id="a name that has the provider's in it"),
        pytest.param("gpt-4o", "anthropic", [], id="nobody is named, and it has none"),
        pytest.param("any", "gw", ["gw/any"], id="a provider that does not say what it serves"),
        pytest.param("openai/gpt-4o", "gw", ["openai/gpt-4o"], id="the same, and another is named"),
    ],
)
def test_where_it_is_asked_for(name: str, to: str, places: list[str]) -> None:
    found = places_of(name, Route(to, "failed", (Route("groq"),)), REGISTRY.require(to), REGISTRY)
    assert [str(place) for place in found] == places


def test_what_passed_through_passes_through_again() -> None:
    assert list(places_of("m", Route(), None, REGISTRY)) == [Route(None, "m")]
    assert list(places_of("openai/m", Route(), None, REGISTRY)) == [Route("openai", "m")]
    assert list(places_of("claude-haiku-4-5", Route(), REGISTRY.get("anthropic"), REGISTRY)) == [
        Route(None, "claude-haiku-4-5")
    ]
