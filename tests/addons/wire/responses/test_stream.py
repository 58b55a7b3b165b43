"""Streams: what OpenAI and servers like it send as events, and events as OpenAI's own SDK and Codex CLI read them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, get_args

import openai
import pytest
from canonicals import event_streams_of, replies
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import VALUES
from openai.types.responses import ResponseStreamEvent
from parsed import cut, each, parsed, together
from pydantic import BaseModel

from ringlet_mitm.addons.wire.accumulating import events_of
from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    CallKind,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Json,
    Ping,
    Refusal,
    Reply,
    Signed,
    Started,
    Stop,
    Text,
    Thinking,
    ToolCall,
    UsageSeen,
)
from ringlet_mitm.addons.wire.codec import AnswerContext
from ringlet_mitm.addons.wire.responses.reply import parse_reply, render_reply
from ringlet_mitm.addons.wire.responses.request import parse_request
from ringlet_mitm.addons.wire.responses.stream import Parser, Renderer
from ringlet_mitm.addons.wire.sse import SseParser
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

REQUEST = {"model": "gpt-5", "input": "hi", "stream": True}
CONTEXT = AnswerContext(parse_request(REQUEST, "/v1/responses"), "/v1/responses", "asked", "made", 12, 1_763_700_000)
RESPONSE: Json = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_763_700_000,
    "model": "gpt-5",
    "status": "in_progress",
}
FIGURES = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 14,
}
NUMBERED = st.sampled_from([0, 1, -1, "x", None, 2**80])


PUBLISHED: dict[str, type[BaseModel]] = {
    get_args(kind.model_fields["type"].annotation)[0]: kind for kind in get_args(get_args(ResponseStreamEvent)[0])
}


def told(*events: Json) -> bytes:
    frames = (json.dumps(event | {"sequence_number": number}) for number, event in enumerate(events))
    return b"".join(f"event: {json.loads(frame)['type']}\ndata: {frame}\n\n".encode() for frame in frames)


def at(kind: str, place: int, **fields: Any) -> Json:
    return {"type": f"response.{kind}", "output_index": place, "item_id": f"item_{place}", **fields}


def ending(output: list[Json] | None = None, status: str = "completed", **more: Any) -> Json:
    response = RESPONSE | {"status": status, "output": output or [], "usage": FIGURES} | more
    return {"type": f"response.{status}", "response": response}


CREATED = {"type": "response.created", "response": RESPONSE | {"output": []}}
PART = {"type": "output_text", "text": "", "annotations": []}
SAID = PART | {"text": "Hi you", "annotations": [{"type": "file_path", "file_id": "f", "index": 0}]}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "phase": "commentary",
    "content": [SAID],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c1",
    "name": "f",
    "arguments": '{"a":1}',
    "status": "completed",
}
CUSTOM = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "c2",
    "name": "exec",
    "input": "ls",
    "namespace": "functions",
}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}],
    "encrypted_content": "gAAA",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}
WHOLE = told(
    CREATED,
    {"type": "response.in_progress", "response": RESPONSE},
    at("output_item.added", 0, item=THOUGHT | {"summary": [], "encrypted_content": "g"}),
    at("reasoning_summary_part.added", 0, summary_index=0, part={"type": "summary_text", "text": ""}),
    at("reasoning_summary_text.delta", 0, summary_index=0, delta="one"),
    at("reasoning_summary_text.done", 0, summary_index=0, text="one"),
    at("reasoning_summary_part.done", 0, summary_index=0, part={"type": "summary_text", "text": "one"}),
    at("reasoning_summary_part.added", 0, summary_index=1, part={"type": "summary_text", "text": ""}),
    at("reasoning_summary_text.delta", 0, summary_index=1, delta="two"),
    at("output_item.done", 0, item=THOUGHT),
    at("output_item.added", 1, item=SEARCH | {"status": "in_progress"}),
    at("web_search_call.searching", 1),
    at("output_item.done", 1, item=SEARCH),
    {"type": "keepalive"},
    at("output_item.added", 2, item=MESSAGE | {"status": "in_progress", "content": []}),
    at("content_part.added", 2, content_index=0, part=PART),
    at("output_text.delta", 2, content_index=0, delta="Hi", logprobs=[], obfuscation="xxx"),
    at("output_text.delta", 2, content_index=0, delta=" you", logprobs=[]),
    at("output_text.annotation.added", 2, content_index=0, annotation_index=0, annotation={}),
    at("output_text.done", 2, content_index=0, text="Hi you", logprobs=[]),
    at("content_part.done", 2, content_index=0, part=SAID),
    at("output_item.done", 2, item=MESSAGE),
    at("output_item.added", 3, item=CALL | {"arguments": "", "status": "in_progress"}),
    at("output_item.added", 4, item=CUSTOM | {"input": ""}),
    at("function_call_arguments.delta", 3, delta='{"a"'),
    at("custom_tool_call_input.delta", 4, delta="ls"),
    at("function_call_arguments.delta", 3, delta=":1}"),
    at("custom_tool_call_input.done", 4, input="ls"),
    at("function_call_arguments.done", 3, arguments='{"a":1}'),
    at("output_item.done", 4, item=CUSTOM),
    at("output_item.done", 3, item=CALL),
    ending([THOUGHT, SEARCH, MESSAGE, CALL, CUSTOM]),
)


def read(*pieces: bytes) -> list[Event]:
    return parsed(Parser(), pieces)


def plain(block: Any) -> Any:
    return block if isinstance(block, Foreign) else replace(block, native=None)


def test_a_stream_is_read() -> None:
    events = read(WHOLE)
    first = [event for event in events if not isinstance(event, BlockStarted | BlockEnded)]
    assert first == [
        Started("resp_1", "gpt-5", None, 1_763_700_000),
        Delta(0, "one"),
        Delta(0, "\n\n"),
        Delta(0, "two"),
        Signed(0, "gAAA", WireFormat.RESPONSES),
        Ping(),
        Delta(2, "Hi"),
        Delta(2, " you"),
        Delta(3, '{"a"'),
        Delta(4, "ls"),
        Delta(3, ":1}"),
        UsageSeen(Usage(input_tokens=9, output_tokens=5)),
        Finished(Stop.TOOL_CALLS, None, "completed"),
        Ended(),
    ]
    assert [plain(event.block) for event in events if isinstance(event, BlockStarted)] == [
        Thinking("", id="rs_1"),
        Foreign(WireFormat.RESPONSES, SEARCH),
        Text(""),
        ToolCall("c1", "f", ""),
        ToolCall("c2", "exec", "", CallKind.CUSTOM, "functions"),
    ]


def test_a_stream_and_its_whole_answer_are_read_alike() -> None:
    whole = parse_reply(ending([THOUGHT, SEARCH, MESSAGE, CALL, CUSTOM])["response"])
    streamed = together(read(WHOLE))
    assert list(map(plain, streamed.blocks)) == list(map(plain, whole.blocks))
    assert (streamed.stop, streamed.usage, streamed.id, streamed.created) == (
        whole.stop,
        whole.usage,
        whole.id,
        whole.created,
    )


def test_a_stream_comes_back_with_its_items() -> None:
    renderer = Renderer(CONTEXT)
    for event in read(WHOLE):
        renderer.feed(event)
    search, message, call, custom = renderer.response["output"][1:]
    assert renderer.response["output"][0] == THOUGHT
    assert (search, message["id"], message["phase"], message["content"][0]["annotations"]) == (
        SEARCH,
        "msg_1",
        "commentary",
        SAID["annotations"],
    )
    assert (call, custom) == (CALL, CUSTOM | {"status": "completed"})


def test_one_byte_at_a_time() -> None:
    assert read(*each(WHOLE, 1)) == read(WHOLE)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_any_split_gives_the_same(places: list[int]) -> None:
    assert read(*cut(WHOLE, places)) == read(WHOLE)


UNANNOUNCED: dict[str, tuple[bytes, list[Any]]] = {
    "only the whole answer": (told(ending([THOUGHT, MESSAGE, CALL])), [Thinking, Text, ToolCall]),
    "only complete items": (
        told(CREATED, at("output_item.done", 0, item=MESSAGE), at("output_item.done", 1, item=CUSTOM), ending()),
        [Text, ToolCall],
    ),
    "deltas without parts": (
        told(CREATED, at("output_text.delta", 0, content_index=0, delta="Hi"), ending([MESSAGE])),
        [Text],
    ),
    "deltas that stop short": (
        told(
            at("output_item.added", 0, item=CALL | {"arguments": ""}),
            at("function_call_arguments.delta", 0, delta='{"a"'),
            at("output_item.added", 1, item=MESSAGE | {"content": []}),
            at("output_text.delta", 1, content_index=0, delta="Hi"),
            at("output_text.done", 1, content_index=0, text="Hi you"),
            ending([CALL, MESSAGE]),
        ),
        [ToolCall, Text],
    ),
    "thoughts told openly": (
        told(
            at("output_item.added", 0, item={"type": "reasoning", "id": "rs_1", "summary": []}),
            at("reasoning_text.delta", 0, content_index=0, delta="hm"),
            at("reasoning_summary_text.delta", 0, summary_index=0, delta="ignored"),
            ending(),
        ),
        [Thinking],
    ),
    "no item begins": (told(at("function_call_arguments.delta", 0, delta="x"), ending()), []),
}


@pytest.mark.parametrize(("stream", "kinds"), UNANNOUNCED.values(), ids=UNANNOUNCED.keys())
def test_what_other_servers_leave_out(stream: bytes, kinds: list[type]) -> None:
    events = read(stream)
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    blocks = together(events).blocks
    assert [type(block) for block in blocks] == kinds
    texts = {Text: "Hi you", ToolCall: '{"a":1}', Thinking: "one\n\ntwo"}
    for block in blocks:
        said = block.arguments if isinstance(block, ToolCall) else getattr(block, "text", "")
        assert said in (texts[type(block)], "ls", "hm")


def test_a_refusal_stops_the_answer() -> None:
    stream = told(
        CREATED,
        at("output_item.added", 0, item=MESSAGE | {"content": []}),
        at("content_part.added", 0, content_index=0, part={"type": "refusal", "refusal": ""}),
        at("refusal.delta", 0, content_index=0, delta="no"),
        at("refusal.done", 0, content_index=0, refusal="no"),
        ending(),
    )
    reply = together(read(stream))
    assert (list(map(plain, reply.blocks)), reply.stop) == ([Refusal("no")], Stop.REFUSAL)


def test_a_cut_answer_says_so() -> None:
    events = read(told(CREATED, ending(status="incomplete", incomplete_details={"reason": "max_output_tokens"})))
    assert Finished(Stop.MAX_TOKENS, None, "max_output_tokens") in events


@pytest.mark.parametrize(
    ("event", "error", "status"),
    [
        (
            {
                "type": "response.failed",
                "response": RESPONSE | {"error": {"code": "rate_limit_exceeded", "message": "slow"}},
            },
            ProviderError("rate_limit_exceeded", "slow", "rate_limit_exceeded"),
            429,
        ),
        (
            {"type": "error", "code": "server_error", "message": "broken", "param": None},
            ProviderError("server_error", "broken", "server_error"),
            500,
        ),
        (
            {
                "type": "error",
                "error": {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "long"},
            },
            ProviderError("invalid_request_error", "long", "context_length_exceeded"),
            400,
        ),
        ({"type": "response.failed", "response": None}, None, 500),
    ],
    ids=["failed", "error", "error of a gateway", "nothing said"],
)
def test_a_failure_ends_the_stream(event: Json, error: ProviderError | None, status: int) -> None:
    *_, failed = read(told(CREATED, event, ending()))
    assert isinstance(failed, Failed)
    assert failed.status == status
    assert error is None or failed.error == error


def test_a_stream_that_breaks_off_has_no_end() -> None:
    events = read(WHOLE[: WHOLE.index(b"event: response.completed")])
    assert not any(isinstance(event, Ended | Failed) for event in events)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(sorted({json.loads(frame.data)["type"] for frame in SseParser().feed(WHOLE)}))},
            optional={
                "output_index": NUMBERED,
                "content_index": NUMBERED,
                "summary_index": NUMBERED,
                "delta": VALUES,
                "text": VALUES,
                "arguments": VALUES,
                "response": st.one_of(VALUES, st.just(RESPONSE), st.just(ending([MESSAGE, CALL])["response"])),
                "part": st.one_of(VALUES, st.just(SAID), st.just({"type": "refusal", "refusal": "x"})),
                "item": st.one_of(VALUES, st.sampled_from([MESSAGE, CALL, CUSTOM, THOUGHT, SEARCH])),
            },
        ),
        max_size=12,
    )
)
def test_garbage_is_read_over(events: list[Json]) -> None:
    """Whatever is told, events stay in order: nothing before the start, nothing of a block that is not open."""
    found = read(
        *(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), b"data: [DONE]\n\n", b"data: {\n\n"
    )
    open_blocks: set[int] = set()
    for event in found:
        if isinstance(event, BlockStarted):
            open_blocks.add(event.index)
        elif isinstance(event, BlockEnded):
            open_blocks.remove(event.index)
        elif isinstance(event, Delta | Signed):
            assert event.index in open_blocks
    if any(isinstance(event, Ended) for event in found):
        assert not open_blocks
    renderer = Renderer(CONTEXT)
    for event in found:
        renderer.feed(event)


# Written

BLOCKS = (
    Thinking("hm", "sig", WireFormat.MESSAGES),
    Text("Hello"),
    Text(" you"),
    ToolCall("c1", "bash", '{"a":1}'),
    ToolCall("c2", "exec", "ls", CallKind.CUSTOM, "functions"),
    Refusal("no"),
)
REPLY = Reply(
    "msg_01", "claude", BLOCKS, Stop.TOOL_CALLS, Usage(input_tokens=5, output_tokens=7), created=1_763_700_001
)


def rendered(events: list[Event]) -> list[Json]:
    renderer = Renderer(CONTEXT)
    parser = SseParser()
    return [json.loads(frame.data) for event in events for frame in parser.feed(renderer.feed(event))]


def test_the_sequence_of_events() -> None:
    kinds = [event["type"].removeprefix("response.") for event in rendered(events_of(REPLY))]
    part = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
    assert kinds == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", *part, *part, "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"),
        *("output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"),
        *("output_item.added", "content_part.added", "refusal.delta", "refusal.done", "content_part.done"),
        *("output_item.done", "completed"),
    ]


def test_events_are_numbered_and_name_their_items() -> None:
    events = rendered(events_of(REPLY))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    places: dict[int, str] = {}
    for event in events:
        if event["type"] == "response.output_item.added":
            places[event["output_index"]] = event["item"]["id"]
        elif "item_id" in event:
            assert event["item_id"] == places[event["output_index"]]
        elif event["type"] == "response.output_item.done":
            assert event["item"]["id"] == places[event["output_index"]]
    assert list(places) == list(range(len(places)))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_stream_ends_in_the_whole_answer(data: st.DataObject) -> None:
    """However its pieces are cut and woven: items one after the other, and the last event is the answer."""
    reply = data.draw(replies(thinking=WireFormat.MESSAGES))
    events = rendered(data.draw(event_streams_of(reply, pings=True)))
    assert events[-1]["response"] == render_reply(reply, CONTEXT).body
    assert [event["item"] for event in events if event["type"] == "response.output_item.done"] == events[-1][
        "response"
    ]["output"]
    open_items = 0
    for event in events:
        open_items += {"response.output_item.added": 1, "response.output_item.done": -1}.get(event["type"], 0)
        assert open_items in (0, 1)


@settings(max_examples=40, deadline=None)
@given(replies(thinking=WireFormat.MESSAGES))
def test_each_event_fits_the_published_types(reply: Reply) -> None:
    for event in rendered(events_of(reply)):
        PUBLISHED[event["type"]].model_validate(event)


def test_blocks_that_are_still_open_end_with_the_answer() -> None:
    events: list[Event] = [
        Started("x", "m"),
        BlockStarted(0, Text("")),
        Delta(0, "a"),
        BlockStarted(1, ToolCall("c", "f", "")),
        Finished(Stop.TOOL_CALLS),
        Ended(),
    ]
    output = rendered(events)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call"]
    assert output[1]["arguments"] == "{}"


def test_empty_texts_and_thoughts_say_nothing() -> None:
    reply = Reply("x", "m", (Text(""), Thinking(""), Text("a"), Text("")), Stop.END)
    assert [item["type"] for item in rendered(events_of(reply))[-1]["response"]["output"]] == ["message"]


def test_a_block_told_twice_or_never_begun_does_no_harm() -> None:
    events: list[Event] = [
        Delta(3, "x"),
        BlockStarted(0, Text("a")),
        BlockStarted(0, Text("b")),
        BlockEnded(0),
        BlockEnded(0),
    ]
    assert rendered([*events, Ended()])[-1]["response"]["output"][0]["content"][0]["text"] == "a"


def test_a_failure_is_told_in_both_ways() -> None:
    events = rendered(
        [BlockStarted(0, Text("a")), Failed(ProviderError("rate_limit_error", "slow down"), 429), Ended()]
    )
    created, _, *_, failed, error = events
    assert (created["type"], failed["type"], error["type"]) == ("response.created", "response.failed", "error")
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "slow down"}
    assert failed["response"]["status"] == "failed"
    assert (error["code"], error["message"]) == ("rate_limit_exceeded", "slow down")


def test_a_ping_is_a_comment() -> None:
    renderer = Renderer(CONTEXT)
    assert SseParser().feed(renderer.ping() + renderer.feed(Ping())) == []


# With OpenAI's SDK


class Vendor:
    """Answers each call with the same bytes."""

    def __init__(self) -> None:
        self.body = b""
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(vendor.body)))
                self.end_headers()
                self.wfile.write(vendor.body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.client = openai.OpenAI(
            api_key="x", base_url=f"http://127.0.0.1:{self.server.server_address[1]}/v1", max_retries=0
        )


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    found = Vendor()
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    yield found
    found.client.close()
    found.server.shutdown()
    found.server.server_close()


def answered(events: list[Event]) -> bytes:
    renderer = Renderer(CONTEXT)
    return renderer.ping() + b"".join(renderer.feed(event) + renderer.ping() for event in events)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_sdk_accumulates_the_whole_answer(vendor: Vendor, data: st.DataObject) -> None:
    reply = replace(data.draw(replies(thinking=WireFormat.MESSAGES)), stop=Stop.TOOL_CALLS)
    vendor.body = answered(data.draw(event_streams_of(reply)))
    with vendor.client.responses.stream(model="gpt-5", input="hi") as stream:
        snapshots = [event for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    whole = render_reply(reply, CONTEXT).body
    found = final.model_dump(by_alias=True, exclude_unset=True, warnings=False)
    assert [item["id"] for item in found["output"]] == [item["id"] for item in whole["output"]]
    assert final.output_text == "".join(block.text for block in reply.blocks if isinstance(block, Text))
    assert not snapshots or final.output_text.endswith(snapshots[-1].snapshot)
    calls = [(item.call_id, item.arguments) for item in final.output if item.type == "function_call"]
    assert calls == [(b.id, b.arguments or "{}") for b in reply.blocks if isinstance(b, ToolCall)]
    assert final.usage is None or final.usage.input_tokens == whole["usage"]["input_tokens"]


def test_the_sdk_finds_no_answer_in_a_failure(vendor: Vendor) -> None:
    vendor.body = answered([Started("x", "m"), Failed(ProviderError("overloaded_error", "busy"), 529)])
    with vendor.client.responses.stream(model="m", input="hi") as stream:
        assert [event.type for event in stream][-2:] == ["response.failed", "error"]
        with pytest.raises(RuntimeError, match="completed"):
            stream.get_final_response()


def test_an_event_takes_no_time() -> None:
    """At most 0.1 ms of CPU an event, read and written."""
    deltas = 2_000
    stream = told(
        CREATED,
        at("output_item.added", 0, item=MESSAGE | {"content": []}),
        at("content_part.added", 0, content_index=0, part=PART),
        *(at("output_text.delta", 0, content_index=0, delta=" word", logprobs=[]) for _ in range(deltas)),
        ending(),
    )
    pieces = stream.split(b"\n\n")
    parser, renderer = Parser(), Renderer(CONTEXT)
    begun = time.process_time()
    for piece in pieces:
        for event in parser.feed(piece + b"\n\n"):
            renderer.feed(event)
    assert (time.process_time() - begun) / deltas < 0.0001
