"""The knobs of a request: those that Messages has, both ways, and what other formats' become.

Anthropic has two API versions. 2026-10-21 answers 400 to `temperature`, `top_p` and `top_k` even at their defaults;
models since 4.7 do so under either version.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.anthropic.families import Family
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.canonical import AnswerFormat, Conversation, Json, Native, Options, Text, fields_of
from ringlet_mitm.addons.wire.codec import Untranslatable, write_json
from ringlet_mitm.addons.wire.schemas import fitted_schema
from ringlet_mitm.rules.shapes import WireFormat

HERE = WireFormat.MESSAGES
MAX_TOKENS = 32_000
SAMPLING = ("temperature", "top_p", "top_k")
FIRST_VERSION = "2023-06-01"
SECOND_VERSION = "2026-10-21"
# What others call a service tier; Anthropic's own words mean themselves.
TIERS = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only", "standard": "standard_only"}
TIERS |= {"priority": "auto"}
SESSION = "_session_"  # Claude Code before 2.1: user_HASH_account_UUID_session_UUID


def api_version(body: Json) -> str:
    """The `anthropic-version` that a request needs by what is in it: the first where only that one takes it."""
    return FIRST_VERSION if any(name in body for name in SAMPLING) else SECOND_VERSION


def _number(value: Any) -> Any:
    """A count or a share; None for what is neither."""
    return value if type(value) in (int, float) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int else None


def parse_options(body: Json) -> Options:
    """The knobs that a request has."""
    stop, tier, metadata = body.get("stop_sequences"), body.get("service_tier"), body.get("metadata")
    user = metadata.get("user_id") if isinstance(metadata, dict) else None
    user = user if isinstance(user, str) else None
    texts = isinstance(stop, list) and all(isinstance(item, str) for item in stop)
    return Options(
        max_tokens=_count(body.get("max_tokens")),
        temperature=_number(body.get("temperature")),
        top_p=_number(body.get("top_p")),
        top_k=_count(body.get("top_k")),
        stop=tuple(stop) if isinstance(stop, list) and texts else (),
        user=user,
        cache_key=session_in(user),
        service_tier=tier if isinstance(tier, str) else None,
    )


def session_in(user: str | None) -> str | None:
    """The session that Claude Code writes into the user's id."""
    if not user:
        return None
    if not user.startswith("{"):
        return user.partition(SESSION)[2] or None
    try:
        found = json.loads(user)
    except (ValueError, RecursionError):
        return None
    session = found.get("session_id") if isinstance(found, dict) else None
    return session if isinstance(session, str) and session else None


def render_options(options: Options) -> Json:
    """The same back."""
    known: Json = {"max_tokens": options.max_tokens, **{name: getattr(options, name) for name in SAMPLING}}
    known["stop_sequences"] = list(options.stop) or None
    known["metadata"] = None if options.user is None else {"user_id": options.user}
    known["service_tier"] = options.service_tier
    return {name: value for name, value in known.items() if value is not None}


def fitting_options(conversation: Conversation, family: Family, thinks: bool, losses: Losses) -> Options:
    """The knobs of another format's request; those that thinking or the model rules out are left out."""
    options = conversation.options
    if options.candidates is not None and options.candidates > 1:
        raise Untranslatable(
            f"{options.candidates} answers to one request are asked for (n, candidateCount); "
            "Anthropic's Messages gives one: ask for one, or route this request elsewhere"
        )
    for what in UNKNOWN:
        value = getattr(options, what)
        if value is not None and value is not False and not (value == 0 and what in PENALTIES):
            losses.note(what, "Messages has no such setting")
    stop = tuple(dict.fromkeys(text for text in options.stop if text.strip()))
    if len(stop) < len(options.stop):
        losses.note("stop sequence", "one of white space only is refused")
    tier = TIERS.get(options.service_tier) if options.service_tier is not None else None
    if options.service_tier is not None and tier is None:
        losses.note(f"service tier {options.service_tier}", "Messages has no such tier")
    kept = Options(max_tokens=fitting_length(options.max_tokens, family, losses), stop=stop, service_tier=tier)
    kept = replace(kept, user=options.user or None)
    return _sampled(kept, options, family, thinks, losses)


