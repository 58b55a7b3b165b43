"""A request to explain, from a file: one captured whole, or a body alone with what can be told from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.peek import AgentRequest, Headers
from ringlet_mitm.rules.shapes import WireFormat, format_of

PATHS = {
    WireFormat.MESSAGES: "/v1/messages",
    WireFormat.CHAT: "/v1/chat/completions",
    WireFormat.RESPONSES: "/v1/responses",
    WireFormat.GEMINI: "/v1beta/models/{model}:generateContent",
}
# Keys that only one format has, at the top of a body; first found, first believed.
TELLING_KEYS = {
    "contents": WireFormat.GEMINI,
    "input": WireFormat.RESPONSES,
    "system": WireFormat.MESSAGES,
    "anthropic_version": WireFormat.MESSAGES,
    "max_completion_tokens": WireFormat.CHAT,
    "stream_options": WireFormat.CHAT,
    "messages": WireFormat.CHAT,
}


def read_request(
    raw: bytes, name: str, hosts: Mapping[WireFormat, str], path: str = "", host: str = "", headers: Headers = ()
) -> AgentRequest:
    """The request in a file called `name`. `path` and `host` win over a capture's, `headers` are added to them.

    `hosts` says where each format's requests go that name no host. Raises UsageError.
    """
    found = _parsed(raw)
    capture = found if _is_capture(found) else {}
    body = _body(capture["body"]) if capture else raw
    content = capture["body"] if capture else found
    path = path or _text(capture, "path", name) or _usual_path(content, name)
    wire_format = format_of("POST", path)
    if wire_format is None:
        ends = ", ".join(known.partition("{model}")[2] or known for known in PATHS.values())
        raise UsageError(f"{path} is not the path of a model call; those end in {ends}")
    return AgentRequest(
        format=wire_format,
        method="POST",
        scheme="https",
        host=host or _text(capture, "host", name) or hosts[wire_format],
        port=443,
        path=path,
        headers=(*_headers(capture, name), *headers),
        body=body,
    )


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _is_capture(found: Any) -> bool:
    return isinstance(found, dict) and "body" in found and ("path" in found or "headers" in found)


def _body(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _text(capture: Mapping[str, Any], key: str, name: str) -> str:
    value = capture.get(key) or ""
    if not isinstance(value, str):
        raise UsageError(f"{name}: '{key}' has to be text")
    return value


def _headers(capture: Mapping[str, Any], name: str) -> Headers:
    pairs = capture.get("headers") or []
    pairs = list(pairs.items()) if isinstance(pairs, dict) else pairs
    try:
        return tuple((key.encode(), value.encode()) for key, value in pairs)
    except (TypeError, ValueError, AttributeError):
        raise UsageError(f"{name}: 'headers' has to be a list of [name, value]") from None


def _usual_path(body: Any, name: str) -> str:
    """The path that a body would have been sent to, as far as the body tells."""
    if not isinstance(body, dict):
        raise UsageError(
            f"{name} is not a JSON object, so it does not tell its wire format; give --path, as in --path /v1/messages"
        )
    wire_format = next((known for key, known in TELLING_KEYS.items() if key in body), None)
    if wire_format is None:
        raise UsageError(f"{name} does not tell its wire format; give --path, as in --path /v1/messages")
    if wire_format is WireFormat.CHAT and _looks_like_messages(body):
        wire_format = WireFormat.MESSAGES
    model = body.get("model")
    if wire_format is WireFormat.GEMINI and not model:
        raise UsageError(f"{name} does not name its model; give --path /v1beta/models/MODEL:generateContent")
    return PATHS[wire_format].replace("{model}", str(model))


def _looks_like_messages(body: Mapping[str, Any]) -> bool:
    """Messages without a system prompt: its tools carry `input_schema`, its model is mostly a Claude."""
    tools = body.get("tools")
    first = tools[0] if isinstance(tools, list) and tools else None
    if isinstance(first, dict):
        return "input_schema" in first
    return "max_tokens" in body and str(body.get("model", "")).startswith("claude")
