"""Tools and tool choice, both ways.

Messages has three sorts of tools: the agent's own with a schema; those that Anthropic has named and described to the
model but the agent runs (bash, text editor, memory), which become tools with the schema they stand for; and those that
the vendor runs (web search and so on), of which some have a counterpart elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from ringlet_mitm.addons.wire.anthropic.caching import KEY, mark_in, put_mark
from ringlet_mitm.addons.wire.anthropic.families import Family
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Conversation,
    Json,
    Native,
    ServerTool,
    ServerToolKind,
    Tool,
    ToolCall,
    ToolChoice,
    fields_of,
)
from ringlet_mitm.addons.wire.schemas import fitted_schema
from ringlet_mitm.rules.shapes import WireFormat

HERE = WireFormat.MESSAGES
TEXT = {"type": "string"}

# Sources: Anthropic "Bash tool", "Text editor tool", "Memory tool", accessed 2026-11-21.
_FILE_COMMANDS = ["view", "create", "str_replace", "insert"]
_FILE_FIELDS: Json = {
    "path": TEXT,
    "file_text": TEXT,
    "old_str": TEXT,
    "new_str": TEXT,
    "insert_line": {"type": "integer"},
    "insert_text": TEXT,
    "view_range": {"type": "array", "items": {"type": "integer"}},
}


def _commands(commands: list[str], fields: Json) -> Json:
    properties = {"command": {"type": "string", "enum": commands}, **fields}
    return {"type": "object", "properties": properties, "required": ["command"]}


# Begin of the type -> description and schema.
NAMED: dict[str, tuple[str, Json]] = {
    "bash_": (
        "Run a command in a bash session that lives on between calls; `restart` begins a new one.",
        {"type": "object", "properties": {"command": TEXT, "restart": {"type": "boolean"}}},
    ),
    "text_editor_": (
        "View a file or folder, create a file, replace a text that occurs exactly once in it, or insert one at a line.",
        _commands(_FILE_COMMANDS, _FILE_FIELDS),
    ),
    "memory_": (
        "Keep notes in files below /memories: view, create, replace a text, insert at a line, delete, rename.",
        _commands([*_FILE_COMMANDS, "delete", "rename"], {**_FILE_FIELDS, "old_path": TEXT, "new_path": TEXT}),
    ),
}
SERVER_KINDS: dict[str, ServerToolKind] = {
    "web_search": ServerToolKind.WEB_SEARCH,
    "web_fetch": ServerToolKind.WEB_FETCH,
    "code_execution": ServerToolKind.CODE_EXECUTION,
}
# The versions that every Claude with server tools takes, and without a beta header.
SERVER_TOOLS: dict[ServerToolKind, Json] = {
    ServerToolKind.WEB_SEARCH: {"type": "web_search_20250305", "name": "web_search"},
    ServerToolKind.WEB_FETCH: {"type": "web_fetch_20250910", "name": "web_fetch"},
    ServerToolKind.CODE_EXECUTION: {"type": "code_execution_20250825", "name": "code_execution"},
}


def parse_tool(said: Json) -> Tool | ServerTool:
    """One tool; anything that is not the agent's own or run by it is the vendor's."""
    kind, name, schema = said.get("type"), said.get("name"), said.get("input_schema")
    if _is_vendors(kind):
        return _vendors_tool(said, kind)
    if not isinstance(name, str) or ("input_schema" in said and not isinstance(schema, dict)):
        return ServerTool(ServerToolKind.OTHER, HERE, said)
    cache, description, strict = mark_in(said), said.get("description"), said.get("strict")
    description = description if isinstance(description, str) else ""
    read = {"name", "input_schema", *(("description",) if description else ())}
    read |= {"strict"} if isinstance(strict, bool) else set()
    left = {key: value for key, value in said.items() if key not in read and not (key == KEY and cache)}
    return Tool(
        name,
        description,
        schema,
        strict=strict if isinstance(strict, bool) else None,
        cache=cache,
        native=Native(HERE, left) if left else None,
    )


def _is_vendors(kind: object) -> TypeGuard[str]:
    return isinstance(kind, str) and kind != "custom"


def _vendors_tool(said: Json, kind: str) -> Tool | ServerTool:
    name = said.get("name")
    known = next((known for begin, known in NAMED.items() if kind.startswith(begin)), None)
    if known is not None and isinstance(name, str):
        description, schema = known
        cache = mark_in(said)
        left = {key: value for key, value in said.items() if key != "name" and not (key == KEY and cache)}
        return Tool(name, description, schema, cache=cache, native=Native(HERE, left))
    found = next((found for begin, found in SERVER_KINDS.items() if kind.startswith(begin)), ServerToolKind.OTHER)
    return ServerTool(found, HERE, said)


def render_tool(tool: Tool | ServerTool) -> Json:
    """A tool that Messages knows."""
    if isinstance(tool, ServerTool):
        return dict(tool.data)
    left = fields_of(tool.native, HERE)
    written: Json = {"name": tool.name}
    if not _is_vendors(left.get("type")):
        if tool.description:
            written["description"] = tool.description
        if tool.schema is not None:
            written["input_schema"] = dict(tool.schema)
        if tool.strict is not None:
            written["strict"] = tool.strict
    put_mark(written, tool.cache)
    written.update(left)
    return written


def fitting_tools(conversation: Conversation, family: Family, losses: Losses) -> tuple[Tool | ServerTool, ...]:
    """The tools of another format's request as Messages takes them."""
    own = [tool for tool in conversation.tools if isinstance(tool, Tool)]
    choice = conversation.tool_choice
    if choice is not None and choice.mode is not ChoiceMode.NAMED and choice.names:
        own = [tool for tool in own if tool.name in choice.names] or own
    fitted: list[Tool | ServerTool] = [_fitting(tool, losses) for tool in own]
    names = {tool.name for tool in own}
    for tool in conversation.tools:
        if isinstance(tool, ServerTool):
            fitted += _counterpart(tool, names, family, losses)
    return tuple(fitted or _called(conversation))


