from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import pytest
from canonicals import event_streams_of, replies
from hypothesis import given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.anthropic.reply import render_reply
from ringlet_mitm.addons.wire.anthropic.stream import Parser, Renderer
from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    Conversation,
    Delta,
    Effort,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Json,
    Media,
    MediaKind,
    Ping,
    Reasoning,
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
from ringlet_mitm.addons.wire.sse import SseParser
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

ASKED = Conversation("asked-model", ())
CONTEXT = AnswerContext(ASKED, "/v1/messages", "asked-model", "msg_made", estimated_input=123)
CALL_A = ToolCall("a", "one", "")
CALL_B = ToolCall("b", "two", "")


def written(*events: Event, context: AnswerContext = CONTEXT) -> list[Json]:
    renderer = Renderer(context)
    return said(b"".join(renderer.feed(event) for event in events))


def said(stream: bytes) -> list[Json]:
    found: list[Json] = []
    for event in SseParser().feed(stream):
        found.append(json.loads(event.data))
        assert event.name == found[-1]["type"]
    return found


def kinds(events: list[Json]) -> list[str]:
    short = {"content_block_start": "start", "content_block_delta": "delta", "content_block_stop": "stop"}
    return [short.get(event["type"], event["type"]) for event in events]


BEGIN = Started("id", "model")
DONE = (Finished(Stop.END), Ended())


def test_a_text() -> None:
    found = written(BEGIN, BlockStarted(0, Text("")), Delta(0, "a"), Delta(0, "b"), BlockEnded(0), *DONE)
    assert kinds(found) == ["message_start", "start", "delta", "delta", "stop", "message_delta", "message_stop"]
    assert found[1] == {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    assert found[2]["delta"] == {"type": "text_delta", "text": "a"}
    assert found[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


def test_the_start_shows_the_estimate_and_the_end_what_was_reported() -> None:
    usage = Usage(input_tokens=7, cache_read_tokens=90, output_tokens=4, reasoning_tokens=2)
    found = written(BEGIN, BlockStarted(0, Text("x")), Finished(Stop.END), UsageSeen(usage), Ended())
    assert found[0]["message"]["usage"]["input_tokens"] == 123
    end = found[-2]["usage"]
    assert (end["input_tokens"], end["cache_read_input_tokens"], end["output_tokens"]) == (7, 90, 6)


def test_without_a_report_the_end_shows_estimates() -> None:
    end = written(BEGIN, BlockStarted(0, Text("x" * 40)), *DONE)[-2]["usage"]
    assert (end["input_tokens"], end["output_tokens"]) == (123, 10)


def test_calls_side_by_side_come_one_after_the_other() -> None:
    found = written(
        BEGIN,
        BlockStarted(0, CALL_A),
        BlockStarted(1, CALL_B),
        Delta(1, '{"b":'),
        Delta(0, '{"a":'),
        Delta(1, "2}"),
        BlockEnded(1),
        Delta(0, "1}"),
        BlockEnded(0),
        Finished(Stop.TOOL_CALLS),
        Ended(),
    )
    blocks = [event for event in found if event["type"].startswith("content_block")]
    assert kinds(blocks) == ["start", "delta", "delta", "stop", "start", "delta", "stop"]
    assert [event["index"] for event in blocks] == [0, 0, 0, 0, 1, 1, 1]
    assert blocks[5]["delta"] == {"type": "input_json_delta", "partial_json": '{"b":2}'}


def test_blocks_still_open_end_with_the_answer() -> None:
    found = written(
        BEGIN, BlockStarted(0, CALL_A), BlockStarted(1, CALL_B), Delta(1, "{}"), Finished(Stop.END), Ended()
    )
    assert kinds(found)[1:-2] == ["start", "stop", "start", "delta", "stop"]
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_signature_comes_last_and_sealed() -> None:
    found = written(
        BEGIN, BlockStarted(0, Thinking("")), Signed(0, "sig", WireFormat.GEMINI), Delta(0, "hm"), BlockEnded(0), *DONE
    )
    assert found[1]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    assert [event["delta"] for event in found[2:4]] == [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "ringlet.gemini.sig"},
    ]


def test_a_thought_of_nothing_but_a_signature() -> None:
    found = written(BEGIN, BlockStarted(0, Thinking("", "sig", WireFormat.GEMINI)), BlockEnded(0), *DONE)
    assert kinds(found)[1:4] == ["start", "delta", "stop"]
    assert found[2]["delta"]["signature"] == "ringlet.gemini.sig"


@pytest.mark.parametrize("block", [Text(""), Thinking(""), Refusal("")])
def test_what_has_nothing_in_it_is_not_written(block: Text | Thinking | Refusal) -> None:
    found = written(BEGIN, BlockStarted(0, block), BlockStarted(1, Text("x")), BlockEnded(0), BlockEnded(1), *DONE)
    assert [event.get("index") for event in found[1:4]] == [0, 0, 0]
    assert found[2]["delta"]["text"] == "x"


def test_what_only_the_final_form_says() -> None:
    final = Thinking("hm", "sig", WireFormat.RESPONSES, id="rs_1")
    found = written(
        BEGIN,
        BlockStarted(0, Thinking("")),
        BlockEnded(0, final),
        BlockStarted(1, CALL_A),
        BlockEnded(1, replace(CALL_A, arguments="{}")),
        *DONE,
    )
    pieces = [event["delta"] for event in found if event["type"] == "content_block_delta"]
    assert pieces == [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "ringlet.openai-responses.sig"},
        {"type": "input_json_delta", "partial_json": "{}"},
    ]


