"""Streams and whole answers: what Google sends as events, what its SDK reads of what we write."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from hypothesis import given, settings
from hypothesis import strategies as st
from parsed import cut, each, parsed

from ringlet_mitm.addons.wire.canonical import (
    Block,
    BlockEnded,
    BlockStarted,
    Conversation,
    Delta,
    Ended,
    Event,
    Failed,
    Finished,
    Foreign,
    Media,
    MediaKind,
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
from ringlet_mitm.addons.wire.codec import AnswerContext, Untranslatable
from ringlet_mitm.addons.wire.gemini.reply import parse_reply, render_reply
from ringlet_mitm.addons.wire.gemini.request import parse_request
from ringlet_mitm.addons.wire.gemini.stream import Parser, Renderer
from ringlet_mitm.addons.wire.stops import stop_of
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

UNSENT = {"sdk_http_response", "automatic_function_calling_history"}
GEMINI = WireFormat.GEMINI
SSE = "/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
ARRAY = "/v1beta/models/gemini-3.8-flash:streamGenerateContent"
USAGE = {"promptTokenCount": 10, "candidatesTokenCount": 3, "totalTokenCount": 18, "thoughtsTokenCount": 5}
TOKENS = Usage(input_tokens=10, output_tokens=3, reasoning_tokens=5)


def chunk(*parts: dict[str, Any], finish: str = "", **fields: Any) -> dict[str, Any]:
    ended = {"finishReason": finish} if finish else {}
    said = {"content": {"parts": list(parts), "role": "model"}, **ended, "index": 0}
    return {
        "candidates": [said],
        "usageMetadata": USAGE,
        "modelVersion": "gemini-3.8-flash",
        "responseId": "r1",
        **fields,
    }


def sse(*chunks: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in chunks)


def array(*chunks: dict[str, Any]) -> bytes:
    return ("[" + "\n,\r\n".join(json.dumps(one, indent=2) for one in chunks) + "\n]\n").encode()


STREAM = (
    chunk({"text": "hm ", "thought": True}),
    chunk({"text": "well", "thought": True}),
    chunk({"text": 'He said "{'}),
    chunk({"text": "}\\\\ Grüße"}),
    chunk(
        {"functionCall": {"name": "f", "args": {"a": "}{[]\\"}}, "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "args": {}, "id": "own"}},
    ),
    chunk({"text": "", "thoughtSignature": "bGFzdA=="}, finish="STOP", createTime="2026-11-21T00:00:00Z"),
)
EVENTS: list[Event] = [
    Started("r1", "gemini-3.8-flash", TOKENS),
    BlockStarted(0, Thinking("")),
    Delta(0, "hm "),
    UsageSeen(TOKENS),
    Delta(0, "well"),
    BlockEnded(0),
    BlockStarted(1, Text("")),
    Delta(1, 'He said "{'),
    Delta(1, "}\\\\ Grüße"),
    BlockEnded(1),
    BlockStarted(2, Thinking("", "c2ln", WireFormat.GEMINI)),
    BlockEnded(2),
    BlockStarted(3, ToolCall("call_r1_0", "f", "")),
    Delta(3, '{"a":"}{[]\\\\"}'),
    BlockEnded(3),
    BlockStarted(4, ToolCall("own", "f", "")),
    Delta(4, "{}"),
    BlockEnded(4),
    BlockStarted(5, Thinking("", "bGFzdA==", WireFormat.GEMINI)),
    BlockEnded(5),
    Finished(Stop.TOOL_CALLS, stop_said="STOP"),
    Ended(),
]


def bare(event: Event) -> Event:
    """An event without what is Gemini's alone."""
    match event:
        case BlockStarted(block=ToolCall() as call):
            return BlockStarted(event.index, ToolCall(call.id, call.name, call.arguments))
        case Finished():
            return Finished(event.stop, stop_said=event.stop_said)
    return event


def read(data: bytes, size: int = 0) -> list[Event]:
    return [bare(event) for event in parsed(Parser(), each(data, size) if size else [data])]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 100])
