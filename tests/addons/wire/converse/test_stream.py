from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.eventstream import EventStream
from botocore.parsers import create_parser
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
    Foreign,
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
from ringlet_mitm.addons.wire.converse.reply import render_reply
from ringlet_mitm.addons.wire.converse.stream import Parser, Renderer
from ringlet_mitm.addons.wire.eventstream import EventMessage, render
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

CONTEXT = AnswerContext(Conversation("asked", ()), "/model/asked/converse-stream", "asked", "id_1")


def event(kind: str, **payload: Any) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return render(EventMessage(headers, json.dumps(payload | {"p": "abcdefghij"}).encode()))


def delta(number: int, **said: Any) -> bytes:
    return event("contentBlockDelta", contentBlockIndex=number, delta=said)


def thought(number: int, **said: Any) -> bytes:
    return delta(number, reasoningContent=said)


def call(number: int, call_id: str, *pieces: str, **more: Any) -> list[bytes]:
    start = {"toolUse": {"toolUseId": call_id, "name": "a", **more}}
    begun = event("contentBlockStart", contentBlockIndex=number, start=start)
    return [begun, *(delta(number, toolUse={"input": piece}) for piece in pieces)]


def stop(number: int) -> bytes:
    return event("contentBlockStop", contentBlockIndex=number)


FIGURES = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 23, "cacheReadInputTokens": 5}
END = [
    event("messageStop", stopReason="tool_use", additionalModelResponseFields={"stop_sequence": None}),
    event("metadata", usage=FIGURES, metrics={"latencyMs": 1}),
]
EVENTS = [
    event("messageStart", role="assistant"),
    *(
        thought(0, text="I th"),
        thought(0, text="ink é"),
        thought(0, signature="Eq"),
        thought(0, signature="QB"),
        stop(0),
    ),
    *(thought(1, redactedContent="AAEC"), stop(1)),
    *(delta(2, text="So "), delta(2, text="😀"), stop(2)),
    *call(3, "server", '{"q":1}', type="server_tool_use"),
    stop(3),
    *call(4, "t1", '{"x"'),
    *call(5, "t2"),
    *(delta(4, toolUse={"input": ":1}"}), stop(4), stop(5)),
    *END,
]
STREAM = b"".join(EVENTS)


def events_of(pieces: list[bytes], model: str = "") -> list[Event]:
    return parsed(Parser(model), pieces)


def test_a_stream_is_its_answer() -> None:
    found = together(events_of([STREAM]))
    assert found.blocks == (
        Thinking("I think é", "EqQB", WireFormat.MESSAGES),
        Thinking("", "AAEC", WireFormat.CONVERSE, redacted=True),
        Text("So 😀"),
        ToolCall("t1", "a", '{"x":1}'),
        ToolCall("t2", "a", ""),
    )
    assert (found.stop, found.stop_said) == (Stop.TOOL_CALLS, "tool_use")
    assert found.usage == Usage(input_tokens=11, output_tokens=7, cache_read_tokens=5)


def test_whose_signature_it_is_where_the_model_is_known() -> None:
    assert Signed(0, "EqQB", WireFormat.CONVERSE) in events_of([STREAM], "us.amazon.nova-pro-v1:0")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
def test_the_split_of_the_bytes_does_not_matter(size: int) -> None:
    assert events_of(each(STREAM, size)) == events_of([STREAM])


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_nor_do_random_splits(places: list[int]) -> None:
    assert events_of(cut(STREAM, places)) == events_of([STREAM])


@pytest.mark.parametrize(
    ("stream", "ends"),
    [
        pytest.param(EVENTS, True, id="whole"),
        pytest.param(EVENTS[:-1], True, id="without figures"),
        pytest.param(EVENTS[:-2], False, id="without a stop"),
        pytest.param([], False, id="nothing"),
    ],
)
def test_how_it_ends(stream: list[bytes], ends: bool) -> None:
    events = events_of([b"".join(stream)])
    assert (events[-1:] == [Ended()]) is ends
    assert any(isinstance(found, Finished) for found in events) is ends


