"""What a provider's file says of its paths, formats and wishes, in the request that leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from bodies import asked, host_as_provider

from ringlet_mitm.addons.outbound import Outbound, prepare
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.rules.peek import AgentRequest, peek
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import line_up

CHAT, MESSAGES = WireFormat.CHAT, WireFormat.MESSAGES
PLACED = registry({}, {"AZURE_RESOURCE_NAME": "mine"})


def _turn(request: AgentRequest) -> Turn:
    return Turn(request, peek(request, host_as_provider), Decision("a rule", 0, Route(None), None, 1.0))


def placed(wire_format: WireFormat, provider: str, model: str | None, **body: Any) -> Outbound:
    content = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **body}
    request = replace(asked(wire_format, content), host="api.anthropic.com")
    seen = peek(request, host_as_provider)
    target = line_up(Route(provider, model), request, getattr(seen, "features", None), PLACED)[0]
    return prepare(_turn(request), target)


@pytest.mark.parametrize("wire_format", [CHAT, MESSAGES], ids=["as it is", "translated"])
def test_a_path_may_hold_the_model_and_a_query(wire_format: WireFormat) -> None:
    outbound = placed(wire_format, "azure-deployments", "gpt-4o", max_tokens=9)
    assert outbound.host == "mine.openai.azure.com"
    assert outbound.path == "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("provider", "model", "path"),
    [
        ("opencode", "kimi-k2.6", "/zen/v1/chat/completions"),
        ("opencode", "claude-opus-4-8", "/zen/v1/messages"),
        ("opencode", "gpt-5.5", "/zen/v1/responses"),
        ("copilot", "gpt-5.3-codex", "/responses"),
        ("copilot", "claude-sonnet-5", "/v1/messages"),
    ],
)
def test_a_model_is_asked_for_in_the_format_that_it_is_served_in(provider: str, model: str, path: str) -> None:
    assert placed(MESSAGES, provider, model, max_tokens=9).path == path


def test_a_provider_that_refuses_the_question_for_usage_is_not_asked() -> None:
    refusing = placed(CHAT, "mistral", "mistral-nemo", stream=True)
    other = placed(CHAT, "groq", "openai/gpt-oss-120b", stream=True)
    assert (b"stream_options" in refusing.body, b"stream_options" in other.body) == (False, True)


def test_what_a_provider_refuses_is_left_out_and_said() -> None:
    outbound = placed(CHAT, "mistral", "mistral-nemo", store=True, max_completion_tokens=7)
    body = json.loads(outbound.body)
    assert "store" not in body
    assert body["max_tokens"] == 7
    assert "store" in {loss.what for loss in outbound.losses}


def test_a_provider_that_only_streams_is_asked_for_a_stream() -> None:
    outbound = placed(CHAT, "openai-codex", "gpt-5.5", temperature=0.5)
    body = json.loads(outbound.body)
    assert (body["stream"], body["store"]) == (True, False)
    assert "temperature" not in body
    assert outbound.host == "chatgpt.com"


def test_what_an_agent_sends_to_its_own_vendor_is_not_changed_for_the_vendors_wishes() -> None:
    request = replace(asked(CHAT, {"model": "m", "messages": [], "stream": True, "store": True}), host="api.mistral.ai")
    target = line_up(Route(None), request, None, PLACED)[0]
    outbound = prepare(_turn(request), target)
    assert (outbound.body, outbound.edits, outbound.translated) == (request.body, (), False)
