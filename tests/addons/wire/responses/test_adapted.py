"""Settings of other formats, by what OpenAI's models take."""

from __future__ import annotations

from typing import Any

import pytest

from ringlet_mitm.addons.wire.canonical import (
    AnswerFormat,
    Conversation,
    Effort,
    Message,
    Options,
    Reasoning,
    Role,
    Text,
    Tool,
    ToolChoice,
)
from ringlet_mitm.addons.wire.responses.models import nearest, traits
from ringlet_mitm.addons.wire.responses.request import render_request

HI = (Message(Role.USER, (Text("hi"),)),)


def rendered(model: str = "gpt-5", **fields: Any) -> tuple[dict[str, Any], list[str]]:
    found = render_request(Conversation(model, HI, **fields))
    return found.body, [loss.what for loss in found.losses]


@pytest.mark.parametrize(
    ("model", "asked", "reasoning", "losses"),
    [
        ("gpt-5", Reasoning(Effort.HIGH), {"effort": "high"}, []),
        ("gpt-5", Reasoning(Effort.MAX), {"effort": "high"}, ["thinking effort"]),
        ("gpt-5", Reasoning(Effort.NONE), {"effort": "minimal"}, ["thinking effort"]),
        ("gpt-5.1", Reasoning(Effort.NONE), {"effort": "none"}, []),
        ("gpt-5.2", Reasoning(Effort.MAX), {"effort": "xhigh"}, ["thinking effort"]),
        ("gpt-5.6-sol", Reasoning(Effort.MAX), {"effort": "max"}, []),
        ("gpt-6.1", Reasoning(Effort.MAX), {"effort": "max"}, []),
        ("openai/gpt-5-codex", Reasoning(Effort.MINIMAL), {"effort": "low"}, ["thinking effort"]),
        ("o3", Reasoning(Effort.XHIGH), {"effort": "high"}, ["thinking effort"]),
        ("some-model", Reasoning(Effort.XHIGH), {"effort": "xhigh"}, []),
        ("gpt-4o", Reasoning(Effort.HIGH), None, ["thinking"]),
        ("gpt-4.1", Reasoning(Effort.NONE), None, []),
        ("gpt-5-chat-latest", Reasoning(budget=9), None, ["thinking"]),
        ("gpt-5", Reasoning(budget=-1), None, []),
        ("gpt-5", Reasoning(budget=0), {"effort": "minimal"}, ["thinking effort"]),
        ("gpt-5", Reasoning(budget=1024), {"effort": "low"}, ["thinking budget"]),
        ("gpt-5", Reasoning(budget=10_000), {"effort": "medium"}, ["thinking budget"]),
        ("gpt-5", Reasoning(budget=31_999, visible=True), {"effort": "high", "summary": "auto"}, ["thinking budget"]),
        ("gpt-5", Reasoning(visible=True), {"summary": "auto"}, []),
        ("gpt-5", Reasoning(Effort.LOW, visible=False), {"effort": "low"}, []),
        ("gpt-5.1", Reasoning(Effort.NONE, visible=True), {"effort": "none"}, []),
        ("gpt-5", None, None, []),
    ],
)
def test_how_hard_to_think(model: str, asked: Reasoning | None, reasoning: Any, losses: list[str]) -> None:
    body, found = rendered(model, reasoning=asked)
    assert body.get("reasoning") == reasoning
    assert found == losses


@pytest.mark.parametrize(
    ("model", "reasoning", "kept"),
    [
        ("gpt-5", None, False),
        ("o4-mini", None, False),
        ("gpt-5", Reasoning(Effort.NONE), False),
        ("gpt-5.4-nano", Reasoning(Effort.NONE), True),
        ("gpt-5.4-nano", Reasoning(Effort.LOW), False),
        ("gpt-4o", None, True),
        ("gpt-oss-120b", None, True),
        ("grok-4", None, True),
    ],
)
def test_temperature_and_the_like(model: str, reasoning: Reasoning | None, kept: bool) -> None:
    options = Options(temperature=0.5, top_p=0.9, logprobs=True, top_logprobs=3)
    body, losses = rendered(model, reasoning=reasoning, options=options)
    assert (body.get("temperature"), body.get("top_p"), body.get("top_logprobs")) == (
        (0.5, 0.9, 3) if kept else (None, None, None)
    )
    assert ("message.output_text.logprobs" in body.get("include", ())) is kept
    assert ({"temperature", "top_p", "logprobs"} <= set(losses)) is not kept


