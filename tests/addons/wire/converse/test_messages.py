from __future__ import annotations

import json

import pytest
from bedrock import CLAUDE, IMAGE, IMAGE_SAID, LLAMA, NOVA, TOOL, TOOL_SAID, assistant, rendered, user

from ringlet_mitm.addons.wire.canonical import (
    CacheMark,
    Conversation,
    Foreign,
    Json,
    Message,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.codec import Untranslatable
from ringlet_mitm.addons.wire.converse.request import render_request
from ringlet_mitm.rules.shapes import WireFormat


def test_a_turn_with_tools_of_another_format() -> None:
    body, losses = rendered(
        user("look"),
        Message(
            Role.ASSISTANT,
            (
                Thinking("hm", "EqQB", WireFormat.MESSAGES),
                Text("well"),
                ToolCall("c1", "a", '{"x":1}'),
                ToolCall("c2", "a", ""),
            ),
        ),
        Message(Role.USER, (Text("hurry"), ToolResult("c1", (Text("r"), IMAGE)))),
        Message(Role.USER, (ToolResult("c2", (Text(" "),), is_error=True), Text(""))),
        system=(Text("be brief"), Text("")),
        tools=(TOOL,),
    )
    assert body == {
        "system": [{"text": "be brief"}],
        "messages": [
            {"role": "user", "content": [{"text": "look"}]},
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}},
                    {"text": "well"},
                    {"toolUse": {"toolUseId": "c1", "name": "a", "input": {"x": 1}}},
                    {"toolUse": {"toolUseId": "c2", "name": "a", "input": {}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "c1", "content": [{"text": "r"}, IMAGE_SAID]}},
                    {"toolResult": {"toolUseId": "c2", "content": [{"text": "(nothing)"}], "status": "error"}},
                    {"text": "hurry"},
                ],
            },
        ],
        "toolConfig": {"tools": [TOOL_SAID]},
    }
    assert losses == []


@pytest.mark.parametrize(
    ("messages", "said", "losses"),
    [
        pytest.param(
            [user("a"), user("b"), assistant(" "), user("c")],
            [("user", ["a", "b", "c"])],
            [],
            id="one role in a row, also around what is empty",
        ),
        pytest.param(
            [assistant("a"), user("b")],
            [("user", ["(The conversation so far follows.)"]), ("assistant", ["a"]), ("user", ["b"])],
            [],
            id="the assistant begins",
        ),
        pytest.param([user("a"), assistant("b \n")], [("user", ["a"]), ("assistant", ["b"])], [], id="a begun answer"),
        pytest.param(
            [Message(Role.SYSTEM, (Text("s"),)), user("a")], [("user", ["a"])], [], id="system at the beginning"
        ),
        pytest.param(
            [user("a"), Message(Role.SYSTEM, (Text("s"),))],
            [("user", ["a", "s"])],
            ["system message"],
            id="system later",
        ),
    ],
)
def test_order(messages: list[Message], said: list[tuple[str, list[str]]], losses: list[str]) -> None:
    body, lost = rendered(*messages)
    found = [(one["role"], [block["text"] for block in one["content"]]) for one in body["messages"]]
    assert (found, lost) == (said, losses)


@pytest.mark.parametrize("model", [LLAMA, "us.anthropic.claude-opus-4-6-v1"])
def test_a_begun_answer_where_the_model_does_not_go_on(model: str) -> None:
    body, losses = rendered(user("a"), assistant("b"), model=model)
    assert body["messages"][-1] == {"role": "user", "content": [{"text": "Go on."}]}
    assert losses == ["begun answer"]


@pytest.mark.parametrize("messages", [(), (user(" "),), (Message(Role.SYSTEM, (Text("s"),)),)])
def test_nothing_to_answer(messages: tuple[Message, ...]) -> None:
    with pytest.raises(Untranslatable, match="the conversation is empty"):
        render_request(Conversation(CLAUDE, messages))


@pytest.mark.parametrize(
    ("model", "thought", "kept"),
    [
        pytest.param(CLAUDE, Thinking("a", "s", WireFormat.MESSAGES), True, id="Anthropic's to Claude"),
        pytest.param(CLAUDE, Thinking("a", "s", WireFormat.GEMINI), False, id="Gemini's to Claude"),
        pytest.param(CLAUDE, Thinking("a"), False, id="unsigned to Claude"),
        pytest.param(CLAUDE, Thinking("a", signer=WireFormat.CONVERSE), False, id="unsigned, from another on Bedrock"),
        pytest.param(CLAUDE, Thinking("", "AA==", WireFormat.CONVERSE, redacted=True), True, id="redacted here"),
        pytest.param(CLAUDE, Thinking("", "AA==", WireFormat.MESSAGES, redacted=True), False, id="redacted there"),
        pytest.param(NOVA, Thinking("a", "s", WireFormat.MESSAGES), False, id="Anthropic's to Nova"),
        pytest.param(
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/x",
            Thinking("a", "s", WireFormat.MESSAGES),
            True,
            id="Anthropic's to who knows",
        ),
    ],
)
def test_thoughts(model: str, thought: Thinking, kept: bool) -> None:
    body, losses = rendered(user("q"), Message(Role.ASSISTANT, (thought, Text("t"))), user("r"), model=model)
    assert ("reasoningContent" in body["messages"][1]["content"][0], losses) == (kept, [] if kept else ["thinking"])


def test_only_the_user_shows_something() -> None:
    _, losses = rendered(user("a"), Message(Role.ASSISTANT, (Text("b"), IMAGE)), user("c"))
    assert losses == ["image of the assistant's"]


def test_what_converse_does_not_have() -> None:
    file = Foreign(WireFormat.MESSAGES, {"type": "container_upload"})
    _, losses = rendered(Message(Role.USER, (Text("a"), file)), previous_id="resp_1")
    assert losses == ["container_upload", "previous response"]


MARK, HOUR = CacheMark(), CacheMark("1h")


POINT, HOUR_POINT = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}


def marked(model: str) -> tuple[Json, list[str]]:
    return rendered(
        Message(Role.USER, (Text("a", MARK), Text("b"))),
        Message(Role.ASSISTANT, (ToolCall("c", "a", "{}"),)),
        Message(Role.USER, (ToolResult("c", (Text("r", MARK),)),)),
        model=model,
        system=(Text("s", HOUR),),
        tools=(Tool("a", schema=TOOL.schema, cache=MARK),),
    )


def test_cache_marks_for_claude() -> None:
    body, losses = marked(CLAUDE)
    assert body["system"] == [{"text": "s"}, HOUR_POINT]
    assert body["messages"][0]["content"] == [{"text": "a"}, POINT, {"text": "b"}]
    assert body["messages"][2]["content"][1:] == [POINT]
    assert body["toolConfig"]["tools"][1:] == [POINT]
    assert losses == []


def test_cache_marks_for_those_that_take_fewer() -> None:
    body, losses = marked(NOVA)
    assert (body["system"], len(body["toolConfig"]["tools"]), losses) == ([{"text": "s"}, POINT], 1, ["cache duration"])
    body, losses = marked(LLAMA)
    assert ("cachePoint" in json.dumps(body), losses) == (False, [])


def test_a_cache_mark_of_the_whole_goes_to_its_end() -> None:
    assert rendered(user("a"), cache=MARK)[0]["messages"][0]["content"] == [{"text": "a"}, POINT]
    four = Message(Role.USER, tuple(Text("a", MARK) for _ in range(4)))
    assert len(rendered(four, cache=MARK)[0]["messages"][0]["content"]) == 8
