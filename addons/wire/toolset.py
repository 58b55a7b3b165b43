"""The agent's tools in names and kinds that another format has, and which of the agent's each one is.

A namespace becomes part of the name (`clock__sleep`), or goes where it says nothing (`functions`). A tool that takes
free text becomes one that takes an object with the text in `input`. Names follow from the tools alone, so they are the
same in every turn of a conversation whose tools are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Conversation,
    Json,
    ServerTool,
    ServerToolKind,
    Tool,
    ToolCall,
    ToolChoice,
)
from ringlet_mitm.addons.wire.codec import write_json
from ringlet_mitm.addons.wire.identifiers import NAMES, fitting_name
from ringlet_mitm.rules.shapes import WireFormat

Losses = dict[str, str]
Key = tuple[str, str]  # namespace and name

# Formats with namespaces and with tools that take free text. Chat has the latter on paper; few who speak it do.
RICH = (WireFormat.RESPONSES,)
# The namespace that OpenAI's models know for tools without one.
PLAIN_NAMESPACES = ("", "functions")
INPUT = "input"


@dataclass(frozen=True, slots=True)
class Origin:
    """The agent's tool behind a name that the provider knows."""

    namespace: str
    name: str
    kind: CallKind


class Toolset:
    """What the tools of one conversation are called in `wire_format`.

    Names that fit stay; what is left gets one that is still free, the tools first, then what only earlier calls name.
    `plain` flattens namespaces and free text also where the format has both.
    """

    def __init__(self, conversation: Conversation, wire_format: WireFormat, *, plain: bool = False) -> None:
        self.format = wire_format
        self._rich = wire_format in RICH and not plain
        self._sent: dict[Key, Key] = {}
        self._taken: dict[str, set[str]] = {}  # names by namespace
        self._kinds: dict[Key, CallKind] = {}
        tools = [tool for tool in conversation.tools if isinstance(tool, Tool)]
        self._own = {(tool.namespace, tool.name) for tool in tools}
        self._by_name = _once(self._own)
        self._allot({(tool.namespace, tool.name): tool.kind for tool in reversed(tools)})
        blocks = (block for message in conversation.messages for block in message.blocks)
        for call in blocks:
            if isinstance(call, ToolCall) and (key := self._key(call)) not in self._sent:
                self._allot({key: call.kind})  # one by one: a later call changes no earlier name

    def _key(self, call: ToolCall) -> Key:
        return self._meant(call.namespace, call.name)

    def _meant(self, namespace: str, name: str) -> Key:
        """The tool that is meant; a name without its namespace is enough where only one tool has it."""
        key = namespace, name
        return self._by_name.get(name, key) if key not in self._own and namespace in PLAIN_NAMESPACES else key

    def _allot(self, kinds: Mapping[Key, CallKind]) -> None:
        """Names for these tools: first for those whose own one fits, so that no other gets it."""
        self._kinds.update(kinds)
        wishes = {key: self._wish(key) for key in sorted(kinds)}
        wished = Counter(wishes.values())
        taken = self._taken
        limit = NAMES[self.format]
        late = []
        for key, (namespace, name) in wishes.items():
            if wished[namespace, name] == 1 and limit.accepts(name) and name not in taken.get(namespace, ()):
                self._sent[key] = namespace, name
                taken.setdefault(namespace, set()).add(name)
            else:
                late.append(key)
        for key in late:
            namespace, name = wishes[key]
            others = taken.setdefault(namespace, set())
            name = _joined(key) if name in others and key[0] and not self._rich else name
            self._sent[key] = namespace, fitting_name(name, self.format, others)
            others.add(self._sent[key][1])

    def _wish(self, key: Key) -> Key:
        if self._rich:
            return key
        return "", (key[1] if key[0] in PLAIN_NAMESPACES else _joined(key))

    @property
    def origins(self) -> Mapping[Key, Origin]:
        """The agent's tool for each namespace and name that the provider knows."""
        return MappingProxyType({sent: Origin(*key, self._kinds[key]) for key, sent in self._sent.items()})

    def tool(self, tool: Tool, losses: Losses) -> Tool:
        """The tool as `wire_format` has it; itself where nothing changes."""
        namespace, name = self._sent[tool.namespace, tool.name]
        if tool.kind is CallKind.CUSTOM and not self._rich:
            tool = as_function(tool, losses)
        if name == tool.name and namespace == tool.namespace:
            return tool
        return Tool(name, tool.description, tool.schema, tool.kind, tool.grammar, namespace, tool.strict, tool.cache)

    def call(self, call: ToolCall, call_id: str) -> ToolCall:
        """The call as `wire_format` has it, under another id; itself where nothing changes."""
        namespace, name = self._sent[self._key(call)]
        if call.kind is CallKind.CUSTOM and not self._rich:
            return ToolCall(call_id, name, custom_arguments(call.arguments), cache=call.cache)
        if call_id == call.id and name == call.name and namespace == call.namespace:
            return call
        return ToolCall(call_id, name, call.arguments, call.kind, namespace, call.cache)

    def choice(self, choice: ToolChoice, losses: Losses) -> ToolChoice:
        """The choice with the names that `wire_format` knows; AUTO where none of those that it names is left."""
        keys = (self._meant("", name) for name in choice.names)
        names = tuple(self._sent[key][1] for key in keys if key in self._own)
        if names == choice.names:
            return choice
        if not names:
            losses.setdefault("tool choice", "it names a tool that is not there")
            return ToolChoice(ChoiceMode.AUTO)
        return replace(choice, names=names, native=None)


