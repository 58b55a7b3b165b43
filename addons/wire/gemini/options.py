"""`generationConfig` both ways: the knobs, the form of the answer, thinking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import AnswerFormat, Conversation, Json, Options, Reasoning
from ringlet_mitm.addons.wire.gemini.fields import GEMINI, field, flag, inner, integer, number, several, text
from ringlet_mitm.addons.wire.gemini.models import EFFORTS, generation, thinking_config
from ringlet_mitm.addons.wire.schemas import fitted_schema, json_schema, openapi_schema
from ringlet_mitm.rules.shapes import Loss

JSON = "application/json"
MOST_STOPS = 5

# Our name of a knob -> Gemini's.
NUMBERS = {
    "temperature": "temperature",
    "top_p": "topP",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
WHOLE_NUMBERS = {
    "max_tokens": "maxOutputTokens",
    "top_k": "topK",
    "seed": "seed",
    "top_logprobs": "logprobs",
    "candidates": "candidateCount",
}
NO_WORD = {
    "user": "Gemini does not ask whose request it is",
    "service_tier": "its tiers are another vendor's",
    "verbosity": "Gemini has no such knob",
}


def options_of(config: Mapping[str, Any]) -> Options:
    """The knobs."""
    found: dict[str, Any] = {name: number(config, theirs) for name, theirs in NUMBERS.items()}
    found |= {name: integer(config, theirs) for name, theirs in WHOLE_NUMBERS.items()}
    stop = tuple(word for word in several(config, "stopSequences") if isinstance(word, str))
    return Options(stop=stop, logprobs=flag(config, "responseLogprobs"), **found)


def reasoning_of(config: Mapping[str, Any]) -> Reasoning | None:
    """What is asked of thinking; None where nothing is."""
    thinking = inner(config, "thinkingConfig")
    if not thinking:
        return None
    level = EFFORTS.get(text(thinking, "thinkingLevel").upper())
    return Reasoning(level, integer(thinking, "thinkingBudget"), flag(thinking, "includeThoughts"))


def answer_format_of(config: Mapping[str, Any]) -> AnswerFormat | None:
    """The JSON that is asked for; None where text is."""
    if text(config, "responseMimeType") != JSON:
        return None
    schema = field(config, "responseJsonSchema")
    if isinstance(schema, dict):
        return AnswerFormat(json_schema(schema))
    schema = field(config, "responseSchema")
    return AnswerFormat(json_schema(schema) if isinstance(schema, dict) else None)


def own_config(conversation: Conversation) -> Json:
    """`generationConfig` of a conversation that came from Gemini, but for what its leftovers say."""
    config = _knobs(conversation.options)
    if conversation.answer_format is not None:
        config["responseMimeType"] = JSON
    if conversation.reasoning is not None:
        config["thinkingConfig"] = thinking_config(conversation.reasoning, conversation.model)[0]
    return config


def config_for(conversation: Conversation, losses: list[Loss], *, functions: bool) -> Json:
    """`generationConfig` of a conversation of another format."""
    options = conversation.options
    config = _knobs(options)
    if len(options.stop) > MOST_STOPS:
        config["stopSequences"] = list(options.stop[:MOST_STOPS])
        losses.append(Loss("stop sequences", f"Gemini takes {MOST_STOPS}"))
    losses += [Loss(name.replace("_", " "), why) for name, why in NO_WORD.items() if getattr(options, name) is not None]
    if conversation.answer_format is not None:
        config |= _answer(conversation.answer_format, conversation.model, losses, functions=functions)
    if conversation.reasoning is not None:
        thinking, lost = thinking_config(conversation.reasoning, conversation.model)
        losses += lost
        config |= {"thinkingConfig": thinking} if thinking else {}
    return config


def _knobs(options: Options) -> Json:
    config: Json = {}
    for name, theirs in (NUMBERS | WHOLE_NUMBERS).items():
        value = getattr(options, name)
        if value is not None:
            config[theirs] = value
    if options.stop:
        config["stopSequences"] = list(options.stop)
    if options.logprobs is not None:
        config["responseLogprobs"] = options.logprobs
    return config


def _answer(wanted: AnswerFormat, model: str, losses: list[Loss], *, functions: bool) -> Json:
    found = generation(model)
    if functions and not found.levels:
        losses.append(Loss("answer format", "the model does not take it beside tools"))
        return {}
    if wanted.schema is None:
        return {"responseMimeType": JSON}
    if found.json_schema:
        schema, lost = fitted_schema(wanted.schema, GEMINI, strict=True)
        losses += lost
        return {"responseMimeType": JSON, "responseJsonSchema": schema}
    schema, lost = openapi_schema(wanted.schema, tool=False)
    losses += lost
    return {"responseMimeType": JSON, "responseSchema": schema}
