"""The response object around an answer's items: what the SDKs' types require, and the request's own settings again.

Source: OpenAI "The response object", accessed 2026-11-21.
"""

from __future__ import annotations

import re

from ringlet_mitm.addons.wire.canonical import Json, Stop
from ringlet_mitm.addons.wire.codec import AnswerContext, Untranslatable
from ringlet_mitm.addons.wire.responses.marks import FORMAT
from ringlet_mitm.addons.wire.responses.request import settings_of
from ringlet_mitm.addons.wire.stops import stop_word
from ringlet_mitm.addons.wire.usage_rendering import rendered_usage
from ringlet_mitm.rules.pricing import Usage

COMPLETED = "completed"
INCOMPLETE = "incomplete"
IN_PROGRESS = "in_progress"
FAILED = "failed"
_PREFIX = "resp_"
_LONGEST_STEM = 40
# What stands in an answer where the request does not say it.
_DEFAULTS: Json = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def answer_id(found: str, context: AnswerContext) -> str:
    """The id of an answer; other vendors' get the beginning that they have here."""
    name = found or context.id
    return name if name.startswith(_PREFIX) else _PREFIX + name


def stem(name: str) -> str:
    """What the ids of an answer's items have in common: of characters and of a length that OpenAI takes."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name.removeprefix(_PREFIX))[:_LONGEST_STEM]


def envelope(context: AnswerContext, name: str, model: str, created: int | None) -> Json:
    """A response object without output, in progress."""
    try:
        settings = settings_of(context.conversation)
    except Untranslatable:  # not a request that Responses could hold; the answer is written all the same
        settings = {}
    repeated = {key: value for key, value in settings.items() if key in _DEFAULTS and value is not None}
    return (
        _DEFAULTS
        | repeated
        | {"service_tier": _DEFAULTS["service_tier"]}
        | {
            "id": name,
            "object": "response",
            "created_at": context.created if created is None else created,
            "model": model or context.model,
            "status": IN_PROGRESS,
            "error": None,
            "incomplete_details": None,
            "output": [],
            "usage": None,
        }
    )


def ending(stop: Stop) -> Json:
    """The status of an answer that stopped so."""
    word = stop_word(stop, FORMAT)
    if word == COMPLETED:
        return {"status": COMPLETED}
    return {"status": INCOMPLETE, "incomplete_details": {"reason": word}}


def usage_of(usage: Usage | None, context: AnswerContext) -> Json | None:
    """The figures; our estimate where the provider gave none, so that an agent sees its context fill."""
    if usage is None and context.estimated_input:
        usage = Usage(input_tokens=context.estimated_input)
    return None if usage is None else rendered_usage(FORMAT, usage)
