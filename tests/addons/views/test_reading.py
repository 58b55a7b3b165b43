from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from canonicals import conversations, event_streams_of, replies
from hypothesis import given, settings
from hypothesis import strategies as st

from ringlet_mitm.addons.views import reading
from ringlet_mitm.addons.views.conversation import put_answer, put_request
from ringlet_mitm.addons.views.page import Page
from ringlet_mitm.addons.views.reading import read_answer, read_request
from ringlet_mitm.addons.wire.canonical import Conversation, Reply, Text, Tool
from ringlet_mitm.addons.wire.codec import AnswerContext, write_json
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.rules.shapes import WireFormat

PATHS = {
    WireFormat.GEMINI: "/v1beta/models/m:streamGenerateContent?alt=sse",
    WireFormat.CONVERSE: "/model/m/converse-stream",
}
FORMATS = pytest.mark.parametrize("wire_format", list(WireFormat), ids=str)
HELLO = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
MESSAGES = WireFormat.MESSAGES


def path(wire_format: WireFormat) -> str:
    return PATHS.get(wire_format, "/v1/x")


def texts(blocks: Any) -> list[str]:
    return [block.text for block in blocks if isinstance(block, Text) and block.text.strip()]


@FORMATS
@settings(max_examples=6)
@given(conversation=conversations())
def test_a_request_is_read_in_every_format(wire_format: WireFormat, conversation: Conversation) -> None:
    body = write_json(CODECS[wire_format].render_request(conversation).body)
    read = read_request(body, path(wire_format), wire_format)
    assert read.conversation is not None
    assert read.caveats == ()
    # A format without a word for "call none" gets no tools then.
    offered = [] if conversation.tool_choice else [tool.name for tool in conversation.tools if isinstance(tool, Tool)]
    assert [tool.name for tool in read.conversation.tools if isinstance(tool, Tool)][: len(offered)] == offered
    put_request(Page(), read, wire_format)


@FORMATS
@settings(max_examples=6)
@given(reply=replies(), data=st.data())
def test_an_answer_is_read_in_every_format(wire_format: WireFormat, reply: Reply, data: st.DataObject) -> None:
    codec = CODECS[wire_format]
    conversation = Conversation("m", (), stream=True)
    context = AnswerContext(conversation, path(wire_format), "m", "1")
    renderer = codec.renderer(context)
    events = data.draw(event_streams_of(reply, interleaved=False))
    streamed = b"".join(map(renderer.feed, events))
    whole = write_json(
        codec.render_reply(reply, replace(context, conversation=replace(conversation, stream=False))).body
    )
    for body in (streamed, whole):
        read = read_answer(body, wire_format)
        assert read.reply is not None
        assert read.finished
        assert "".join(texts(read.reply.blocks)).split() == "".join(texts(reply.blocks)).split()
    cut = read_answer(streamed[: data.draw(st.integers(0, len(streamed)))], wire_format)
    put_answer(Page(), cut)


@FORMATS
@settings(max_examples=40)
@given(body=st.binary(max_size=300) | st.text(alphabet='{}[],:"data\n 1\\u', max_size=300).map(str.encode))
def test_nothing_raises(wire_format: WireFormat, body: bytes) -> None:
    put_request(Page(), read_request(body, path(wire_format), wire_format), wire_format)
    put_answer(Page(), read_answer(body, wire_format))


@FORMATS
@pytest.mark.parametrize(
    "body",
    [b'{"a":' * 200_000, b"[" * 1_000_000, b'{"messages":' + b"[" * 500_000, b"\xff" * 100_000, b"{" + b" " * 500_000],
    ids=["objects", "lists", "in messages", "no text", "blank"],
)
def test_absurd_bodies_are_read_in_no_time(wire_format: WireFormat, body: bytes) -> None:
    begun = time.process_time()
    put_request(Page(), read_request(body, path(wire_format), wire_format), wire_format)
    put_answer(Page(), read_answer(body, wire_format))
    assert time.process_time() - begun < 2


