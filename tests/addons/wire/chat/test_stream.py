"""Streams of Chat: what vendors send as events, and events as what the vendor's own SDK puts together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from canonicals import event_streams_of, replies
from hypothesis import given, settings
from hypothesis import strategies as st
from openai._types import omit
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from parsed import cut, parsed, together

from ringlet_mitm.addons.wire.canonical import (
    BlockEnded,
    BlockStarted,
    CallKind,
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
from ringlet_mitm.addons.wire.chat.reply import parse_reply, render_reply
from ringlet_mitm.addons.wire.chat.stream import Parser, Renderer
from ringlet_mitm.addons.wire.codec import AnswerContext
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

CHAT, MESSAGES, GEMINI = WireFormat.CHAT, WireFormat.MESSAGES, WireFormat.GEMINI
DONE = b"data: [DONE]\n\n"
Json = dict[str, Any]


def context(*, usage: bool = True) -> AnswerContext:
    asked = Conversation("asked", (), stream=True, usage_chunk=usage)
    return AnswerContext(asked, "/v1/chat/completions", "the-model", "chatcmpl-x", created=5)


def chunk(delta: Json | None = None, finish: str | None = None, **more: Any) -> Json:
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": choices, **more}


def lines(*chunks: Json, end: bytes = DONE) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks) + end


def events_of(data: bytes, *places: int) -> list[Event]:
    return parsed(Parser(), cut(data, places))


def call(
    index: int | None = 0, call_id: str | None = None, name: str | None = None, arguments: str | None = None
) -> Json:
    inner = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    outer = {key: value for key, value in (("index", index), ("id", call_id)) if value is not None}
    return {"tool_calls": [{**outer, "function": inner}]}


START = Started("c1", "m", created=7)
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
SEEN = UsageSeen(Usage(input_tokens=9, output_tokens=5))
END = [Finished(Stop.END, stop_said="stop"), Ended()]
CALLED = [Finished(Stop.TOOL_CALLS, stop_said="tool_calls"), Ended()]


def spoken(text: str) -> list[Event]:
    return [BlockStarted(0, Text("")), Delta(0, text), BlockEnded(0)]


STREAMS: dict[str, tuple[bytes, list[Event]]] = {
    "text": (
        lines(
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "a"}),
            chunk({"content": "b"}),
            chunk({}, "stop"),
        ),
        [START, BlockStarted(0, Text("")), Delta(0, "a"), Delta(0, "b"), BlockEnded(0), *END],
    ),
    "usage chunk": (
        lines(chunk({"content": "a"}), chunk({}, "stop"), {**chunk(usage=USAGE), "choices": []}),
        [START, *spoken("a"), SEEN, *END],
    ),
    "usage in the choice (Moonshot)": (
        lines(
            {**chunk(), "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop", "usage": USAGE}]}
        ),
        [START, *spoken("a"), SEEN, *END],
    ),
    "usage in x_groq": (
        lines(chunk({"content": "a"}), chunk({}, "stop", x_groq={"usage": USAGE})),
        [START, *spoken("a"), SEEN, *END],
    ),
    "interleaved calls": (
        lines(
            chunk(call(0, "a", "f", "")),
            chunk(call(1, "b", "g", "")),
            chunk(call(0, arguments="{}")),
            chunk(call(1, arguments="[1]")),
            chunk({}, "tool_calls"),
        ),
        [
            START,
            BlockStarted(0, ToolCall("a", "f", "")),
            BlockStarted(1, ToolCall("b", "g", "")),
            Delta(0, "{}"),
            Delta(1, "[1]"),
            BlockEnded(0),
            BlockEnded(1),
            *CALLED,
        ],
    ),
    "whole call in one chunk, stop said": (
        lines(chunk(call(0, "a", "f", "{}"), "stop")),
        [
            START,
            BlockStarted(0, ToolCall("a", "f", "")),
            Delta(0, "{}"),
            BlockEnded(0),
            Finished(Stop.TOOL_CALLS, stop_said="stop"),
            Ended(),
        ],
    ),
    "id and name again with every piece": (
        lines(chunk(call(0, "a", "f", "{")), chunk(call(0, "a", "f", "}")), chunk({}, "tool_calls")),
        [
            START,
            BlockStarted(0, ToolCall("a", "f", "")),
            Delta(0, "{"),
            Delta(0, "}"),
            BlockEnded(0),
            *CALLED,
        ],
    ),
    "all calls numbered 0": (
        lines(chunk(call(0, "a", "f", "{}")), chunk(call(0, "b", "g", "{}")), chunk({}, "tool_calls")),
        [
            START,
            BlockStarted(0, ToolCall("a", "f", "")),
            Delta(0, "{}"),
            BlockStarted(1, ToolCall("b", "g", "")),
            Delta(1, "{}"),
            BlockEnded(0),
            BlockEnded(1),
            *CALLED,
        ],
    ),
    "no index": (
        lines(
            chunk(call(None, "a", "f", "{")),
            chunk(call(None, arguments="}")),
            chunk(call(None, "b", "g", "{}")),
            chunk({}, "tool_calls"),
        ),
        [
            START,
            BlockStarted(0, ToolCall("a", "f", "")),
            Delta(0, "{"),
            Delta(0, "}"),
            BlockStarted(1, ToolCall("b", "g", "")),
            Delta(1, "{}"),
            BlockEnded(0),
            BlockEnded(1),
            *CALLED,
        ],
    ),
    "neither index nor id": (
        lines(chunk(call(None, None, "f", "{}")), chunk(call(None, None, "f", "[]")), chunk({}, "tool_calls")),
        [
            START,
            BlockStarted(0, ToolCall("call_c1_0", "f", "")),
            Delta(0, "{}"),
            BlockStarted(1, ToolCall("call_c1_1", "f", "")),
            Delta(1, "[]"),
            BlockEnded(0),
            BlockEnded(1),
            *CALLED,
        ],
    ),
    "arguments before the name": (
        lines(chunk(call(0, "a", None, "{")), chunk(call(0, None, "f", "}")), chunk({}, "tool_calls")),
        [START, BlockStarted(0, ToolCall("a", "f", "")), Delta(0, "{}"), BlockEnded(0), *CALLED],
    ),
    "old call": (
        lines(
            chunk({"function_call": {"name": "f", "arguments": ""}}),
            chunk({"function_call": {"arguments": "{}"}}),
            chunk({}, "function_call"),
        ),
        [
            START,
            BlockStarted(0, ToolCall("call_c1_0", "f", "")),
            Delta(0, "{}"),
            BlockEnded(0),
            Finished(Stop.TOOL_CALLS, stop_said="function_call"),
            Ended(),
        ],
    ),
    "custom call": (
        lines(
            chunk({"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}]}),
            chunk({"tool_calls": [{"index": 0, "custom": {"input": "y"}}]}, "tool_calls"),
        ),
        [
            START,
            BlockStarted(0, ToolCall("a", "f", "", CallKind.CUSTOM)),
            Delta(0, "x"),
            Delta(0, "y"),
            BlockEnded(0),
            *CALLED,
        ],
    ),
    "thought signature (Google)": (
        lines(
            chunk(
                {
                    "tool_calls": [
                        {
                            "index": 0,
                            "id": "a",
                            "function": {"name": "f", "arguments": "{}"},
                            "extra_content": {"google": {"thought_signature": "s"}},
                        }
                    ]
                },
                "tool_calls",
            )
        ),
        [
            START,
            BlockStarted(0, Thinking("", "s", GEMINI)),
            BlockEnded(0),
            BlockStarted(1, ToolCall("a", "f", "")),
            Delta(1, "{}"),
            BlockEnded(1),
            *CALLED,
        ],
    ),
    "thinking, text, call (DeepSeek)": (
        lines(
            chunk({"role": "assistant", "content": None, "reasoning_content": "h"}),
            chunk({"content": None, "reasoning_content": "m"}),
            chunk({"content": "a", "reasoning_content": None}),
            chunk(call(0, "a", "f", "{}")),
            chunk({"content": ""}, "tool_calls"),
        ),
        [
            START,
            BlockStarted(0, Thinking("", "reasoning_content", CHAT)),
            Delta(0, "h"),
            Delta(0, "m"),
            BlockEnded(0),
            BlockStarted(1, Text("")),
            Delta(1, "a"),
            BlockEnded(1),
            BlockStarted(2, ToolCall("a", "f", "")),
            Delta(2, "{}"),
            BlockEnded(2),
            *CALLED,
        ],
    ),
    "details (OpenRouter)": (
        lines(
            chunk({"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0}]}),
            chunk({"reasoning": "m", "reasoning_details": [{"type": "reasoning.text", "text": "m", "index": 0}]}),
            chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]}),
            chunk({"content": "a"}, "stop"),
        ),
        [
            START,
            BlockStarted(0, Thinking("", "reasoning", CHAT)),
            Delta(0, "h"),
            Delta(0, "m"),
            Signed(0, '[{"type":"reasoning.text","text":2,"index":0,"signature":"s"}]', CHAT),
            BlockEnded(0),
            BlockStarted(1, Text("")),
            Delta(1, "a"),
            BlockEnded(1),
            *END,
        ],
    ),
    "parts (Mistral)": (
        lines(
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}),
            chunk({"content": [{"type": "text", "text": "a"}]}, "stop"),
        ),
        [
            START,
            BlockStarted(0, Thinking("", "thinking", CHAT)),
            Delta(0, "h"),
            BlockEnded(0),
            BlockStarted(1, Text("")),
            Delta(1, "a"),
            BlockEnded(1),
            *END,
        ],
    ),
    "think tags are text": (
        lines(chunk({"content": "<think>a</think>"}, "stop")),
        [START, *spoken("<think>a</think>"), *END],
    ),
    "refusal": (
        lines(chunk({"refusal": "No"}), chunk({}, "stop")),
        [
            START,
            BlockStarted(0, Refusal("")),
            Delta(0, "No"),
            BlockEnded(0),
            Finished(Stop.REFUSAL, stop_said="stop"),
            Ended(),
        ],
    ),
    "a whole message in one chunk": (
        lines({**chunk(), "choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}]}),
        [START, *spoken("a"), *END],
    ),
    "other candidates are read over": (
        lines(
            {**chunk(), "choices": [{"index": 1, "delta": {"content": "b"}}]},
            chunk({"content": "a"}, "stop"),
        ),
        [START, *spoken("a"), *END],
    ),
    "garbage is read over": (
        b": OPENROUTER PROCESSING\n\ndata: {\n\ndata: 5\n\ndata: {}\n\n" + lines(chunk({"content": "a"}, "stop")),
        [START, *spoken("a"), *END],
    ),
    "no [DONE]": (lines(chunk({"content": "a"}, "stop"), end=b""), [START, *spoken("a"), *END]),
    "no finish_reason": (
        lines(chunk({"content": "a"})),
        [START, *spoken("a"), Finished(Stop.END), Ended()],
    ),
    "broken off": (lines(chunk({"content": "a"}), end=b""), [START, BlockStarted(0, Text("")), Delta(0, "a")]),
    "nothing": (b"", []),
    "error": (
        lines(chunk({"content": "a"}), {"error": {"message": "slow down", "type": "x", "code": "rate_limit_exceeded"}}),
        [
            START,
            BlockStarted(0, Text("")),
            Delta(0, "a"),
            Failed(ProviderError("x", "slow down", "rate_limit_exceeded"), 429),
        ],
    ),
    "error of the provider behind (OpenRouter)": (
        lines({**chunk(), "choices": [{"index": 0, "delta": {}, "error": {"message": "gone", "code": 502}}]}),
        [Failed(ProviderError("error", "gone", "502"), 502)],
    ),
    "error of Groq": (
        lines(chunk(x_groq={"error": "over capacity"})),
        [Failed(ProviderError("error", "over capacity"), 500)],
    ),
    "error of vLLM": (
        lines({"object": "error", "message": "bad", "type": "BadRequestError", "code": 400}),
        [Failed(ProviderError("BadRequestError", "bad", "400"), 400)],
    ),
}


@pytest.mark.parametrize(("data", "events"), STREAMS.values(), ids=STREAMS)
def test_reads(data: bytes, events: list[Event]) -> None:
    assert events_of(data) == events


@pytest.mark.parametrize(("data", "events"), STREAMS.values(), ids=STREAMS)
def test_reads_byte_by_byte(data: bytes, events: list[Event]) -> None:
    assert events_of(data, *range(1, len(data))) == events


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_any_split_gives_the_same(name: str, data: st.DataObject) -> None:
    body, events = STREAMS[name]
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    assert events_of(body, *cuts) == events


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "choices",
                        "delta",
                        "tool_calls",
                        "function",
                        "index",
                        "id",
                        "content",
                        "usage",
                        "error",
                        "reasoning_details",
                        "type",
                        "images",
                        "message",
                        "name",
                        "finish_reason",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_no_chunk_breaks_it(value: Any) -> None:
    events_of(
        lines(chunk({"content": "a"}), *([value] if isinstance(value, dict) else []), {"choices": [{"delta": value}]})
    )


# What the agent gets


def written(events: list[Event], *, usage: bool = True) -> list[Json]:
    renderer = Renderer(context(usage=usage))
    data = b"".join(renderer.feed(event) for event in events)
    assert data.endswith(DONE)
    return [json.loads(frame[6:]) for frame in data.split(b"\n\n") if frame and frame + b"\n\n" != DONE]


def put_together(chunks: list[Json]) -> Json:
    """The answer as OpenAI's own SDK makes it of the chunks."""
    state = ChatCompletionStreamState(input_tools=omit, response_format=omit)
    for one in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(one, strict=True))
    return state.current_completion_snapshot.to_dict(mode="json")


