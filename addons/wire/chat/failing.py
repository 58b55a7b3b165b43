"""Errors inside a stream of Chat: four shapes of them, and the HTTP status that fits.

{"error": {…}}                                    OpenAI, OpenRouter, most others
{"choices": [{"error": {…}}]}                     OpenRouter, of the provider behind it
{"x_groq": {"error": "…"}}                        Groq
{"object": "error", "message": …}                 vLLM, Mistral
"""

from __future__ import annotations

from ringlet_mitm.addons.wire.canonical import Json
from ringlet_mitm.addons.wire.faults import error_in, in_words_of
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.shapes import WireFormat


def error_of(chunk: Json) -> ProviderError | None:
    """The error that a chunk tells of."""
    if chunk.get("error"):
        return error_in(chunk)
    if chunk.get("object") == "error":
        return error_in({"error": chunk})
    corner = chunk.get("x_groq")
    if isinstance(corner, dict) and corner.get("error"):
        return error_in(corner)
    choices = chunk.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return error_in(first) if isinstance(first, dict) and first.get("error") else None


def status_of(error: ProviderError) -> int:
    """The status that this error would have had as an answer of its own."""
    code = error.code or ""
    if len(code) == 3 and code.isascii() and code.isdigit() and code[0] in "45":
        return int(code)
    return in_words_of(WireFormat.CHAT, 200, error)[0]
