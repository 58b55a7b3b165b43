"""What an agent asks, and where it would go: decided and prepared without a proxy."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from ringlet_mitm.addons.outbound import Outbound, prepare
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.rules.peek import AgentRequest, Peek, peek
from ringlet_mitm.rules.providers import ProviderRegistry
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.rulebook import Route
from ringlet_mitm.rules.shapes import WireFormat, format_of
from ringlet_mitm.rules.targets import ProfilePin, Target, line_up

SCHEMA = {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]}
TOOL: dict[WireFormat, dict[str, Any]] = {
    WireFormat.MESSAGES: {"name": "Bash", "description": "Run it.", "input_schema": SCHEMA},
    WireFormat.CHAT: {"type": "function", "function": {"name": "Bash", "description": "Run it.", "parameters": SCHEMA}},
    WireFormat.RESPONSES: {"type": "function", "name": "Bash", "description": "Run it.", "parameters": SCHEMA},
}


@cache
def built_in() -> ProviderRegistry:
    """The providers that come with the program."""
    return ProviderRegistry.default()


def body_of(wire_format: WireFormat, model: str, *, text: str = "hello", tools: bool = False, **more: Any) -> Any:
    """A short request."""
    said: Any = [{"role": "user", "content": text}]
    body: dict[str, Any] = {"model": model, ("input" if wire_format is WireFormat.RESPONSES else "messages"): said}
    if wire_format is WireFormat.MESSAGES:
        body["max_tokens"] = 100
    if tools:
        body["tools"] = [TOOL[wire_format]]
    return body | more


def asking(url: str, model: str, **more: Any) -> AgentRequest:
    """A request to a URL, in the format of its path."""
    parts = urlsplit(url)
    wire_format = format_of("POST", parts.path)
    assert wire_format is not None
    body = json.dumps(body_of(wire_format, model, **more)).encode()
    return AgentRequest(wire_format, "POST", parts.scheme, parts.hostname or "", 443, parts.path, (), body)


def seen(request: AgentRequest, registry: ProviderRegistry | None = None) -> Peek:
    """What rules know of it."""
    found = peek(request, (registry or built_in()).by_host)
    assert isinstance(found, Peek)
    return found


def target(
    request: AgentRequest,
    route: Route,
    *,
    registry: ProviderRegistry | None = None,
    pin: ProfilePin | None = None,
) -> Target:
    """The first place that it is sent to."""
    registry = registry or built_in()
    return line_up(route, request, seen(request, registry).features, registry, pin)[0]


def sent(request: AgentRequest, route: Route, **more: Any) -> Outbound:
    """What leaves, without a key."""
    turn = Turn(request, seen(request, more.get("registry")), Decision("a rule", 0, route, None, 1.0))
    return prepare(turn, target(request, route, **more), replace_credentials=True)


def url_of(outbound: Outbound) -> str:
    """Where it goes."""
    port = "" if (outbound.scheme, outbound.port) in (("https", 443), ("http", 80)) else f":{outbound.port}"
    return f"{outbound.scheme}://{outbound.host}{port}{outbound.path}"
