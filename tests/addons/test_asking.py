"""Requests of our own, in the format that a provider prefers."""

from __future__ import annotations

import json

import pytest

from ringlet_mitm.addons.asking import PATHS, format_for, question
from ringlet_mitm.addons.wire.canonical import Conversation, Message, Role, Text
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.shapes import WireFormat, format_of

KNOWN = ProviderRegistry.default()
ASKED = Conversation(model="some/model-1", messages=(Message(Role.USER, (Text("hi"),)),))


@pytest.mark.parametrize(
    ("provider", "model", "wire_format"),
    [
        ("anthropic", "claude-haiku-4-5", WireFormat.MESSAGES),
        ("openai", "gpt-5-nano", WireFormat.RESPONSES),
        ("groq", "llama-3.1-8b-instant", WireFormat.CHAT),
        ("gemini", "gemini-2.5-flash", WireFormat.GEMINI),
        ("opencode", "claude-haiku-4-5", WireFormat.MESSAGES),
        ("opencode", "glm-4.7-free", WireFormat.CHAT),
    ],
)
def test_the_providers_own_format_for_the_model(provider: str, model: str, wire_format: WireFormat) -> None:
    assert format_for(KNOWN.require(provider), model) is wire_format


@pytest.mark.parametrize("provider", ["ollama", "bedrock"])
def test_where_no_agent_speaks_it_one_that_has_to_be_translated_into_it(provider: str) -> None:
    spec = KNOWN.require(provider)
    assert format_for(spec, "m") not in spec.formats


@pytest.mark.parametrize("wire_format", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_the_proxy_takes_it_for_a_model_call(wire_format: WireFormat, stream: bool) -> None:
    asked = question(Conversation(model="m-1", messages=ASKED.messages, stream=stream), wire_format)
    assert format_of("POST", asked.path) is wire_format
    body = json.loads(asked.body)
    assert bool(body.get("stream")) is (stream and wire_format is not WireFormat.GEMINI)
    assert ("streamGenerateContent" in asked.path) is (stream and wire_format is WireFormat.GEMINI)
    assert "m-1" in asked.path or body["model"] == "m-1"
