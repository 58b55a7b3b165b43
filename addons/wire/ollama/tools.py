"""Ollama's tools and calls. There is no tool choice: a model calls what it likes of what it is offered.

Calls carry ids since Ollama 0.12.10 (November 2025) and results name theirs; before, only a result's `tool_name` told.
Where an answer has no ids, they are made of what the answer says, the same at each reading. Arguments are an object.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Conversation,
    Json,
    ServerTool,
    Tool,
    ToolCall,
    fields_of,
)
from ringlet_mitm.addons.wire.codec import read_json, write_json
from ringlet_mitm.addons.wire.leftovers import laid_over, remembered
from ringlet_mitm.addons.wire.schemas import fitted_schema
from ringlet_mitm.rules.shapes import Loss, WireFormat

OLLAMA = WireFormat.OLLAMA
FUNCTION = ("function",)


def parse_tools(found: Any) -> tuple[Tool | ServerTool, ...]:
    """The tools of a request; none where not all of them are readable, they stay leftovers then."""
    if not isinstance(found, list):
        return ()
    tools = [tool for item in found if (tool := _tool(item)) is not None]
    return tuple(tools) if len(tools) == len(found) else ()


def _tool(item: Any) -> Tool | None:
    function = item.get("function") if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(name := function.get("name"), str):
        return None
    description, schema = function.get("description"), function.get("parameters")
    tool = Tool(
        name=name,
        description=description if isinstance(description, str) else "",
        schema=schema if isinstance(schema, dict) else None,
    )
    written = own_tool(tool)
    return Tool(tool.name, tool.description, tool.schema, native=remembered(OLLAMA, item, written, FUNCTION))


def own_tool(tool: Tool) -> Json:
    """A tool as it was said here."""
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    return laid_over({"function": function}, fields_of(tool.native, OLLAMA), FUNCTION)


def rendered_tools(conversation: Conversation, losses: list[Loss]) -> list[Json]:
    """The tools to offer, as the tool choice narrows them."""
    tools = []
    for tool in conversation.tools:
        if isinstance(tool, ServerTool):
            losses.append(Loss(tool.what, "Ollama runs no tools itself"))
        else:
            tools.append(_written(tool, losses))
    choice = conversation.tool_choice
    if choice is None:
        return tools
    if choice.mode is ChoiceMode.NONE:
        return []
    if choice.mode in (ChoiceMode.REQUIRED, ChoiceMode.NAMED):
        losses.append(Loss("tool choice", "Ollama cannot make a model call a tool"))
    chosen = [tool for tool in tools if tool["function"]["name"] in choice.names]
    return chosen or tools


def _written(tool: Tool, losses: list[Loss]) -> Json:
    schema, lost = fitted_schema(tool.schema, OLLAMA)
    losses.extend(lost)
    if tool.strict:
        losses.append(Loss("strict", "Ollama does not hold a call to its schema"))
    function: Json = {"name": tool.name, "parameters": schema}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def parse_calls(found: Any, seed: str, before: int = 0) -> tuple[ToolCall, ...]:
    """The calls of a message; none where not all are readable. `seed` makes ids where they have none."""
    if not isinstance(found, list):
        return ()
    calls = [call for at, item in enumerate(found, before) if (call := _call(item, f"{seed} {at}")) is not None]
    return tuple(calls) if len(calls) == len(found) else ()


def _call(item: Any, seed: str) -> ToolCall | None:
    function = item.get("function") if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(name := function.get("name"), str):
        return None
    said = function.get("arguments")
    arguments = "" if "arguments" not in function else said if isinstance(said, str) else write_json(said).decode()
    call_id = item.get("id")
    if not isinstance(call_id, str) or not call_id:
        call_id = made_id(seed, name, arguments)
    call = ToolCall(call_id, name, arguments)
    return ToolCall(call_id, name, arguments, native=remembered(OLLAMA, item, own_call(call), FUNCTION))


def made_id(*parts: str) -> str:
    """An id for a call without one; always the same for the same call of the same answer."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return f"call_{hashlib.blake2s(text, digest_size=10).hexdigest()}"


def own_call(call: ToolCall) -> Json:
    """A call as it was said here: whether it had an id stands in its leftovers."""
    function: Json = {"name": call.name}
    if call.arguments:
        function["arguments"] = _object(call.arguments)
    return laid_over({"function": function}, fields_of(call.native, OLLAMA), FUNCTION)


def rendered_call(call: ToolCall) -> Json:
    """A call of another format's, or of an answer."""
    function = {"name": call.name, "arguments": arguments_of(call)}
    return {"id": call.id, "function": function} if call.id else {"function": function}


def arguments_of(call: ToolCall) -> Mapping[str, Any]:
    """The arguments as an object; text that is none, as a model writes it now and then, becomes its only field."""
    if call.kind is CallKind.FUNCTION:
        found = _object(call.arguments or "{}")
        if isinstance(found, dict):
            return found
    return {"input": call.arguments}


def _object(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        return text
