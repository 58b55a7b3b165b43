from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsed import cut, each, parsed, together

from ringlet_mitm.addons.wire.anthropic.reply import parse_reply
from ringlet_mitm.addons.wire.anthropic.stream import HELD_LIMIT, Parser
from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Json,
    Ping,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

HERE = WireFormat.MESSAGES


def sse(*events: Json) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def start(index: int, **block: Any) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **said: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": said}


def stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def head(**usage: int) -> Json:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    figures = {"input_tokens": 12, "output_tokens": 1} | usage
    return {"type": "message_start", "message": message | {"stop_reason": None, "usage": figures}}


def end(reason: str, **more: Any) -> Json:
    said = {"stop_reason": reason, "stop_sequence": None} | more
    return {"type": "message_delta", "delta": said, "usage": {"output_tokens": 9}}


OVER: Json = {"type": "message_stop"}
TURN = [
    head(),
    {"type": "ping"},
    start(0, type="thinking", thinking="", signature=""),
    delta(0, type="thinking_delta", thinking="I th"),
    delta(0, type="thinking_delta", thinking="ink"),
    delta(0, type="signature_delta", signature="c2ln"),
    stop(0),
    start(1, type="text", text=""),
    delta(1, type="text_delta", text="é 😀"),
    stop(1),
    start(2, type="tool_use", id="toolu_1", name="bash", input={}),
    delta(2, type="input_json_delta", partial_json=""),
    delta(2, type="input_json_delta", partial_json='{"command":'),
    delta(2, type="input_json_delta", partial_json='"ls"}'),
    stop(2),
    end("tool_use"),
    OVER,
]


def events_of(*pieces: bytes) -> list[Event]:
    return parsed(Parser(), pieces)


def test_a_turn() -> None:
    found = events_of(sse(*TURN))
    assert [event for event in found if not isinstance(event, Started | Finished)] == [
        Ping(),
        BlockStarted(0, Thinking("")),
        Delta(0, "I th"),
        Delta(0, "ink"),
        Signed(0, "c2ln", HERE),
        BlockEnded(0),
        BlockStarted(1, Text("")),
        Delta(1, "é 😀"),
        BlockEnded(1),
        BlockStarted(2, ToolCall("toolu_1", "bash", "")),
        Delta(2, '{"command":'),
        Delta(2, '"ls"}'),
        BlockEnded(2),
        UsageSeen(Usage(input_tokens=12, output_tokens=9)),
        Ended(),
    ]
    started, finished = found[0], found[-2]
    assert isinstance(started, Started) and started.usage == Usage(input_tokens=12, output_tokens=1)
    assert (started.id, started.model) == ("msg_1", "claude-x")
    assert isinstance(finished, Finished) and finished.stop is Stop.TOOL_CALLS


