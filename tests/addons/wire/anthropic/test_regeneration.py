"""A request for one Claude sent to another."""

from __future__ import annotations

from typing import Any

import pytest

from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.regeneration import refitted
from ringlet_mitm.addons.wire.canonical import Message, Role, Text, Thinking, ToolCall
from ringlet_mitm.rules.shapes import WireFormat

ADAPTIVE = {"type": "adaptive"}
HIGH = {"effort": "high", "format": {"type": "json_schema", "schema": {}}}
CLEARING = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}]}
CALL = ToolCall("toolu_1", "bash", "{}")
THOUGHT = Thinking("Hm.", "c2ln", WireFormat.MESSAGES)
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "adaptive stays adaptive": ("claude-opus-4-8", {"thinking": ADAPTIVE, "max_tokens": 32_000}, {}),
    "a budget instead of adaptive": (
        "claude-haiku-4-5",
        {"thinking": ADAPTIVE, "max_tokens": 32_000},
        {"thinking": {"type": "enabled", "budget_tokens": 10_000}},
    ),
    "an effort becomes a budget": (
        "claude-haiku-4-5",
        {"thinking": ADAPTIVE, "max_tokens": 32_000, "output_config": HIGH},
        {"thinking": {"type": "enabled", "budget_tokens": 16_000}, "output_config": {"format": HIGH["format"]}},
    ),
    "adaptive instead of a budget": (
        "claude-opus-5-5",
        {"thinking": {"type": "enabled", "budget_tokens": 9_000}, "max_tokens": 32_000},
        {"thinking": {"type": "adaptive"}},
    ),
    "a model that does not think": (
        "claude-3-5-haiku-20241022",
        {"thinking": ADAPTIVE, "max_tokens": 32_000, "context_management": CLEARING},
        {"thinking": {"type": "disabled"}, "max_tokens": 8192, "context_management": {"edits": CLEARING["edits"][1:]}},
    ),
    "nothing is said": ("claude-haiku-4-5", {"max_tokens": 1000}, {}),
    "another vendor's model": ("MiniMax-M3", {"thinking": ADAPTIVE, "output_config": HIGH, "max_tokens": 10**6}, {}),
    "odd values": ("claude-haiku-4-5", {"thinking": 7, "output_config": [], "max_tokens": "many"}, {}),
}


@pytest.mark.parametrize(("model", "asked", "changed"), CASES.values(), ids=CASES)
def test_what_follows_the_model(model: str, asked: dict[str, Any], changed: dict[str, Any]) -> None:
    found = refitted(asked, (), model, Losses())
    assert found.keys() == changed.keys()
    for key, value in changed.items():
        if isinstance(value, dict) and value.get("type") == "adaptive":
            assert found[key]["type"] == "adaptive"
        else:
            assert found[key] == value


@pytest.mark.parametrize(
    ("blocks", "kind"),
    [
        pytest.param((Text("hi"),), "enabled", id="a text"),
        pytest.param((THOUGHT, CALL), "enabled", id="a thought before the call"),
        pytest.param((CALL,), "disabled", id="a call without a thought"),
    ],
)
def test_a_turn_that_began_without_a_thought_goes_on_without(blocks: tuple[Any, ...], kind: str) -> None:
    messages = (Message(Role.ASSISTANT, blocks),)
    losses = Losses()
    asked = {"thinking": ADAPTIVE, "max_tokens": 32_000, "context_management": CLEARING}
    found = refitted(asked, messages, "claude-haiku-4-5", losses)
    assert found["thinking"]["type"] == kind
    assert ("context_management" in found) == (kind == "disabled") == bool(losses.found)
