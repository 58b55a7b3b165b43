from __future__ import annotations

from typing import Any

import pytest
from canonicals import replies
from hypothesis import given
from made_up import VALUES

from ringlet_mitm.addons.wire.canonical import Conversation, Json, Reply, Stop, Text, Thinking, ToolCall
from ringlet_mitm.addons.wire.codec import AnswerContext, Untranslatable
from ringlet_mitm.addons.wire.ollama.reply import parse_reply, render_reply
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

CONTEXT = AnswerContext(Conversation("asked", ()), "/api/chat", "asked", "id_1", created=1_700_000_000)
FIGURES = {
    "total_duration": 5191566416,
    "load_duration": 2154458,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 383809000,
    "eval_count": 298,
    "eval_duration": 4799921000,
}
CALLED: Json = {
    "model": "qwen3",
    "created_at": "2025-10-17T23:14:07.414671Z",
    "message": {
        "role": "assistant",
        "content": "",
        "thinking": "They ask for the weather.",
        "tool_calls": [
            {"id": "call_1", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Tokyo"}}},
            {"function": {"name": "get_weather", "arguments": {"city": "Rome", "days": 1.0}}},
        ],
    },
    "done_reason": "stop",
    "done": True,
    **FIGURES,
}
PLAIN: Json = {
    "model": "llama3.2",
    "created_at": "2023-08-04T19:22:45.499127-07:00",
    "message": {"role": "assistant", "content": "Hello!", "images": None},
    "done": True,
    **FIGURES,
}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(PLAIN, id="text"),
        pytest.param(CALLED, id="thought and calls"),
        pytest.param({"message": {"role": "assistant"}}, id="nothing said"),
        pytest.param(
            CALLED | {"prompt_eval_count": 0, "eval_count": 1.0, "logprobs": [{"token": "a", "logprob": -0.1}]},
            id="odd figures, log probabilities",
        ),
        pytest.param(CALLED | {"done_reason": "load", "model": 5, "created_at": "soon"}, id="odd words"),
        pytest.param(PLAIN | {"prompt_eval_count": "many", "eval_count": True}, id="figures that are none"),
    ],
)
def test_parse_and_render_give_the_same(body: Json) -> None:
    assert render_reply(parse_reply(body), CONTEXT).body == body


def test_what_an_answer_says() -> None:
    found = parse_reply(CALLED)
    assert (found.model, found.created, found.stop) == ("qwen3", 1760742847, Stop.TOOL_CALLS)
    assert found.usage == Usage(input_tokens=26, output_tokens=298)
    thought, first, second = found.blocks
    assert thought == Thinking("They ask for the weather.", signer=WireFormat.OLLAMA)
    assert isinstance(first, ToolCall) and isinstance(second, ToolCall)
    assert (first.id, first.arguments) == ("call_1", '{"city":"Tokyo"}')
    assert second.id.startswith("call_") and len(second.id) == 25


def test_ids_that_are_made_differ_from_answer_to_answer() -> None:
    def made(created: str) -> list[str]:
        call = {"function": {"name": "a", "arguments": {}}}
        body = {"created_at": created, "message": {"role": "assistant", "tool_calls": [call, call]}}
        return [block.id for block in parse_reply(body).blocks if isinstance(block, ToolCall)]

    ids = made("2025-10-17T23:14:07.414671Z") + made("2025-10-17T23:14:07.414672Z")
    assert len(set(ids)) == 4
    assert made("2025-10-17T23:14:07.414671Z") == ids[:2]


@pytest.mark.parametrize(
    ("reason", "stop"),
    [("stop", Stop.END), ("length", Stop.MAX_TOKENS), ("", Stop.END), ("unload", Stop.END)],
)
def test_stops(reason: str, stop: Stop) -> None:
    assert parse_reply(PLAIN | {"done_reason": reason}).stop is stop


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "Ollama's answer has no message"),
        ({"error": "model 'x' not found"}, "Ollama says: model 'x' not found"),
        ({"message": ["hi"]}, "Ollama's answer has no message"),
    ],
)
def test_what_is_no_answer(body: Json, why: str) -> None:
    with pytest.raises(Untranslatable) as raised:
        parse_reply(body)
    assert str(raised.value) == why


@given(VALUES, VALUES)
def test_odd_answers_do_not_raise(content: Any, calls: Any) -> None:
    body = {"message": {"role": "assistant", "content": content, "tool_calls": calls}, "created_at": content}
    assert render_reply(parse_reply(body), CONTEXT).body == body


def test_an_answer_of_another_format() -> None:
    thought = Thinking("hm", "sig", WireFormat.MESSAGES)
    reply = Reply(
        "msg_1", "", (thought, Text("so"), ToolCall("c", "a", "{}")), Stop.MAX_TOKENS, Usage(3, output_tokens=4)
    )
    found = render_reply(reply, CONTEXT)
    assert found.body == {
        "model": "asked",
        "created_at": "2023-11-14T22:13:20Z",
        "message": {
            "role": "assistant",
            "content": "so",
            "thinking": "hm",
            "tool_calls": [{"id": "c", "function": {"name": "a", "arguments": {}}}],
        },
        "done": True,
        "done_reason": "length",
        "prompt_eval_count": 3,
        "eval_count": 4,
    }
    assert [loss.what for loss in found.losses] == ["thinking signature"]


@given(replies())
def test_what_is_rendered_says_the_same_when_read(reply: Reply) -> None:
    found = parse_reply(render_reply(reply, CONTEXT).body)
    assert [block.text for block in found.blocks if isinstance(block, Text)] == [
        block.text for block in reply.blocks if isinstance(block, Text)
    ]
    assert [block.id for block in found.blocks if isinstance(block, ToolCall)] == [
        block.id for block in reply.blocks if isinstance(block, ToolCall)
    ]
    assert (found.stop, found.created) == (reply.stop, reply.created)