def test_the_stream_and_the_whole_say_the_same() -> None:
    found = together(events_of(sse(*TURN)))
    whole = parse_reply(
        {
            "id": "msg_1",
            "model": "claude-x",
            "content": [
                {"type": "thinking", "thinking": "I think", "signature": "c2ln"},
                {"type": "text", "text": "é 😀"},
                {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls"}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 12, "output_tokens": 9},
        }
    )
    assert (found.blocks, found.stop, found.usage) == (whole.blocks, whole.stop, whole.usage)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_at_any_chunk_size(size: int) -> None:
    stream = sse(*TURN)
    assert events_of(*each(stream, size)) == events_of(stream)


@given(st.sets(st.integers(0, len(sse(*TURN)))))
def test_at_any_split(places: set[int]) -> None:
    stream = sse(*TURN)
    assert events_of(*cut(stream, places)) == events_of(stream)


def test_arguments_that_come_whole() -> None:
    found = events_of(sse(head(), start(0, type="tool_use", id="t", name="n", input={"a": 1}), stop(0)))
    assert found[1:] == [BlockStarted(0, ToolCall("t", "n", "")), Delta(0, '{"a":1}'), BlockEnded(0)]


def test_no_arguments_are_an_empty_object() -> None:
    found = events_of(sse(head(), start(0, type="tool_use", id="t", name="n", input={}), stop(0)))
    assert found[2:] == [Delta(0, "{}"), BlockEnded(0)]


def test_a_vendors_own_call_comes_in_one_piece() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    pieces = [delta(0, type="input_json_delta", partial_json=text) for text in ('{"que', 'ry":"x"}')]
    found = events_of(sse(head(), start(0, **block), *pieces, stop(0)))
    assert found[1:] == [BlockStarted(0, Foreign(HERE, block | {"input": {"query": "x"}})), BlockEnded(0)]


def test_a_vendors_own_call_is_held_within_bounds() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "n", "input": {}}
    parser = Parser()
    parser.feed(sse(head(), start(0, **block)))
    piece = sse(delta(0, type="input_json_delta", partial_json="x" * (HELD_LIMIT // 4)))
    for _ in range(8):
        parser.feed(piece)
    assert sum(map(len, parser._open[0].held)) <= HELD_LIMIT
    assert parser.feed(sse(stop(0)))[0] == BlockStarted(0, Foreign(HERE, block))


def test_redacted_thinking() -> None:
    found = events_of(sse(head(), start(0, type="redacted_thinking", data="xx"), stop(0)))
    assert found[1] == BlockStarted(0, Thinking("", "xx", HERE, redacted=True))


def test_blocks_left_open_end_with_the_answer() -> None:
    found = events_of(sse(head(), start(0, type="text", text="a"), end("end_turn"), OVER))
    assert [type(event) for event in found[1:]] == [BlockStarted, Delta, UsageSeen, BlockEnded, Finished, Ended]


def test_blocks_all_numbered_nought() -> None:
    found = events_of(sse(head(), start(0, type="text", text="a"), start(0, type="text", text="b"), stop(0)))
    assert found[1:] == [
        BlockStarted(0, Text("")),
        Delta(0, "a"),
        BlockEnded(0),
        BlockStarted(1, Text("")),
        Delta(1, "b"),
        BlockEnded(1),
    ]


def test_figures_that_come_only_at_the_start_or_only_at_the_end() -> None:
    late = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": 50}}
    found = events_of(sse(head(input_tokens=0, cache_read_input_tokens=4), late))
    assert UsageSeen(Usage(input_tokens=50, cache_read_tokens=4, output_tokens=1)) in found


@pytest.mark.parametrize(
    ("error", "status"),
    [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500), ("authentication_error", 401)],
)
def test_an_error_ends_it(error: str, status: int) -> None:
    told = {"type": "error", "error": {"type": error, "message": "sorry"}}
    found = events_of(sse(head(), told, *TURN))
    assert isinstance(found[-1], Failed)
    assert (found[-1].error.type, found[-1].error.message, found[-1].status) == (error, "sorry", status)
    assert len(found) == 2


def test_broken_off_is_not_ended() -> None:
    assert not isinstance(events_of(sse(*TURN[:5]))[-1], Ended)


def test_without_its_last_event_a_finished_answer_is_complete() -> None:
    assert isinstance(events_of(sse(*TURN[:-1]))[-1], Ended)


GARBAGE = [
    b"data: not json\n\n",
    b"data: []\n\n",
    b"data: 7\n\n",
    b"data: \xff\xfe\n\n",
    b": a comment\n\n",
    b'data: {"type": "content_block_delta", "index": "a", "delta": {"text": 4}}\n\n',
    b'data: {"type": "content_block_delta", "index": 99, "delta": {"text": "x"}}\n\n',
    b'data: {"type": "content_block_stop", "index": 99}\n\n',
    b'data: {"type": "vendor_news"}\n\n',
    b'data: {"type": "message_delta", "delta": null, "usage": null}\n\n',
    b'data: {"type": ' + b"[" * 100_000 + b"\n\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=[str(item[:40]) for item in GARBAGE])
def test_garbage_is_read_over(garbage: bytes) -> None:
    stream = [sse(event) for event in TURN]
    assert events_of(*stream[:5], garbage, *stream[5:]) == events_of(*stream)


@given(st.lists(st.binary(max_size=40) | st.sampled_from(GARBAGE) | st.sampled_from([sse(one) for one in TURN])))
def test_nothing_makes_it_crash(pieces: list[bytes]) -> None:
    events_of(*pieces)


def test_an_event_takes_a_tenth_of_a_millisecond() -> None:
    count = 2000
    stream = sse(head(), start(0, type="text", text=""), *[delta(0, type="text_delta", text="word ")] * count)
    parser = Parser()
    begin = time.process_time()
    assert len(parser.feed(stream)) == count + 2
    assert (time.process_time() - begin) / count < 0.0001  # 0.0000025 measured
