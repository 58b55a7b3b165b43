from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape
from botocore.validate import ParamValidator
from canonicals import replies
from hypothesis import given
from made_up import VALUES

from ringlet_mitm.addons.wire.canonical import (
    Conversation,
    Foreign,
    Json,
    Media,
    MediaKind,
    Reply,
    Stop,
    Text,
    Thinking,
    ToolCall,
)
from ringlet_mitm.addons.wire.codec import AnswerContext, Untranslatable
from ringlet_mitm.addons.wire.converse.reply import parse_reply, render_reply
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

CONTEXT = AnswerContext(Conversation("asked", ()), "/model/asked/converse", "asked", "id_1")
FIGURES = {"inputTokens": 30, "outputTokens": 628, "totalTokens": 658}
PLAIN: Json = {
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello!"}]}},
    "stopReason": "end_turn",
    "usage": FIGURES,
    "metrics": {"latencyMs": 1275},
}
CALLED: Json = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}},
                {"reasoningContent": {"redactedContent": "AAEC"}},
                {"text": "I look."},
                {"citationsContent": {"content": [{"text": "cited"}], "citations": []}},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "é", "n": 1.0}}},
                {"toolUse": {"toolUseId": "t2", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
                {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": FIGURES
    | {
        "cacheReadInputTokens": 7,
        "cacheWriteInputTokens": 5,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 3}, {"ttl": "5m", "inputTokens": 2}],
        "totalTokens": 670,
    },
    "metrics": {"latencyMs": 1},
    "additionalModelResponseFields": {"stop_sequence": "END"},
    "trace": {"promptRouter": {"invokedModelId": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"}},
    "performanceConfig": {"latency": "standard"},
}


@cache
def answer_shape() -> Shape:
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    return service.operation_model("Converse").output_shape


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(PLAIN, id="text"),
        pytest.param(CALLED, id="everything"),
        pytest.param({"output": {"message": {"content": "hi"}}}, id="content that is a text"),
        pytest.param(PLAIN | {"stopReason": "new_reason", "usage": {"inputTokens": "many"}}, id="odd words"),
        pytest.param(PLAIN | {"stopReason": None, "usage": None, "trace": {"promptRouter": 3}}, id="nulls"),
        pytest.param(PLAIN | {"usage": FIGURES | {"cacheReadInputTokens": 0, "new": 1}}, id="odd figures"),
    ],
)
def test_parse_and_render_give_the_same(body: Json) -> None:
    assert render_reply(parse_reply(body), CONTEXT).body == body


def test_what_an_answer_says() -> None:
    found = parse_reply(CALLED)
    assert (found.model, found.stop, found.stop_sequence) == ("amazon.nova-pro-v1:0", Stop.TOOL_CALLS, "END")
    assert found.usage == Usage(
        input_tokens=30, output_tokens=628, cache_read_tokens=7, cache_write_5m_tokens=2, cache_write_1h_tokens=3
    )
    kinds = [type(block) for block in found.blocks]
    assert kinds == [Thinking, Thinking, Text, Text, ToolCall, Foreign, Media]
    assert [block.text for block in found.blocks if isinstance(block, Text)] == ["I look.", "cited"]


@pytest.mark.parametrize(
    ("body", "model", "signer"),
    [
        pytest.param(CALLED, "", WireFormat.CONVERSE, id="the model that the router chose counts"),
        pytest.param(CALLED | {"trace": {}}, "", WireFormat.MESSAGES, id="not known: only Claude signs"),
        pytest.param(CALLED | {"trace": {}}, "us.amazon.nova-pro-v1:0", WireFormat.CONVERSE, id="who was asked"),
    ],
)
def test_whose_signature_it_is(body: Json, model: str, signer: WireFormat) -> None:
    thoughts = parse_reply(body, model).blocks[:2]
    assert thoughts == (
        Thinking("hm", "EqQB", signer),
        Thinking("", "AAEC", WireFormat.CONVERSE, redacted=True),
    )


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", Stop.END),
        ("max_tokens", Stop.MAX_TOKENS),
        ("stop_sequence", Stop.STOP_SEQUENCE),
        ("guardrail_intervened", Stop.SAFETY),
        ("model_context_window_exceeded", Stop.CONTEXT_FULL),
        ("malformed_tool_use", Stop.MALFORMED_CALL),
    ],
)
def test_stops(reason: str, stop: Stop) -> None:
    assert parse_reply(PLAIN | {"stopReason": reason}).stop is stop


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "Bedrock's answer has no message"),
        ({"message": "Too many requests"}, "Bedrock says: Too many requests"),
        ({"output": {"message": None}}, "Bedrock's answer has no message"),
    ],
)
def test_what_is_no_answer(body: Json, why: str) -> None:
    with pytest.raises(Untranslatable) as raised:
        parse_reply(body)
    assert str(raised.value) == why


@given(VALUES, VALUES)
def test_odd_answers_come_back_as_they_were(content: Any, other: Any) -> None:
    message = {"role": "assistant", "content": [{"text": content}, {"toolUse": other}, {"image": other}]}
    body = {"output": {"message": message}, "stopReason": other, "usage": content, "trace": other}
    assert render_reply(parse_reply(body), CONTEXT).body == body


def test_an_answer_of_another_format() -> None:
    blocks = (
        Thinking("hm", "sig", WireFormat.GEMINI),
        Thinking("", "enc", WireFormat.RESPONSES, redacted=True),
        Text("so"),
        ToolCall("c", "a", ""),
        Media(MediaKind.IMAGE, "image/png", data="AAAA"),
        Foreign(WireFormat.MESSAGES, {"type": "web_search_tool_result"}),
    )
    found = render_reply(Reply("msg_1", "m", blocks, Stop.STOP_SEQUENCE, Usage(3), stop_sequence="END"), CONTEXT)
    assert found.body["output"]["message"]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "ringlet.gemini.sig"}}},
        {"reasoningContent": {"redactedContent": "cmluZ2xldC5vcGVuYWktcmVzcG9uc2VzLmVuYw=="}},
        {"text": "so"},
        {"toolUse": {"toolUseId": "c", "name": "a", "input": {}}},
        {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
    ]
    assert found.body["usage"] == {"inputTokens": 3, "outputTokens": 0, "totalTokens": 3}
    assert found.body["additionalModelResponseFields"] == {"stop_sequence": "END"}
    assert [loss.what for loss in found.losses] == ["web_search_tool_result"]
    assert parse_reply(found.body).blocks[:2] == blocks[:2]


@given(replies(thinking=WireFormat.MESSAGES))
def test_every_answer_becomes_a_valid_one_that_reads_back(reply: Reply) -> None:
    body = render_reply(reply, CONTEXT).body
    assert ParamValidator().validate(body, answer_shape()).generate_report() == ""
    found = parse_reply(body)
    assert (len(found.blocks), found.stop) == (len(reply.blocks), reply.stop)
    for one, other in zip(found.blocks, reply.blocks, strict=True):
        assert isinstance(one, ToolCall) or one == other
