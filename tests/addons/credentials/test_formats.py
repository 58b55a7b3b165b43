"""E-073 to E-075 with the traps X-016 to X-018: a key that looks like another's is told, and never refused."""

from __future__ import annotations

import pytest

from ringlet_mitm.addons.credentials.formats import OTHER_KINDS, complaint, complaints, configured
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.targets import ProfilePin

REGISTRY = registry({})
TAIL = "0123456789abcdefghijklmnopqrstuvwxyz"
GATEWAY = 'name = "gateway"\nshape = "openai"\nendpoint = "https://gateway.example/v1"\nkey-env = "GATEWAY_KEY"\n'


def said(provider: str, key: str, known: ProviderRegistry = REGISTRY) -> str | None:
    spec = known.require(provider)
    variable = spec.api_key_env_vars[0] if spec.api_key_env_vars else "KEY"
    found = complaint(spec, known, Secret(key, f"env:{variable}"))
    assert found is None or TAIL not in found
    return found


FINE = {
    "OpenAI's own": ("openai", "sk-proj-"),
    "an old one of OpenAI": ("openai", "sk-"),
    "Anthropic's own": ("anthropic", "sk-ant-api03-"),
    "Gemini's own": ("gemini", "AIza"),
    "a new one of Gemini": ("gemini", "AQ."),
    "OpenRouter's own": ("openrouter", "sk-or-v1-"),
    "Groq's own": ("groq", "gsk_"),
    "a vendor whose keys are like OpenAI's": ("deepseek", "sk-"),
    "a vendor whose keys have no known form": ("mistral", ""),
}


@pytest.mark.parametrize(("provider", "prefix"), FINE.values(), ids=FINE)
def test_a_vendors_own_key_is_fine(provider: str, prefix: str) -> None:
    assert said(provider, prefix + TAIL) is None


ODD = {
    "Anthropic's at OpenAI": (
        "openai",
        "sk-ant-api03-",
        "env:OPENAI_API_KEY is a key of Anthropic",
        "ANTHROPIC_API_KEY",
    ),
    "OpenRouter's at OpenAI": ("openai", "sk-or-v1-", "is a key of OpenRouter", "OPENROUTER_API_KEY"),
    "OpenAI's at Anthropic": ("anthropic", "sk-proj-", "does not look like a key of Anthropic", "'sk-ant-'"),
    "Google's at OpenAI": ("openai", "AIza", "is a key of Google Gemini", "GEMINI_API_KEY"),
    "Groq's at Gemini": ("gemini", "gsk_", "is a key of Groq", "GROQ_API_KEY"),
    "Anthropic's at one of no known form": ("mistral", "sk-ant-api03-", "is a key of Anthropic", "ANTHROPIC_API_KEY"),
    "one that could be anybody's": ("openrouter", "sk-", "does not look like a key of OpenRouter", "'sk-or-'"),
    "nobody's at OpenAI": ("openai", "", "does not look like a key of OpenAI", "begin with 'sk-'"),
    "nobody's at Anthropic": ("anthropic", "", "does not look like a key of Anthropic", "'sk-ant-'"),
    "nobody's at Gemini": ("gemini", "", "does not look like a key of Google Gemini", "'AIza' or 'AQ.'"),
    "a plan's token": ("anthropic", "sk-ant-oat01-", "a token of a Claude plan", "let Claude Code pass through"),
    "a plan's token elsewhere": ("openai", "sk-ant-oat01-", "a token of a Claude plan", "make an API key"),
    "an admin key": ("openai", "sk-admin-", "an admin key", "make a project's key"),
    "a header": ("openai", "Bearer sk-", "a whole header", "leave 'Bearer ' out"),
    "quotes": ("openai", '"sk-', "in quotes", "leave them out"),
    "a variable's name": ("groq", "$GROQ_", "the name of a variable", "set the key itself"),
}


@pytest.mark.parametrize(("provider", "prefix", "what", "fix"), ODD.values(), ids=ODD)
def test_an_odd_key_is_told_with_the_fix(provider: str, prefix: str, what: str, fix: str) -> None:
    found = said(provider, prefix + TAIL)
    assert found is not None and what in found and fix in found


NOT_OURS_TO_SAY = {
    "a base URL of the person's": ({}, {"OPENAI_API_BASE": "https://gateway.example/v1"}, "openai"),
    "a provider of the person's": ({"gateway.toml": GATEWAY}, {}, "gateway"),
    "a custom URL": ({}, {}, "custom:https://gateway.example/v1"),
}


@pytest.mark.parametrize(("texts", "environ", "provider"), NOT_OURS_TO_SAY.values(), ids=NOT_OURS_TO_SAY)
@pytest.mark.parametrize("prefix", ["sk-ant-api03-", "sk-ant-oat01-", "eyJ", ""])
def test_gateways_take_what_they_like(
    texts: dict[str, str], environ: dict[str, str], provider: str, prefix: str
) -> None:
    assert said(provider, prefix + TAIL, registry(texts, environ)) is None


def test_a_longer_prefix_of_a_table_comes_first() -> None:
    kinds = list(OTHER_KINDS)
    assert not any(later.startswith(kind) for place, kind in enumerate(kinds) for later in kinds[place + 1 :])


def test_the_providers_of_rules_and_profile_are_looked_at_each_once() -> None:
    rules = """
        [[rule]]
        match = { tool-use = true }
        to = "openai"
        [[rule]]
        match = { has-system-prompt = true }
        to = "openai/gpt-5"
        [default]
        to = "groq"
    """
    book = load_rulebook(rules, "routing.toml", REGISTRY)
    pin = ProfilePin("gemini", None, {"anthropic": "WORK_KEY"}, {"openrouter": KeyRef(("SHARED",))})
    environ = {"OPENAI_API_KEY": "sk-ant-api03-x", "GROQ_API_KEY": "gsk_fine", "GEMINI_API_KEY": "odd"}
    found = complaints(
        configured(book, pin), REGISTRY, Vault({**environ, "WORK_KEY": "odd", "SHARED": "odd", "XAI_API_KEY": "odd"})
    )
    assert [line.split()[0] for line in found] == [
        "env:OPENAI_API_KEY",
        "env:GEMINI_API_KEY",
        "env:SHARED",
        "env:WORK_KEY",
    ]


def test_arms_and_shadows_are_looked_at_as_well() -> None:
    rules = """
        [[rule]]
        match = { tool-use = true }
        split = { "openai" = 1, "groq" = 1 }
        shadow = "gemini"
        [default]
        to = "passthrough"
    """
    book = load_rulebook(rules, "routing.toml", REGISTRY)
    assert [provider for provider, _ in configured(book, None)] == ["openai", "groq", "gemini"]