def test_what_comes_after_the_stop_is_read_over() -> None:
    late = [*EVENTS[:-1], delta(9, text="late"), EVENTS[-1], delta(9, text="later")]
    assert events_of([b"".join(late)]) == events_of([STREAM])


def failure(kind: str, name: str, **payload: Any) -> bytes:
    headers = {":message-type": kind, ":exception-type" if kind == "exception" else ":error-code": name}
    return render(EventMessage(headers, json.dumps(payload).encode() if payload else b""))


@pytest.mark.parametrize(
    ("bad", "failed"),
    [
        pytest.param(
            failure("exception", "throttlingException", message="slow down"),
            Failed(ProviderError("throttlingException", "slow down"), 429),
            id="too fast",
        ),
        pytest.param(
            failure("exception", "modelStreamErrorException", originalStatusCode=424, originalMessage="x"),
            Failed(ProviderError("modelStreamErrorException", "x"), 424),
            id="the model broke",
        ),
        pytest.param(
            failure("exception", "ValidationException", message="bad"),
            Failed(ProviderError("ValidationException", "bad"), 400),
            id="its name begins with a capital",
        ),
        pytest.param(
            failure("error", "InternalError"), Failed(ProviderError("InternalError", "InternalError"), 500), id="bare"
        ),
        pytest.param(failure("exception", ""), Failed(ProviderError("error", "error"), 500), id="nameless"),
    ],
)
def test_an_exception_ends_it(bad: bytes, failed: Failed) -> None:
    events = events_of([b"".join([*EVENTS[:3], bad, *EVENTS[3:]])])
    assert (events[-1], len(events)) == (failed, 5)


def test_a_damaged_stream_fails() -> None:
    broken = EVENTS[2][:-1] + bytes((EVENTS[2][-1] ^ 1,))
    last = events_of([b"".join([*EVENTS[:2], broken, *EVENTS[3:]])])[-1]
    assert isinstance(last, Failed)
    assert (last.status, "checksum" in last.error.message) == (502, True)


def test_garbage_is_read_over() -> None:
    odd: list[Json] = [
        {"delta": 5},
        {"contentBlockIndex": "0", "delta": {}},
        {"contentBlockIndex": 0, "delta": {"text": 5}},
    ]
    garbage = [event("contentBlockDelta", **said) for said in odd] + [event("newEvent", a=1)]
    garbage += [render(EventMessage({":message-type": "event"}, b"{half")), render(EventMessage({}, b"[]"))]
    garbage += [event("contentBlockStart", contentBlockIndex=2, start=3), event("contentBlockStop")]
    assert events_of([b"".join([*EVENTS[:3], *garbage, *EVENTS[3:]])]) == events_of([STREAM])


@given(st.binary(max_size=100))
def test_no_bytes_raise(data: bytes) -> None:
    events_of([data])


def rendered(events: list[Event]) -> tuple[bytes, list[str]]:
    renderer = Renderer(CONTEXT)
    return b"".join(renderer.feed(found) for found in events), [loss.what for loss in renderer.losses]


class Raw:
    """A connection as botocore's event stream reads it."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Iterator[bytes]:
        for at in range(0, len(self._data), 50):
            yield self._data[at : at + 50]

    def close(self) -> None:
        """Nothing to close."""


def sdk_message(data: bytes) -> tuple[list[Json], Json, Json]:
    """The content, the stop and the metadata, as who uses the vendor's own SDK puts them together."""
    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = service.operation_model("ConverseStream").output_shape.members["stream"]
    blocks: dict[int, Json] = {}
    closing: dict[str, Json] = {}
    for found in EventStream(Raw(data), shape, create_parser("rest-json")._event_stream_parser, "ConverseStream"):
        kind, said = next(iter(found.items()))
        if kind == "contentBlockStart":
            blocks[said["contentBlockIndex"]] = {"toolUse": dict(said["start"]["toolUse"], input="")}
        elif kind == "contentBlockDelta":
            _put(blocks.setdefault(said["contentBlockIndex"], {}), said["delta"])
        elif kind in ("messageStop", "metadata"):
            closing[kind] = said
    return [blocks[number] for number in sorted(blocks)], closing["messageStop"], closing["metadata"]


