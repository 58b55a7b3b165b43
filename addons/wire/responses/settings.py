"""Everything of a request but its messages and tools: read, and written bare, with what was said and no more.

Sources: OpenAI "Create a model response", accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import AnswerFormat, Conversation, Effort, Json, Options, Reasoning, Text
from ringlet_mitm.addons.wire.responses.marks import own, rest, said, string
from ringlet_mitm.addons.wire.responses.tools import render_choice

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
SAFETY = "safety_identifier"
USER = "user"
SUMMARIES = ("auto", "concise", "detailed")
_EFFORTS = {effort.value: effort for effort in Effort}
_SCHEMA = frozenset({"type", "name", "schema", "description", "strict"})
_FIGURE = (int, float)


def _number(found: Mapping[str, Any], key: str) -> float | None:
    value = found.get(key)
    return value if isinstance(value, _FIGURE) and not isinstance(value, bool) else None


def _count(found: Mapping[str, Any], key: str) -> int | None:
    value = found.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(found: Mapping[str, Any], key: str) -> bool | None:
    value = found.get(key)
    return value if isinstance(value, bool) else None


def parse_options(body: Mapping[str, Any]) -> Options:
    """The knobs. A user is said as `safety_identifier`, formerly as `user`."""
    text, include = body.get("text"), body.get("include")
    return Options(
        max_tokens=_count(body, "max_output_tokens"),
        temperature=_number(body, "temperature"),
        top_p=_number(body, "top_p"),
        logprobs=True if isinstance(include, list) and LOGPROBS in include else None,
        top_logprobs=_count(body, "top_logprobs"),
        user=string(body, SAFETY) or string(body, USER) or None,
        cache_key=string(body, "prompt_cache_key") or None,
        service_tier=string(body, "service_tier") or None,
        verbosity=(string(text, "verbosity") or None) if isinstance(text, dict) else None,
    )


def parse_reasoning(found: Any) -> Reasoning | None:
    """What is asked of thinking; a summary that is not asked for stays unsaid, the default of each vendor differs."""
    if not isinstance(found, dict):
        return None
    effort = _EFFORTS.get(string(found, "effort"))
    wanted = string(found, "summary") or string(found, "generate_summary")
    return Reasoning(effort, None, True if wanted in SUMMARIES else None, said(rest(found, frozenset({"effort"}))))


def parse_answer_format(text: Any) -> AnswerFormat | None:
    """The form of the answer; None for plain text."""
    found = text.get("format") if isinstance(text, dict) else None
    if not isinstance(found, dict):
        return None
    schema, strict = found.get("schema"), found.get("strict")
    if found.get("type") == "json_object":
        return AnswerFormat(native=said(rest(found, frozenset({"type"}))))
    if found.get("type") != "json_schema" or not isinstance(schema, dict):
        return None
    return AnswerFormat(
        schema,
        string(found, "name"),
        string(found, "description"),
        strict if isinstance(strict, bool) else None,
        said(rest(found, _SCHEMA)),
    )


def parse_settings(body: Mapping[str, Any]) -> Json:
    """Those fields of a Conversation that are neither messages nor tools, by their names."""
    instructions = string(body, "instructions")
    return {
        "model": string(body, "model"),
        "system": (Text(instructions),) if instructions else (),
        "parallel_calls": _flag(body, "parallel_tool_calls"),
        "reasoning": parse_reasoning(body.get("reasoning")),
        "answer_format": parse_answer_format(body.get("text")),
        "options": parse_options(body),
        "stream": body.get("stream") is True,
        "previous_id": string(body, "previous_response_id"),
        "store": _flag(body, "store"),
    }


def instructions(conversation: Conversation) -> str:
    """The system prompt as one text."""
    return "\n\n".join(block.text for block in conversation.system if isinstance(block, Text) and block.text)


def bare_settings(conversation: Conversation) -> Json:
    """What the conversation says, without anything that a vendor may require beyond."""
    options, choice = conversation.options, conversation.tool_choice
    asked: Json = {
        "model": conversation.model or None,
        "instructions": instructions(conversation) or None,
        "max_output_tokens": options.max_tokens,
        "temperature": options.temperature,
        "top_p": options.top_p,
        "top_logprobs": options.top_logprobs,
        SAFETY: options.user,
        "prompt_cache_key": options.cache_key,
        "service_tier": options.service_tier,
        "parallel_tool_calls": conversation.parallel_calls,
        "store": conversation.store,
        "previous_response_id": conversation.previous_id or None,
        "stream": conversation.stream or None,
        "tool_choice": None if choice is None else render_choice(choice, conversation.tools),
        "reasoning": _reasoning(conversation.reasoning),
        "text": _text(conversation),
    }
    return {key: value for key, value in asked.items() if value is not None}


def laid_over(written: Json, fields: Json) -> Json:
    """`written` with a conversation's leftovers; an agent that said `user` keeps to that word."""
    if USER in fields and SAFETY not in fields:
        written.pop(SAFETY, None)
    return written | fields


def _reasoning(found: Reasoning | None) -> Json | None:
    if found is None:
        return None
    fields = own(found.native)
    asked: Json = {} if found.effort is None else {"effort": found.effort.value}
    if fields is None and found.visible:
        asked["summary"] = "auto"
    return asked | (fields or {})


def _text(conversation: Conversation) -> Json | None:
    text: Json = {}
    if conversation.answer_format is not None:
        text["format"] = bare_format(conversation.answer_format)
    if conversation.options.verbosity is not None:
        text["verbosity"] = conversation.options.verbosity
    return text or None


def bare_format(found: AnswerFormat) -> Json:
    """The form of the answer, as it was said."""
    if found.schema is None:
        return {"type": "json_object"} | (own(found.native) or {})
    asked: Json = {"type": "json_schema", "schema": found.schema}
    if found.name:
        asked["name"] = found.name
    if found.description:
        asked["description"] = found.description
    if found.strict is not None:
        asked["strict"] = found.strict
    return asked | (own(found.native) or {})
