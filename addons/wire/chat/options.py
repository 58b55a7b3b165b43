"""The knobs of a request, both ways: a table for those that are a number or a word, a function for each other.

Sources: OpenAI "Create chat completion" and "Reasoning models", Mistral "Chat" (`random_seed`), Qwen and vLLM
(`top_k`); accessed 2026-11-21.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import AnswerFormat, Conversation, Json, Options
from ringlet_mitm.addons.wire.chat.families import Family

LONGEST_USER = 64  # OpenAI: "Expected a string with maximum length 64", of user, safety_identifier, prompt_cache_key
MOST_STOPS = 4
REFUSED = "this model answers 400 to it"
TIERS = ("flex", "priority")
NO_TIER = ("", "auto", "default", "standard", "standard_only")


def whole_number(said: Any) -> int | None:
    """An integer, else None."""
    return said if type(said) is int else None


def _number(said: Any) -> float | None:
    return said if type(said) in (int, float) else None


def _text(said: Any) -> str | None:
    return said if isinstance(said, str) else None


def _truth(said: Any) -> bool | None:
    return said if isinstance(said, bool) else None


# Canonical name -> how its value is read, and Chat's names, the first one being what is written.
FIELDS: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "max_tokens": (whole_number, ("max_completion_tokens", "max_tokens")),
    "temperature": (_number, ("temperature",)),
    "top_p": (_number, ("top_p",)),
    "top_k": (whole_number, ("top_k",)),
    "seed": (whole_number, ("seed", "random_seed")),
    "presence_penalty": (_number, ("presence_penalty",)),
    "frequency_penalty": (_number, ("frequency_penalty",)),
    "logprobs": (_truth, ("logprobs",)),
    "top_logprobs": (whole_number, ("top_logprobs",)),
    "candidates": (whole_number, ("n",)),
    "user": (_text, ("user", "safety_identifier")),
    "cache_key": (_text, ("prompt_cache_key",)),
    "service_tier": (_text, ("service_tier",)),
    "verbosity": (_text, ("verbosity",)),
}
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")
PLAIN = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")


def read_options(body: Mapping[str, Any]) -> Options:
    """The knobs that have a canonical name."""
    found: Json = {}
    for name, (read, spellings) in FIELDS.items():
        values = (read(body[spelling]) for spelling in spellings if spelling in body)
        found[name] = next((value for value in values if value is not None), None)
    return Options(**found, stop=_stops(body.get("stop")))


def write_options(conversation: Conversation, family: Family, losses: dict[str, str]) -> Json:
    """The same in Chat, as far as this family takes them."""
    options = conversation.options
    written: Json = {}
    if options.max_tokens is not None:
        written["max_completion_tokens" if family.plans else "max_tokens"] = options.max_tokens
    for name in PLAIN:
        value = getattr(options, name)
        if value is None:
            continue
        if family.plans and name in SAMPLING:
            losses.setdefault(name, REFUSED)
        else:
            written[name] = value
    if written.get("top_logprobs") is not None:
        written.setdefault("logprobs", True)
    if options.top_k is not None:
        losses.setdefault("top_k", "Chat has no field for it")
    if options.seed is not None:
        written[family.seed] = options.seed
    if options.candidates is not None:
        written["n"] = options.candidates
    return {**written, **_write_stop(options.stop, family, losses), **_write_words(conversation, family, losses)}


def read_answer_format(body: Mapping[str, Any]) -> AnswerFormat | None:
    """The form of the answer; None for plain text."""
    said = body.get("response_format")
    if not isinstance(said, dict):
        return None
    if said.get("type") == "json_object":
        return AnswerFormat()
    inner = said.get("json_schema")
    if said.get("type") != "json_schema" or not isinstance(inner, dict) or not isinstance(inner.get("schema"), dict):
        return None
    return AnswerFormat(
        schema=inner["schema"],
        name=_text(inner.get("name")) or "",
        description=_text(inner.get("description")) or "",
        strict=_truth(inner.get("strict")),
    )


def write_answer_format(form: AnswerFormat | None) -> Json:
    """The field `response_format`."""
    if form is None:
        return {}
    if form.schema is None:
        return {"response_format": {"type": "json_object"}}
    inner: Json = {"name": form.name or "answer"}
    if form.description:
        inner["description"] = form.description
    inner["schema"] = form.schema
    if form.strict is not None:
        inner["strict"] = form.strict
    return {"response_format": {"type": "json_schema", "json_schema": inner}}


def short(text: str) -> str:
    """An id that OpenAI takes: itself, or its digest where it is too long."""
    if len(text) <= LONGEST_USER:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _stops(said: Any) -> tuple[str, ...]:
    if isinstance(said, str):
        return (said,)
    return tuple(one for one in said if isinstance(one, str)) if isinstance(said, list) else ()


def _write_stop(stops: tuple[str, ...], family: Family, losses: dict[str, str]) -> Json:
    if not stops:
        return {}
    if family.plans:
        losses.setdefault("stop sequences", REFUSED)
        return {}
    if len(stops) > MOST_STOPS:
        losses.setdefault("stop sequences", f"Chat takes {MOST_STOPS}, the others are left out")
    return {"stop": list(stops[:MOST_STOPS])}


def _write_words(conversation: Conversation, family: Family, losses: dict[str, str]) -> Json:
    """User, cache key, service tier and verbosity."""
    options = conversation.options
    written: Json = {}
    if options.user is not None and family.user:
        written["user"] = short(options.user)
        if written["user"] != options.user:
            losses.setdefault("user id", f"longer than {LONGEST_USER} characters, its digest is sent")
    elif options.user is not None:
        losses.setdefault("user id", REFUSED)
    key = options.cache_key or (options.user if conversation.cache is not None else None)
    if key is not None and family.cache_key:
        written["prompt_cache_key"] = short(key)
    elif options.cache_key is not None:
        losses.setdefault("prompt_cache_key", "this model's vendor finds its cache without it")
    if options.service_tier in TIERS and family.openai:
        written["service_tier"] = options.service_tier
    elif options.service_tier is not None and options.service_tier not in NO_TIER:
        losses.setdefault("service tier", "this model's vendor has no such tier")
    if options.verbosity is not None and family.plans:
        written["verbosity"] = options.verbosity
    elif options.verbosity is not None:
        losses.setdefault("verbosity", "this model cannot be asked for it")
    return written