def _put(block: Json, said: Json) -> None:
    if "text" in said:
        block["text"] = block.get("text", "") + said["text"]
    elif "toolUse" in said:
        block["toolUse"]["input"] += said["toolUse"]["input"]
    else:
        inner = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {})
        for key, value in said["reasoningContent"].items():
            inner[key] = inner.get(key, "") + value


@given(
    replies(thinking=WireFormat.MESSAGES).flatmap(
        lambda one: st.tuples(st.just(one), event_streams_of(one, pings=True))
    )
)
def test_a_rendered_stream_is_the_rendered_answer(drawn: tuple[Reply, list[Event]]) -> None:
    reply, events = drawn
    whole = render_reply(reply, CONTEXT).body
    content, stopped, metadata = sdk_message(rendered(events)[0])
    for block in content:
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    assert content == whole["output"]["message"]["content"]
    assert (stopped["stopReason"], metadata["usage"]) == (whole["stopReason"], whole["usage"])


@given(replies(thinking=WireFormat.MESSAGES).flatmap(lambda one: st.tuples(st.just(one), event_streams_of(one))))
def test_a_rendered_stream_reads_back(drawn: tuple[Reply, list[Event]]) -> None:
    reply, events = drawn
    found = together(events_of([rendered(events)[0]]))
    assert found.blocks == reply.blocks
    assert found.stop is reply.stop
    assert found.usage is not None and reply.usage is not None
    assert (found.usage.total_input, found.usage.total_output) == (reply.usage.total_input, reply.usage.total_output)


def test_what_has_no_place_and_what_is_sealed() -> None:
    events: list[Event] = [
        Started("", "m"),
        BlockStarted(0, Foreign(WireFormat.MESSAGES, {"type": "container"})),
        BlockStarted(1, Media(MediaKind.AUDIO, "audio/wav", data="AAAA")),
        BlockStarted(2, Thinking("hm", "s", WireFormat.GEMINI)),
        BlockStarted(3, Thinking("", "enc", WireFormat.RESPONSES, redacted=True)),
        Finished(Stop.STOP_SEQUENCE, "END"),
        Ended(),
    ]
    stream, losses = rendered(events)
    found = together(events_of([stream]))
    assert losses == ["container", "audio"]
    assert found.blocks == (
        Thinking("hm", "s", WireFormat.GEMINI),
        Thinking("", "enc", WireFormat.RESPONSES, redacted=True),
    )
    assert (found.stop, found.stop_sequence) == (Stop.STOP_SEQUENCE, "END")


@pytest.mark.parametrize(
    ("status", "kind", "seen"),
    [
        (529, "serviceUnavailableException", 503),
        (429, "throttlingException", 429),
        (500, "internalServerException", 500),
    ],
)
def test_a_failure(status: int, kind: str, seen: int) -> None:
    stream, _ = rendered([Failed(ProviderError("x", "busy"), status)])
    assert events_of([stream]) == [Failed(ProviderError(kind, "busy"), seen)]
    assert Renderer(CONTEXT).ping() == b""


def test_speed() -> None:
    stream = b"".join([EVENTS[0], *(delta(0, text="word ") for _ in range(2000))])
    parser, renderer = Parser(), Renderer(CONTEXT)
    start = time.process_time()
    events = parser.feed(stream)
    parsed = time.process_time() - start
    for found in events:
        renderer.feed(found)
    total = time.process_time() - start
    assert sum(isinstance(found, Delta) for found in events) == 2000
    assert total / 2000 < 0.0001, f"{parsed / 2000 * 1e6:.0f} + {(total - parsed) / 2000 * 1e6:.0f} µs an event"
