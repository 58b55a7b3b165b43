"""How hard to think: a field of the model's own each, in `additionalModelRequestFields`, and Claude's `effort`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringlet_mitm.addons.wire.anthropic.families import Family as ClaudeFamily
from ringlet_mitm.addons.wire.canonical import Effort, Json, Reasoning
from ringlet_mitm.addons.wire.converse.families import Family, Thinks
from ringlet_mitm.rules.shapes import Loss

LEAST_BUDGET = 1024
BUDGETS: dict[Effort, int] = {
    Effort.MINIMAL: LEAST_BUDGET,
    Effort.LOW: 2048,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16_384,
    Effort.XHIGH: 32_000,
    Effort.MAX: 32_000,
}
OWN_CHOICE = 8192  # where a budget is demanded and the agent leaves it to the model
WORDS = {effort.value: effort for effort in (Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH, Effort.MAX)}
LEVELS = {Effort.MINIMAL: "low", Effort.LOW: "low", Effort.MEDIUM: "medium"}
LEVELS |= dict.fromkeys((Effort.HIGH, Effort.XHIGH, Effort.MAX), "high")
GRADES = list(Effort)
DISABLED, ADAPTIVE, ENABLED = "disabled", "adaptive", "enabled"


def parse_thinking(body: Mapping[str, Any]) -> Reasoning | None:
    """What a request says to Claude; the others' fields stay leftovers."""
    more, output = body.get("additionalModelRequestFields"), body.get("outputConfig")
    said = more.get("thinking") if isinstance(more, dict) else None
    word = output.get("effort") if isinstance(output, dict) else None
    effort = WORDS.get(word) if isinstance(word, str) else None
    budgets = [0, -1]
    if isinstance(said, dict) and type(budget := said.get("budget_tokens")) is int and budget > 0:
        budgets.append(budget)
    budget = next((budget for budget in budgets if _claude_thinking(budget) == said), None)
    return Reasoning(effort, budget) if effort is not None or budget is not None else None


def _claude_thinking(budget: int) -> Json:
    if budget > 0:
        return {"type": ENABLED, "budget_tokens": budget}
    return {"type": DISABLED if budget == 0 else ADAPTIVE}


def own_thinking(reasoning: Reasoning | None) -> tuple[Json, Json]:
    """What goes into `additionalModelRequestFields` and into `outputConfig`, as it was said here."""
    if reasoning is None:
        return {}, {}
    more = {} if reasoning.budget is None else {"thinking": _claude_thinking(reasoning.budget)}
    return more, {} if reasoning.effort is None else {"effort": reasoning.effort.value}


def is_off(reasoning: Reasoning | None) -> bool:
    """Whether thinking is declined."""
    return reasoning is not None and (reasoning.effort is Effort.NONE or reasoning.budget == 0)


def rendered_thinking(
    reasoning: Reasoning | None,
    family: Family,
    most: int | None,
    messages: Sequence[Json],
    forced: bool,
    losses: list[Loss],
) -> tuple[Json, Json]:
    """The same for a conversation of another format.

    `most` is the longest answer asked for, `messages` are as they were rendered, `forced` says that a tool is demanded.
    """
    if reasoning is None:
        return {}, {}
    if family.claude is not None:
        return _for_claude(reasoning, family.claude, most, messages, forced, losses)
    if is_off(reasoning):
        return {}, {}
    effort = reasoning.effort or effort_of(reasoning.budget)
    if family.thinks is Thinks.NOVA:
        return {"reasoningConfig": {"type": ENABLED, "maxReasoningEffort": LEVELS[effort]}}, {}
    if family.thinks is Thinks.EFFORT:
        return {"reasoning_effort": LEVELS[effort]}, {}
    losses.append(Loss("thinking effort", "this model thinks as it likes, or not at all"))
    return {}, {}


def binds(more: Mapping[str, Any]) -> bool:
    """Whether such thinking forbids to say how an answer is sampled: Claude's always does, Nova's where it is hard."""
    claude, nova = more.get("thinking"), more.get("reasoningConfig")
    return bool((claude and claude["type"] != DISABLED) or (nova and nova["maxReasoningEffort"] == "high"))


def effort_of(budget: int | None) -> Effort:
    """A budget as a word."""
    if budget is None or budget < 0:
        return Effort.MEDIUM
    return Effort.LOW if budget < 4096 else Effort.MEDIUM if budget < 16_384 else Effort.HIGH


def _for_claude(
    reasoning: Reasoning,
    claude: ClaudeFamily,
    most: int | None,
    messages: Sequence[Json],
    forced: bool,
    losses: list[Loss],
) -> tuple[Json, Json]:
    if is_off(reasoning):
        if claude.always:
            losses.append(Loss("thinking off", "this model always thinks"))
        return ({"thinking": {"type": DISABLED}} if claude.by_default and not claude.always else {}), {}
    why = _why_not(claude, most, messages, forced)
    if why and not claude.always:
        losses.append(Loss("thinking", why))
        return ({"thinking": {"type": DISABLED}} if claude.by_default else {}), {}
    if claude.adaptive:
        return _adaptive(reasoning, claude, losses)
    budget = reasoning.budget
    if budget is None or budget < 0:
        budget = BUDGETS[reasoning.effort] if reasoning.effort is not None else OWN_CHOICE
    budget = max(LEAST_BUDGET, budget)
    return {"thinking": {"type": ENABLED, "budget_tokens": budget if most is None else min(budget, most - 1)}}, {}


def _why_not(claude: ClaudeFamily, most: int | None, messages: Sequence[Json], forced: bool) -> str:
    """Why a Claude cannot think now; "" where it can."""
    if not claude.thinks:
        return "this model cannot"
    if forced:
        return "no model may think when it is made to call a tool"
    if claude.adaptive:
        return ""
    if most is not None and most <= LEAST_BUDGET:
        return f"the answer has to be shorter than the least budget, {LEAST_BUDGET} tokens"
    said: Sequence[Json] = next(
        (message["content"] for message in reversed(messages) if message["role"] == "assistant"), []
    )
    in_turn = any("toolResult" in block for block in messages[-1]["content"]) if messages else False
    if in_turn and said and "reasoningContent" not in said[0]:
        return "the turn that goes on began without, at another vendor's"
    return ""


def _adaptive(reasoning: Reasoning, claude: ClaudeFamily, losses: list[Loss]) -> tuple[Json, Json]:
    thinking: Json = {"type": ADAPTIVE}
    if reasoning.visible is not None:
        thinking["display"] = "summarized" if reasoning.visible else "omitted"
    effort = reasoning.effort
    if effort is None and reasoning.budget is not None and reasoning.budget > 0:
        losses.append(Loss("thinking budget", "the model thinks by effort"))
        effort = effort_of(reasoning.budget)
    if effort is None:
        return {"thinking": thinking}, {}
    place = GRADES.index(effort)
    nearest = min(claude.efforts, key=lambda known: abs(GRADES.index(known) - place))
    return {"thinking": thinking}, {"effort": nearest.value}
