"""The knobs of a request, both ways; most of them are in `options`, under llama.cpp's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import AnswerFormat, Effort, Json, Options, Reasoning
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.schemas import fitted_schema
from ringlet_mitm.rules.shapes import Loss, WireFormat

OLLAMA = WireFormat.OLLAMA
NUMBER, WHOLE = (int, float), (int,)

# Ours -> Ollama's inside `options`, and what it may be.
IN_OPTIONS: dict[str, tuple[str, tuple[type, ...]]] = {
    "max_tokens": ("num_predict", WHOLE),
    "temperature": ("temperature", NUMBER),
    "top_p": ("top_p", NUMBER),
    "top_k": ("top_k", WHOLE),
    "seed": ("seed", WHOLE),
    "presence_penalty": ("presence_penalty", NUMBER),
    "frequency_penalty": ("frequency_penalty", NUMBER),
}
# Ours -> why Ollama has none. Silent are `user` and `cache_key`: they serve only who runs a service for many.
MISSING = {
    "service_tier": "Ollama has one",
    "verbosity": "Ollama has no such knob",
}
LEVELS = {Effort.MINIMAL: "low", Effort.LOW: "low", Effort.MEDIUM: "medium"}
LEVELS |= dict.fromkeys((Effort.HIGH, Effort.XHIGH, Effort.MAX), "high")
EFFORTS = {"low": Effort.LOW, "medium": Effort.MEDIUM, "high": Effort.HIGH}
# The only family that takes a level; all others answer 400 to one, and models that do not think at all also to `true`.
# Those that think do so where nothing is said.
LEVELLED = "gpt-oss"


def parse_options(body: Mapping[str, Any]) -> Options:
    """What `options` says, as far as it is readable, and the log probabilities beside it."""
    found = body.get("options")
    found = found if isinstance(found, dict) else {}
    read: dict[str, Any] = {}
    for name, (key, kinds) in IN_OPTIONS.items():
        value = found.get(key)
        if type(value) in kinds:
            read[name] = value
    if read.get("max_tokens", 1) < 1:  # -1 is endless, -2 fills the context
        del read["max_tokens"]
    stop = found.get("stop")
    if isinstance(stop, list) and all(isinstance(word, str) for word in stop):
        read["stop"] = tuple(stop)
    if isinstance(body.get("logprobs"), bool):
        read["logprobs"] = body["logprobs"]
    if type(body.get("top_logprobs")) is int:
        read["top_logprobs"] = body["top_logprobs"]
    return Options(**read)


def own_options(options: Options) -> Json:
    """The fields that options become, wherever they come from."""
    inner = {key: value for name, (key, _) in IN_OPTIONS.items() if (value := getattr(options, name)) is not None}
    if options.stop:
        inner["stop"] = list(options.stop)
    written: Json = {"options": inner} if inner else {}
    if options.logprobs is not None:
        written["logprobs"] = options.logprobs
    if options.top_logprobs is not None:
        written["top_logprobs"] = options.top_logprobs
    return written


def option_losses(options: Options) -> list[Loss]:
    """What Ollama has no knob for. Raises Untranslatable for several answers at once."""
    if (options.candidates or 1) > 1:
        raise Untranslatable(f"Ollama gives one answer a request, not {options.candidates}; ask for one")
    return [Loss(name.replace("_", " "), why) for name, why in MISSING.items() if getattr(options, name)]


def parse_thinking(body: Mapping[str, Any]) -> Reasoning | None:
    """`think`: whether, or how hard."""
    said = body.get("think")
    if isinstance(said, bool):
        return Reasoning(budget=-1) if said else Reasoning(effort=Effort.NONE)
    return Reasoning(effort=EFFORTS[said]) if isinstance(said, str) and said in EFFORTS else None


def own_thinking(reasoning: Reasoning | None) -> Json:
    """`think` as it was said here."""
    if reasoning is None:
        return {}
    return {"think": LEVELS.get(reasoning.effort, False) if reasoning.effort is not None else True}


def rendered_thinking(reasoning: Reasoning | None, model: str, losses: list[Loss]) -> Json:
    """`think` as the model takes it."""
    if reasoning is None:
        return {}
    if reasoning.effort is Effort.NONE or reasoning.budget == 0:
        return {"think": False}
    if reasoning.effort is None and reasoning.budget in (None, -1):
        return {}
    if LEVELLED in model.lower():
        return {"think": LEVELS[reasoning.effort or _effort_of(reasoning.budget or 0)]}
    losses.append(Loss("thinking effort", "Ollama takes one only for gpt-oss; others think as they are used to"))
    return {}


def _effort_of(budget: int) -> Effort:
    return Effort.LOW if budget < 4096 else Effort.MEDIUM if budget < 16384 else Effort.HIGH


def parse_format(body: Mapping[str, Any]) -> AnswerFormat | None:
    """`format`: "json", or a schema."""
    said = body.get("format")
    if isinstance(said, dict):
        return AnswerFormat(schema=said)
    return AnswerFormat() if said == "json" else None


def own_format(answer: AnswerFormat | None) -> Json:
    """`format` as it was said here."""
    if answer is None:
        return {}
    return {"format": "json" if answer.schema is None else answer.schema}


def rendered_format(answer: AnswerFormat | None, losses: list[Loss]) -> Json:
    """`format` of another format's wish."""
    if answer is None or answer.schema is None:
        return own_format(answer)
    schema, lost = fitted_schema(answer.schema, OLLAMA)
    losses.extend(lost)
    return {"format": schema}
