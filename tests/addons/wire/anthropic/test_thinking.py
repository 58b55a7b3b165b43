from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.anthropic.families import family_of
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.thinking import fitting_reasoning, parse_reasoning, render_reasoning
from ringlet_mitm.addons.wire.canonical import (
    Effort,
    Json,
    Message,
    Reasoning,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.rules.shapes import WireFormat

ASKED = (Message(Role.USER, (Text("hi"),)),)
CALL = ToolCall("c", "t", "{}")
BACK = Message(Role.USER, (ToolResult("c", (Text("r"),)),))
UNTHOUGHT = (*ASKED, Message(Role.ASSISTANT, (CALL,)), BACK)
THOUGHT = (*ASKED, Message(Role.ASSISTANT, (Thinking("hm", "s", WireFormat.MESSAGES), CALL)), BACK)


def fitted(
    reasoning: Reasoning | None,
    model: str,
    *,
    messages: tuple[Message, ...] = ASKED,
    max_tokens: int = 32_000,
    forced: bool = False,
) -> tuple[Json | None, str | None, list[str]]:
    losses = Losses()
    found = fitting_reasoning(reasoning, messages, family_of(model), max_tokens, forced, losses)
    return (*render_reasoning(found), [loss.what for loss in losses.found])


def budget(tokens: int) -> Json:
    return {"type": "enabled", "budget_tokens": tokens}


ADAPTIVE: Json = {"type": "adaptive"}
OFF: Json = {"type": "disabled"}


@pytest.mark.parametrize(
    ("effort", "old", "new"),
    [
        (Effort.MINIMAL, 1024, "low"),
        (Effort.LOW, 4096, "low"),
        (Effort.MEDIUM, 10_000, "medium"),
        (Effort.HIGH, 16_000, "high"),
        (Effort.XHIGH, 24_000, "xhigh"),
        (Effort.MAX, 24_000, "max"),
    ],
)
def test_efforts_are_budgets_before_4_6_and_efforts_since(effort: Effort, old: int, new: str) -> None:
    assert fitted(Reasoning(effort), "claude-sonnet-4-5") == (budget(old), None, [])
    assert fitted(Reasoning(effort), "claude-opus-4-8") == (ADAPTIVE, new, [])


def test_a_level_that_a_model_lacks() -> None:
    assert fitted(Reasoning(Effort.XHIGH), "claude-opus-4-6") == (ADAPTIVE, "high", ["effort xhigh"])


@pytest.mark.parametrize(
    ("tokens", "effort"), [(512, "low"), (2048, "low"), (8192, "medium"), (16_000, "high"), (32_000, "xhigh")]
)
def test_budgets_are_efforts_since_4_6(tokens: int, effort: str) -> None:
    assert fitted(Reasoning(budget=tokens), "claude-opus-5") == (ADAPTIVE, effort, ["thinking budget"])


@pytest.mark.parametrize(
    ("asked", "max_tokens", "given"),
    [(8192, 32_000, 8192), (100, 32_000, 1024), (8192, 4096, 3072), (8192, 1400, 1050), (-1, 32_000, 10_000)],
)
def test_a_budget_leaves_room_for_the_answer(asked: int, max_tokens: int, given: int) -> None:
    found = fitted(Reasoning(budget=asked), "claude-sonnet-4-5", max_tokens=max_tokens)
    assert found == (budget(given), None, [])


def test_no_room_for_thinking() -> None:
    assert fitted(Reasoning(Effort.HIGH), "claude-haiku-4-5", max_tokens=1000) == (None, None, ["thinking"])


@pytest.mark.parametrize(
    ("model", "off"),
    [
        ("claude-sonnet-4-5", (None, None, [])),
        ("claude-opus-4-8", (None, None, [])),
        ("claude-opus-5", (OFF, None, [])),
        ("claude-opus-5-5", (None, "low", ["thinking off"])),
        ("claude-fable-5", (None, "low", ["thinking off"])),
    ],
)
@pytest.mark.parametrize("asked", [Reasoning(Effort.NONE), Reasoning(budget=0)], ids=["effort none", "budget 0"])
def test_off(asked: Reasoning, model: str, off: object) -> None:
    assert fitted(asked, model) == off


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("claude-sonnet-4-5", (None, None, ["thinking"])),
        ("claude-opus-4-8", (None, None, ["thinking"])),
        ("claude-opus-5", (OFF, None, ["thinking"])),
        ("claude-fable-5", (ADAPTIVE, "high", [])),
    ],
)
def test_a_forced_tool_goes_before_thinking(model: str, found: object) -> None:
    assert fitted(Reasoning(Effort.HIGH), model, forced=True) == found


def test_a_forced_tool_where_thinking_is_on_by_itself() -> None:
    assert fitted(None, "claude-sonnet-5", forced=True) == (OFF, None, [])
    assert fitted(None, "claude-sonnet-4-5", forced=True) == (None, None, [])


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-8", "claude-opus-5-5"])
def test_nothing_said_is_nothing_sent(model: str) -> None:
    assert fitted(None, model) == (None, None, [])
    assert fitted(Reasoning(visible=False), model) == (None, None, [])


@pytest.mark.parametrize(
    ("messages", "model", "on"),
    [
        (UNTHOUGHT, "claude-sonnet-4-5", False),
        (THOUGHT, "claude-sonnet-4-5", True),
        (UNTHOUGHT, "claude-opus-4-6", True),
        ((*ASKED, Message(Role.ASSISTANT, (Text("x"),)), *ASKED), "claude-sonnet-4-5", True),
    ],
    ids=["calls without a thought", "calls behind a thought", "adaptive", "no calls"],
)
def test_a_budget_needs_a_thought_before_calls(messages: tuple[Message, ...], model: str, on: bool) -> None:
    thinking, _, lost = fitted(Reasoning(Effort.HIGH), model, messages=messages)
    assert (thinking is not None, lost) == (on, [] if on else ["thinking"])


def test_to_see_thoughts_is_to_want_them() -> None:
    shown = {"type": "adaptive", "display": "summarized"}
    assert fitted(Reasoning(visible=True), "claude-opus-4-8") == (shown, None, [])


def test_a_model_that_does_not_think() -> None:
    assert fitted(Reasoning(Effort.HIGH), "claude-3-5-haiku-20241022") == (None, None, ["thinking"])


@pytest.mark.parametrize(
    ("thinking", "effort", "found"),
    [
        (budget(2000), None, Reasoning(None, 2000)),
        (budget(0), None, None),
        (ADAPTIVE, "max", Reasoning(Effort.MAX, -1)),
        (ADAPTIVE | {"display": "omitted"}, None, Reasoning(None, -1, False)),
        (OFF, "high", Reasoning(Effort.NONE)),
        (None, "low", Reasoning(Effort.LOW)),
        (None, None, None),
        ("on", 4, None),
    ],
)
def test_reading(thinking: object, effort: object, found: Reasoning | None) -> None:
    assert parse_reasoning(thinking, effort) == found
