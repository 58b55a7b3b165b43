"""Tools and tool choice, both ways; namespaces are groups of tools, tools of the vendor's own pass as they are.

Sources: OpenAI "Function calling", "Custom tools", "Web search", ToolChoice; what Codex CLI 0.169 sends; accessed
2026-11-21.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Json,
    ServerTool,
    ServerToolKind,
    Tool,
    ToolChoice,
)
from ringlet_mitm.addons.wire.responses.marks import FORMAT, Losses, own, public, rest, said, string
from ringlet_mitm.addons.wire.schemas import fitted_schema

NAMESPACE = "namespace"
# Under this key a tool of a namespace keeps the namespace's own fields (its description). It never reaches the wire.
_GROUP = " namespace"
_FUNCTION = frozenset({"type", "name", "description", "parameters", "strict"})
_CUSTOM = frozenset({"type", "name", "description", "format"})
_NAMESPACE = frozenset({"type", "name", "tools"})
_SERVER_KINDS = {
    "web_search": ServerToolKind.WEB_SEARCH,
    "web_search_2025_08_26": ServerToolKind.WEB_SEARCH,
    "web_search_preview": ServerToolKind.WEB_SEARCH,
    "web_search_preview_2025_03_11": ServerToolKind.WEB_SEARCH,
    "code_interpreter": ServerToolKind.CODE_EXECUTION,
}
_LOCATION = ("city", "country", "region", "timezone")


def parse_tools(tools: Any) -> tuple[Tool | ServerTool, ...]:
    """The tools of a list, those of namespaces one by one."""
    found: list[Tool | ServerTool] = []
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, dict):
            found.extend(_parse_entry(tool))
    return tuple(found)


def _parse_entry(tool: Json) -> Iterable[Tool | ServerTool]:
    inside = tool.get("tools")
    if tool.get("type") != NAMESPACE or not isinstance(inside, list) or not string(tool, "name"):
        return (_parse_tool(tool),)
    group = rest(tool, _NAMESPACE)
    found = [_parse_tool(one, tool["name"], group) for one in inside if isinstance(one, dict)]
    return found or (ServerTool(ServerToolKind.OTHER, FORMAT, tool),)


def _parse_tool(tool: Json, namespace: str = "", group: Json | None = None) -> Tool | ServerTool:
    kind, name = tool.get("type"), string(tool, "name")
    extra = {} if group is None else {_GROUP: group}
    if kind == "function" and name:
        return _parse_function(tool, namespace, extra)
    if kind == "custom" and name:
        return _parse_custom(tool, namespace, extra)
    known = _SERVER_KINDS.get(kind) if isinstance(kind, str) else None
    return ServerTool(known or ServerToolKind.OTHER, FORMAT, tool)


def _parse_function(tool: Json, namespace: str, extra: Json) -> Tool:
    left = rest(tool, _FUNCTION)
    schema, strict = tool.get("parameters"), tool.get("strict")
    if "parameters" in tool and not isinstance(schema, dict):
        left["parameters"] = schema
    if "strict" in tool and not isinstance(strict, bool):
        left["strict"] = strict
    return Tool(
        tool["name"],
        _described(tool, left),
        schema if isinstance(schema, dict) else None,
        namespace=namespace,
        strict=strict if isinstance(strict, bool) else None,
        native=said(left | extra),
    )


def _parse_custom(tool: Json, namespace: str, extra: Json) -> Tool:
    left = rest(tool, _CUSTOM)
    grammar = tool.get("format")
    if "format" in tool and not isinstance(grammar, dict):
        left["format"] = grammar
    return Tool(
        tool["name"],
        _described(tool, left),
        kind=CallKind.CUSTOM,
        grammar=grammar if isinstance(grammar, dict) else None,
        namespace=namespace,
        native=said(left | extra),
    )


def _described(tool: Json, left: Json) -> str:
    description = string(tool, "description")
    if "description" in tool and not description:
        left["description"] = tool["description"]
    return description


def render_tools(tools: Iterable[Tool | ServerTool], losses: Losses) -> list[Json]:
    """The list of tools, neighbours of one namespace together."""
    entries: list[Json] = []
    for (namespace, group), members in groupby(tools, _group_of):
        written = [one for one in (_render_tool(member, losses) for member in members) if one is not None]
        if namespace and written:
            entry: Json = {"type": NAMESPACE, "name": namespace, "tools": written}
            entries.append(entry | ({"description": ""} if group is None else group))
        else:
            entries.extend(written)
    return entries


def _group_of(tool: Tool | ServerTool) -> tuple[str, Json | None]:
    if isinstance(tool, ServerTool):
        return "", None
    fields = own(tool.native)
    group = None if fields is None else fields.get(_GROUP)
    return tool.namespace, group if isinstance(group, dict) else None


def _render_tool(tool: Tool | ServerTool, losses: Losses) -> Json | None:
    if isinstance(tool, ServerTool):
        return dict(tool.data) if tool.format is FORMAT else _render_server_tool(tool, losses)
    entry: Json = {"type": tool.kind.value, "name": tool.name}
    if tool.description:
        entry["description"] = tool.description
    fields = own(tool.native)
    if tool.kind is CallKind.CUSTOM:
        entry |= {} if tool.grammar is None else {"format": dict(tool.grammar)}
    elif fields is not None:
        entry |= {} if tool.schema is None else {"parameters": tool.schema}
        entry |= {} if tool.strict is None else {"strict": tool.strict}
    else:
        entry |= _parameters(tool, losses)
    return entry | public(fields) if fields else entry


def _parameters(tool: Tool, losses: Losses) -> Json:
    """Left out, `strict` would be true where the schema allows it: not what another format's agent asked for."""
    strict = tool.strict is True
    schema, lost = fitted_schema(tool.schema, FORMAT, strict=strict)
    for loss in lost:
        losses.add(loss.what, loss.why)
    return {"parameters": schema, "strict": strict}


