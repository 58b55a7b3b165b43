"""How hard to think: five vendors' ways of asking, read as one and written in the family's own.

    way                                             who
    reasoning_effort: word                          OpenAI, Google, Groq, xAI, DeepSeek beside the next
    thinking: {type, budget_tokens}                 DeepSeek, Moonshot, Z.ai; Anthropic's Chat face
    reasoning: {effort | max_tokens, enabled, …}    OpenRouter
    enable_thinking, thinking_budget                Qwen
    chat_template_kwargs: {enable_thinking}         vLLM, SGLang

Sources: see families.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import Effort, Json, Reasoning
from ringlet_mitm.addons.wire.chat.families import Asking, Family
from ringlet_mitm.addons.wire.chat.options import whole_number

OWN_CHOICE = -1
WORDS = {effort.value: effort for effort in Effort}
LEVELS = tuple(Effort)
# Budgets as effort: up to so many tokens.
BUDGETS = ((0, Effort.NONE), (2048, Effort.LOW), (12288, Effort.MEDIUM))
WHAT = "thinking effort"


def read_reasoning(body: Mapping[str, Any]) -> Reasoning | None:
    """What is asked of thinking, None where nothing is said of it."""
    effort = _word(body.get("reasoning_effort"))
    budget: int | None = None
    visible: bool | None = None
    switches: list[Any] = [body.get("enable_thinking")]
    template = body.get("chat_template_kwargs")
    if isinstance(template, dict):
        switches.append(template.get("enable_thinking"))
    thinking = body.get("thinking")
    if isinstance(thinking, dict):
        switches.append(
            {"enabled": True, "adaptive": True, "auto": True, "disabled": False}.get(str(thinking.get("type")))
        )
        budget = whole_number(thinking.get("budget_tokens"))
    asked = body.get("reasoning")
    if isinstance(asked, dict):
        effort = effort or _word(asked.get("effort"))
        budget = whole_number(asked.get("max_tokens")) if budget is None else budget
        switches.append(asked.get("enabled"))
        visible = False if asked.get("exclude") is True else None
    if budget is None:
        budget = whole_number(body.get("thinking_budget"))
    if False in switches:
        effort, budget = Effort.NONE, None
    elif True in switches and budget is None and effort is None:
        budget = OWN_CHOICE
    return Reasoning(effort, budget, visible) if (effort, budget, visible) != (None, None, None) else None


def write_reasoning(asked: Reasoning | None, family: Family, *, tools: bool, losses: dict[str, str]) -> Json:
    """The same in the family's own way. `tools` says that the request has some."""
    if family.tools_or_thought and tools:
        if asked is not None and not is_off(asked):
            losses.setdefault(WHAT, "Chat takes tools of this model only without; as Responses it takes both")
        return {"reasoning_effort": Effort.NONE.value}
    if asked is None:
        return {}
    if family.asking is Asking.NOT:
        if not is_off(asked):
            losses.setdefault(WHAT, "this model cannot be asked for it")
        return {}
    wanted = asked.effort or _effort_of(asked.budget)
    effort = _nearest(wanted, family.efforts) if wanted is not None else None
    written = _written(asked, effort, family)
    if effort is not wanted and effort is not None and effort.value in str(written):
        losses.setdefault(WHAT, f"{wanted} is said as {effort}, the nearest word for it")
    return written


def is_off(asked: Reasoning | None) -> bool:
    """Whether thinking is not wanted."""
    return asked is not None and (asked.effort is Effort.NONE or (asked.effort is None and asked.budget == 0))


def _written(asked: Reasoning, effort: Effort | None, family: Family) -> Json:
    off = is_off(asked)
    word = {"reasoning_effort": effort.value} if effort is not None else {}
    switch: Json = {"thinking": {"type": "disabled" if off else "enabled"}}
    match family.asking:
        case Asking.EFFORT:
            return word
        case Asking.SWITCH_AND_EFFORT:
            return switch if off else {**switch, **word}
        case Asking.SWITCH:
            return switch
    if off:
        return {"reasoning": {"enabled": False}}
    if asked.effort is None and asked.budget is not None and asked.budget > 0:
        return {"reasoning": {"max_tokens": asked.budget}}
    return {"reasoning": {"effort": effort.value} if effort is not None else {"enabled": True}}


def _effort_of(budget: int | None) -> Effort | None:
    if budget is None or budget < 0:
        return None
    return next((effort for most, effort in BUDGETS if budget <= most), Effort.HIGH)


def _nearest(wanted: Effort, known: tuple[Effort, ...]) -> Effort:
    """The word that is known and closest, the stronger of two."""
    place = LEVELS.index(wanted)
    return min(known, key=lambda effort: (abs(LEVELS.index(effort) - place), -LEVELS.index(effort)))


def _word(said: Any) -> Effort | None:
    return WORDS.get(said) if isinstance(said, str) else None
