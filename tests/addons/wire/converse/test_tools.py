from __future__ import annotations

import pytest
from bedrock import CLAUDE, LLAMA, NOVA, TOOL, TOOL_SAID, rendered, user

from ringlet_mitm.addons.wire.canonical import (
    ChoiceMode,
    Json,
    Message,
    Role,
    ServerTool,
    ServerToolKind,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from ringlet_mitm.rules.shapes import WireFormat


@pytest.mark.parametrize(
    ("model", "choice", "said", "losses"),
    [
        pytest.param(CLAUDE, None, None, [], id="nothing said"),
        pytest.param(CLAUDE, ToolChoice(), None, [], id="auto"),
        pytest.param(CLAUDE, ToolChoice(ChoiceMode.REQUIRED), {"any": {}}, [], id="required"),
        pytest.param(CLAUDE, ToolChoice(ChoiceMode.NAMED, ("a",)), {"tool": {"name": "a"}}, [], id="named"),
        pytest.param(LLAMA, ToolChoice(ChoiceMode.REQUIRED), None, ["tool choice"], id="required, Llama"),
        pytest.param(
            "us.anthropic.claude-opus-5-5", ToolChoice(ChoiceMode.REQUIRED), None, ["tool choice"], id="newest Claude"
        ),
    ],
)
def test_tool_choice(model: str, choice: ToolChoice | None, said: Json | None, losses: list[str]) -> None:
    body, lost = rendered(model=model, tools=(TOOL,), tool_choice=choice)
    assert (body["toolConfig"].get("toolChoice"), lost) == (said, losses)


def test_no_tools_may_be_called() -> None:
    none = ToolChoice(ChoiceMode.NONE)
    assert "toolConfig" not in rendered(tools=(TOOL,), tool_choice=none)[0]
    called = (
        Message(Role.ASSISTANT, (ToolCall("c", "a", "{}"),)),
        Message(Role.USER, (ToolResult("c", (Text("r"),)),)),
    )
    body, losses = rendered(user("q"), *called, tools=(TOOL,), tool_choice=none)
    assert (body["toolConfig"], losses) == ({"tools": [TOOL_SAID]}, ["tool choice none"])
    body, losses = rendered(user("q"), *called)
    assert body["toolConfig"]["tools"] == [{"toolSpec": {"name": "a", "inputSchema": {"json": {"type": "object"}}}}]


def test_a_choice_among_some() -> None:
    tools = (TOOL, Tool("b"))
    body, losses = rendered(tools=tools, tool_choice=ToolChoice(ChoiceMode.REQUIRED, ("b",)))
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["b"]
    assert (body["toolConfig"]["toolChoice"], losses) == ({"any": {}}, [])


def test_tools_that_others_run() -> None:
    search = ServerTool(ServerToolKind.WEB_SEARCH, WireFormat.MESSAGES, {"type": "web_search_20250305"})
    assert rendered(tools=(search,))[1] == ["web_search_20250305"]
    body, losses = rendered(tools=(search,), model="us.amazon.nova-2-lite-v1:0")
    assert (body["toolConfig"], losses) == ({"tools": [{"systemTool": {"name": "nova_grounding"}}]}, [])


def test_strict_tools() -> None:
    strict = Tool("a", schema={"type": "object", "properties": {"x": {"type": "string"}}}, strict=True)
    spec = rendered(tools=(strict,))[0]["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["strict"] is True and spec["inputSchema"]["json"]["additionalProperties"] is False
    body, losses = rendered(tools=(strict,), model=NOVA)
    assert ("strict" in body["toolConfig"]["tools"][0]["toolSpec"], losses) == (False, ["strict"])
