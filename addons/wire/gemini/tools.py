"""Tools and the choice among them, both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Json,
    Native,
    ServerTool,
    ServerToolKind,
    Tool,
    ToolChoice,
)
from ringlet_mitm.addons.wire.gemini.fields import (
    GEMINI,
    camel,
    field,
    inner,
    leftover,
    over,
    own,
    several,
    text,
)
from ringlet_mitm.addons.wire.gemini.models import Generation
from ringlet_mitm.addons.wire.schemas import fitted_schema, json_schema, openapi_schema
from ringlet_mitm.rules.shapes import Loss

DECLARATIONS = "functionDeclarations"
SCHEMAS = ("parametersJsonSchema", "parameters", "parameters_json_schema")
KINDS = {
    "googleSearch": ServerToolKind.WEB_SEARCH,
    "googleSearchRetrieval": ServerToolKind.WEB_SEARCH,
    "enterpriseWebSearch": ServerToolKind.WEB_SEARCH,
    "urlContext": ServerToolKind.WEB_FETCH,
    "codeExecution": ServerToolKind.CODE_EXECUTION,
}
SERVER_TOOLS = {
    ServerToolKind.WEB_SEARCH: "googleSearch",
    ServerToolKind.WEB_FETCH: "urlContext",
    ServerToolKind.CODE_EXECUTION: "codeExecution",
}
MODES = {
    "AUTO": ChoiceMode.AUTO,
    "VALIDATED": ChoiceMode.AUTO,
    "ANY": ChoiceMode.REQUIRED,
    "NONE": ChoiceMode.NONE,
}
WORDS = {
    ChoiceMode.AUTO: "AUTO",
    ChoiceMode.REQUIRED: "ANY",
    ChoiceMode.NAMED: "ANY",
    ChoiceMode.NONE: "NONE",
}


def tools_of(entries: Iterable[Any]) -> tuple[Tool | ServerTool, ...]:
    """The tools of a request, functions and Google's own, in their order."""
    found: list[Tool | ServerTool] = []
    for entry in entries:
        for key, value in entry.items() if isinstance(entry, dict) else ():
            if camel(key) == DECLARATIONS and isinstance(value, list):
                found += (_tool(one) for one in value if isinstance(one, dict))
            else:
                found.append(ServerTool(KINDS.get(camel(key), ServerToolKind.OTHER), GEMINI, {key: value}))
    return tuple(found)


def _tool(declaration: Json) -> Tool:
    name, description = text(declaration, "name"), text(declaration, "description")
    schema = field(declaration, "parametersJsonSchema")
    if not isinstance(schema, dict):
        schema = field(declaration, "parameters")
    fields = leftover(declaration, _declared(name, description))
    schema = json_schema(schema) if isinstance(schema, dict) else None
    return Tool(name, description, schema, native=Native(GEMINI, fields))


def _declared(name: str, description: str) -> Json:
    return {"name": name, "description": description} if description else {"name": name}


def written_tools(
    tools: Iterable[Tool | ServerTool], generation: Generation, losses: list[Loss], *, from_gemini: bool
) -> list[Json]:
    """`tools`: functions that follow each other in one object, each of Google's own in one of its own."""
    tools = tuple(tools)
    functions = any(isinstance(tool, Tool) for tool in tools)
    written: list[Json] = []
    for tool in tools:
        if isinstance(tool, ServerTool):
            written += _server_tool(tool, losses, functions=functions and not from_gemini)
            continue
        declared = _declaration(tool, generation, losses)
        if written and DECLARATIONS in written[-1]:
            written[-1][DECLARATIONS].append(declared)
        else:
            written.append({DECLARATIONS: [declared]})
    return written


def _server_tool(tool: ServerTool, losses: list[Loss], *, functions: bool) -> list[Json]:
    if tool.format is GEMINI:
        return [dict(tool.data)]
    name = SERVER_TOOLS.get(tool.kind)
    if name is None:
        losses.append(Loss(tool.what, "a tool that its own vendor runs"))
        return []
    if functions:
        losses.append(Loss(tool.what, "Google runs its tools only without the agent's beside them"))
        return []
    return [{name: {}}]


def _declaration(tool: Tool, generation: Generation, losses: list[Loss]) -> Json:
    fields = own(tool.native)
    written = _declared(tool.name, tool.description)
    if tool.native is not None and tool.native.format is GEMINI:
        return over(written, fields)
    if tool.strict:
        losses.append(Loss("strict tools", "the schema guides the model, nothing enforces it"))
    if tool.kind is CallKind.CUSTOM:
        schema: Mapping[str, Any] = {"properties": {"input": {"type": "string"}}, "required": ["input"]}
    else:
        schema = tool.schema or {}
    if generation.json_schema:
        written["parametersJsonSchema"], lost = fitted_schema(schema, GEMINI)
        losses += lost
        return written
    parameters, lost = openapi_schema(schema)
    losses += lost
    if parameters["properties"]:  # an object without any is refused there
        written["parameters"] = parameters
    return written


def choice_of(config: Mapping[str, Any]) -> ToolChoice | None:
    """The choice of `toolConfig`; None where it says none."""
    calling = inner(config, "functionCallingConfig")
    mode = MODES.get(text(calling, "mode").upper())
    if mode is None:
        return None
    names = tuple(name for name in several(calling, "allowedFunctionNames") if isinstance(name, str))
    if mode is ChoiceMode.REQUIRED and len(names) == 1:
        mode = ChoiceMode.NAMED
    return ToolChoice(mode, names)


def tool_config(choice: ToolChoice) -> Json:
    """`toolConfig` for a choice. AUTO takes no names, VALIDATED does and means the same."""
    word = WORDS[choice.mode]
    if choice.mode is ChoiceMode.AUTO and choice.names:
        word = "VALIDATED"
    names = {"allowedFunctionNames": list(choice.names)} if choice.names and word != "NONE" else {}
    return {"functionCallingConfig": {"mode": word, **names}}
