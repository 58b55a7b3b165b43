"""Requests to Bedrock, and who checks them: its own SDK, and what the service itself refuses."""

from __future__ import annotations

import base64
from functools import cache
from itertools import pairwise
from typing import Any

import botocore.session
from bodies import png
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from ringlet_mitm.addons.wire.canonical import Conversation, Json, Media, MediaKind, Message, Role, Text, Tool
from ringlet_mitm.addons.wire.converse.request import render_request

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


NOVA = "us.amazon.nova-pro-v1:0"


LLAMA = "meta.llama3-1-70b-instruct-v1:0"


OPUS_46, SONNET_37 = "us.anthropic.claude-opus-4-6-v1", "us.anthropic.claude-3-7-sonnet-20250219-v1:0"


NOVA_2, GPT_OSS = "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0"


PATH = f"/model/{CLAUDE.replace(':', '%3A')}/converse-stream"


PNG = png(2, 2)


PDF = base64.b64encode(b"%PDF-1.4").decode()


@cache
def operation() -> OperationModel:
    return botocore.session.get_session().get_service_model("bedrock-runtime").operation_model("ConverseStream")


def refusals(body: Json, model: str = "m") -> str:
    """What the vendor's own SDK finds wrong with a request; blobs stay the base64 that they are on the wire."""
    report: str = ParamValidator().validate({"modelId": model, **body}, operation().input_shape).generate_report()
    return report


def check(body: Json) -> None:
    """What the SDK leaves to the service: what is said to be refused in people's reports and in the reference."""
    roles = [message["role"] for message in body["messages"]]
    assert roles[0] == "user"
    assert all(one != other for one, other in pairwise(roles))
    names: list[str] = []
    for message in body["messages"]:
        assert message["content"]
        kinds = [next(iter(block)) for block in message["content"]]
        assert all(len(block) == 1 for block in message["content"])
        assert all(block["text"].strip() for block in message["content"] if "text" in block)
        assert "document" not in kinds or "text" in kinds
        rest = [kind for kind in kinds if kind != "cachePoint"]
        assert rest == sorted(rest, key=lambda kind: kind != "toolResult")
        results = [block["toolResult"] for block in message["content"] if "toolResult" in block]
        parts = [*message["content"], *(part for result in results for part in result["content"])]
        names += [part["document"]["name"] for part in parts if "document" in part]
        assert all(result["content"] for result in results)
        assert all(isinstance(block["toolUse"]["input"], dict) for block in message["content"] if "toolUse" in block)
        if any("toolUse" in block or "toolResult" in block for block in message["content"]):
            assert any("toolSpec" in tool for tool in body["toolConfig"]["tools"])
    assert len(names) == len(set(names))


def same(one: Any, other: Any) -> bool:
    """JSON values, with 1, 1.0 and true told apart."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def rendered(*messages: Message, model: str = CLAUDE, **more: Any) -> tuple[Json, list[str]]:
    conversation = Conversation(**{"model": model, "messages": messages or (user("hi"),), **more})
    found = render_request(conversation)
    assert refusals(found.body, model) == ""
    check(found.body)
    return found.body, [loss.what for loss in found.losses]


def user(*said: str) -> Message:
    return Message(Role.USER, tuple(map(Text, said)))


def assistant(*said: str) -> Message:
    return Message(Role.ASSISTANT, tuple(map(Text, said)))


IMAGE = Media(MediaKind.IMAGE, "image/png", data=PNG)


IMAGE_SAID = {"image": {"format": "png", "source": {"bytes": PNG}}}


TOOL = Tool("a", "does a", {"type": "object", "properties": {}})


TOOL_SAID = {"toolSpec": {"name": "a", "description": "does a", "inputSchema": {"json": TOOL.schema}}}


WEATHER = {
    "name": "get_weather",
    "description": "Get the weather",
    "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


HELLO = {"role": "user", "content": [{"text": "hi"}]}


EVERYTHING: Json = {
    "system": [{"text": "be brief"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "x"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "look"},
                {"image": {"format": "png", "source": {"bytes": PNG}}},
                {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}},
                {
                    "document": {
                        "format": "pdf",
                        "name": "Report",
                        "source": {"bytes": PDF},
                        "citations": {"enabled": True},
                    }
                },
                {"document": {"name": "T", "source": {"text": "plain"}}},
                {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
                {"audio": {"format": "mp3", "source": {"bytes": "AAAA"}}},
                {"guardContent": {"text": {"text": "q", "qualifiers": ["query"]}}},
                {"cachePoint": {"type": "default"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}},
                {"reasoningContent": {"redactedContent": "AAEC"}},
                {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
                {"text": "so"},
                {"citationsContent": {"content": [{"text": "cited"}], "citations": [{"title": "Report"}]}},
                {"toolUse": {"toolUseId": "t1", "name": "get_weather", "input": {"city": "é", "n": 1.0}}},
                {"toolUse": {"toolUseId": "t2", "name": "get_weather", "input": {}}},
                {"toolUse": {"toolUseId": "t3", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "toolResult": {
                        "toolUseId": "t1",
                        "content": [
                            {"text": "cold"},
                            {"json": {"degrees": 1}},
                            {"image": {"format": "png", "source": {"bytes": PNG}}},
                            {"document": {"format": "txt", "name": "log", "source": {"bytes": "aGk="}}},
                            {"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}},
                        ],
                        "status": "success",
                    }
                },
                {"toolResult": {"toolUseId": "t2", "content": [], "status": "error"}},
                {"cachePoint": {"type": "default", "ttl": "5m"}},
                {"cachePoint": {"type": "default"}},
            ],
        },
    ],
    "inferenceConfig": {"maxTokens": 512, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
    "toolConfig": {
        "tools": [
            {"toolSpec": WEATHER},
            {"cachePoint": {"type": "default"}},
            {"toolSpec": {"name": "b", "inputSchema": {"json": {}}, "strict": True}},
            {"systemTool": {"name": "nova_grounding"}},
        ],
        "toolChoice": {"tool": {"name": "get_weather"}},
    },
    "additionalModelRequestFields": {
        "top_k": 5,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "anthropic_beta": ["x"],
    },
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
    "requestMetadata": {"team": "a"},
    "performanceConfig": {"latency": "optimized"},
    "serviceTier": {"type": "flex"},
    "outputConfig": {
        "effort": "high",
        "textFormat": {
            "type": "json_schema",
            "structure": {"jsonSchema": {"schema": '{"type": "object"}', "name": "n", "description": "d"}},
        },
    },
}