def _web_search(data: Mapping[str, Any], losses: Losses) -> Json:
    """Anthropic's `web_search_…` or Gemini's `googleSearch` as OpenAI's."""
    entry: Json = {"type": "web_search"}
    domains, place = data.get("allowed_domains"), data.get("user_location")
    if isinstance(domains, list) and domains:
        entry["filters"] = {"allowed_domains": domains}
    if isinstance(place, dict):
        entry["user_location"] = {"type": "approximate"} | {key: place[key] for key in _LOCATION if key in place}
    for key in ("blocked_domains", "max_uses"):
        if data.get(key):
            losses.add(f"web search {key}", "OpenAI's web search has no such setting")
    return entry


def _code_execution(data: Mapping[str, Any], losses: Losses) -> Json:
    return {"type": "code_interpreter", "container": {"type": "auto"}}


_SERVER_TOOLS: dict[ServerToolKind, Callable[[Mapping[str, Any], Losses], Json]] = {
    ServerToolKind.WEB_SEARCH: _web_search,
    ServerToolKind.CODE_EXECUTION: _code_execution,
}


def _render_server_tool(tool: ServerTool, losses: Losses) -> Json | None:
    writer = _SERVER_TOOLS.get(tool.kind)
    if writer is None:
        losses.add(tool.what, "OpenAI has no such tool")
        return None
    return writer(tool.data, losses)


_MODES = {"auto": ChoiceMode.AUTO, "required": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE}


def parse_choice(choice: Any) -> ToolChoice | None:
    """A tool choice; None where it is none that we know. One for a tool of the vendor's own is AUTO to others."""
    if isinstance(choice, str):
        return ToolChoice(_MODES[choice], native=said({})) if choice in _MODES else None
    if not isinstance(choice, dict):
        return None
    kind, name = choice.get("type"), string(choice, "name")
    if kind in ("function", "custom") and name:
        return ToolChoice(ChoiceMode.NAMED, (name,), said(choice))
    if kind == "allowed_tools" and isinstance(choice.get("tools"), list):
        allowed = (string(tool, "name") for tool in choice["tools"] if isinstance(tool, dict))
        mode = ChoiceMode.REQUIRED if choice.get("mode") == "required" else ChoiceMode.AUTO
        return ToolChoice(mode, tuple(name for name in allowed if name), said(choice))
    return ToolChoice(ChoiceMode.AUTO, (), said(choice))


def render_choice(choice: ToolChoice, tools: Iterable[Tool | ServerTool]) -> str | Json:
    """A tool choice as text or object; `tools` tells which of them are custom."""
    fields = own(choice.native)
    if fields:
        return dict(fields)
    custom = {tool.name for tool in tools if isinstance(tool, Tool) and tool.kind is CallKind.CUSTOM}
    named = [{"type": "custom" if name in custom else "function", "name": name} for name in choice.names]
    if choice.mode is ChoiceMode.NAMED:
        return named[0] if named else ChoiceMode.REQUIRED.value
    if named and choice.mode is not ChoiceMode.NONE:
        return {"type": "allowed_tools", "mode": choice.mode.value, "tools": named}
    return choice.mode.value
