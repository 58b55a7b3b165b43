from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.anthropic.content import arguments_in, parse_block, render_block
from ringlet_mitm.addons.wire.anthropic.losses import Losses
from ringlet_mitm.addons.wire.canonical import (
    Block,
    CacheMark,
    Foreign,
    Json,
    Media,
    MediaKind,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from ringlet_mitm.rules.shapes import WireFormat

HERE = WireFormat.MESSAGES


@pytest.mark.parametrize(
    ("said", "block"),
    [
        ({"type": "text", "text": "hi"}, Text("hi")),
        ({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}, Text("hi", CacheMark())),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
            Media(MediaKind.IMAGE, "image/png", data="AA"),
        ),
        ({"type": "thinking", "thinking": "hm", "signature": "s"}, Thinking("hm", "s", HERE)),
        (
            {"type": "thinking", "thinking": "hm", "signature": "ringlet.gemini.s"},
            Thinking("hm", "s", WireFormat.GEMINI),
        ),
        ({"type": "redacted_thinking", "data": "xx"}, Thinking("", "xx", HERE, redacted=True)),
        ({"type": "tool_use", "id": "c", "name": "t", "input": {"a": [1]}}, ToolCall("c", "t", '{"a":[1]}')),
        (
            {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "r"}], "is_error": True},
            ToolResult("c", (Text("r"),), True),
        ),
    ],
)
def test_blocks(said: Json, block: Block) -> None:
    assert parse_block(said) == block


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"type": None},
        {"type": ["text"]},
        {"type": "text"},
        {"type": "text", "text": 4},
        {"type": "tool_use", "id": "c", "name": "t"},
        {"type": "tool_use", "id": "c", "name": "t", "input": "{}"},
        {"type": "tool_result", "content": "x"},
        {"type": "server_tool_use", "id": "s"},
        {"type": "web_search_tool_result", "content": []},
    ],
)
def test_what_has_another_shape_stays_as_it_is(said: Json) -> None:
    block = parse_block(said)
    assert block == Foreign(HERE, said)
    assert render_block(block, Losses()) == said


def test_a_search_result_is_its_text_to_others() -> None:
    said = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "found"}]}
    block = parse_block(said)
    assert isinstance(block, Text) and block.text == "found"
    assert render_block(block, Losses()) == said


def test_a_result_of_plain_text_is_read_as_one_block() -> None:
    block = parse_block({"type": "tool_result", "tool_use_id": "c", "content": "done"})
    assert isinstance(block, ToolResult) and block.content == (Text("done"),)


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (Foreign(WireFormat.CHAT, {"type": "odd"}), "odd"),
        (Thinking("hm", "s", WireFormat.RESPONSES), "thinking"),
    ],
)
def test_what_cannot_be_said(block: Block, what: str) -> None:
    losses = Losses()
    assert render_block(block, losses) is None
    assert [loss.what for loss in losses.found] == [what]


def test_a_refusal_is_a_text() -> None:
    assert render_block(Refusal("no"), Losses()) == {"type": "text", "text": "no"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        (" ", {}),
        ('{"a":1}', {"a": 1}),
        ("ls -l", {"arguments": "ls -l"}),
        ("[" * 10**5, {"arguments": "[" * 10**5}),
    ],
    ids=["empty", "blank", "object", "free text", "nested too deep"],
)
def test_arguments(text: str, found: Json) -> None:
    assert arguments_in(text) == found
