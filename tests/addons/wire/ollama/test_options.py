from __future__ import annotations

from typing import Any

import pytest
from ollama_api import rendered

from ringlet_mitm.addons.wire.canonical import (
    Effort,
    Foreign,
    Message,
    Options,
    Reasoning,
    Role,
    ServerTool,
    ServerToolKind,
    Tool,
)
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.rules.shapes import WireFormat


@pytest.mark.parametrize(
    ("model", "reasoning", "think", "losses"),
    [
        pytest.param("qwen3", None, None, [], id="not asked for"),
        pytest.param("llama3.2", Reasoning(budget=-1), None, [], id="the model's own way, which may be none"),
        pytest.param("qwen3", Reasoning(effort=Effort.HIGH), None, ["thinking effort"], id="a level, refused by most"),
        pytest.param("qwen3", Reasoning(effort=Effort.NONE), False, [], id="off"),
        pytest.param("qwen3", Reasoning(budget=0), False, [], id="no budget"),
        pytest.param("gpt-oss:20b", Reasoning(effort=Effort.MINIMAL), "low", [], id="gpt-oss, minimal"),
        pytest.param("gpt-oss:20b", Reasoning(effort=Effort.XHIGH), "high", [], id="gpt-oss, more than high"),
        pytest.param("gpt-oss:20b", Reasoning(budget=5000), "medium", [], id="gpt-oss, a budget"),
    ],
)
def test_thinking(model: str, reasoning: Reasoning | None, think: Any, losses: list[str]) -> None:
    body, lost = rendered(model=model, reasoning=reasoning)
    assert (body.get("think"), lost) == (think, losses)


def test_what_ollama_does_not_have() -> None:
    search = ServerTool(ServerToolKind.WEB_SEARCH, WireFormat.MESSAGES, {"type": "web_search_20250305"})
    _, losses = rendered(
        Message(Role.USER, (Foreign(WireFormat.MESSAGES, {"type": "container_upload"}),)),
        tools=(search, Tool("a", strict=True)),
        parallel_calls=False,
        previous_id="resp_1",
        options=Options(service_tier="priority", verbosity="low", user="me"),
    )
    wanted = ["container_upload", "web_search_20250305", "strict", "parallel tool calls"]
    assert losses == [*wanted, "service tier", "verbosity", "previous response"]


def test_several_answers_are_refused() -> None:
    with pytest.raises(Untranslatable, match="one answer a request, not 3"):
        rendered(options=Options(candidates=3))