def test_what_was_streamed_is_not_said_again_at_the_end() -> None:
    found = written(BEGIN, BlockStarted(0, Text("")), Delta(0, "hi"), BlockEnded(0, Text("hi")), *DONE)
    assert kinds(found).count("delta") == 1


def test_what_an_answer_cannot_hold_is_left_out_and_told() -> None:
    renderer = Renderer(CONTEXT)
    odd = [Media(MediaKind.IMAGE, "image/png", data="A"), Foreign(WireFormat.CHAT, {"type": "odd"})]
    events = [BEGIN, *(BlockStarted(at, block) for at, block in enumerate(odd)), BlockEnded(0), BlockEnded(1), *DONE]
    found = said(b"".join(renderer.feed(event) for event in events))
    assert kinds(found) == ["message_start", "message_delta", "message_stop"]
    assert [loss.what for loss in renderer.losses] == ["image in an answer", "odd"]


def test_who_turned_thinking_off_gets_no_thoughts() -> None:
    quiet = replace(CONTEXT, conversation=replace(ASKED, reasoning=Reasoning(Effort.NONE)))
    thought = [BlockStarted(0, Thinking("")), Delta(0, "hm"), Signed(0, "s", WireFormat.CHAT), BlockEnded(0)]
    found = written(BEGIN, *thought, BlockStarted(1, Text("x")), *DONE, context=quiet)
    assert [event.get("index") for event in found[1:4]] == [0, 0, 0]


def test_an_error_is_the_last_word() -> None:
    failed = Failed(ProviderError("overloaded_error", "busy"), 529)
    found = written(BEGIN, BlockStarted(0, Text("x")), failed, Delta(0, "y"), *DONE)
    assert found[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}


def test_pings() -> None:
    renderer = Renderer(CONTEXT)
    assert renderer.ping() == renderer.feed(Ping()) == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_an_answer_that_never_began_is_an_empty_one() -> None:
    assert kinds(written(*DONE)) == ["message_start", "message_delta", "message_stop"]


TURN: list[Event] = [
    Started("id", "m"),
    BlockStarted(0, Text("")),
    *[Delta(0, "word ")] * 2000,
    BlockEnded(0),
    *DONE,
]


def test_an_event_takes_a_tenth_of_a_millisecond() -> None:
    renderer = Renderer(CONTEXT)
    begin = time.process_time()
    for event in TURN:
        renderer.feed(event)
    assert (time.process_time() - begin) / len(TURN) < 0.0001  # 0.0000025 measured


class Vendor:
    """A server on loopback that answers each request with `body`."""

    def __init__(self) -> None:
        self.body = b""
        self.kind = "text/event-stream"
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", vendor.kind)
                self.send_header("content-length", str(len(vendor.body)))
                self.end_headers()
                self.wfile.write(vendor.body)

            def log_message(self, *args: Any) -> None:
                pass

            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.client = anthropic.Anthropic(api_key="none", base_url=url, max_retries=0)

    def streamed(self, body: bytes) -> Json:
        """The message that the vendor's SDK puts together."""
        self.body, self.kind = body, "text/event-stream"
        with self.client.messages.stream(
            model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]
        ) as stream:
            return _plain(stream.get_final_message())

    def whole(self, body: Json) -> Json:
        self.body, self.kind = json.dumps(body).encode(), "application/json"
        return _plain(self.client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]))


def _plain(message: Any) -> Json:
    found: Json = message.to_dict(mode="json")
    found["usage"].pop("cache_creation", None)  # the SDK takes it from message_start only
    for block in found["content"]:
        block.pop("parsed_output", None)
    return {name: value for name, value in found.items() if value is not None}


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    found = Vendor()
    yield found
    found.client.close()
    found.server.shutdown()
    found.server.server_close()


def _has_whole_characters(reply: Reply) -> bool:
    """The SDK itself refuses half a surrogate pair, escaped, in the arguments of a call."""
    calls = [json.loads(block.arguments) for block in reply.blocks if isinstance(block, ToolCall)]
    return not any("\ud800" <= letter <= "\udfff" for letter in json.dumps(calls, ensure_ascii=False))


@settings(deadline=None, max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("signer", [WireFormat.MESSAGES, WireFormat.RESPONSES])
def test_the_vendors_sdk_reads_the_stream_as_the_whole(vendor: Vendor, signer: WireFormat, data: st.DataObject) -> None:
    reply = data.draw(replies(thinking=signer).filter(_has_whole_characters))
    events = data.draw(event_streams_of(reply, pings=True))
    renderer = Renderer(CONTEXT)
    stream = b"".join(renderer.feed(event) for event in events)
    assert vendor.streamed(stream) == vendor.whole(render_reply(reply, CONTEXT).body)


@given(st.data())
def test_what_is_written_reads_back(data: st.DataObject) -> None:
    reply = data.draw(replies(thinking=WireFormat.MESSAGES))
    renderer = Renderer(CONTEXT)
    stream = b"".join(renderer.feed(event) for event in data.draw(event_streams_of(reply)))
    parser = Parser()
    found = parser.feed(stream) + parser.close()
    assert isinstance(found[-1], Ended)
    texts: dict[int, str] = {}
    for event in found:
        if isinstance(event, Delta):
            texts[event.index] = texts.get(event.index, "") + event.text
    said_text = [texts.get(at, "") for at in range(len(reply.blocks))]
    assert said_text == [getattr(block, "arguments", getattr(block, "text", "")) for block in reply.blocks]
