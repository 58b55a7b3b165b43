from __future__ import annotations

import json
import time
from typing import Any

import pytest
from canonicals import event_streams_of, replies
from hypothesis import given
from hypothesis import strategies as st
from parsed import cut, each, parsed, together

from ringlet_mitm.addons.wire.canonical import (
    BlockStarted,
    Conversation,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Json,
    Media,
    MediaKind,
    Reply,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
)
from ringlet_mitm.addons.wire.codec import AnswerContext
from ringlet_mitm.addons.wire.ollama.reply import parse_reply, render_reply
from ringlet_mitm.addons.wire.ollama.stream import Parser, Renderer
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

CONTEXT = AnswerContext(Conversation("asked", ()), "/api/chat", "asked", "id_1", created=1_700_000_000)
BEGIN = {"model": "qwen3", "created_at": "2025-10-26T17:15:24.097767Z", "done": False}


def chunk(**message: Any) -> Json:
    return BEGIN | {"message": {"role": "assistant", "content": "", **message}}


CALLS = [{"function": {"name": name, "arguments": {"é": 1}}} for name in "ab"]
END = chunk() | {"done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7, "total_duration": 9}
LINES = [chunk(thinking="I th"), chunk(thinking="ink"), chunk(content="So "), chunk(content="é 😀")]
LINES += [chunk(tool_calls=CALLS[:1]), chunk(tool_calls=CALLS[1:]), END]


def stream_of(lines: list[Json]) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


STREAM = stream_of(LINES)


def events_of(pieces: list[bytes]) -> list[Event]:
    return parsed(Parser(), pieces)


def test_a_stream_is_its_answer() -> None:
    found = together(events_of([STREAM]))
    thought, text, *calls = found.blocks
    assert (thought, text) == (Thinking("I think", signer=WireFormat.OLLAMA), Text("So é 😀"))
    assert [(call.name, call.arguments) for call in calls if isinstance(call, ToolCall)] == [
        ("a", '{"é":1}'),
        ("b", '{"é":1}'),
    ]
    assert len({call.id for call in calls if isinstance(call, ToolCall)}) == 2
    assert (found.model, found.created, found.stop) == ("qwen3", 1761498924, Stop.TOOL_CALLS)
    assert found.usage == Usage(input_tokens=11, output_tokens=7)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_the_split_of_the_bytes_does_not_matter(size: int) -> None:
    assert events_of(each(STREAM, size)) == events_of([STREAM])


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_nor_do_random_splits(places: list[int]) -> None:
    assert events_of(cut(STREAM, places)) == events_of([STREAM])


def test_how_it_ends() -> None:
    assert events_of([STREAM])[-2:] == [Finished(Stop.TOOL_CALLS, stop_said="stop"), Ended()]
    assert events_of([STREAM.rstrip(b"\n")])[-1] == Ended()


def test_one_that_breaks_off_has_no_end() -> None:
    assert not any(isinstance(event, Ended | Failed | Finished) for event in events_of([stream_of(LINES[:-1])]))


@pytest.mark.parametrize(
    ("line", "failed"),
    [
        pytest.param({"error": "boom"}, Failed(ProviderError("error", "boom"), 500), id="a text"),
        pytest.param(
            {"error": {"message": "slow down", "type": "x"}, "status_code": 429},
            Failed(ProviderError("x", "slow down"), 429),
            id="an object and a status",
        ),
        pytest.param({"error": ["?"]}, Failed(ProviderError("error", "the model failed"), 500), id="something else"),
    ],
)
def test_an_error_ends_it(line: Json, failed: Failed) -> None:
    events = events_of([stream_of([chunk(content="a"), line, chunk(content="b"), END])])
    assert (events[-1], len(events)) == (failed, 4)


def test_garbage_is_read_over() -> None:
    garbage = b'{"half\n[1]\nnull\n"text"\n{"message":5}\n{"message":{"content":{"a":1},"tool_calls":[3]}}\n'
    events = events_of([stream_of(LINES[:2]) + garbage + stream_of(LINES[2:])])
    assert events == events_of([STREAM])


@given(st.binary(max_size=100))
def test_no_bytes_raise(data: bytes) -> None:
    events_of([data])


def rendered(events: list[Event]) -> tuple[bytes, list[str]]:
    renderer = Renderer(CONTEXT)
    return b"".join(renderer.feed(event) for event in events), [loss.what for loss in renderer.losses]


@given(
    replies(thinking=WireFormat.OLLAMA).flatmap(lambda one: st.tuples(st.just(one), event_streams_of(one, pings=True)))
)
def test_a_rendered_stream_is_the_rendered_answer(drawn: tuple[Reply, list[Event]]) -> None:
    reply, events = drawn
    lines = [json.loads(line) for line in rendered(events)[0].splitlines()]
    whole = render_reply(reply, CONTEXT).body
    said = [line["message"] for line in lines]
    assert "".join(message["content"] for message in said) == whole["message"]["content"]
    assert "".join(message.get("thinking", "") for message in said) == whole["message"].get("thinking", "")
    calls = [call for message in said for call in message.get("tool_calls", [])]
    assert calls == whole["message"].get("tool_calls", [])
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert {key: value for key, value in lines[-1].items() if key != "message"} == {
        key: value for key, value in whole.items() if key != "message"
    }


@given(replies(thinking=WireFormat.OLLAMA))
def test_a_rendered_stream_reads_back(reply: Reply) -> None:
    whole = parse_reply(render_reply(reply, CONTEXT).body)
    blocks = [one for at, block in enumerate(reply.blocks) for one in (BlockStarted(at, block),)]
    stream, _ = rendered([Started("", reply.model, created=reply.created), *blocks, Finished(reply.stop), Ended()])
    found = together(events_of([stream]))
    assert [type(block) for block in found.blocks] == [type(block) for block in whole.blocks]
    assert (found.model, found.created) == (whole.model, whole.created)


def test_what_has_no_place_is_said_once() -> None:
    events: list[Event] = [Started("", "m")]
    for at in range(2):
        events += [BlockStarted(at, Thinking("a")), Signed(at, "s", WireFormat.MESSAGES)]
    events.append(BlockStarted(2, Media(MediaKind.AUDIO, "audio/wav", data="AAAA")))
    assert rendered(events)[1] == ["thinking signature", "audio"]


def test_a_failure_and_a_sign_of_life() -> None:
    assert rendered([Failed(ProviderError("overloaded_error", "busy"), 529)])[0] == b'{"error":"busy"}\n'
    assert events_of([Renderer(CONTEXT).ping()]) == [Started("", "asked", created=1_700_000_000)]


def test_speed() -> None:
    lines = stream_of([chunk(content="word ")] * 2000)
    parser, renderer = Parser(), Renderer(CONTEXT)
    start = time.process_time()
    events = parser.feed(lines)
    parsed = time.process_time() - start
    for event in events:
        renderer.feed(event)
    total = time.process_time() - start
    assert sum(isinstance(event, Delta) for event in events) == 2000
    assert total / 2000 < 0.0001, f"{parsed / 2000 * 1e6:.0f} + {(total - parsed) / 2000 * 1e6:.0f} µs an event"