PENALTIES = ("presence_penalty", "frequency_penalty")
UNKNOWN = ("seed", *PENALTIES, "logprobs", "top_logprobs", "verbosity")


def fitting_length(asked: int | None, family: Family, losses: Losses) -> int:
    """`max_tokens`, which Messages requires and each model limits."""
    wanted = MAX_TOKENS if asked is None or asked < 1 else asked
    if not family.most_tokens or wanted <= family.most_tokens:
        return wanted
    if asked is not None:
        losses.note("max_tokens", f"this model writes {family.most_tokens} at most")
    return family.most_tokens


def _sampled(kept: Options, options: Options, family: Family, thinks: bool, losses: Losses) -> Options:
    """With temperature, top_p and top_k, as far as they are taken; one that would change nothing goes silently."""
    temperature, top_p, top_k = options.temperature, options.top_p, options.top_k
    top_k = top_k if top_k is not None and top_k > 0 else None
    if top_p is not None and not 0 <= top_p < 1:
        top_p = None
    if thinks or not family.sampling:
        why = "does not go with thinking" if thinks and family.sampling else "this model takes none"
        for name, value in (("temperature", temperature), ("top_p", top_p), ("top_k", top_k)):
            if value is not None and not (name == "temperature" and value == 1):
                losses.note(name, why)
        return kept
    if temperature is not None and not 0 <= temperature <= 1:
        losses.note("temperature", "it goes from 0 to 1 here")
        temperature = min(1.0, max(0.0, temperature))
    if temperature is not None and top_p is not None and not family.temperature_with_top_p:
        losses.note("top_p", "this model takes it or temperature, not both")
        top_p = None
    return replace(kept, temperature=temperature, top_p=top_p, top_k=top_k)


def parse_format(body: Json) -> AnswerFormat | None:
    """A JSON schema of the answer: `output_config.format`, or `output_format` as it was in beta."""
    config = body.get("output_config")
    found = config.get("format") if isinstance(config, dict) else None
    beta = found is None
    found = body.get("output_format") if beta else found
    schema = found.get("schema") if isinstance(found, dict) else None
    if not isinstance(found, dict) or found.get("type") != "json_schema" or not isinstance(schema, dict):
        return None
    left = {name: value for name, value in found.items() if name not in ("type", "schema")}
    left = {"output_format": found} if beta else left
    return AnswerFormat(schema, native=Native(HERE, left) if left else None)


def render_format(answer_format: AnswerFormat) -> tuple[str, Json]:
    """The same back: where it stands, and what."""
    left = fields_of(answer_format.native, HERE)
    if "output_format" in left:
        return "output_format", dict(left["output_format"])
    return "output_config", {"type": "json_schema", "schema": dict(answer_format.schema or {}), **left}


def fitting_format(
    answer_format: AnswerFormat | None, family: Family, losses: Losses
) -> tuple[AnswerFormat | None, Text | None]:
    """The form of another format's answer as one that the model is held to, or a text that asks for it."""
    if answer_format is None:
        return None, None
    if answer_format.schema is None:
        losses.note("JSON mode", "Messages holds to a schema or to nothing; the system prompt asks for JSON")
        return None, Text("Answer with a single JSON object and nothing else: no code fence, no words around it.")
    if not family.schemas:
        losses.note("answer schema", "this model is not held to one; the system prompt asks for it")
        schema = write_json(dict(answer_format.schema)).decode()
        return None, Text(
            "Answer with a single JSON value and nothing else: no code fence, no words around it. "
            f"It has to fit this JSON schema:\n{schema}"
        )
    schema_here, lost = fitted_schema(answer_format.schema, HERE, strict=True)
    losses.take(lost)
    return AnswerFormat(schema_here), None