def _once(keys: Iterable[Key]) -> dict[str, Key]:
    keys = list(keys)
    counted = Counter(name for _, name in keys)
    return {key[1]: key for key in keys if counted[key[1]] == 1}


def _joined(key: Key) -> str:
    namespace, name = key
    return f"{namespace.removesuffix('__')}__{name}"


def tools_of(conversation: Conversation, toolset: Toolset, losses: Losses) -> tuple[Tool | ServerTool, ...]:
    """The tools under their new names, each once, without those that only their own vendor can run.

    Those that several vendors have stay: the format's renderer knows whether it has one.
    """
    tools: list[Tool | ServerTool] = []
    seen: set[Key] = set()
    for tool in conversation.tools:
        if isinstance(tool, ServerTool):
            if tool.kind is not ServerToolKind.OTHER or tool.format is toolset.format:
                tools.append(tool)
            else:
                losses.setdefault(tool.what, "a tool that only its own vendor runs")
        elif (tool.namespace, tool.name) in seen:
            losses.setdefault("tool offered twice", "each name can stand for one tool; the first stays")
        else:
            seen.add((tool.namespace, tool.name))
            tools.append(toolset.tool(tool, losses))
    return tuple(tools)


def as_function(tool: Tool, losses: Losses) -> Tool:
    """A tool of free text as one that takes `{"input": text}`; its description carries the grammar."""
    said = [tool.description, f"`{INPUT}` is free text, passed on exactly as written."]
    grammar = tool.grammar or {}
    definition = grammar.get("definition")
    if isinstance(definition, str) and definition:
        losses.setdefault("tool grammar", "it stands in the tool's description, where nothing enforces it")
        kind = {"lark": "Lark grammar", "regex": "regular expression"}.get(str(grammar.get("syntax")), "grammar")
        said.append(f"It must match this {kind}:\n```\n{definition.strip()}\n```")
    schema: Json = {
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": "The whole text."}},
        "required": [INPUT],
        "additionalProperties": False,
    }
    return Tool(
        name=tool.name,
        description="\n\n".join(filter(None, said)),
        schema=schema,
        namespace=tool.namespace,
        cache=tool.cache,
    )


def custom_arguments(text: str) -> str:
    """The free text of a call as the JSON arguments of the function that stands for its tool."""
    return write_json({INPUT: text}).decode()
