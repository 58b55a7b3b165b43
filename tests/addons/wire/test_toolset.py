"""The agent's tools in names and kinds that another format has."""

from __future__ import annotations

import pytest
from spoken import ASKED, SCHEMA, assistant, said, user

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Json,
    ServerTool,
    ServerToolKind,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import read_json
from ringlet_mitm.addons.wire.fitting import fit
from ringlet_mitm.addons.wire.toolset import Origin
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT = WireFormat.MESSAGES, WireFormat.CHAT
RESPONSES, GEMINI = WireFormat.RESPONSES, WireFormat.GEMINI
GRAMMAR: Json = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}

CODEX = (
    Tool("exec", "Run.", kind=CallKind.CUSTOM, grammar=GRAMMAR, namespace="functions"),
    Tool("wait", "Wait.", SCHEMA, namespace="functions"),
    Tool("sleep", "Sleep.", SCHEMA, namespace="clock"),
    Tool("wait", "Wait there.", SCHEMA, namespace="mcp__far__"),
)


def test_namespaces_become_part_of_the_name() -> None:
    fitted = fit(said(ASKED, tools=CODEX), MESSAGES)
    assert [tool.name for tool in fitted.conversation.tools if isinstance(tool, Tool)] == [
        "exec",
        "wait",
        "clock__sleep",
        "mcp__far__wait",
    ]
    assert fitted.origins["", "clock__sleep"] == Origin("clock", "sleep", CallKind.FUNCTION)
    assert fitted.origins["", "exec"] == Origin("functions", "exec", CallKind.CUSTOM)


def test_the_name_is_bare_only_where_it_is_the_only_one() -> None:
    tools = (Tool("x", schema=SCHEMA, namespace="functions"), Tool("x", schema=SCHEMA))
    fitted = fit(said(ASKED, tools=tools), CHAT).conversation
    assert [tool.name for tool in fitted.tools if isinstance(tool, Tool)] == ["functions__x", "x"]


def test_a_tool_of_free_text_becomes_a_function() -> None:
    history = (
        assistant(ToolCall("1", "exec", 'say "hi"', CallKind.CUSTOM)),
        user(ToolResult("1", (Text("hi"),), kind=CallKind.CUSTOM)),
    )
    fitted = fit(said(ASKED, *history, tools=CODEX), CHAT)
    tool, found = fitted.conversation.tools[0], fitted.conversation.messages
    assert isinstance(tool, Tool)
    assert tool.kind is CallKind.FUNCTION
    assert tool.schema is not None
    assert tool.schema["required"] == ["input"]
    assert "Run." in tool.description
    assert 'Lark grammar:\n```\nstart: "x"\n```' in tool.description
    written = found[1].blocks[0]
    assert isinstance(written, ToolCall)
    assert (written.name, written.kind, read_json(written.arguments)) == (
        "exec",
        CallKind.FUNCTION,
        {"input": 'say "hi"'},
    )
    assert found[2].blocks == (ToolResult("1", (Text("hi"),), name="exec"),)
    assert [loss.what for loss in fitted.losses] == ["tool grammar"]


def test_responses_keeps_namespaces_and_free_text() -> None:
    fitted = fit(said(ASKED, tools=CODEX), RESPONSES)
    assert fitted.conversation.tools == CODEX
    assert fitted.losses == ()


def test_one_name_in_two_namespaces_stays_in_responses() -> None:
    tools = (Tool("x", schema=SCHEMA, namespace="a"), Tool("x", schema=SCHEMA, namespace="b"))
    fitted = fit(said(ASKED, tools=tools), RESPONSES)
    assert fitted.conversation.tools == tools
    assert fitted.origins["b", "x"] == Origin("b", "x", CallKind.FUNCTION)


def test_names_that_become_alike_stay_two() -> None:
    tools = tuple(Tool(name, schema=SCHEMA) for name in ("a.b", "a_b", "a b"))
    names = [tool.name for tool in fit(said(ASKED, tools=tools), CHAT).conversation.tools if isinstance(tool, Tool)]
    assert names[1] == "a_b"
    assert len({*names}) == 3


def test_a_tool_offered_twice_is_offered_once() -> None:
    tool = Tool("a", "first", SCHEMA)
    fitted = fit(said(ASKED, tools=(tool, Tool("a", "second", SCHEMA))), CHAT)
    assert fitted.conversation.tools == (tool,)
    assert [loss.what for loss in fitted.losses] == ["tool offered twice"]


def test_tools_that_only_their_vendor_runs_go() -> None:
    search = ServerTool(ServerToolKind.WEB_SEARCH, MESSAGES, {"type": "web_search_20250305", "name": "web_search"})
    computer = ServerTool(ServerToolKind.OTHER, MESSAGES, {"type": "computer_20250124", "name": "computer"})
    there = fit(said(ASKED, tools=(search, computer)), GEMINI)
    here = fit(said(ASKED, tools=(search, computer)), MESSAGES)
    assert there.conversation.tools == (search,)
    assert [loss.what for loss in there.losses] == ["computer_20250124"]
    assert here.conversation.tools == (search, computer)


CHOICES = {
    "a tool under its new name": (ToolChoice(ChoiceMode.NAMED, ("sleep",)), ChoiceMode.NAMED, ("clock__sleep",), False),
    "a tool that is not there": (ToolChoice(ChoiceMode.NAMED, ("nobody",)), ChoiceMode.AUTO, (), True),
    "some that are not there": (
        ToolChoice(ChoiceMode.REQUIRED, ("nobody", "exec")),
        ChoiceMode.REQUIRED,
        ("exec",),
        False,
    ),
    "none by name": (ToolChoice(ChoiceMode.REQUIRED), ChoiceMode.REQUIRED, (), False),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_choice_of_a_tool(name: str) -> None:
    choice, mode, names, lost = CHOICES[name]
    fitted = fit(said(ASKED, tools=CODEX, tool_choice=choice), CHAT)
    found = fitted.conversation.tool_choice
    assert found is not None
    assert (found.mode, found.names) == (mode, names)
    assert ("tool choice" in [loss.what for loss in fitted.losses]) is lost
