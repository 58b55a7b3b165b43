"""Errors in vendors' words: their error objects as `ProviderError`, and ours in the agent's own format.

The kinds are decided by what the error object says first, and by the HTTP status where it says nothing known. Sources:
Anthropic API "Errors", OpenAI "Error codes", Gemini API "Troubleshooting", Groq "Error codes", Bedrock's Converse,
"Errors"; accessed 2026-11-21.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ringlet_mitm.addons.wire.sse import SseEvent, render
from ringlet_mitm.rules.failures import FailureKind, ProviderError
from ringlet_mitm.rules.shapes import WireFormat

BODY_LIMIT = 1024 * 1024

# A vendor's type, code or status, in lower case -> our kind. More telling than the HTTP status that comes with it.
WORDS: dict[str, FailureKind] = {
    "rate_limit_error": FailureKind.RATE_LIMITED,
    "rate_limit_exceeded": FailureKind.RATE_LIMITED,
    "too_many_requests": FailureKind.RATE_LIMITED,
    "resource_exhausted": FailureKind.RATE_LIMITED,
    "overloaded_error": FailureKind.OVERLOADED,
    "server_overloaded": FailureKind.OVERLOADED,
    "engine_overloaded": FailureKind.OVERLOADED,
    "server_is_overloaded": FailureKind.OVERLOADED,
    "service_unavailable_error": FailureKind.OVERLOADED,
    "slow_down": FailureKind.OVERLOADED,
    "unavailable": FailureKind.OVERLOADED,
    "insufficient_quota": FailureKind.QUOTA,
    "billing_error": FailureKind.QUOTA,
    "billing_hard_limit_reached": FailureKind.QUOTA,
    "insufficient_balance": FailureKind.QUOTA,
    "credit_balance_exhausted": FailureKind.QUOTA,
    "organization_spend_limit_exceeded": FailureKind.QUOTA,
    "project_spend_limit_exceeded": FailureKind.QUOTA,
    "organization_usage_limit_exceeded": FailureKind.QUOTA,
    "usage_limit_reached": FailureKind.QUOTA,
    "usage_not_included": FailureKind.QUOTA,
    "authentication_error": FailureKind.AUTH,
    "permission_error": FailureKind.AUTH,
    "invalid_api_key": FailureKind.AUTH,
    "unauthenticated": FailureKind.AUTH,
    "permission_denied": FailureKind.AUTH,
    "model_not_found": FailureKind.NO_SUCH_MODEL,
    "model_decommissioned": FailureKind.NO_SUCH_MODEL,
    "context_length_exceeded": FailureKind.CONTEXT_WINDOW,
    "exceed_context_size_error": FailureKind.CONTEXT_WINDOW,
    "request_too_large": FailureKind.CONTEXT_WINDOW,
    "timeout_error": FailureKind.TIMED_OUT,
    "deadline_exceeded": FailureKind.TIMED_OUT,
    "api_error": FailureKind.SERVER_ERROR,
    "server_error": FailureKind.SERVER_ERROR,
    "internal_server_error": FailureKind.SERVER_ERROR,
    "internal": FailureKind.SERVER_ERROR,
    "aborted": FailureKind.SERVER_ERROR,  # Google's 409: what ran at the same time was in the way
    "throttlingexception": FailureKind.RATE_LIMITED,
    "serviceunavailableexception": FailureKind.OVERLOADED,
    "modelnotreadyexception": FailureKind.OVERLOADED,
    "accessdeniedexception": FailureKind.AUTH,
    "unrecognizedclientexception": FailureKind.AUTH,
    "resourcenotfoundexception": FailureKind.NO_SUCH_MODEL,
    "modeltimeoutexception": FailureKind.TIMED_OUT,
    "internalserverexception": FailureKind.SERVER_ERROR,
    "modelstreamerrorexception": FailureKind.SERVER_ERROR,
    "modelerrorexception": FailureKind.SERVER_ERROR,
}

# Said only in the text, with a type that says nothing (Anthropic: invalid_request_error). "Exceeded your current quota"
# is not among them: OpenAI means the account and says so in its code, Google also means the requests of this minute.
PHRASES: dict[str, FailureKind] = {
    "prompt is too long": FailureKind.CONTEXT_WINDOW,
    "maximum context length": FailureKind.CONTEXT_WINDOW,
    "exceeds the maximum number of tokens": FailureKind.CONTEXT_WINDOW,
    "input is too long for requested model": FailureKind.CONTEXT_WINDOW,
    "exceeds the context window": FailureKind.CONTEXT_WINDOW,
    "exceed context limit": FailureKind.CONTEXT_WINDOW,
    "exceeds the available context size": FailureKind.CONTEXT_WINDOW,
    "extra usage is required for long context": FailureKind.CONTEXT_WINDOW,
    "provided model identifier is invalid": FailureKind.NO_SUCH_MODEL,
    "no capacity available for model": FailureKind.OVERLOADED,
    "your input was flagged": FailureKind.REFUSED_REQUEST,
    "credit balance is too low": FailureKind.QUOTA,
    "api key not valid": FailureKind.AUTH,
}

STATUSES: dict[int, FailureKind] = {
    401: FailureKind.AUTH,
    402: FailureKind.QUOTA,
    403: FailureKind.AUTH,
    404: FailureKind.NO_SUCH_MODEL,
    408: FailureKind.TIMED_OUT,
    413: FailureKind.CONTEXT_WINDOW,
    429: FailureKind.RATE_LIMITED,
    502: FailureKind.UNREACHABLE,
    503: FailureKind.OVERLOADED,
    504: FailureKind.TIMED_OUT,
    524: FailureKind.TIMED_OUT,
    529: FailureKind.OVERLOADED,
}


def classify(status: int, error: ProviderError | None) -> FailureKind:
    """Our name for a failed answer. Inside a stream, whose status is 200, a code that is a number is the status."""
    if error is not None:
        said = error.message.lower()
        for phrase, kind in PHRASES.items():
            if phrase in said:
                return kind
        for word in (error.code, error.type):
            if word and word.lower() in WORDS:
                return WORDS[word.lower()]
        if status < 400 and error.code and error.code.isascii() and error.code.isdigit() and len(error.code) == 3:
            status = int(error.code)
    if status in STATUSES:
        return STATUSES[status]
    return FailureKind.REFUSED_REQUEST if 400 <= status < 500 else FailureKind.SERVER_ERROR


def parse_error(body: bytes) -> ProviderError | None:
    """The error that a body of any vendor tells of; None where it is none."""
    try:
        said = json.loads(body[:BODY_LIMIT])
    except (ValueError, RecursionError):
        return None
    return error_in(said)


def error_in(said: Any) -> ProviderError | None:
    """The same of parsed JSON. Gemini wraps it in a list when it streams; some gateways send `error` as plain text."""
    if isinstance(said, list) and said:
        said = said[0]
    if not isinstance(said, dict):
        return None
    found = said.get("error")
    if not found:
        return _bare(said)
    if isinstance(found, str):
        return ProviderError("error", found)
    if not isinstance(found, dict):
        return None
    kind = found.get("status") or found.get("type") or "error"
    code = found.get("code")
    return ProviderError(str(kind), str(found.get("message", "")), None if code is None else str(code))


def _bare(said: dict[str, Any]) -> ProviderError | None:
    """AWS's: a text with nothing around it, its type in `__type` or only in a header."""
    text = said.get("message", said.get("Message"))
    if not isinstance(text, str) or said.keys() - BARE:
        return None
    return ProviderError(str(said.get("__type") or "error").rpartition("#")[2], text)


