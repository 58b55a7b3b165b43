from __future__ import annotations

import pytest
from ollama_api import rendered

from ringlet_mitm.addons.wire.canonical import ChoiceMode, Json, Message, Role, Tool, ToolCall, ToolChoice


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        pytest.param('{"a":[1]}', {"a": [1]}, id="an object"),
        pytest.param("", {}, id="nothing"),
        pytest.param("[1]", {"input": "[1]"}, id="a list"),
        pytest.param('{"a":', {"input": '{"a":'}, id="cut off"),
    ],
)
def test_arguments_are_an_object(arguments: str, sent: Json) -> None:
    body, _ = rendered(Message(Role.ASSISTANT, (ToolCall("c", "a", arguments),)))
    assert body["messages"][0]["tool_calls"][0]["function"]["arguments"] == sent


A, B = Tool("a", schema={"type": "object"}), Tool("b", "does b")


@pytest.mark.parametrize(
    ("choice", "offered", "losses"),
    [
        pytest.param(None, ["a", "b"], [], id="nothing said"),
        pytest.param(ToolChoice(), ["a", "b"], [], id="auto"),
        pytest.param(ToolChoice(ChoiceMode.NONE), [], [], id="none"),
        pytest.param(ToolChoice(ChoiceMode.REQUIRED), ["a", "b"], ["tool choice"], id="required"),
        pytest.param(ToolChoice(ChoiceMode.NAMED, ("b",)), ["b"], ["tool choice"], id="named"),
        pytest.param(ToolChoice(ChoiceMode.AUTO, ("a",)), ["a"], [], id="auto among some"),
    ],
)
def test_tool_choice(choice: ToolChoice | None, offered: list[str], losses: list[str]) -> None:
    body, lost = rendered(tools=(A, B), tool_choice=choice)
    assert ([tool["function"]["name"] for tool in body.get("tools", [])], lost) == (offered, losses)
