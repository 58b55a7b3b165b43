"""The settings of a request of another format as Responses takes them, by what its models refuse."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from ringlet_mitm.addons.wire.canonical import AnswerFormat, Conversation, Effort, Foreign, Json, Options, Reasoning
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.responses.marks import FORMAT, Losses
from ringlet_mitm.addons.wire.responses.models import Traits, nearest, traits
from ringlet_mitm.addons.wire.responses.settings import (
    ENCRYPTED,
    LOGPROBS,
    SAFETY,
    SUMMARIES,
    bare_format,
    bare_settings,
)
from ringlet_mitm.addons.wire.schemas import fitted_schema

LEAST_TOKENS = 16  # fewer are answered with 400
LONGEST_ID = 64
_DEFAULT_NAME = "answer"
_VERBOSITIES = ("low", "medium", "high")
# Messages' and Gemini's words beside OpenAI's own.
_TIERS = {
    "auto": "auto",
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "fast",
    "standard_only": "default",
    "standard": "default",
}
# Above how many tokens of thinking which effort is meant.
_BUDGETS = ((16384, Effort.HIGH), (4096, Effort.MEDIUM), (0, Effort.LOW), (-1, Effort.NONE))
_MISSING: tuple[tuple[str, Callable[[Options], bool]], ...] = (
    ("top_k", lambda options: options.top_k is not None),
    ("stop sequences", lambda options: bool(options.stop)),
    ("seed", lambda options: options.seed is not None),
    ("presence_penalty", lambda options: bool(options.presence_penalty)),
    ("frequency_penalty", lambda options: bool(options.frequency_penalty)),
)


def adapted_settings(conversation: Conversation, losses: Losses) -> Json:
    """All fields but `input` and `tools`.

    Raises Untranslatable where more than one answer is asked for.
    """
    options, known = conversation.options, traits(conversation.model)
    if (options.candidates or 1) > 1:
        raise Untranslatable(f"{options.candidates} answers are asked for, and Responses gives one; ask for n = 1")
    _declare(conversation, losses)
    settings = bare_settings(conversation)
    effort = _fit_reasoning(settings, conversation.reasoning, known, losses)
    _fit_sampling(settings, options, known, effort, losses)
    _fit_names(settings, conversation)
    _fit_words(settings, options, losses)
    if conversation.answer_format is not None:
        settings["text"]["format"] = _fit_format(conversation.answer_format, losses)
    settings["store"] = bool(conversation.store)
    if known.reasons:
        settings.setdefault("include", []).insert(0, ENCRYPTED)
    return settings


def _declare(conversation: Conversation, losses: Losses) -> None:
    for what, is_said in _MISSING:
        if is_said(conversation.options):
            losses.add(what, "Responses has no such field")
    for block in conversation.system:
        if isinstance(block, Foreign):
            losses.add(block.what, "only the vendor that it comes from knows it")


def _fit_reasoning(settings: Json, asked: Reasoning | None, known: Traits, losses: Losses) -> Effort | None:
    """Write `reasoning`; gives the effort that is asked for."""
    settings.pop("reasoning", None)
    if asked is None:
        return None
    effort = asked.effort or _of_budget(asked.budget)
    if known.reasons is False:
        if effort is not Effort.NONE:
            losses.add("thinking", "this model does not think")
        return None
    fitted = None if effort is None else nearest(effort, known.efforts)
    if asked.effort is None and asked.budget is not None and asked.budget > 0:
        losses.add("thinking budget", f"said as effort {fitted}")
    elif fitted is not effort:
        losses.add("thinking effort", f"{effort} becomes {fitted}, the nearest that this model has")
    said: Json = {} if fitted is None else {"effort": fitted.value}
    if asked.visible and fitted is not Effort.NONE:
        said["summary"] = SUMMARIES[0]
    if said:
        settings["reasoning"] = said
    return fitted


def _of_budget(budget: int | None) -> Effort | None:
    if budget is None or budget < 0:
        return None
    return next(effort for above, effort in _BUDGETS if budget > above)


def _fit_sampling(settings: Json, options: Options, known: Traits, effort: Effort | None, losses: Losses) -> None:
    samples = known.samples or (known.samples_unthinking and effort is Effort.NONE)
    for key in () if samples else ("temperature", "top_p"):
        if settings.pop(key, None) is not None:
            losses.add(key, "this model takes it only while it does not think" if known.samples_unthinking else _FIXED)
    most = settings.pop("top_logprobs", None)
    if options.logprobs and samples:
        settings["include"] = [LOGPROBS]
        if most:
            settings["top_logprobs"] = most
    elif options.logprobs:
        losses.add("logprobs", "reasoning models give none")


_FIXED = "this model has it fixed"


def _fit_names(settings: Json, conversation: Conversation) -> None:
    """OpenAI groups requests for its cache by a key; without one, those of one user or session belong together."""
    user = settings.get(SAFETY)
    if user:
        settings[SAFETY] = _short(user)
    key = settings.get("prompt_cache_key") or user
    if key:
        settings["prompt_cache_key"] = _short(key)


def _short(name: str) -> str:
    """`name`, or a hash of one that is too long."""
    if len(name) <= LONGEST_ID:
        return name
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _fit_words(settings: Json, options: Options, losses: Losses) -> None:
    if options.max_tokens is not None and options.max_tokens < LEAST_TOKENS:
        settings["max_output_tokens"] = LEAST_TOKENS
        losses.add("max_tokens", f"Responses takes {LEAST_TOKENS} or more")
    if options.service_tier is not None:
        settings.pop("service_tier")
        if options.service_tier in _TIERS:
            settings["service_tier"] = _TIERS[options.service_tier]
        else:
            losses.add("service tier", f"OpenAI has no {options.service_tier}")
    if options.verbosity is not None and options.verbosity not in _VERBOSITIES:
        settings["text"].pop("verbosity")
        losses.add("verbosity", f"OpenAI has no {options.verbosity}")
        if not settings["text"]:
            del settings["text"]


def _fit_format(found: AnswerFormat, losses: Losses) -> Json:
    asked = bare_format(found)
    if found.schema is None:
        return asked
    asked["strict"] = found.strict is True
    asked["name"] = re.sub(r"[^A-Za-z0-9_-]", "_", found.name)[:LONGEST_ID] or _DEFAULT_NAME
    asked["schema"], lost = fitted_schema(found.schema, FORMAT, strict=found.strict is True)
    for loss in lost:
        losses.add(loss.what, loss.why)
    return asked
