"""The knobs of a request: `inferenceConfig`, `additionalModelRequestFields`, `outputConfig`, `serviceTier`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringlet_mitm.addons.wire.canonical import AnswerFormat, Json, Options, Reasoning
from ringlet_mitm.addons.wire.codec import Untranslatable, read_json, write_json
from ringlet_mitm.addons.wire.converse.families import Family, Thinks
from ringlet_mitm.addons.wire.converse.media import CONVERSE
from ringlet_mitm.addons.wire.converse.thinking import binds, own_thinking
from ringlet_mitm.addons.wire.schemas import fitted_schema
from ringlet_mitm.rules.shapes import Loss

NUMBER, WHOLE = (int, float), (int,)
# Ours -> Converse's inside `inferenceConfig`, and what it may be.
INFERENCE: dict[str, tuple[str, tuple[type, ...]]] = {
    "max_tokens": ("maxTokens", WHOLE),
    "temperature": ("temperature", NUMBER),
    "top_p": ("topP", NUMBER),
}
# Ours -> why it is lost. Silent are `user` and `cache_key`: whom a key belongs to says IAM, caches go by account.
MISSING = {
    "seed": "Converse has none",
    "presence_penalty": "Converse has none",
    "frequency_penalty": "Converse has none",
    "logprobs": "Converse gives none",
    "verbosity": "Converse has no such knob",
}
TIERS = {
    "priority": "priority",
    "flex": "flex",
    "default": "default",
    "standard_only": "default",
    "standard": "default",
}
STOP_SEQUENCE = "/stop_sequence"  # Claude tells which one it was, if asked
MOST_STOPS = 2500
JSON_WISH = "Answer with one JSON object and nothing else."
NESTED = ("inferenceConfig", "additionalModelRequestFields", "outputConfig", "toolConfig")


def parse_options(body: Mapping[str, Any]) -> Options:
    """The knobs, as far as they are readable."""
    said, more, tier = (
        _object(body, key) for key in ("inferenceConfig", "additionalModelRequestFields", "serviceTier")
    )
    read: dict[str, Any] = {name: said[key] for name, (key, kinds) in INFERENCE.items() if type(said.get(key)) in kinds}
    stop = said.get("stopSequences")
    if isinstance(stop, list) and all(isinstance(word, str) for word in stop):
        read["stop"] = tuple(stop)
    if type(more.get("top_k")) is int:
        read["top_k"] = more["top_k"]
    if isinstance(tier.get("type"), str):
        read["service_tier"] = tier["type"]
    return Options(**read)


def _object(body: Mapping[str, Any], key: str) -> Json:
    found = body.get(key)
    return found if isinstance(found, dict) else {}


def parse_format(body: Mapping[str, Any]) -> AnswerFormat | None:
    """The form that the answer has to have."""
    said = _object(_object(body, "outputConfig"), "textFormat")
    found = _object(_object(said, "structure"), "jsonSchema")
    text = found.get("schema")
    try:
        schema = read_json(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if not isinstance(schema, dict):
        return None
    name, description = found.get("name"), found.get("description")
    return AnswerFormat(
        schema, name if isinstance(name, str) else "", description if isinstance(description, str) else ""
    )


def own_options(options: Options, answer: AnswerFormat | None, reasoning: Reasoning | None) -> Json:
    """All of it as it was said here."""
    more, output = own_thinking(reasoning)
    if options.top_k is not None:
        more["top_k"] = options.top_k
    if answer is not None and answer.schema is not None:
        output["textFormat"] = _text_format(answer, answer.schema)
    written = {
        "inferenceConfig": _inference(options),
        "additionalModelRequestFields": more,
        "outputConfig": output,
        "serviceTier": {"type": options.service_tier} if options.service_tier is not None else {},
    }
    return {key: value for key, value in written.items() if value}


def _inference(options: Options) -> Json:
    written = {key: value for name, (key, _) in INFERENCE.items() if (value := getattr(options, name)) is not None}
    return written | ({"stopSequences": list(options.stop)} if options.stop else {})


def _text_format(answer: AnswerFormat, schema: Mapping[str, Any]) -> Json:
    definition: Json = {"schema": write_json(schema).decode()}
    if answer.name:
        definition["name"] = answer.name
    if answer.description:
        definition["description"] = answer.description
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the knobs of another format become: fields of the body, and text for the system prompt."""

    fields: Json
    system: str = ""


