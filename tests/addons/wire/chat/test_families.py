"""Which family a model is of, by its name."""

from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.chat.families import PLAIN, family_of

MODELS = {
    "gpt-4.1": "OpenAI",
    "gpt-4o-mini": "OpenAI",
    "GPT-4O": "OpenAI",
    "chatgpt-4o-latest": "OpenAI",
    "gpt-5": "GPT-5",
    "gpt-5-mini-2025-08-07": "GPT-5",
    "gpt-5-chat-latest": "OpenAI",
    "gpt-5.1": "GPT-5.1",
    "gpt-5.2": "GPT-5.2 and later",
    "gpt-5.6-terra": "GPT-5.2 and later",
    "gpt-5.3-chat-latest": "OpenAI",
    "gpt-6": "GPT-5.2 and later",
    "gpt-4o-search-preview": "OpenAI search",
    "gpt-5-search-api": "OpenAI search",
    "o3": "OpenAI o",
    "o4-mini": "OpenAI o",
    "openai/gpt-oss-120b": "gpt-oss",
    "gpt-oss:20b": "gpt-oss",
    "openai/gpt-5.6": "OpenAI at a gateway",
    "anthropic/claude-opus-5": "Claude at a gateway",
    "claude-opus-5": "Claude",
    "deepseek-chat": "DeepSeek",
    "deepseek/deepseek-v4-pro": "DeepSeek",
    "accounts/fireworks/models/deepseek-v4": "DeepSeek",
    "kimi-k2.5": "Kimi",
    "moonshotai/kimi-k2": "Kimi",
    "glm-4.7": "GLM",
    "z-ai/glm-5": "GLM",
    "gemini-3-pro": "Gemini",
    "google/gemini-3-flash": "Gemini",
    "mistral-large-latest": "Mistral",
    "devstral-2": "Mistral",
    "llama-3.3-70b-versatile": "Chat",
    "ollama3": "Chat",
    "qwen3-coder": "Chat",
    "": "Chat",
}


@pytest.mark.parametrize(("model", "name"), MODELS.items(), ids=MODELS)
def test_the_name_tells_the_family(model: str, name: str) -> None:
    assert family_of(model).name == name


def test_who_is_unknown_gets_nothing_that_only_some_take() -> None:
    takes = (PLAIN.openai, PLAIN.plans, PLAIN.marks, PLAIN.cache_key, PLAIN.signed, PLAIN.searches, PLAIN.echo)
    assert not any(takes)
