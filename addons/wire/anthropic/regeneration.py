"""A request for one Claude, sent to another: what the other one refuses, changed; every other byte stays.

Claude Code asks a new model to think adaptively and with an effort; Haiku 4.5 answers both with 400. A rule that only
names another model has to work all the same, so these few fields follow the model: how to think, the effort, the
longest answer, and what is to be cleared of thoughts that there are none of. All are short and at the top level, so
that they are spliced like the model's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ringlet_mitm.addons.wire.anthropic.families import OTHER_VENDORS, Family, family_of
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.thinking import (
    EFFORTS,
    LEAST_BUDGET,
    fitting_reasoning,
    parse_reasoning,
    render_reasoning,
)
from ringlet_mitm.addons.wire.canonical import Json, Message, Reasoning

FIELDS = ("thinking", "output_config", "context_management", "max_tokens")
CLEARS_THOUGHTS = "clear_thinking"


def refitted(asked: Mapping[str, Any], messages: Sequence[Message], model: str, losses: Losses) -> Json:
    """The fields of FIELDS that have to change for `model`, with their new values.

    `asked` are those of the request that it has, `messages` at least its last ones. Models of other vendors get what
    the agent sent: they speak this format in their own ways.
    """
    family = family_of(model)
    if family == OTHER_VENDORS:
        return {}
    changed: Json = {}
    most = asked.get("max_tokens")
    if family.most_tokens and type(most) is int and most > family.most_tokens:
        changed["max_tokens"] = most = family.most_tokens
        losses.note("max_tokens", "this model writes no longer answers")
    _refit_thinking(asked, messages, family, most if type(most) is int else LEAST_BUDGET, losses, changed)
    return changed


def _refit_thinking(
    asked: Mapping[str, Any], messages: Sequence[Message], family: Family, most: int, losses: Losses, changed: Json
) -> None:
    config = asked.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    reasoning = parse_reasoning(asked.get("thinking"), effort)
    if reasoning is None or _suits(asked.get("thinking"), effort, family):
        return
    found: Reasoning | None = fitting_reasoning(reasoning, messages, family, most, False, losses)
    thinking, level = render_reasoning(found)
    if "thinking" in asked and asked["thinking"] != thinking:
        changed["thinking"] = thinking or {"type": "disabled"}
    if isinstance(config, dict) and effort != level:
        kept = {key: value for key, value in config.items() if key != "effort"}
        changed["output_config"] = kept | ({"effort": level} if level else {})
        losses.note("effort", "this model has no such level")
    if thinking is None:
        _keep_no_thoughts(asked.get("context_management"), changed)


def _suits(thinking: Any, effort: Any, family: Family) -> bool:
    """Whether the model takes what is asked for as it is."""
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    kinds = {"adaptive": family.adaptive, "between_tools": family.adaptive, "enabled": not family.adaptive}
    kinds["disabled"] = not family.always
    levels = effort is None or EFFORTS.get(effort) in family.efforts
    return levels and (kind is None or ((family.thinks or kind == "disabled") and kinds.get(kind, True)))


def _keep_no_thoughts(management: Any, changed: Json) -> None:
    """Clearing old thoughts is refused where there is no thinking."""
    edits = management.get("edits") if isinstance(management, dict) else None
    if not isinstance(edits, list):
        return
    kept = [edit for edit in edits if not str(isinstance(edit, dict) and edit.get("type")).startswith(CLEARS_THOUGHTS)]
    if len(kept) < len(edits):
        changed["context_management"] = {**management, "edits": kept}
