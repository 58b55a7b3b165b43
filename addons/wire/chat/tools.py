"""Tools and the choice among them, both ways; also the old `functions` and `function_call`.

Sources: OpenAI "Create chat completion" (tools, tool_choice, allowed_tools, web_search_options, functions), Mistral
"Chat" (`any`), Moonshot and Groq built-in tools; accessed 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Conversation,
    Json,
    ServerTool,
    ServerToolKind,
    Tool,
    ToolChoice,
)
from ringlet_mitm.addons.wire.chat.families import Family
from ringlet_mitm.addons.wire.chat.leftovers import is_own, leftovers, restored
from ringlet_mitm.addons.wire.chat.parts import read_mark, write_mark
from ringlet_mitm.addons.wire.schemas import fitted_schema
from ringlet_mitm.rules.shapes import Loss, WireFormat

CHAT = WireFormat.CHAT
SEARCH = "web_search_options"
MODES = {
    "auto": ChoiceMode.AUTO,
    "none": ChoiceMode.NONE,
    "required": ChoiceMode.REQUIRED,
    "any": ChoiceMode.REQUIRED,
}
SERVER_TOOLS = {
    "web_search": ServerToolKind.WEB_SEARCH,
    "browser_search": ServerToolKind.WEB_SEARCH,
    "openrouter:web_search": ServerToolKind.WEB_SEARCH,
    "web_fetch": ServerToolKind.WEB_FETCH,
    "code_interpreter": ServerToolKind.CODE_EXECUTION,
    "code_execution": ServerToolKind.CODE_EXECUTION,
}


def read_tools(body: Mapping[str, Any]) -> tuple[Tool | ServerTool, ...]:
    """All tools of a request."""
    tools: list[Tool | ServerTool] = [_tool(said) for said in _objects(body.get("tools"))]
    tools += [_tool({"type": "function", "function": said}) for said in _objects(body.get("functions"))]
    if isinstance(body.get(SEARCH), dict):
        tools.append(ServerTool(ServerToolKind.WEB_SEARCH, CHAT, {SEARCH: body[SEARCH]}))
    return tuple(tools)


def write_tools(conversation: Conversation, family: Family, losses: dict[str, str]) -> Json:
    """The fields `tools` and `web_search_options`."""
    written: list[Json] = []
    search: Json = {}
    only = _only(conversation, family)
    for tool in conversation.tools:
        if isinstance(tool, Tool):
            if only is None or tool.name in only:
                written.append(write_tool(tool, family, losses))
        elif tool.format is CHAT:
            search = dict(tool.data) if SEARCH in tool.data else search
            written += [] if SEARCH in tool.data else [dict(tool.data)]
        elif tool.kind is ServerToolKind.WEB_SEARCH and family.searches:
            search = {SEARCH: {}}
        else:
            losses.setdefault(tool.what, "a tool that its own vendor runs")
    return {**({"tools": written} if written else {}), **search}


def write_tool(tool: Tool, family: Family, losses: dict[str, str]) -> Json:
    """One tool that the agent offers."""
    written = _written(tool)
    if is_own(tool.native):
        return restored({**written, **write_mark(tool.cache)}, tool.native)
    if tool.kind is CallKind.FUNCTION:
        schema, lost = fitted_schema(tool.schema, CHAT, strict=bool(tool.strict))
        _count(lost, losses)
        written["function"]["parameters"] = schema
    return {**written, **write_mark(tool.cache)} if family.marks else written


def read_choice(body: Mapping[str, Any]) -> ToolChoice | None:
    """Which tools the model may or has to call."""
    said = body.get("tool_choice")
    if said is None:
        said = body.get("function_call")
        said = {"type": "function", "function": said} if isinstance(said, dict) else said
    if isinstance(said, str):
        return ToolChoice(MODES[said]) if said in MODES else None
    if not isinstance(said, dict):
        return None
    allowed = said.get("allowed_tools")
    if isinstance(allowed, dict):
        mode = ChoiceMode.REQUIRED if allowed.get("mode") == "required" else ChoiceMode.AUTO
        return ToolChoice(mode, tuple(name for one in _objects(allowed.get("tools")) if (name := _name(one))))
    name = _name(said)
    return ToolChoice(ChoiceMode.NAMED, (name,)) if name else None


def write_choice(conversation: Conversation, family: Family) -> Json:
    """The fields `tool_choice` and `parallel_tool_calls`; without tools both are refused."""
    tools = {tool.name: tool for tool in conversation.tools if isinstance(tool, Tool)}
    if not tools:
        return {}
    written: Json = {}
    if conversation.parallel_calls is not None:
        written["parallel_tool_calls"] = conversation.parallel_calls
    choice = conversation.tool_choice
    if choice is None:
        return written
    names = [name for name in choice.names if name in tools]
    if choice.mode is ChoiceMode.NAMED or (choice.mode is ChoiceMode.REQUIRED and len(names) == 1):
        if names:
            return {**written, "tool_choice": _reference(tools[names[0]])}
        return {**written, "tool_choice": "required"}
    if names and family.openai:
        allowed = {"mode": choice.mode.value, "tools": [_reference(tools[name]) for name in names]}
        return {**written, "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}}
    return {**written, "tool_choice": choice.mode.value}


def _tool(said: Json) -> Tool | ServerTool:
    kind = CallKind.CUSTOM if said.get("type") == "custom" else CallKind.FUNCTION
    inner = said.get(kind.value)
    if said.get("type") not in (None, kind.value) or not isinstance(inner, dict):
        return ServerTool(SERVER_TOOLS.get(str(said.get("type")), ServerToolKind.OTHER), CHAT, said)
    name, description, strict = inner.get("name"), inner.get("description"), inner.get("strict")
    schema = inner.get("parameters")
    tool = Tool(
        name=name if isinstance(name, str) else "",
        description=description if isinstance(description, str) else "",
        schema=schema if isinstance(schema, dict) else None,
        kind=kind,
        grammar=_grammar(inner.get("format")) if kind is CallKind.CUSTOM else None,
        strict=strict if isinstance(strict, bool) else None,
        cache=read_mark(said),
    )
    return replace(tool, native=leftovers(said, {**_written(tool), **write_mark(tool.cache)}))


def _written(tool: Tool) -> Json:
    inner: Json = {"name": tool.name}
    if tool.description:
        inner["description"] = tool.description
    if tool.kind is CallKind.CUSTOM:
        return {"type": "custom", "custom": {**inner, **({"format": _format(tool.grammar)} if tool.grammar else {})}}
    inner["parameters"] = tool.schema if tool.schema is not None else {"type": "object", "properties": {}}
    if tool.strict is not None:
        inner["strict"] = tool.strict
    return {"type": "function", "function": inner}


def _grammar(said: Any) -> Json | None:
    """Chat wraps in an object what Responses says flat."""
    if not isinstance(said, dict):
        return None
    inner = said.get("grammar")
    return {"type": "grammar", **inner} if isinstance(inner, dict) else said


def _format(grammar: Mapping[str, Any]) -> Json:
    if grammar.get("type") != "grammar":
        return dict(grammar)
    return {"type": "grammar", "grammar": {name: value for name, value in grammar.items() if name != "type"}}


def _only(conversation: Conversation, family: Family) -> frozenset[str] | None:
    """The tools to show where the choice is limited to some and only OpenAI has words for that; None for all."""
    choice = conversation.tool_choice
    limited = choice is not None and choice.names and choice.mode in (ChoiceMode.AUTO, ChoiceMode.REQUIRED)
    if choice is None or not limited or family.openai or is_own(conversation.native):
        return None
    known = {tool.name for tool in conversation.tools if isinstance(tool, Tool)}
    return frozenset(choice.names) if known.intersection(choice.names) else None


def _reference(tool: Tool) -> Json:
    return {"type": tool.kind.value, tool.kind.value: {"name": tool.name}}


def _name(said: Mapping[str, Any]) -> str:
    for kind in CallKind:
        inner = said.get(kind.value)
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            return str(inner["name"])
    return ""


def _objects(said: Any) -> Iterable[Json]:
    return (one for one in said if isinstance(one, dict)) if isinstance(said, list) else ()


def _count(lost: Iterable[Loss], losses: dict[str, str]) -> None:
    for loss in lost:
        losses.setdefault(loss.what, loss.why)
