"""What differs between Gemini's models, told by their names.

Sources: Gemini API "Thinking" (budgets of 2.5, levels since 3), "Thought signatures", "Function calling, multimodal
function responses"; accessed 2026-11-21.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ringlet_mitm.addons.wire.canonical import Effort, Json, Reasoning
from ringlet_mitm.rules.shapes import Loss

NEWEST = 3.0
_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")

LEVELS: dict[Effort, str] = {
    Effort.NONE: "MINIMAL",
    Effort.MINIMAL: "MINIMAL",
    Effort.LOW: "LOW",
    Effort.MEDIUM: "MEDIUM",
    Effort.HIGH: "HIGH",
    Effort.XHIGH: "HIGH",
    Effort.MAX: "HIGH",
}
EFFORTS: dict[str, Effort] = {
    "MINIMAL": Effort.MINIMAL,
    "LOW": Effort.LOW,
    "MEDIUM": Effort.MEDIUM,
    "HIGH": Effort.HIGH,
    "XHIGH": Effort.XHIGH,
}
BUDGETS: dict[Effort, int] = {
    Effort.NONE: 0,
    Effort.MINIMAL: 512,
    Effort.LOW: 1024,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 24576,
    Effort.XHIGH: 32768,
    Effort.MAX: 32768,
}
# Up to how many tokens asked for what level; beyond is HIGH.
LEVEL_BUDGETS = ((0, "MINIMAL"), (2048, "LOW"), (8192, "MEDIUM"))
# Levels that a model refuses, by the beginning of its name, and what comes nearest.
REFUSED_LEVELS: tuple[tuple[str, dict[str, str]], ...] = (
    ("gemini-3-pro", {"MINIMAL": "LOW", "MEDIUM": "HIGH"}),
    ("gemini-3.1-pro", {"MINIMAL": "LOW"}),
    ("gemini-3.7-flash", {"MINIMAL": "LOW"}),
)
# The least and the most thinking tokens of 2.5's models, and whether 0 turns thinking off.
RANGES: tuple[tuple[str, int, int, bool], ...] = (
    ("gemini-2.5-pro", 128, 32768, False),
    ("gemini-2.5-flash-lite", 512, 24576, True),
    ("gemini-2.5", 1, 24576, True),
)


@dataclass(frozen=True, slots=True)
class Generation:
    """What a model of a generation takes."""

    version: float
    model: str

    @property
    def levels(self) -> bool:
        """It thinks by level, takes pictures inside results and JSON beside tools, and wants its calls signed."""
        return self.version >= 3

    @property
    def thinks(self) -> bool:
        """It thinks at all."""
        return self.version >= 2.5

    @property
    def json_schema(self) -> bool:
        """Schemas may be JSON Schema."""
        return self.version >= 2.5


def generation(model: str) -> Generation:
    """The generation of `model`; a name without a number (gemini-flash-latest, somebody's alias) is the newest."""
    name = model.rpartition("/")[2].lower()
    found = _VERSION.search(name)
    if found:
        return Generation(float(f"{found[1]}.{found[2] or 0}"), found[0] + name[found.end() :])
    return Generation(1.0 if "gemma" in name or "learnlm" in name else NEWEST, name)


def thinking_config(reasoning: Reasoning, model: str) -> tuple[Json, list[Loss]]:
    """`thinkingConfig` for what is asked of thinking; empty where the model cannot be asked."""
    found = generation(model)
    if not found.thinks:
        return {}, [Loss("thinking", "the model does not think")]
    config, losses = _by_level(reasoning, found.model) if found.levels else _by_budget(reasoning, found.model)
    off = reasoning.effort is Effort.NONE or reasoning.budget == 0
    visible = not off if reasoning.visible is None else reasoning.visible
    if config or visible or reasoning.visible is not None:
        config["includeThoughts"] = visible
    return config, losses


def _by_level(reasoning: Reasoning, model: str) -> tuple[Json, list[Loss]]:
    losses: list[Loss] = []
    level = LEVELS.get(reasoning.effort) if reasoning.effort is not None else None
    if level is None and reasoning.budget is not None and reasoning.budget >= 0:
        level = next((name for most, name in LEVEL_BUDGETS if reasoning.budget <= most), "HIGH")
        losses.append(Loss("thinking budget", "the model thinks by levels"))
    if level is None:
        return {}, losses
    refused = next((levels for start, levels in REFUSED_LEVELS if model.startswith(start)), {})
    if reasoning.effort is Effort.NONE or reasoning.budget == 0:
        losses.append(Loss("thinking off", "the model always thinks a little"))
    return {"thinkingLevel": refused.get(level, level)}, losses


def _by_budget(reasoning: Reasoning, model: str) -> tuple[Json, list[Loss]]:
    budget = reasoning.budget
    if budget is None and reasoning.effort is not None:
        budget = BUDGETS[reasoning.effort]
    if budget is None:
        return {}, []
    _, least, most, can_stop = next(row for row in RANGES if model.startswith(row[0]) or row is RANGES[-1])
    if budget < 0:
        return {"thinkingBudget": -1}, []
    if budget == 0 and can_stop:
        return {"thinkingBudget": 0}, []
    losses = [Loss("thinking off", "the model always thinks a little")] if budget == 0 else []
    return {"thinkingBudget": min(max(budget, least), most)}, losses