BARE = {"message", "Message", "__type", "originalStatusCode", "originalMessage", "resourceName"}


# Our kind in each format's words: status, type, code. The agent's retries and its compaction hang on them.
SAID: dict[FailureKind, dict[str, tuple[int, str, str | None]]] = {
    FailureKind.RATE_LIMITED: {
        "anthropic": (429, "rate_limit_error", None),
        "openai": (429, "rate_limit_error", "rate_limit_exceeded"),
        "gemini": (429, "RESOURCE_EXHAUSTED", None),
    },
    FailureKind.OVERLOADED: {
        "anthropic": (529, "overloaded_error", None),
        "openai": (503, "server_error", "server_is_overloaded"),
        "gemini": (503, "UNAVAILABLE", None),
    },
    FailureKind.SERVER_ERROR: {
        "anthropic": (500, "api_error", None),
        "openai": (500, "server_error", "server_error"),
        "gemini": (500, "INTERNAL", None),
    },
    FailureKind.UNREACHABLE: {
        "anthropic": (502, "api_error", None),
        "openai": (502, "server_error", "server_error"),
        "gemini": (503, "UNAVAILABLE", None),
    },
    FailureKind.BROKEN_STREAM: {
        "anthropic": (502, "api_error", None),
        "openai": (502, "server_error", "server_error"),
        "gemini": (500, "INTERNAL", None),
    },
    FailureKind.TIMED_OUT: {
        "anthropic": (504, "timeout_error", None),
        "openai": (504, "server_error", "timeout"),
        "gemini": (504, "DEADLINE_EXCEEDED", None),
    },
    FailureKind.AUTH: {
        "anthropic": (401, "authentication_error", None),
        "openai": (401, "invalid_request_error", "invalid_api_key"),
        "gemini": (401, "UNAUTHENTICATED", None),
    },
    FailureKind.QUOTA: {
        "anthropic": (402, "billing_error", None),
        "openai": (429, "insufficient_quota", "insufficient_quota"),
        "gemini": (429, "RESOURCE_EXHAUSTED", None),
    },
    FailureKind.NO_SUCH_MODEL: {
        "anthropic": (404, "not_found_error", None),
        "openai": (404, "invalid_request_error", "model_not_found"),
        "gemini": (404, "NOT_FOUND", None),
    },
    FailureKind.CONTEXT_WINDOW: {
        "anthropic": (400, "invalid_request_error", None),
        "openai": (400, "invalid_request_error", "context_length_exceeded"),
        "gemini": (400, "INVALID_ARGUMENT", None),
    },
    FailureKind.REFUSED_REQUEST: {
        "anthropic": (400, "invalid_request_error", None),
        "openai": (400, "invalid_request_error", None),
        "gemini": (400, "INVALID_ARGUMENT", None),
    },
}
FAMILIES = {
    WireFormat.MESSAGES: "anthropic",
    WireFormat.CHAT: "openai",
    WireFormat.RESPONSES: "openai",
    WireFormat.GEMINI: "gemini",
}
# Agents look for these words in the text, and shorten their conversation when they find them.
TOO_LONG = {
    "anthropic": "prompt is too long",
    "openai": "maximum context length",
    "gemini": "exceeds the maximum number of tokens",
}


