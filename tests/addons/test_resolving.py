"""Which provider and model a name means."""

from __future__ import annotations

import pytest

from ringlet_mitm.addons.resolving import resolved
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.settings import Settings

KNOWN = ProviderRegistry.default()
DEFAULT = Settings(default_provider="groq")


@pytest.mark.parametrize(
    ("model_name", "model_type", "base_url", "settings", "provider", "model"),
    [
        ("claude-sonnet-4-5", "anthropic", None, Settings(), "anthropic", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5", "CLAUDE", None, Settings(), "anthropic", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4-5", None, None, Settings(), "anthropic", "claude-sonnet-4-5"),
        ("Claude/claude-sonnet-4-5", None, None, Settings(), "anthropic", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4-5", "anthropic", None, Settings(), "anthropic", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4", "openrouter", None, Settings(), "openrouter", "anthropic/claude-sonnet-4"),
        ("groq/compound", "groq", None, Settings(), "groq", "groq/compound"),
        ("openai/gpt-oss-120b", "groq", None, Settings(), "groq", "openai/gpt-oss-120b"),
        ("qwen2.5-coder:7b", "ollama", None, Settings(), "ollama", "qwen2.5-coder:7b"),
        ("groq", None, None, Settings(), "groq", "openai/gpt-oss-120b"),
        ("", "groq", None, Settings(), "groq", "openai/gpt-oss-120b"),
        ("llama-3.1-8b-instant", None, None, DEFAULT, "groq", "llama-3.1-8b-instant"),
        ("anthropic/claude-haiku-4-5", None, None, DEFAULT, "anthropic", "claude-haiku-4-5"),
        ("mine", None, "http://localhost:9/v1", DEFAULT, "custom:http://localhost:9/v1", "mine"),
        ("mine", "custom:http://localhost:9/v1", None, Settings(), "custom:http://localhost:9/v1", "mine"),
    ],
)
def test_names(
    model_name: str, model_type: str | None, base_url: str | None, settings: Settings, provider: str, model: str
) -> None:
    spec, found = resolved(KNOWN, model_name, model_type, base_url, settings)
    assert (spec.provider_id, found) == (provider, model)


@pytest.mark.parametrize(
    ("model_name", "model_type", "said"),
    [
        ("claude-sonnet-4-5", None, "write anthropic/claude-sonnet-4-5, or model_type='anthropic'"),
        ("no-such-model-9", None, "which provider is model 'no-such-model-9' of"),
        ("x", "grooq", "did you mean 'groq'"),
        ("", None, "no model was named"),
        ("", "vllm", "has no default model; name one: vllm/MODEL"),
    ],
)
def test_names_that_mean_nothing(model_name: str, model_type: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        resolved(KNOWN, model_name, model_type, None, Settings())
