"""Tools and tool choice, both ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ringlet_mitm.addons.wire.canonical import (
    CallKind,
    ChoiceMode,
    Conversation,
    Message,
    Role,
    ServerTool,
    ServerToolKind,
    Text,
    Tool,
    ToolChoice,
)
from ringlet_mitm.addons.wire.responses.marks import Losses
from ringlet_mitm.addons.wire.responses.request import parse_request, render_request
from ringlet_mitm.addons.wire.responses.tools import parse_choice, parse_tools, render_choice, render_tools
from ringlet_mitm.rules.shapes import WireFormat

Body = dict[str, Any]
FUNCTION: Body = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
CUSTOM: Body = {"type": "custom", "name": "exec", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
LISTS: dict[str, Any] = {
    "function": [FUNCTION],
    "described": [FUNCTION | {"description": "d", "defer_loading": True}],
    "nulls": [{"type": "function", "name": "f", "parameters": None, "strict": None, "description": None}],
    "empty description": [FUNCTION | {"description": ""}],
    "custom": [
        CUSTOM,
        {"type": "custom", "name": "free", "format": {"type": "text"}},
        {"type": "custom", "name": "bare"},
    ],
    "namespace": [{"type": "namespace", "name": "n", "description": "d", "tools": [FUNCTION, CUSTOM]}, FUNCTION],
    "two of a name": [
        {"type": "namespace", "name": "n", "description": "d", "tools": [tool]} for tool in (FUNCTION, CUSTOM)
    ],
    "empty namespace": [{"type": "namespace", "name": "n", "description": "d", "tools": []}],
    "odd namespace": [{"type": "namespace", "name": "n", "tools": [3, {"type": "web_search"}, FUNCTION]}],
    "of the vendor": [
        {"type": "web_search", "filters": {}},
        {"type": "mcp", "server_label": "x"},
        {"type": "local_shell"},
    ],
    "in chat's words": [{"type": "function", "function": {"name": "f"}}],
    "nothing": [{}, {"type": 3}],
    "no objects": ["f", None],
    "none": [],
    "null": None,
    "no list": {"f": FUNCTION},
}


@pytest.mark.parametrize("tools", LISTS.values(), ids=LISTS.keys())
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside additional tools"])
def test_tools_come_back(tools: Any, beside: bool) -> None:
    more = [{"type": "additional_tools", "role": "developer", "tools": [FUNCTION | {"name": "g"}, FUNCTION]}]
    body = {"model": "gpt-5", "input": more if beside else "hi", "tools": tools}
    assert json.dumps(render_request(parse_request(body, "")).body, sort_keys=True) == json.dumps(body, sort_keys=True)


@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [
        ("auto", ChoiceMode.AUTO, ()),
        ("none", ChoiceMode.NONE, ()),
        ("required", ChoiceMode.REQUIRED, ()),
        ({"type": "function", "name": "f"}, ChoiceMode.NAMED, ("f",)),
        ({"type": "custom", "name": "exec"}, ChoiceMode.NAMED, ("exec",)),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "mcp"}, 3],
            },
            ChoiceMode.REQUIRED,
            ("f",),
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": []}, ChoiceMode.AUTO, ()),
        ({"type": "file_search"}, ChoiceMode.AUTO, ()),
        ({"type": "mcp", "server_label": "x", "name": "y"}, ChoiceMode.AUTO, ()),
    ],
    ids=str,
)
def test_a_choice_is_read_and_comes_back(choice: Any, mode: ChoiceMode, names: tuple[str, ...]) -> None:
    found = parse_choice(choice)
    assert found is not None
    assert (found.mode, found.names) == (mode, names)
    assert render_choice(found, ()) == choice
    body = {"model": "m", "input": "hi", "tool_choice": choice}
    assert render_request(parse_request(body, "")).body == body


@pytest.mark.parametrize("choice", ["any", None, 3, {"type": []}, {}], ids=str)
def test_an_odd_choice_comes_back(choice: Any) -> None:
    body = {"model": "m", "input": "hi", "tool_choice": choice}
    assert render_request(parse_request(body, "")).body == body


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice(ChoiceMode.NAMED, ("f",)), {"type": "function", "name": "f"}),
        (ToolChoice(ChoiceMode.NAMED, ("exec",)), {"type": "custom", "name": "exec"}),
        (ToolChoice(ChoiceMode.NAMED), "required"),
        (ToolChoice(ChoiceMode.NONE, ("f",)), "none"),
        (
            ToolChoice(ChoiceMode.REQUIRED, ("f", "exec")),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "exec"}],
            },
        ),
    ],
    ids=str,
)
def test_a_choice_of_another_format(choice: ToolChoice, written: Any) -> None:
    assert render_choice(choice, parse_tools([FUNCTION, CUSTOM])) == written


def rendered(*tools: Tool | ServerTool) -> tuple[list[Body], list[str]]:
    losses = Losses()
    return render_tools(tools, losses), [loss.what for loss in losses.listed()]


def test_a_function_of_another_format_is_not_strict_unless_said() -> None:
    (plain, strict), losses = rendered(
        Tool("f"), Tool("g", "d", {"type": "object", "additionalProperties": False}, strict=True)
    )
    assert plain == {
        "type": "function",
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }
    assert strict["strict"] is True
    assert strict["parameters"]["additionalProperties"] is False
    assert losses == []


def test_neighbours_of_a_namespace_stand_together() -> None:
    entries, _ = rendered(Tool("a", namespace="n"), Tool("b", namespace="n", kind=CallKind.CUSTOM), Tool("c"))
    assert [(entry["type"], entry["name"]) for entry in entries] == [("namespace", "n"), ("function", "c")]
    assert [tool["type"] for tool in entries[0]["tools"]] == ["function", "custom"]
    assert entries[0]["description"] == ""


@pytest.mark.parametrize(
    ("kind", "data", "written", "losses"),
    [
        (
            ServerToolKind.WEB_SEARCH,
            {
                "type": "web_search_20250305",
                "name": "web_search",
                "max_uses": 3,
                "allowed_domains": ["a.test"],
                "user_location": {"type": "approximate", "city": "Bern", "zip": "x"},
            },
            [
                {
                    "type": "web_search",
                    "filters": {"allowed_domains": ["a.test"]},
                    "user_location": {"type": "approximate", "city": "Bern"},
                }
            ],
            ["web search max_uses"],
        ),
        (ServerToolKind.WEB_SEARCH, {"googleSearch": {}}, [{"type": "web_search"}], []),
        (
            ServerToolKind.CODE_EXECUTION,
            {"type": "code_execution_20250825"},
            [{"type": "code_interpreter", "container": {"type": "auto"}}],
            [],
        ),
        (ServerToolKind.WEB_FETCH, {"type": "web_fetch_20250910"}, [], ["web_fetch_20250910"]),
    ],
    ids=["search", "google", "code", "fetch"],
)
def test_a_tool_of_another_vendors(kind: ServerToolKind, data: Body, written: list[Body], losses: list[str]) -> None:
    assert rendered(ServerTool(kind, WireFormat.MESSAGES, data)) == (written, losses)


def test_tools_of_another_format_go_into_the_request() -> None:
    conversation = Conversation("gpt-5", (Message(Role.USER, (Text("hi"),)),), tools=(Tool("f"),))
    assert [tool["name"] for tool in render_request(conversation).body["tools"]] == ["f"]