@pytest.mark.parametrize(
    ("model", "include"),
    [
        ("gpt-5", ["reasoning.encrypted_content"]),
        ("gpt-4o", None),
        ("grok-4", None),
        ("o3", ["reasoning.encrypted_content"]),
    ],
)
def test_thoughts_are_asked_for_where_there_are_any(model: str, include: list[str] | None) -> None:
    body, _ = rendered(model)
    assert body.get("include") == include


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (Options(top_k=5), "top_k"),
        (Options(stop=("x",)), "stop sequences"),
        (Options(seed=0), "seed"),
        (Options(presence_penalty=1), "presence_penalty"),
        (Options(frequency_penalty=1), "frequency_penalty"),
        (Options(max_tokens=1), "max_tokens"),
        (Options(service_tier="turbo"), "service tier"),
        (Options(verbosity="chatty"), "verbosity"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_said_is_declared(options: Options, what: str) -> None:
    body, losses = rendered(options=options)
    assert losses == [what]
    assert not {"top_k", "stop", "seed", "text", "service_tier"} & body.keys()


def test_few_tokens_become_the_fewest() -> None:
    assert rendered(options=Options(max_tokens=1))[0]["max_output_tokens"] == 16


def test_tiers_are_renamed() -> None:
    assert rendered(options=Options(service_tier="standard_only"))[0]["service_tier"] == "default"


@pytest.mark.parametrize(
    ("options", "user", "key"),
    [
        (Options(user="u"), "u", "u"),
        (Options(user="u", cache_key="k"), "u", "k"),
        (Options(cache_key="k"), None, "k"),
        (Options(), None, None),
    ],
    ids=["user", "both", "key", "neither"],
)
def test_requests_of_a_session_share_a_cache(options: Options, user: str | None, key: str | None) -> None:
    body, _ = rendered(options=options)
    assert (body.get("safety_identifier"), body.get("prompt_cache_key")) == (user, key)


def test_a_long_user_is_hashed() -> None:
    body, _ = rendered(options=Options(user="u" * 200))
    assert len(body["safety_identifier"]) == len(body["prompt_cache_key"]) == 64
    assert body["safety_identifier"] == rendered(options=Options(user="u" * 200))[0]["safety_identifier"]


def test_a_schema_gets_what_is_required() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body, losses = rendered(answer_format=AnswerFormat(schema, "an answer"))
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "an_answer", "schema": schema, "strict": False},
    }
    assert losses == []


def test_any_json_needs_the_word() -> None:
    body, _ = rendered(answer_format=AnswerFormat())
    assert body["text"] == {"format": {"type": "json_object"}}
    assert "JSON" in body["input"][-1]["content"][0]["text"]
    said = Conversation("gpt-5", (Message(Role.USER, (Text("as json please"),)),), answer_format=AnswerFormat())
    assert len(render_request(said).body["input"]) == 1


def test_a_choice_without_tools_is_left_out() -> None:
    body, _ = rendered(tool_choice=ToolChoice(), parallel_calls=False)
    assert not {"tool_choice", "parallel_tool_calls", "tools"} & body.keys()
    body, _ = rendered(tool_choice=ToolChoice(), parallel_calls=False, tools=(Tool("f"),))
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("auto", False)


@pytest.mark.parametrize("name", ["gpt-5.", "gpt-", "gpt-5.5555", "gpt-99999", "", "o", "GPT-5"])
def test_any_name_has_traits(name: str) -> None:
    assert traits(name).efforts


def test_of_two_efforts_as_near_the_lesser() -> None:
    assert nearest(Effort.LOW, (Effort.MINIMAL, Effort.MEDIUM)) is Effort.MINIMAL
