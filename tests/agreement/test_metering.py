"""Our meter against the usage extractors of genai-prices, on whole answers: two readings of the same bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from genai_prices import data_snapshot
from said import CHAT, GEMINI, MESSAGES, RESPONSES, piece, response
from streams import CACHED, FEW, FORMATS, MODALITIES, THOUGHT, TOLD

from ringlet_mitm.addons.wire.metering import Meter
from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import Answer, ToolCall
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

PROVIDERS = {
    MESSAGES: ("anthropic", "default"),
    CHAT: ("openai", "chat"),
    RESPONSES: ("openai", "responses"),
    GEMINI: ("google", "default"),
}
ANSWERS = {
    "text": Answer("the-model", ("Hello",), None, "", 100, 0, 0, 0, 12, 0),
    "cached and thinking": Answer("the-model", ("Hello",), None, "Hm.", 100, 40, 7, 5, 12, 3),
    "tool": Answer("the-model", (), ToolCall("Bash", {}), "", 9, 0, 0, 0, 2, 0),
}


def bodies() -> dict[str, tuple[WireFormat, dict[str, Any]]]:
    found: dict[str, tuple[WireFormat, dict[str, Any]]] = {
        f"{style} {kind}": (FORMATS[style], makes.whole(answer))
        for style, makes in STYLES.items()
        for kind, answer in ANSWERS.items()
    }
    head = {"model": "the-model", "choices": [{"finish_reason": "stop"}]}
    return found | {
        "messages caches": (MESSAGES, {"model": "the-model", "usage": CACHED}),
        "chat details": (CHAT, {**head, "usage": TOLD}),
        "chat without details": (CHAT, {**head, "usage": FEW}),
        "responses": (RESPONSES, response("completed")),
        "gemini thoughts": (GEMINI, piece("hi", "STOP", **{**THOUGHT, "toolUsePromptTokenCount": 0})),
        "gemini pictures": (
            GEMINI,
            piece("hi", "STOP", candidatesTokenCount=40, cachedContentTokenCount=558, **MODALITIES),
        ),
    }


BODIES = bodies()


def ours(wire_format: WireFormat, body: dict[str, Any]) -> tuple[str, Usage]:
    meter = Meter(wire_format, streamed=False)
    meter.feed(json.dumps(body).encode())
    meter.finish()
    assert meter.usage is not None
    return meter.model, meter.usage


def theirs(wire_format: WireFormat, body: dict[str, Any]) -> tuple[str | None, Any]:
    provider_id, flavor = PROVIDERS[wire_format]
    snapshot = data_snapshot.get_snapshot()
    provider = next(one for one in snapshot.providers if one.id == provider_id)
    return provider.extract_usage(body, api_flavor=flavor)


@pytest.mark.parametrize(("wire_format", "body"), BODIES.values(), ids=BODIES)
def test_both_read_the_same(wire_format: WireFormat, body: dict[str, Any]) -> None:
    model, usage = ours(wire_format, body)
    other_model, other = theirs(wire_format, body)
    assert model == other_model
    assert usage.total_input == other.input_tokens
    assert usage.total_output == other.output_tokens
    assert usage.cache_read_tokens == (getattr(other, "cache_read_tokens", None) or 0)
    assert usage.cache_write_5m_tokens + usage.cache_write_1h_tokens == (
        getattr(other, "cache_write_tokens", None) or 0
    )
    assert usage.audio_output_tokens == (getattr(other, "output_audio_tokens", None) or 0)