def in_words_of(wire_format: WireFormat, status: int, error: ProviderError | None) -> tuple[int, ProviderError]:
    """A provider's error as the agent's own vendor would say it; the provider's text is kept."""
    kind = classify(status, error)
    family = FAMILIES[wire_format]
    said, kind_word, code = SAID.get(kind, SAID[FailureKind.SERVER_ERROR])[family]
    text = (error.message if error else "") or f"the provider answered with status {status}"
    if kind is FailureKind.CONTEXT_WINDOW and TOO_LONG[family] not in text.lower():
        text = f"{TOO_LONG[family]}: {text}"
    if kind is FailureKind.AUTH and status == 403:
        said = 403
        kind_word = {"anthropic": "permission_error", "gemini": "PERMISSION_DENIED"}.get(family, kind_word)
    return said, ProviderError(kind_word, text, code)


def own_words(wire_format: WireFormat, kind: FailureKind, text: str) -> tuple[int, ProviderError]:
    """What we say ourselves of a failure of that kind, as the agent's own vendor would."""
    status, word, code = SAID[kind][FAMILIES[wire_format]]
    return status, ProviderError(word, text, code)


def _anthropic(status: int, error: ProviderError) -> dict[str, Any]:
    return {"type": "error", "error": {"type": error.type, "message": error.message}}


def _openai(status: int, error: ProviderError) -> dict[str, Any]:
    return {"error": {"message": error.message, "type": error.type, "param": None, "code": error.code}}


GEMINI_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"} | {
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _gemini(status: int, error: ProviderError) -> dict[str, Any]:
    word = GEMINI_STATUS.get(status, "UNKNOWN")
    return {"error": {"code": status, "message": error.message, "status": word}}


BODIES: dict[WireFormat, Callable[[int, ProviderError], dict[str, Any]]] = {
    WireFormat.MESSAGES: _anthropic,
    WireFormat.CHAT: _openai,
    WireFormat.RESPONSES: _openai,
    WireFormat.GEMINI: _gemini,
}


def error_body(wire_format: WireFormat, status: int, error: ProviderError) -> bytes:
    """The body of an error answer in the agent's format."""
    return json.dumps(BODIES[wire_format](status, error)).encode()


def error_event(wire_format: WireFormat, status: int, error: ProviderError) -> bytes:
    """The event that ends a stream with an error, in the agent's format."""
    if wire_format is WireFormat.RESPONSES:
        told = {"code": error.code or error.type, "message": error.message, "param": None}
        data = {"type": "error", **told, "sequence_number": 0}
        return render(SseEvent("error", json.dumps(data).encode()))
    name = "error" if wire_format is WireFormat.MESSAGES else ""
    return render(SseEvent(name, error_body(wire_format, status, error)))
