"""Requests in few words, for the tests of what reads them."""

from __future__ import annotations

import base64
import json
import struct
from functools import cache
from pathlib import Path
from typing import Any

from ringlet_mitm.rules.peek import AgentRequest, Peek, Unreadable, peek
from ringlet_mitm.rules.shapes import WireFormat, format_of

CAPTURES = Path(__file__).parent.parent / "fixtures" / "captures"
PATHS = {
    WireFormat.MESSAGES: "/v1/messages",
    WireFormat.CHAT: "/v1/chat/completions",
    WireFormat.RESPONSES: "/v1/responses",
    WireFormat.GEMINI: "/v1beta/models/gemini-3.8-flash:streamGenerateContent",
}
ENVELOPED = "/v1internal:streamGenerateContent?alt=sse"

Body = dict[str, Any]


def compact(body: Any) -> bytes:
    """As JSON.stringify and most agents write it."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def asked(
    wire_format: WireFormat, body: Any, *, path: str | None = None, headers: dict[str, str] | None = None
) -> AgentRequest:
    """A request with a body of bytes, or of anything that is written as JSON."""
    return AgentRequest(
        format=wire_format,
        method="POST",
        scheme="https",
        host="llm.example",
        port=443,
        path=path or PATHS[wire_format],
        headers=tuple((name.encode(), value.encode()) for name, value in (headers or {}).items()),
        body=body if isinstance(body, bytes) else compact(body),
    )


def host_as_provider(host: str) -> str:
    """A provider for each host, so that tests see which host was asked about."""
    return f"of {host}"


def seen(wire_format: WireFormat, body: Any, *, path: str | None = None, headers: dict[str, str] | None = None) -> Peek:
    """What peek makes of it; it must be readable."""
    found = peek(asked(wire_format, body, path=path, headers=headers), host_as_provider)
    assert isinstance(found, Peek), found
    return found


def unreadable(wire_format: WireFormat, body: bytes, *, path: str | None = None) -> bool:
    """Whether peek gives up on it."""
    return isinstance(peek(asked(wire_format, body, path=path), host_as_provider), Unreadable)


@cache
def captures() -> dict[str, AgentRequest]:
    """What real agents sent, by the file's name."""
    return {path.stem: captured(json.loads(path.read_text())) for path in sorted(CAPTURES.glob("*.json"))}


def captured(said: Body) -> AgentRequest:
    """A recorded request."""
    wire_format = format_of(said["method"], said["path"])
    assert wire_format is not None
    return AgentRequest(
        format=wire_format,
        method=said["method"],
        scheme="https",
        host=said["host"],
        port=443,
        path=said["path"],
        headers=tuple((name.encode(), value.encode()) for name, value in said["headers"]),
        body=compact(said["body"]),
    )


def png(width: int, height: int) -> str:
    """The beginning of a PNG of that size, in base64."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 6, 0, 0, 0)
    return base64.b64encode(head + bytes(4096)).decode()


def user(text: Any = "hi") -> Body:
    """What a person says, on all formats but Gemini."""
    return {"role": "user", "content": text}


def call(name: str = "t") -> Body:
    """A tool call on Chat."""
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": name}}]}


RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]}
RESULTS = {"role": "tool", "tool_call_id": "c", "content": "ok"}
USED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": {}}]}
ANSWERED = {"role": "user", "parts": [{"functionResponse": {"name": "n", "response": {"output": "ok"}}}]}
CALLED = {"role": "model", "parts": [{"functionCall": {"name": "n", "args": {}}}]}
CODEX_TOOLS = {
    "type": "additional_tools",
    "role": "developer",
    "tools": [
        {
            "type": "namespace",
            "name": "a",
            "tools": [{"type": "function", "name": "b"}, {"type": "custom", "name": "c"}],
        },
        {"type": "namespace", "name": "empty", "tools": []},
        {"type": "custom", "name": "d", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}},
        {"type": "web_search"},
    ],
}
