"""How hard to think: `thinking` and `output_config.effort`, both ways.

Claude 4.6 and later think adaptively, steered by an effort; before it there is a budget of tokens below `max_tokens`.
What else goes with it: a forced tool does not, neither does a temperature; a turn that goes on after a tool's result
has to begin with a signed thought where there is a budget; and the newest cannot be told to stop thinking.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ringlet_mitm.addons.wire.anthropic.families import Family
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.canonical import (
    Effort,
    Json,
    Message,
    Reasoning,
    Role,
    Thinking,
    ToolCall,
)

EFFORTS = {effort.value: effort for effort in Effort if effort not in (Effort.NONE, Effort.MINIMAL)}
DISPLAYS = {"summarized": True, "omitted": False}
DISPLAY_WORDS = {shown: word for word, shown in DISPLAYS.items()}
OWN_CHOICE = -1
LEAST_BUDGET = 1024
# Tokens that an effort stands for where there are only budgets, and above which budget an effort begins.
BUDGETS: dict[Effort, int] = {
    Effort.MINIMAL: 1024,
    Effort.LOW: 4096,
    Effort.MEDIUM: 10_000,
    Effort.HIGH: 16_000,
    Effort.XHIGH: 24_000,
    Effort.MAX: 31_999,
}
STEPS = ((24_576, Effort.XHIGH), (8192, Effort.HIGH), (2048, Effort.MEDIUM), (0, Effort.LOW))


def parse_reasoning(thinking: Any, effort: Any) -> Reasoning | None:
    """What a request says of thinking; None where it says nothing that is known."""
    config = thinking if isinstance(thinking, dict) else {}
    kind, budget, display = config.get("type"), config.get("budget_tokens"), config.get("display")
    level = EFFORTS.get(effort) if isinstance(effort, str) else None
    visible = DISPLAYS.get(display) if isinstance(display, str) else None
    if kind == "disabled":
        return Reasoning(Effort.NONE)
    if kind == "enabled" and type(budget) is int and budget > 0:
        return Reasoning(level, budget, visible)
    if kind in ("adaptive", "between_tools"):
        return Reasoning(level, OWN_CHOICE, visible)
    return Reasoning(level) if level is not None else None


def render_reasoning(reasoning: Reasoning | None) -> tuple[Json | None, str | None]:
    """The same back: `thinking` and the effort."""
    if reasoning is None:
        return None, None
    if reasoning.effort is Effort.NONE:
        return {"type": "disabled"}, None
    level = reasoning.effort
    effort = level.value if level is not None and level.value in EFFORTS else None
    if reasoning.budget is None:
        return None, effort
    display = {} if reasoning.visible is None else {"display": DISPLAY_WORDS[reasoning.visible]}
    if reasoning.budget == OWN_CHOICE:
        return {"type": "adaptive", **display}, effort
    return {"type": "enabled", "budget_tokens": reasoning.budget, **display}, effort


def fitting_reasoning(
    reasoning: Reasoning | None,
    messages: Sequence[Message],
    family: Family,
    max_tokens: int,
    forced: bool,
    losses: Losses,
) -> Reasoning | None:
    """The thinking of another format's request, as the model takes it. `messages` are in order, `forced` is a tool."""
    wanted = reasoning is not None and _is_on(reasoning)
    if reasoning is not None and not wanted and _is_off(reasoning):
        return _off(family, losses)
    if forced and not family.always and (wanted or family.by_default):
        if wanted:
            losses.note("thinking", "a tool is forced, which does not go with it")
        return _off(family, losses)
    if reasoning is None or not wanted:
        return None
    if not family.thinks:
        losses.note("thinking", "this model does not think")
        return None
    if family.adaptive:
        return _adaptive(reasoning, family, losses)
    return _budgeted(reasoning, messages, max_tokens, losses)


def _is_off(reasoning: Reasoning) -> bool:
    return reasoning.effort is Effort.NONE or (reasoning.effort is None and reasoning.budget == 0)


def _is_on(reasoning: Reasoning) -> bool:
    """Whether thinking is asked for, if only by wanting to see it."""
    said = reasoning.effort is not None or reasoning.budget is not None or reasoning.visible is True
    return said and not _is_off(reasoning)


def _off(family: Family, losses: Losses) -> Reasoning | None:
    if not family.by_default:
        return None  # it does not think unless told to, and 4.7 refuses to be told not to
    if not family.always:
        return Reasoning(Effort.NONE)
    losses.note("thinking off", "this model always thinks; as little as it can is asked for")
    return Reasoning(Effort.LOW)


def _adaptive(reasoning: Reasoning, family: Family, losses: Losses) -> Reasoning:
    effort = reasoning.effort
    if effort is None and reasoning.budget is not None and reasoning.budget > 0:
        effort = next(step for least, step in STEPS if reasoning.budget > least)
        losses.note("thinking budget", "this model takes an effort instead")
    if effort is Effort.MINIMAL:
        effort = Effort.LOW
    if effort is not None and effort not in family.efforts:
        losses.note(f"effort {effort.value}", "this model has no such level; high is asked for")
        effort = Effort.HIGH
    return Reasoning(effort, OWN_CHOICE, reasoning.visible)


def _budgeted(reasoning: Reasoning, messages: Sequence[Message], max_tokens: int, losses: Losses) -> Reasoning | None:
    asked = reasoning.budget if reasoning.budget is not None and reasoning.budget > 0 else None
    budget = asked or BUDGETS.get(reasoning.effort or Effort.MEDIUM, BUDGETS[Effort.MEDIUM])
    most = max_tokens - max_tokens // 4  # what is left is for the answer
    if most < LEAST_BUDGET:
        losses.note("thinking", "max_tokens leaves no room for it")
        return None
    if not _continues_thinking(messages):
        losses.note("thinking", "this turn began with another model's calls, without a thought of this one's")
        return None
    return Reasoning(budget=max(LEAST_BUDGET, min(budget, most)))


def _continues_thinking(messages: Sequence[Message]) -> bool:
    """Whether thinking may be on: the last calls, if results follow, stand behind a thought."""
    said = next((message for message in reversed(messages) if message.role is Role.ASSISTANT), None)
    if said is None or not any(isinstance(block, ToolCall) for block in said.blocks):
        return True
    return bool(said.blocks) and isinstance(said.blocks[0], Thinking)