def _fitting(tool: Tool, losses: Losses) -> Tool:
    if tool.strict:
        losses.note("strict tools", "the schema is given, but not enforced word by word")
    if tool.kind is CallKind.CUSTOM:
        losses.note("grammar", "Messages has no tools of free text")
        schema: Json = {"type": "object", "properties": {"input": TEXT}, "required": ["input"]}
    else:
        schema, lost = fitted_schema(tool.schema, HERE)
        losses.take(lost)
    return replace(tool, schema=schema, kind=CallKind.FUNCTION, grammar=None, strict=None, native=None)


def _called(conversation: Conversation) -> list[Tool]:
    """Stand-ins for the tools of earlier calls: calls without any tools in the request are refused."""
    blocks = (block for message in conversation.messages for block in message.blocks)
    names = dict.fromkeys(block.name for block in blocks if isinstance(block, ToolCall))
    return [Tool(name, schema={"type": "object", "properties": {}}) for name in names]


def _counterpart(tool: ServerTool, taken: Collection[str], family: Family, losses: Losses) -> list[ServerTool]:
    """The vendor's own tool of the same kind, unless the agent has one of that name."""
    if tool.format is HERE:
        return [tool]
    data = SERVER_TOOLS.get(tool.kind)
    if data is None or not family.server_tools or data["name"] in taken:
        losses.note(tool.what, "this provider has no such tool")
        return []
    places = _search_places(tool.data) if tool.kind is ServerToolKind.WEB_SEARCH else {}
    return [ServerTool(tool.kind, HERE, {**data, **places})]


def _search_places(data: Mapping[str, Any]) -> Json:
    """Where OpenAI's web search is to look, in Anthropic's words; they are nearly the same."""
    found: Json = {}
    filters, place = data.get("filters"), data.get("user_location")
    domains = filters.get("allowed_domains") if isinstance(filters, dict) else None
    if isinstance(domains, list) and domains and all(isinstance(domain, str) for domain in domains):
        found["allowed_domains"] = domains
    if isinstance(place, dict):
        known = ("city", "country", "region", "timezone")
        told = {name: place[name] for name in known if isinstance(place.get(name), str)}
        if told:
            found["user_location"] = {"type": "approximate", **told}
    return found


MODES = {"auto": ChoiceMode.AUTO, "any": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE, "tool": ChoiceMode.NAMED}
WORDS = {mode: word for word, mode in MODES.items()}
ALONE = "disable_parallel_tool_use"


def parse_choice(said: Any) -> tuple[ToolChoice | None, bool | None]:
    """`tool_choice`, and whether several calls at once are allowed; None where it does not say."""
    kind = said.get("type") if isinstance(said, dict) else None
    mode = MODES.get(kind) if isinstance(kind, str) else None
    if mode is None:
        return None, None
    name, alone = said.get("name"), said.get(ALONE)
    if mode is ChoiceMode.NAMED and not isinstance(name, str):
        return None, None
    names = (name,) if mode is ChoiceMode.NAMED else ()
    said_alone = isinstance(alone, bool) and mode is not ChoiceMode.NONE
    return ToolChoice(mode, names), (not alone if said_alone else None)


def render_choice(choice: ToolChoice | None, parallel: bool | None) -> Json | None:
    """The same back; a ban on parallel calls alone becomes a choice of `auto`."""
    if choice is None and parallel is not False:
        return None
    mode = choice.mode if choice is not None else ChoiceMode.AUTO
    written: Json = {"type": WORDS[mode]}
    if mode is ChoiceMode.NAMED and choice is not None:
        written["name"] = choice.names[0] if choice.names else ""
    if parallel is not None and mode is not ChoiceMode.NONE:
        written[ALONE] = not parallel
    return written


def fitting_choice(
    conversation: Conversation, tools: Collection[Tool | ServerTool], family: Family, losses: Losses
) -> ToolChoice | None:
    """The tool choice of another format's request."""
    choice = conversation.tool_choice
    if not tools:
        return None
    if not conversation.tools:
        return ToolChoice(ChoiceMode.NONE)
    if choice is None:
        return ToolChoice() if conversation.parallel_calls is False else None
    named = choice.names if choice.mode is ChoiceMode.NAMED or len(choice.names) == 1 else ()
    mode = choice.mode
    if mode in (ChoiceMode.NAMED, ChoiceMode.REQUIRED):
        known = any(isinstance(tool, Tool) and tool.name in named[:1] for tool in tools)
        mode = ChoiceMode.NAMED if known else ChoiceMode.REQUIRED
        if not family.forced:
            losses.note("forced tool", "this model decides by itself whether to call one")
            mode = ChoiceMode.AUTO
    return ToolChoice(mode, named[:1] if mode is ChoiceMode.NAMED else ())


def is_forced(choice: ToolChoice | None) -> bool:
    """Whether the model has to call a tool."""
    return choice is not None and choice.mode in (ChoiceMode.REQUIRED, ChoiceMode.NAMED)
