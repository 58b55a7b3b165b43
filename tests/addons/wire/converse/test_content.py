from __future__ import annotations

from typing import Any

import pytest

from ringlet_mitm.addons.wire.canonical import Block, CacheMark, Foreign, Json, Text, ToolCall, ToolResult
from ringlet_mitm.addons.wire.converse.content import arguments_of, own_content, parse_content
from ringlet_mitm.rules.shapes import WireFormat

CONVERSE = WireFormat.CONVERSE
POINT: Json = {"cachePoint": {"type": "default"}}


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        pytest.param([{"text": "a"}, POINT], (Text("a", CacheMark()),), id="a cache point marks what is before it"),
        pytest.param([POINT], (Foreign(CONVERSE, POINT),), id="nothing before it"),
        pytest.param(
            [{"text": "a"}, POINT, POINT], (Text("a", CacheMark()), Foreign(CONVERSE, POINT)), id="two in a row"
        ),
        pytest.param([{"new": 1}, POINT], (Foreign(CONVERSE, {"new": 1}), Foreign(CONVERSE, POINT)), id="behind new"),
        pytest.param([{"text": "a", "more": 1}], (Foreign(CONVERSE, {"text": "a", "more": 1}),), id="two keys"),
        pytest.param([{}], (Foreign(CONVERSE, {}),), id="no key"),
        pytest.param([{"text": "a"}, 5], (), id="not all are objects"),
        pytest.param("text", (), id="no list"),
    ],
)
def test_blocks(content: Any, blocks: tuple[Block, ...]) -> None:
    found = parse_content(content, CONVERSE)
    assert found == blocks
    assert not found or own_content(found) == content


def test_json_and_citations_are_readable() -> None:
    cited = {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}, {"new": 1}], "citations": [1]}}
    result = {"toolResult": {"toolUseId": "t", "content": [{"json": {"x": [1, None]}}]}}
    text, answer = parse_content([cited, result], CONVERSE)
    assert isinstance(text, Text) and text.text == "ab"
    assert isinstance(answer, ToolResult) and isinstance(answer.content[0], Text)
    assert answer.content[0].text == '{"x":[1,null]}'
    assert own_content((text, answer)) == [cited, result]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        pytest.param('{"a":[1]}', {"a": [1]}, id="an object"),
        pytest.param("", {}, id="nothing"),
        pytest.param("[1]", {"input": "[1]"}, id="a list"),
        pytest.param('{"a":', {"input": '{"a":'}, id="cut off"),
    ],
)
def test_arguments_are_an_object(arguments: str, sent: Json) -> None:
    assert arguments_of(ToolCall("c", "a", arguments)) == sent
