"""A request of our own, not an agent's."""

from __future__ import annotations

from dataclasses import dataclass

from ringlet_mitm.addons.outbound import METHODS, NO_METHODS
from ringlet_mitm.addons.wire.canonical import Conversation
from ringlet_mitm.addons.wire.codec import write_json
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.rules.providers import ProviderSpec
from ringlet_mitm.rules.shapes import Headers, WireFormat

# Where the proxy, and the vendor whose format it is, take a model call.
PATHS: dict[WireFormat, str] = {
    WireFormat.MESSAGES: "/v1/messages",
    WireFormat.CHAT: "/v1/chat/completions",
    WireFormat.RESPONSES: "/v1/responses",
    WireFormat.GEMINI: "/v1beta/models/{model}:{method}",
}
HEADERS: Headers = ((b"content-type", b"application/json"), (b"user-agent", b"ringlet-mitm"))
FORMAT_HEADERS: dict[WireFormat, Headers] = {WireFormat.MESSAGES: ((b"anthropic-version", b"2023-06-01"),)}


@dataclass(frozen=True, slots=True)
class Question:
    """A model call, ready to be sent to the proxy or to be routed."""

    format: WireFormat
    path: str
    headers: Headers
    body: bytes


def format_for(spec: ProviderSpec, model: str) -> WireFormat:
    """What to ask for a model in, so that its provider is sent its preferred format.

    That one where agents speak it; else (Ollama, Bedrock) one that the provider does not speak, and it is translated.
    """
    formats = spec.formats_for(model)
    return formats[0] if formats[0] in PATHS else next(other for other in PATHS if other not in formats)


def question(conversation: Conversation, wire_format: WireFormat, name: str = "") -> Question:
    """`conversation` in a format that agents speak; `name` is the model to ask for where that is another than meant."""
    method, query = METHODS.get(wire_format, NO_METHODS)[conversation.stream]
    model = name or conversation.model
    path = PATHS[wire_format].replace("{method}", method).replace("{model}", model) + query
    body = CODECS[wire_format].render_request(conversation).body
    if "model" in body:
        body = {**body, "model": model}
    return Question(wire_format, path, (*HEADERS, *FORMAT_HEADERS.get(wire_format, ())), write_json(body))