def test_a_broken_request_is_shown_as_far_as_it_goes() -> None:
    read = read_request(json.dumps(HELLO).encode()[:-4], "/v1/messages", MESSAGES)
    assert read.conversation is not None
    assert texts(read.conversation.messages[0].blocks) == ["hello"]
    assert read.caveats == ("the body, 79 bytes, is no whole JSON: this is what its beginning says",)


@pytest.mark.parametrize(
    ("body", "caveat"),
    [
        (b"", "there is no body"),
        (b"hello", "the body is no JSON object"),
        (b"[]", "the body is no JSON object"),
        (b'{"messages": 7}', "not a request of anthropic-messages: 'messages' is not a list"),
    ],
    ids=["empty", "words", "a list", "no messages"],
)
def test_what_is_no_request_is_said_to_be_none(body: bytes, caveat: str) -> None:
    read = read_request(body, "/v1/messages", MESSAGES)
    assert read.conversation is None
    assert read.caveats == (caveat,)


def test_of_a_very_long_request_the_last_messages_are_read() -> None:
    many = [{"role": "user", "content": f"{number} " + "x" * 100_000} for number in range(500)]
    body = json.dumps({**HELLO, "system": "s" * 600_000, "messages": many}).encode()
    begun = time.process_time()
    read = read_request(body, "/v1/messages", MESSAGES)
    assert time.process_time() - begun < 1
    assert read.conversation is not None
    assert read.skipped + len(read.conversation.messages) == 500
    assert texts(read.conversation.messages[-1].blocks)[0].startswith("499 ")
    assert read.caveats == ("'system' is left out: it has 600.0 KB",)


def test_a_picture_of_fifty_megabytes_is_left_out() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 50_000_000}}
    body = json.dumps({**HELLO, "messages": [{"role": "user", "content": [image]}, *HELLO["messages"]]}).encode()  # type: ignore[misc]
    begun = time.process_time()
    read = read_request(body, "/v1/messages", MESSAGES)
    assert time.process_time() - begun < 1
    assert read.conversation is not None
    assert texts(read.conversation.messages[-1].blocks) == ["hello"]
    assert read.caveats == ("a message of 50.0 MB is left out",)


def test_an_error_is_read() -> None:
    read = read_answer(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', MESSAGES)
    assert (read.reply, read.error and read.error.message) == (None, "Overloaded")


def test_a_stream_that_breaks_off_says_so() -> None:
    frames = (
        b'data: {"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}],"model":"m"}\n\ndata: {"cho'
    )
    read = read_answer(frames, WireFormat.CHAT)
    assert read.reply is not None
    assert (texts(read.reply.blocks), read.finished) == (["Hel"], False)


def test_of_a_very_long_stream_the_beginning_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WHOLE_BYTES", 200)
    frame = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"},"finish_reason":null}],"model":"m"}\n\n'
    read = read_answer(frame * 10, WireFormat.CHAT)
    assert read.reply is not None
    assert texts(read.reply.blocks) == ["HelHel"]
    assert read.caveats == ("only the first 200 bytes of 920 bytes were read",)


PIECE = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([PIECE, PIECE]).encode(),
        b"".join(b"data: " + json.dumps({"response": PIECE}).encode() + b"\r\n\r\n" for _ in range(2)),
        b"".join(b"data: " + json.dumps(PIECE).encode() + b"\r\n\r\n" for _ in range(2)),
    ],
    ids=["an array", "Code Assist's wrapping", "events"],
)
def test_geminis_streams(body: bytes) -> None:
    read = read_answer(body, WireFormat.GEMINI)
    assert read.reply is not None
    assert texts(read.reply.blocks)[0].startswith("Hi")
    assert read.finished


def test_code_assists_request_is_unwrapped() -> None:
    inside = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    body = json.dumps({"model": "gemini-3-pro", "project": "p", "request": inside}).encode()
    read = read_request(body, "/v1internal:streamGenerateContent?alt=sse", WireFormat.GEMINI)
    assert read.conversation is not None
    assert texts(read.conversation.messages[0].blocks) == ["hello"]