@pytest.mark.parametrize("form", [sse, array])
def test_a_stream_is_read_at_any_split(form: Any, size: int) -> None:
    assert read(form(*STREAM), size) == EVENTS


@given(st.lists(st.integers(0, len(array(*STREAM)))), st.booleans())
def test_a_stream_is_read_at_random_splits(places: list[int], events: bool) -> None:
    data = sse(*STREAM) if events else array(*STREAM)
    pieces = cut(data, (place for place in places if place < len(data)))
    assert [bare(event) for event in parsed(Parser(), pieces)] == EVENTS


def test_a_stream_that_breaks_off_does_not_end() -> None:
    assert not any(isinstance(event, Finished | Ended | Failed) for event in read(sse(*STREAM[:-1])))
    assert not any(isinstance(event, Finished | Ended | Failed) for event in read(array(*STREAM)[:-400]))


BLOCKED = stop_of("SAFETY", GEMINI, calls=False)
ENDS = {
    "max tokens": ([chunk({"text": "a"}, finish="MAX_TOKENS")], Finished(Stop.MAX_TOKENS, stop_said="MAX_TOKENS")),
    "safety": (
        [chunk({"text": "a"}, finish="SAFETY")],
        Finished(BLOCKED, stop_said="SAFETY"),
    ),
    "a malformed call": (
        [{"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]}],
        Finished(Stop.MALFORMED_CALL, stop_said="MALFORMED_FUNCTION_CALL"),
    ),
    "a blocked prompt": (
        [{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": USAGE}],
        Finished(Stop.SAFETY, stop_said="PROHIBITED_CONTENT"),
    ),
    "usage behind the end": ([chunk(finish="STOP"), {"usageMetadata": USAGE}], Finished(Stop.END, stop_said="STOP")),
    "a word nobody knows": ([chunk({"text": "a"}, finish="NEW")], Finished(Stop.END, stop_said="NEW")),
}


@pytest.mark.parametrize("case", ENDS)
def test_ends(case: str) -> None:
    chunks, wanted = ENDS[case]
    assert read(sse(*chunks))[-2:] == [wanted, Ended()]


@pytest.mark.parametrize("form", [sse, array])
def test_an_error_ends_the_stream(form: Any) -> None:
    error = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    found = read(form(chunk({"text": "a"}), error, chunk({"text": "b"}, finish="STOP")))
    assert found[-1] == Failed(ProviderError("UNAVAILABLE", "The model is overloaded.", "503"), 503)


GARBAGE = b"data: {\r\n\r\ndata: 7\r\n\r\ndata: null\r\n\r\n: hello\r\n\r\ndata: []\r\n\r\n"


def test_garbage_is_read_over() -> None:
    odd: list[dict[str, Any]] = [
        {"candidates": 7},
        {"candidates": [None, {"content": {"parts": [1, {}, {"text": 5}], "role": 2}}]},
        {"usageMetadata": {"promptTokenCount": "x"}},
    ]
    assert any(event == Delta(0, "a") for event in read(GARBAGE + sse(chunk({"text": "a"}))))
    assert read(sse(*odd))[0] == Started("", "", None)


@given(st.binary(max_size=200))
def test_no_bytes_crash_it(data: bytes) -> None:
    for begin in (b"", b"[", b"data: ", b"data: {"):
        read(begin + data, 7)


def test_memory_is_bounded() -> None:
    parser = Parser()
    piece = b'[{"candidates": [{"content": {"parts": [{"text": "' + b"x" * (1 << 20)
    assert parser.feed(piece) == []
    for _ in range(40):
        assert parser.feed(b"y" * (1 << 20)) == []
    held = parser._frames._parser
    assert len(held._rest) <= 33 << 20  # type: ignore[union-attr]
    tail = b'"}]}}]},' + json.dumps(chunk({"text": "b"}, finish="STOP")).encode() + b"]"
    assert Delta(0, "b") in parser.feed(tail)


# What we write, as Google's SDK reads it


def context(path: str = SSE) -> AnswerContext:
    asked = parse_request({"contents": [{"parts": [{"text": "hi"}]}]}, path)
    return AnswerContext(asked, path, "gemini-3.8-flash", "ctx", estimated_input=42, created=1)


@contextmanager
def serving(body: bytes, content_type: str) -> Iterator[genai.Client]:
    """Google's SDK, on a server that answers every call with `body`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        options = types.HttpOptions(base_url=url, client_args={"trust_env": False})
        yield genai.Client(api_key="x", http_options=options)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def streamed(body: bytes) -> list[types.GenerateContentResponse]:
    with serving(body, "text/event-stream") as client:
        return list(client.models.generate_content_stream(model="m", contents="hi"))


def whole(body: dict[str, Any]) -> types.GenerateContentResponse:
    with serving(json.dumps(body).encode(), "application/json") as client:
        return client.models.generate_content(model="m", contents="hi")


def goes_on(before: dict[str, Any], part: dict[str, Any]) -> bool:
    """Whether two pieces are of one text: it is signed with its first piece, a thought with its last."""
    if "text" not in part or "text" not in before or part.get("thought") != before.get("thought"):
        return False
    return "thought_signature" not in (before if part.get("thought") else part)


def added_up(chunks: list[types.GenerateContentResponse]) -> dict[str, Any]:
    """A stream as one answer: neighbouring pieces of one text become one part."""
    parts: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    for one in chunks:
        said = one.model_dump(exclude_none=True, mode="json", exclude=UNSENT)
        for candidate in said.get("candidates", []):
            for part in candidate["content"].get("parts", []):
                if parts and goes_on(parts[-1], part):
                    parts[-1] = {**parts[-1], **part, "text": parts[-1]["text"] + part["text"]}
                else:
                    parts.append(part)
            last |= candidate
        last |= {key: value for key, value in said.items() if key != "candidates"}
    return {**last, "content": {"parts": parts, "role": "model"}}


def alone(answer: types.GenerateContentResponse) -> dict[str, Any]:
    said = answer.model_dump(exclude_none=True, mode="json", exclude=UNSENT)
    (candidate,) = said.pop("candidates")
    return {**candidate, **said}


def events_of(reply: Reply, size: int = 3) -> list[Event]:
    """The stream that a reply would have been."""
    events: list[Event] = [Started(reply.id, reply.model)]
    for index, block in enumerate(reply.blocks):
        match block:
            case Text() | Refusal():
                begin, said = type(block)(""), block.text
            case Thinking():
                begin, said = Thinking("", id=block.id, redacted=block.redacted), block.text
            case ToolCall():
                begin, said = ToolCall(block.id, block.name, ""), block.arguments
            case _:
                begin, said = block, ""
        events.append(BlockStarted(index, begin))
        events += (Delta(index, said[at : at + size]) for at in range(0, len(said), size))
        if isinstance(block, Thinking) and block.signer is not None:
            events.append(Signed(index, block.signature, block.signer))
        events.append(BlockEnded(index))
    events.append(Finished(reply.stop))
    return [*events, *([UsageSeen(reply.usage)] if reply.usage else []), Ended()]


def written(events: list[Event], path: str = SSE) -> bytes:
    renderer = Renderer(context(path))
    return b"".join(renderer.feed(event) for event in events)


CLAUDE = Thinking("deep thought", "c2lnbmVk", WireFormat.MESSAGES)
REPLIES = {
    "text": Reply("x", "claude", (Text("Hello, Grüße 😀"),), Stop.END, TOKENS),
    "parallel calls": Reply(
        "x",
        "m",
        (Text("I look."), ToolCall("a", "f", '{"a": [1, "b"]}'), ToolCall("b", "g", "")),
        Stop.TOOL_CALLS,
        TOKENS,
    ),
    "thinking of Claude": Reply("x", "m", (CLAUDE, Text("So:"), ToolCall("a", "f", "{}")), Stop.TOOL_CALLS, TOKENS),
    "thinking of Claude without a call": Reply("x", "m", (CLAUDE, Text("So.")), Stop.END, TOKENS),
    "hidden reasoning": Reply(
        "x",
        "m",
        (Thinking("", "ZW5j", WireFormat.RESPONSES, id="rs_1"), ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")),
        Stop.TOOL_CALLS,
    ),
    "thinking of nobody": Reply("x", "m", (Thinking("hm"), Text("So.")), Stop.END),
    "of Gemini": Reply(
        "x",
        "m",
        (Thinking("hm", "YQ==", WireFormat.GEMINI), Thinking("", "Yg==", WireFormat.GEMINI), Text("So.")),
        Stop.END,
    ),
    "a signature at the end": Reply("x", "m", (Text("So."), Thinking("", "Yg==", WireFormat.GEMINI)), Stop.END),
    "nothing": Reply("", "", (), Stop.MAX_TOKENS),
    "refusal": Reply("x", "m", (Refusal("I will not."),), Stop.REFUSAL),
    "a picture": Reply("x", "m", (Media(MediaKind.IMAGE, "image/png", data="aWY="),), Stop.END),
    "no JSON": Reply("x", "m", (ToolCall("a", "f", '{"a": '),), Stop.MAX_TOKENS),
    "another vendor's block": Reply(
        "x", "m", (Foreign(WireFormat.MESSAGES, {"type": "server_tool_use"}), Text("a")), Stop.END
    ),
}


@pytest.mark.parametrize("case", REPLIES)
def test_stream_and_whole_say_the_same_to_the_sdk(case: str) -> None:
    reply = REPLIES[case]
    rendered = render_reply(reply, context())
    assert added_up(streamed(written(events_of(reply)))) == alone(whole(rendered.body))


@pytest.mark.parametrize("case", REPLIES)
def test_the_array_says_the_same(case: str) -> None:
    events = events_of(REPLIES[case])
    chunks = json.loads(written(events, ARRAY))
    assert sse(*chunks) == b"".join(
        b"data: " + json.dumps(json.loads(line[6:])).encode() + b"\r\n\r\n"
        for line in written(events).split(b"\r\n\r\n")
        if line
    )


@pytest.mark.parametrize("case", REPLIES)
def test_what_is_streamed_is_lost_alike(case: str) -> None:
    renderer = Renderer(context())
    for event in events_of(REPLIES[case]):
        renderer.feed(event)
    assert tuple(renderer.losses) == render_reply(REPLIES[case], context()).losses


def history(answer: dict[str, Any], *, keep_thoughts: bool) -> Conversation:
    """The next turn's request of an agent that got `answer`."""
    parts = answer["candidates"][0]["content"]["parts"]
    kept = [part for part in parts if keep_thoughts or not part.get("thought")]
    return parse_request(
        {"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": kept}]}, SSE
    )


@pytest.mark.parametrize("keep_thoughts", [True, False])
def test_other_vendors_thinking_comes_back_with_the_call(keep_thoughts: bool) -> None:
    redacted = Thinking("", "cmVk", WireFormat.MESSAGES, redacted=True)
    call, again = ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")
    reply = Reply("x", "m", (CLAUDE, redacted, Text("So:"), call, again), Stop.TOOL_CALLS)
    answer = render_reply(reply, context()).body
    for part in answer["candidates"][0]["content"]["parts"]:
        base64.b64decode(part.get("thoughtSignature", ""), validate=True)
    blocks = history(answer, keep_thoughts=keep_thoughts).messages[1].blocks
    assert [type(block) for block in blocks] == [Thinking, Thinking, Text, ToolCall, ToolCall]
    assert blocks[:2] == (CLAUDE, redacted)


def test_pings_disturb_no_sdk() -> None:
    renderer = Renderer(context())
    data = renderer.ping() + b"".join(renderer.feed(event) + renderer.ping() for event in events_of(REPLIES["text"]))
    assert renderer.feed(Ping()) == b""
    assert added_up(streamed(data))["content"]["parts"] == [{"text": "Hello, Grüße 😀"}]
    growing = Renderer(context(ARRAY))
    data = growing.ping() + b"".join(growing.feed(event) + growing.ping() for event in events_of(REPLIES["text"]))
    assert isinstance(json.loads(data), list)


def test_the_sdk_raises_our_error() -> None:
    events: list[Event] = [Started("x", "m"), Failed(ProviderError("overloaded_error", "Overloaded", None), 529)]
    with pytest.raises(errors.APIError, match="Overloaded"):
        streamed(written(events))
    assert json.loads(written(events, ARRAY))[-1]["error"]["message"] == "Overloaded"
    assert written([*events, Delta(0, "x"), Ended()]) == written(events)


def test_usage_is_estimated_until_it_is_known() -> None:
    last = json.loads(written([Started("x", "m"), Finished(Stop.END), Ended()]).split(b"\r\n\r\n")[-2][6:])
    assert last["usageMetadata"]["promptTokenCount"] == 42


def test_interleaved_calls_come_out_in_order() -> None:
    events: list[Event] = [
        Started("x", "m"),
        BlockStarted(0, ToolCall("a", "f", "")),
        BlockStarted(1, ToolCall("b", "g", "")),
        Delta(1, '{"b":'),
        Delta(0, '{"a":1}'),
        Delta(1, "2}"),
        BlockEnded(1),
        BlockStarted(2, Text("")),
        Delta(2, "late"),
        Finished(Stop.TOOL_CALLS),
        Ended(),
    ]
    parts = added_up(streamed(written(events)))["content"]["parts"]
    calls = [{"id": "a", "args": {"a": 1}, "name": "f"}, {"id": "b", "args": {"b": 2}, "name": "g"}]
    assert parts == [{"function_call": calls[0]}, {"function_call": calls[1]}, {"text": "late"}]


def test_a_block_that_is_only_said_at_its_end() -> None:
    events: list[Event] = [
        BlockStarted(0, Thinking("")),
        BlockEnded(0, Thinking("hm", "YQ==", WireFormat.GEMINI)),
        BlockStarted(1, Text("")),
        BlockEnded(1, Text("all")),
        BlockStarted(2, ToolCall("a", "f", "")),
        BlockEnded(2, ToolCall("a", "f", '{"x":1}')),
        Finished(Stop.END),
        Ended(),
    ]
    chunks = [json.loads(one[6:]) for one in written(events).split(b"\r\n\r\n") if one]
    parts = [part for one in chunks for part in one["candidates"][0]["content"]["parts"]]
    assert [part.get("text") for part in parts] == ["hm", "", "all", None]
    assert parts[-1]["functionCall"]["args"] == {"x": 1}


BLOCKS: st.SearchStrategy[Block] = st.one_of(
    st.builds(Text, st.text(min_size=1)),
    st.builds(Thinking, st.text(min_size=1), st.just("YQ=="), st.sampled_from(WireFormat)),
    st.builds(ToolCall, st.text(max_size=3), st.just("f"), st.sampled_from(["", "{}", '{"a":"b"}', "x", "[1]"])),
)


@settings(max_examples=100)
@given(st.lists(BLOCKS, max_size=6), st.integers(1, 5))
def test_stream_and_whole_say_the_same(blocks: list[Block], size: int) -> None:
    reply = Reply("x", "m", tuple(blocks), Stop.END, TOKENS)
    lines = [one for one in written(events_of(reply, size)).split(b"\r\n\r\n") if one]
    stream = [types.GenerateContentResponse.model_validate_json(line[6:]) for line in lines]
    body = types.GenerateContentResponse.model_validate(render_reply(reply, context()).body)
    joined = added_up([body])  # neighbouring texts are one in a stream
    assert added_up(stream) == joined


# Whole answers

WHOLE = {
    "text": chunk({"text": "hi"}, finish="STOP"),
    "calls": {**chunk(*STREAM[4]["candidates"][0]["content"]["parts"], finish="STOP"), "createTime": "x"},
    "a code run": chunk(
        {"executableCode": {"language": "PYTHON", "code": "1"}}, {"text": "", "thoughtSignature": "YQ=="}, finish="STOP"
    ),
    "grounding": {
        "candidates": [
            {
                "content": {"parts": [{"text": "a"}], "role": "model"},
                "finishReason": "RECITATION",
                "groundingMetadata": {"webSearchQueries": ["x"]},
                "avgLogprobs": -0.1,
            },
            {"content": {"parts": [{"text": "b"}]}, "index": 1},
        ],
        "usageMetadata": {**USAGE, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}]},
        "modelVersion": "m",
    },
    "blocked": {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no"}, "usageMetadata": USAGE},
    "cut off": {"candidates": [{"finishReason": "MAX_TOKENS", "index": 0}], "usageMetadata": USAGE, "responseId": "x"},
    "malformed": {"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "x"}]},
    "nulls": {"candidates": [{"content": None, "finishReason": None}], "promptFeedback": None},
}


@pytest.mark.parametrize("case", WHOLE)
def test_identity_of_answers(case: str) -> None:
    assert render_reply(parse_reply(WHOLE[case]), context()).body == WHOLE[case]


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PART = st.dictionaries(st.sampled_from(["text", "thought", "thoughtSignature", "functionCall", "x"]), JSONS, max_size=3)
CONTENTS = st.fixed_dictionaries({}, optional={"parts": st.lists(PART | JSONS, max_size=3), "role": JSONS})
CANDIDATE = st.fixed_dictionaries(
    {}, optional={"content": CONTENTS | JSONS, "index": JSONS, "finishReason": JSONS | st.just("STOP")}
)
ANSWERS = st.fixed_dictionaries(
    {"candidates": st.lists(CANDIDATE | JSONS, min_size=1, max_size=3)},
    optional=dict.fromkeys(("usageMetadata", "responseId", "modelVersion", "promptFeedback", "x"), JSONS),
)


@settings(max_examples=200)
@given(ANSWERS)
def test_identity_of_any_answer(body: dict[str, Any]) -> None:
    rendered = render_reply(parse_reply(body), context()).body
    assert json.dumps(rendered, sort_keys=True) == json.dumps(body, sort_keys=True)
    read(sse(body))


def test_what_an_answer_means() -> None:
    reply = parse_reply(WHOLE["calls"])
    assert reply.stop is Stop.TOOL_CALLS
    assert reply.usage == TOKENS
    assert [block.id for block in reply.blocks if isinstance(block, ToolCall)] == ["call_r1_0", "own"]
    blocked = parse_reply(WHOLE["blocked"])
    assert blocked.stop is Stop.SAFETY
    assert blocked.blocks == (Refusal("no"),)
    assert parse_reply(WHOLE["grounding"]).stop is Stop.SAFETY


@pytest.mark.parametrize("wrong", [{}, {"candidates": []}, {"x": 1}, [], 7])
def test_no_answer_is_said(wrong: Any) -> None:
    with pytest.raises(Untranslatable):
        parse_reply(wrong)


def test_an_event_takes_less_than_a_tenth_of_a_millisecond() -> None:
    many = [chunk({"text": f"word {n} "}) for n in range(2000)]
    data = sse(*many, chunk(finish="STOP"))
    began = time.process_time()
    parser = Parser()
    events = [event for at in range(0, len(data), 300) for event in parser.feed(data[at : at + 300])]
    parsed = time.process_time()
    renderer = Renderer(context())
    for event in events:
        renderer.feed(event)
    ended = time.process_time()
    print(f"{(parsed - began) / 2000 * 1e6:.0f} µs to read, {(ended - parsed) / 2000 * 1e6:.0f} µs to write")
    assert ended - began < 2000 * 0.0005
