"""Errors inside an answer: three shapes of them, and the HTTP status that fits.

{"type": "error", "code": …, "message": …}          OpenAI
{"type": "error", "error": {…}}                     gateways
{"type": "response.failed", "response": {"error": {"code": …, "message": …}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.faults import error_in, in_words_of
from ringlet_mitm.addons.wire.responses.marks import FORMAT, string
from ringlet_mitm.rules.failures import ProviderError

UNNAMED = ProviderError("server_error", "the provider failed without saying why", "server_error")


def error_of(told: Mapping[str, Any]) -> ProviderError:
    """The error that an event or a response tells of."""
    response = told.get("response")
    for place in (told, response if isinstance(response, dict) else {}):
        found = error_in(place)
        if found is not None:
            kind = found.code or found.type if found.type == "error" else found.type
            return ProviderError(kind, found.message, found.code)
    if not string(told, "message") and not string(told, "code"):
        return UNNAMED
    code = string(told, "code") or "server_error"
    return ProviderError(code, string(told, "message"), code)


def status_of(error: ProviderError) -> int:
    """The status that this error would have had as an answer of its own."""
    if (error.code or error.type).startswith("invalid_"):
        return 400
    status, _ = in_words_of(FORMAT, 200, error)
    return status
