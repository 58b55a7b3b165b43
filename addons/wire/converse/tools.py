"""Converse's `toolConfig`: tools, tool choice and cache points among them. There is no choice of none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    ChoiceMode,
    Conversation,
    Json,
    Message,
    ServerTool,
    ServerToolKind,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    fields_of,
)
from ringlet_mitm.addons.wire.converse.content import own_mark, parse_mark
from ringlet_mitm.addons.wire.converse.families import Family, Thinks
from ringlet_mitm.addons.wire.converse.media import CONVERSE
from ringlet_mitm.addons.wire.leftovers import laid_over, remembered
from ringlet_mitm.addons.wire.schemas import fitted_schema
from ringlet_mitm.rules.shapes import Loss

# What Bedrock runs itself, for Nova 2 only.
SYSTEM_TOOLS = {ServerToolKind.WEB_SEARCH: "nova_grounding", ServerToolKind.CODE_EXECUTION: "nova_code_interpreter"}
EARLIER = "earlier_tool"
KINDS = {name: kind for kind, name in SYSTEM_TOOLS.items()}
MODES = {ChoiceMode.AUTO: "auto", ChoiceMode.REQUIRED: "any"}
Tools = tuple[Tool | ServerTool, ...]


def parse_tools(config: Any) -> Tools:
    """The tools of a `toolConfig`."""
    items = config.get("tools") if isinstance(config, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return ()
    tools: list[Tool | ServerTool] = []
    for item in items:
        mark = parse_mark(item)
        last = tools[-1] if tools else None
        if mark is not None and isinstance(last, Tool) and last.cache is None:
            tools[-1] = replace(last, cache=mark)
        else:
            tools.append(_tool(item))
    return tuple(tools)


def _tool(item: Json) -> Tool | ServerTool:
    spec = item.get("toolSpec")
    if len(item) != 1 or not isinstance(spec, dict) or not isinstance(name := spec.get("name"), str):
        system = item.get("systemTool")
        name = system.get("name") if isinstance(system, dict) else None
        return ServerTool(KINDS.get(str(name), ServerToolKind.OTHER), CONVERSE, item)
    description, schema, strict = spec.get("description"), spec.get("inputSchema"), spec.get("strict")
    json_schema = schema.get("json") if isinstance(schema, dict) else None
    tool = Tool(
        name,
        description if isinstance(description, str) else "",
        json_schema if isinstance(json_schema, dict) else None,
        strict=strict if isinstance(strict, bool) else None,
    )
    return replace(tool, native=remembered(CONVERSE, spec, _own_spec(tool)))


def _own_spec(tool: Tool) -> Json:
    spec: Json = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    if tool.schema is not None:
        spec["inputSchema"] = {"json": tool.schema}
    if tool.strict is not None:
        spec["strict"] = tool.strict
    return laid_over(spec, fields_of(tool.native, CONVERSE))


def parse_choice(config: Any) -> ToolChoice | None:
    """The tool choice of a `toolConfig`; None where it says none that is known."""
    said = config.get("toolChoice") if isinstance(config, dict) else None
    tool = said.get("tool") if isinstance(said, dict) else None
    name = tool.get("name") if isinstance(tool, dict) else None
    choices = [ToolChoice(), ToolChoice(ChoiceMode.REQUIRED)]
    choices += [ToolChoice(ChoiceMode.NAMED, (name,))] if isinstance(name, str) else []
    return next((choice for choice in choices if _written_choice(choice) == said), None)


def _written_choice(choice: ToolChoice) -> Json:
    if choice.mode in MODES:
        return {MODES[choice.mode]: {}}
    return {"tool": {"name": choice.names[0]}} if choice.names else {"auto": {}}


def own_config(tools: Tools, choice: ToolChoice | None) -> Json:
    """A `toolConfig` as it was said here."""
    written: list[Json] = []
    for tool in tools:
        if isinstance(tool, ServerTool):
            written.append(dict(tool.data))
            continue
        written.append({"toolSpec": _own_spec(tool)})
        if tool.cache is not None:
            written.append(own_mark(tool.cache))
    config: Json = {"tools": written} if written else {}
    if choice is not None:
        config["toolChoice"] = _written_choice(choice)
    return {"toolConfig": config} if config else {}


def rendered_config(conversation: Conversation, family: Family, losses: list[Loss]) -> Json:
    """The `toolConfig` for a conversation of another format; {} where it has none.

    A conversation that holds calls is refused without tools, so there always are some then.
    """
    choice = conversation.tool_choice or ToolChoice()
    called = _called(conversation.messages)
    offered = conversation.tools
    if choice.mode is ChoiceMode.NONE:
        if not called:
            return {}
        losses.append(Loss("tool choice none", "Converse wants tools where the conversation holds calls"))
    elif choice.mode is not ChoiceMode.NAMED and choice.names:
        offered = tuple(tool for tool in offered if not isinstance(tool, Tool) or tool.name in choice.names) or offered
    written = _rendered_tools(offered, family, losses)
    if not any("toolSpec" in tool for tool in written):
        written = [
            {"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in called
        ] + written
    if not written:
        return {}
    config: Json = {"tools": written}
    demanded = _demanded(choice, family, losses)
    if demanded is not None and any("toolSpec" in tool for tool in written):
        config["toolChoice"] = demanded
    return {"toolConfig": config}


def _called(messages: tuple[Message, ...]) -> list[str]:
    """The names of the tools that a conversation calls, each once; results of no call are those of a tool as well."""
    blocks = [block for message in messages for block in message.blocks]
    names = dict.fromkeys(block.name for block in blocks if isinstance(block, ToolCall))
    return list(names) or [EARLIER for block in blocks if isinstance(block, ToolResult)][:1]


def _rendered_tools(tools: Tools, family: Family, losses: list[Loss]) -> list[Json]:
    written: list[Json] = []
    for tool in tools:
        if isinstance(tool, ServerTool):
            written += _system_tool(tool, family, losses)
            continue
        strict = bool(tool.strict) and family.schemas
        if tool.strict and not strict:
            losses.append(Loss("strict", "this model is not held to a call's schema"))
        schema, lost = fitted_schema(tool.schema, CONVERSE, strict=strict)
        losses.extend(lost)
        spec: Json = {"name": tool.name}
        if tool.description.strip():
            spec["description"] = tool.description
        spec["inputSchema"] = {"json": schema}
        if strict:
            spec["strict"] = True
        written.append({"toolSpec": spec})
        if tool.cache is not None and family.caches_tools:
            written.append(own_mark(tool.cache if family.hour else replace(tool.cache, ttl="")))
    return written


def _system_tool(tool: ServerTool, family: Family, losses: list[Loss]) -> list[Json]:
    name = SYSTEM_TOOLS.get(tool.kind) if family.thinks is Thinks.NOVA else None
    if name is None:
        losses.append(Loss(tool.what, "Bedrock runs no such tool for this model"))
        return []
    return [{"systemTool": {"name": name}}]


def _demanded(choice: ToolChoice, family: Family, losses: list[Loss]) -> Json | None:
    """The `toolChoice`; None is auto, which is the default."""
    forced = family.forced and (family.claude is None or family.claude.forced)
    if choice.mode is ChoiceMode.REQUIRED and forced:
        return {"any": {}}
    if choice.mode is ChoiceMode.NAMED and forced and family.forced_by_name and choice.names:
        return {"tool": {"name": choice.names[0]}}
    if choice.mode in (ChoiceMode.REQUIRED, ChoiceMode.NAMED):
        losses.append(Loss("tool choice", "this model cannot be made to call a tool"))
    return None