def most_tokens(options: Options, family: Family, losses: list[Loss]) -> int | None:
    """The longest answer, as long as the model gives one."""
    most = options.max_tokens
    if most is not None and family.most_tokens and most > family.most_tokens:
        losses.append(Loss("max tokens", f"this model writes {family.most_tokens} at most"))
        return family.most_tokens
    return most


def rendered_options(
    options: Options, answer: AnswerFormat | None, family: Family, thinking: tuple[Json, Json], losses: list[Loss]
) -> Wishes:
    """The knobs of another format; `thinking` is what `rendered_thinking` gave. Raises Untranslatable for `n` > 1."""
    if (options.candidates or 1) > 1:
        raise Untranslatable(f"Converse gives one answer a request, not {options.candidates}; ask for one")
    losses += [Loss(name.replace("_", " "), why) for name, why in MISSING.items() if getattr(options, name)]
    more, output = dict(thinking[0]), dict(thinking[1])
    inference, top_k = _sampling(options, family, binds(more), losses)
    _put(more, family.top_k, top_k)
    system = ""
    if answer is not None:
        system = _answer_wish(answer, family, output, losses)
    fields: Json = {"inferenceConfig": inference, "additionalModelRequestFields": more, "outputConfig": output}
    tier = options.service_tier
    if tier in TIERS:
        fields["serviceTier"] = {"type": TIERS[tier]}
    elif tier not in (None, "auto"):
        losses.append(Loss("service tier", "Bedrock has none of that name"))
    if family.claude is not None and options.stop:
        fields["additionalModelResponseFieldPaths"] = [STOP_SEQUENCE]
    return Wishes({key: value for key, value in fields.items() if value}, system)


def _sampling(options: Options, family: Family, thinks: bool, losses: list[Loss]) -> tuple[Json, int | None]:
    """The `inferenceConfig`, and top_k, without what cannot be said together."""
    inference, top_k = _inference(options), options.top_k
    most = most_tokens(options, family, losses)
    if most is not None:
        inference["maxTokens"] = max(1, most)
    stops = [word for word in options.stop if word.strip()][:MOST_STOPS]
    if len(stops) < len(options.stop):
        losses.append(Loss("stop sequences", f"Converse takes {MOST_STOPS}, and none of blanks only"))
        inference["stopSequences"] = stops
        inference = {key: value for key, value in inference.items() if value != []}
    if inference.get("temperature", 0) > 1:
        inference["temperature"] = 1
        losses.append(Loss("temperature", "Converse's ends at 1"))
    refused = _refused(family, thinks, inference)
    for key, why in refused.items():
        if inference.pop(key, None) is not None:
            losses.append(Loss({"topP": "top_p", "maxTokens": "max tokens"}.get(key, key), why))
    if top_k is not None and (not family.top_k or "topK" in refused):
        losses.append(Loss("top_k", refused.get("topK", "this model has none")))
        top_k = None
    return inference, top_k


def _refused(family: Family, thinks: bool, inference: Json) -> dict[str, str]:
    """Which of them this model refuses now, and why."""
    claude = family.claude
    if claude is not None and not claude.sampling:
        return dict.fromkeys(("temperature", "topP", "topK"), "this model refuses it")
    if claude is not None and thinks:
        return dict.fromkeys(("temperature", "topP", "topK"), "it cannot be set while the model thinks")
    if claude is not None and not claude.temperature_with_top_p and "temperature" in inference:
        return {"topP": "this model takes temperature or top_p, not both"}
    if family.thinks is Thinks.NOVA and thinks:
        return dict.fromkeys(("maxTokens", "temperature", "topP", "topK"), "it cannot be set while Nova thinks hard")
    return {}


def _put(more: Json, place: tuple[str, ...], value: int | None) -> None:
    if value is None or not place:
        return
    *groups, key = place
    for group in groups:
        more = more.setdefault(group, {})
    more[key] = value


def _answer_wish(answer: AnswerFormat, family: Family, output: Json, losses: list[Loss]) -> str:
    """The form of the answer into `output`; where the model is not held to one, as words for the system prompt."""
    if answer.schema is None:
        losses.append(Loss("JSON mode", "Converse has none; the system prompt asks for it"))
        return JSON_WISH
    if not family.schemas:
        losses.append(Loss("answer schema", "this model is not held to one; the system prompt asks for it"))
        return f"{JSON_WISH} It has to fit this JSON schema:\n{write_json(answer.schema).decode()}"
    schema, lost = fitted_schema(answer.schema, CONVERSE, strict=True)
    losses.extend(lost)
    output["textFormat"] = _text_format(answer, schema)
    return ""
