from __future__ import annotations

import pytest
from bedrock import CLAUDE, GPT_OSS, LLAMA, NOVA_2, OPUS_46, SONNET_37, TOOL, rendered, user

from ringlet_mitm.addons.wire.canonical import (
    ChoiceMode,
    Effort,
    Json,
    Message,
    Options,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
)


@pytest.mark.parametrize(
    ("model", "reasoning", "more", "effort", "losses"),
    [
        pytest.param(CLAUDE, None, None, None, [], id="nothing asked"),
        pytest.param(
            CLAUDE,
            Reasoning(budget=4000),
            {"thinking": {"type": "enabled", "budget_tokens": 4000}},
            None,
            [],
            id="a budget",
        ),
        pytest.param(
            SONNET_37,
            Reasoning(effort=Effort.LOW),
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            None,
            [],
            id="an effort as a budget",
        ),
        pytest.param(
            CLAUDE,
            Reasoning(budget=-1),
            {"thinking": {"type": "enabled", "budget_tokens": 8192}},
            None,
            [],
            id="its own choice as a budget",
        ),
        pytest.param(CLAUDE, Reasoning(effort=Effort.NONE), None, None, [], id="off, as it is"),
        pytest.param(
            OPUS_46,
            Reasoning(effort=Effort.XHIGH, budget=-1),
            {"thinking": {"type": "adaptive"}},
            "high",
            [],
            id="adaptive, an effort that it lacks",
        ),
        pytest.param(
            OPUS_46,
            Reasoning(budget=20_000, visible=True),
            {"thinking": {"type": "adaptive", "display": "summarized"}},
            "high",
            ["thinking budget"],
            id="a budget as an effort",
        ),
        pytest.param(
            "anthropic.claude-3-haiku-20240307-v1:0",
            Reasoning(budget=2000),
            None,
            None,
            ["thinking"],
            id="a Claude that cannot",
        ),
        pytest.param(
            "global.anthropic.claude-sonnet-5",
            Reasoning(budget=0),
            {"thinking": {"type": "disabled"}},
            None,
            [],
            id="off, where it is on by itself",
        ),
        pytest.param("us.anthropic.claude-mythos-5", Reasoning(budget=0), None, None, ["thinking off"], id="never off"),
        pytest.param(
            NOVA_2,
            Reasoning(effort=Effort.MAX),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            None,
            [],
            id="Nova 2",
        ),
        pytest.param(GPT_OSS, Reasoning(budget=2000), {"reasoning_effort": "low"}, None, [], id="gpt-oss"),
        pytest.param(LLAMA, Reasoning(budget=2000), None, None, ["thinking effort"], id="Llama"),
    ],
)
def test_thinking(
    model: str, reasoning: Reasoning | None, more: Json | None, effort: str | None, losses: list[str]
) -> None:
    body, lost = rendered(model=model, reasoning=reasoning)
    assert (body.get("additionalModelRequestFields"), lost) == (more, losses)
    assert body.get("outputConfig", {}).get("effort") == effort


def test_thinking_and_what_forbids_it() -> None:
    asked = Reasoning(budget=4000)
    body, _ = rendered(reasoning=asked, options=Options(max_tokens=3000))
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 2999
    assert rendered(reasoning=asked, options=Options(max_tokens=1000))[1] == ["thinking"]
    forced = rendered(reasoning=asked, tools=(TOOL,), tool_choice=ToolChoice(ChoiceMode.REQUIRED))
    assert (forced[0].get("additionalModelRequestFields"), forced[1]) == (None, ["thinking"])
    turn = (
        user("q"),
        Message(Role.ASSISTANT, (ToolCall("c", "a", "{}"),)),
        Message(Role.USER, (ToolResult("c", (Text("r"),)),)),
    )
    assert rendered(*turn, reasoning=asked)[1] == ["thinking"]
    assert rendered(*turn, reasoning=asked, model=OPUS_46)[1] == ["thinking budget"]