def comparable(body: Json) -> Json:
    """Without what one of the two only says as null."""
    choice = body["choices"][0]
    message = {name: value for name, value in choice["message"].items() if value is not None and name != "parsed"}
    calls = message.get("tool_calls", [])
    for one in calls:
        one.pop("index", None)
        one.get("function", {}).pop("parsed_arguments", None)
    usage = {name: value for name, value in body.get("usage", {}).items() if value is not None}
    return {
        "message": message,
        "finish_reason": choice["finish_reason"],
        "usage": {
            name: usage[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens") if name in usage
        },
        **{name: body[name] for name in ("id", "model", "created", "object")},
    }


@settings(max_examples=150, deadline=None)
@given(replies(thinking=MESSAGES), st.data())
def test_the_sdk_puts_the_stream_together_to_the_whole_answer(reply: Reply, data: st.DataObject) -> None:
    whole = render_reply(reply, context()).body
    streamed = put_together(written(data.draw(event_streams_of(reply, pings=True))))
    assert comparable(streamed) == comparable(whole)


@settings(max_examples=150, deadline=None)
@given(replies(thinking=MESSAGES), st.data())
def test_written_and_read_again_it_is_the_same_answer(reply: Reply, data: st.DataObject) -> None:
    renderer = Renderer(context())
    stream = b"".join(renderer.feed(event) for event in data.draw(event_streams_of(reply)))
    assert renderer.losses == []
    found = together(events_of(stream))
    blocks = [block for block in found.blocks if not isinstance(block, Thinking)]
    assert blocks == [block for block in reply.blocks if not isinstance(block, Thinking)]
    assert (found.id, found.model, found.stop) == (reply.id, reply.model, reply.stop)


def test_the_usage_chunk_is_for_who_asked_for_it() -> None:
    events: list[Event] = [START, *spoken("a"), SEEN, *END]
    *others, last = written(events)
    assert all(one["usage"] is None for one in others)
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 9
    assert all("usage" not in one for one in written(events, usage=False))


def test_a_foreign_answer_with_everything_in_it() -> None:
    blocks = (
        Thinking("a", "s1", MESSAGES),
        Thinking("b", "s2", MESSAGES, "rs_1"),
        Text("c"),
        Text("d"),
        Media(MediaKind.IMAGE, "image/png", data="iVBOR"),
        Text("e"),
        Thinking("", "g", GEMINI),
        ToolCall("x", "f", ""),
        ToolCall("y", "g", '{"a":1}', CallKind.FUNCTION),
        Thinking("", "h", GEMINI),
        Refusal("no"),
    )
    reply = Reply("id1", "m", blocks, Stop.TOOL_CALLS, Usage(input_tokens=1, output_tokens=2), created=3)
    events: list[Event] = [Started("id1", "m", created=3)]
    for index, block in enumerate(blocks):
        events += [BlockStarted(index, block), BlockEnded(index)]
    events += [UsageSeen(Usage(input_tokens=1, output_tokens=2)), Finished(Stop.TOOL_CALLS), Ended()]
    assert comparable(put_together(written(events))) == comparable(render_reply(reply, context()).body)


def test_custom_calls_and_losses() -> None:
    renderer = Renderer(context())
    renderer.feed(START)
    said = renderer.feed(BlockStarted(0, ToolCall("a", "f", "", CallKind.CUSTOM)))
    assert b'"type":"custom","custom":{"name":"f","input":""}' in said
    assert b'"custom":{"input":"x"}' in renderer.feed(Delta(0, "x"))
    for index in (1, 2):
        assert renderer.feed(BlockStarted(index, Foreign(MESSAGES, {"type": "server_tool_use"}))) == b""
        assert renderer.feed(Delta(index, "x")) == b""
    assert [loss.what for loss in renderer.losses] == ["server_tool_use"]


def test_an_error_ends_the_stream_in_openai_s_words() -> None:
    renderer = Renderer(context())
    renderer.feed(START)
    said = renderer.feed(Failed(ProviderError("overloaded_error", "busy"), 529))
    assert json.loads(said.removeprefix(b"data: ")) == {
        "error": {"message": "busy", "type": "overloaded_error", "param": None, "code": None}
    }


def test_a_ping_is_a_comment() -> None:
    renderer = Renderer(context())
    assert renderer.feed(Ping()) == b""
    assert renderer.ping() == b": ping\n\n"


def test_thinking_of_chat_survives_the_trip_whole_and_streamed() -> None:
    body = lines(
        chunk({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]}),
        chunk({"content": "a"}, "stop"),
    )
    found = together(events_of(body))
    whole = parse_reply(
        {
            "choices": [
                {
                    "message": {
                        "content": "a",
                        "reasoning": "hm",
                        "reasoning_details": [
                            {"type": "reasoning.text", "text": "hm", "index": 0, "signature": "s"},
                        ],
                    },
                }
            ]
        }
    )
    assert found.blocks == whole.blocks
