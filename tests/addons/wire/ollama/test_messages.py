from __future__ import annotations

import pytest
from ollama_api import PNG, rendered

from ringlet_mitm.addons.wire.canonical import (
    Json,
    Media,
    MediaKind,
    Message,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.addons.wire.ollama.request import parse_request
from ringlet_mitm.rules.shapes import WireFormat


def test_results_without_ids_find_their_calls() -> None:
    call = {"function": {"name": "a", "arguments": {}}}
    messages = [
        {"role": "assistant", "tool_calls": [call, {"function": {"name": "b", "arguments": {}}}, call]},
        {"role": "tool", "tool_name": "a", "content": "1"},
        {"role": "tool", "tool_name": "a", "content": "2"},
        {"role": "tool", "content": "3"},
    ]
    found = parse_request({"messages": messages}, "/api/chat").messages
    ids = [block.id for block in found[0].blocks if isinstance(block, ToolCall)]
    answered = [block.call_id for message in found[1:] for block in message.blocks if isinstance(block, ToolResult)]
    assert (len(set(ids)), answered) == (3, [ids[0], ids[2], ids[1]])


def test_a_turn_with_tools_of_another_format() -> None:
    body, losses = rendered(
        Message(Role.USER, (Text("look"), Media(MediaKind.IMAGE, "image/png", data=PNG), Text("here"))),
        Message(
            Role.ASSISTANT,
            (
                Thinking("hm", "sig", WireFormat.MESSAGES),
                Text("one "),
                Text("two"),
                ToolCall("c1", "a", '{"x":1}'),
                ToolCall("c2", "b", ""),
            ),
        ),
        Message(
            Role.USER,
            (
                Text("after"),
                ToolResult("c1", (Text("r1"), Media(MediaKind.IMAGE, "image/png", data=PNG))),
                ToolResult("c2", (Text("went wrong"),), is_error=True),
            ),
        ),
        system=(Text("be"), Text("brief")),
        stream=True,
    )
    assert body["messages"] == [
        {"role": "system", "content": "be\n\nbrief"},
        {"role": "user", "content": "look\n\nhere", "images": [PNG]},
        {
            "role": "assistant",
            "content": "one two",
            "tool_calls": [
                {"id": "c1", "function": {"name": "a", "arguments": {"x": 1}}},
                {"id": "c2", "function": {"name": "b", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "r1", "tool_name": "a", "tool_call_id": "c1"},
        {"role": "tool", "content": "Error: went wrong", "tool_name": "b", "tool_call_id": "c2"},
        {"role": "user", "content": "The pictures that the tools gave back:", "images": [PNG]},
        {"role": "user", "content": "after"},
    ]
    assert losses == ["thinking", "tool error mark", "image in a tool result"]
    assert body["stream"] is True


@pytest.mark.parametrize(
    ("thought", "message"),
    [
        pytest.param(Thinking("hm"), {"thinking": "hm"}, id="nobody's"),
        pytest.param(Thinking("hm", signer=WireFormat.OLLAMA), {"thinking": "hm"}, id="its own"),
        pytest.param(Thinking("hm", "x", WireFormat.GEMINI), {}, id="another vendor's"),
    ],
)
def test_thoughts(thought: Thinking, message: Json) -> None:
    body, losses = rendered(Message(Role.ASSISTANT, (thought, Text("so"))))
    assert body["messages"] == [{"role": "assistant", "content": "so", **message}]
    assert losses == ([] if message else ["thinking"])
