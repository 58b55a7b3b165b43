from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.anthropic.families import family_of
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.anthropic.tools import (
    fitting_choice,
    fitting_tools,
    parse_choice,
    parse_tool,
    render_choice,
    render_tool,
)
from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Conversation,
    Json,
    Message,
    Role,
    ServerTool,
    ServerToolKind,
    Tool,
    ToolCall,
    ToolChoice,
)
from ringlet_mitm.rules.shapes import WireFormat

OBJECT: Json = {"type": "object", "properties": {}}
TOOL = Tool("t", "does t", OBJECT)
OTHER = Tool("u", "does u", OBJECT)
SEARCH = ServerTool(
    ServerToolKind.WEB_SEARCH,
    WireFormat.RESPONSES,
    {
        "type": "web_search",
        "filters": {"allowed_domains": ["example.com"]},
        "user_location": {"type": "approximate", "city": "Bern", "country": None},
    },
)


def fitted(*tools: Tool | ServerTool, model: str = "claude-sonnet-4-5", **more: object) -> tuple[list[Json], list[str]]:
    losses = Losses()
    conversation = Conversation(model, (), tools=tools, **more)  # type: ignore[arg-type]
    found = fitting_tools(conversation, family_of(model), losses)
    return [render_tool(tool) for tool in found], [loss.what for loss in losses.found]


def test_a_tool() -> None:
    assert fitted(TOOL) == ([{"name": "t", "description": "does t", "input_schema": OBJECT}], [])


def test_strictness_is_not_enforced() -> None:
    tools, lost = fitted(Tool("t", schema=OBJECT, strict=True))
    assert tools == [{"name": "t", "input_schema": OBJECT}]
    assert lost == ["strict tools"]


def test_a_tool_without_a_schema_gets_one() -> None:
    assert fitted(Tool("t"))[0][0]["input_schema"]["type"] == "object"


def test_a_tool_of_free_text_takes_one_string() -> None:
    tools, lost = fitted(Tool("t", kind=CallKind.CUSTOM, grammar={"type": "text"}))
    assert tools[0]["input_schema"]["required"] == ["input"] and lost == ["grammar"]


def test_web_search_has_a_counterpart() -> None:
    tools, lost = fitted(SEARCH)
    assert tools == [
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "allowed_domains": ["example.com"],
            "user_location": {"type": "approximate", "city": "Bern"},
        }
    ]
    assert lost == []


@pytest.mark.parametrize(
    ("tools", "model"),
    [
        ((SEARCH,), "kimi-k2"),
        ((SEARCH, Tool("web_search")), "claude-opus-5"),
        ((ServerTool(ServerToolKind.OTHER, WireFormat.RESPONSES, {"type": "web_search"}),), "claude-opus-5"),
    ],
    ids=["another vendor's model", "the agent has one of that name", "of no kind that is known"],
)
def test_a_server_tool_without_a_counterpart_is_left_out(tools: tuple[Tool | ServerTool, ...], model: str) -> None:
    found, lost = fitted(*tools, model=model)
    assert [tool["name"] for tool in found] == [tool.name for tool in tools if isinstance(tool, Tool)]
    assert lost == ["web_search"]


def test_only_the_allowed_tools_are_offered() -> None:
    tools, _ = fitted(TOOL, OTHER, tool_choice=ToolChoice(ChoiceMode.AUTO, ("u",)))
    assert [tool["name"] for tool in tools] == ["u"]


def test_calls_of_a_request_without_tools_get_stand_ins() -> None:
    said = Message(Role.ASSISTANT, (ToolCall("1", "t", "{}"), ToolCall("2", "t", "{}"), ToolCall("3", "u", "{}")))
    conversation = Conversation("claude-opus-5", (said,))
    tools = fitting_tools(conversation, family_of(conversation.model), Losses())
    assert [tool.name for tool in tools if isinstance(tool, Tool)] == ["t", "u"]
    choice = fitting_choice(conversation, tools, family_of(conversation.model), Losses())
    assert choice == ToolChoice(ChoiceMode.NONE)


@pytest.mark.parametrize(
    ("choice", "parallel", "model", "given"),
    [
        (None, None, "claude-opus-5", None),
        (None, True, "claude-opus-5", None),
        (None, False, "claude-opus-5", {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice(ChoiceMode.AUTO), None, "claude-opus-5", {"type": "auto"}),
        (ToolChoice(ChoiceMode.NONE), False, "claude-opus-5", {"type": "none"}),
        (ToolChoice(ChoiceMode.REQUIRED), None, "claude-opus-5", {"type": "any"}),
        (ToolChoice(ChoiceMode.REQUIRED, ("t",)), None, "claude-opus-5", {"type": "tool", "name": "t"}),
        (ToolChoice(ChoiceMode.NAMED, ("t",)), None, "claude-opus-5", {"type": "tool", "name": "t"}),
        (ToolChoice(ChoiceMode.NAMED, ("gone",)), None, "claude-opus-5", {"type": "any"}),
        (ToolChoice(ChoiceMode.NAMED, ("t",)), None, "claude-opus-5-5", {"type": "auto"}),
    ],
)
def test_choices(choice: ToolChoice | None, parallel: bool | None, model: str, given: Json | None) -> None:
    conversation = Conversation(model, (), tools=(TOOL,), tool_choice=choice, parallel_calls=parallel)
    losses = Losses()
    found = fitting_choice(conversation, (TOOL,), family_of(model), losses)
    assert render_choice(found, False if parallel is False else None) == given
    assert bool(losses.found) == (model == "claude-opus-5-5")


def test_no_tools_no_choice() -> None:
    conversation = Conversation("claude-opus-5", (), tool_choice=ToolChoice(ChoiceMode.REQUIRED))
    assert fitting_choice(conversation, (), family_of("claude-opus-5"), Losses()) is None


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("web_search_20260318", ServerToolKind.WEB_SEARCH),
        ("web_search", ServerToolKind.WEB_SEARCH),
        ("web_fetch_20250910", ServerToolKind.WEB_FETCH),
        ("code_execution_20260521", ServerToolKind.CODE_EXECUTION),
        ("computer_20250124", ServerToolKind.OTHER),
        ("tool_search_tool_bm25", ServerToolKind.OTHER),
    ],
)
def test_the_vendors_own_tools(kind: str, found: ServerToolKind) -> None:
    tool = parse_tool({"type": kind, "name": "n"})
    assert isinstance(tool, ServerTool) and tool.kind is found


@pytest.mark.parametrize("kind", ["bash_20250124", "text_editor_20250728", "memory_20250818"])
def test_tools_that_the_vendor_described_but_the_agent_runs_have_a_schema_elsewhere(kind: str) -> None:
    tool = parse_tool({"type": kind, "name": "n"})
    assert isinstance(tool, Tool) and tool.schema is not None
    assert tool.description and "command" in tool.schema["properties"]


@pytest.mark.parametrize("said", [None, "auto", {}, {"type": "some"}, {"type": ["auto"]}, {"type": "tool"}])
def test_a_choice_that_nobody_knows(said: object) -> None:
    assert parse_choice(said) == (None, None)
