from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest
from alone import memory_of
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.eventstream import EventMessage, EventStreamParser, Header, render

NAMES = st.text(st.characters(codec="ascii", categories=["Ll", "Pd"]), min_size=1, max_size=20)
HEADERS: st.SearchStrategy[Header] = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=20),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
)
MESSAGES = st.builds(EventMessage, st.dictionaries(NAMES, HEADERS, max_size=4), st.binary(max_size=60))
ONE = EventMessage({":message-type": "event", ":event-type": "ping"}, b'{"p":"abc"}')


def messages_of(pieces: list[bytes], parser: EventStreamParser | None = None) -> list[EventMessage]:
    parser = parser or EventStreamParser()
    return [message for piece in pieces for message in parser.feed(piece)]


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


@given(st.lists(MESSAGES, max_size=4), st.integers(1, 70))
def test_the_split_of_the_bytes_does_not_matter(messages: list[EventMessage], size: int) -> None:
    assert messages_of(cut(b"".join(map(render, messages)), size)) == messages


@given(st.lists(MESSAGES, max_size=3))
def test_the_vendors_own_parser_reads_what_we_write(messages: list[EventMessage]) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(map(render, messages)))
    assert [(found.headers, found.payload) for found in buffer] == [(one.headers, one.payload) for one in messages]


def framed(headers: bytes, payload: bytes = b"") -> bytes:
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    frame = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return frame + struct.pack(">I", crc32(frame))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        pytest.param(b"\x01a\x00", True, id="true"),
        pytest.param(b"\x01a\x01", False, id="false"),
        pytest.param(b"\x01a\x02\xff", -1, id="byte"),
        pytest.param(b"\x01a\x03\x01\x00", 256, id="short"),
        pytest.param(b"\x01a\x04\x00\x01\x00\x00", 65536, id="int"),
        pytest.param(b"\x01a\x05" + b"\x00" * 7 + b"\x07", 7, id="long"),
        pytest.param(b"\x01a\x06\x00\x02hi", b"hi", id="bytes"),
        pytest.param(b"\x01a\x07\x00\x02hi", "hi", id="text"),
        pytest.param(b"\x01a\x08" + b"\x01" * 8, b"\x01" * 8, id="time"),
        pytest.param(b"\x01a\x09" + b"\x01" * 16, b"\x01" * 16, id="uuid"),
    ],
)
def test_every_type_of_header(header: bytes, value: Any) -> None:
    assert messages_of([framed(header, b"x")]) == [EventMessage({"a": value}, b"x")]


def flipped(stream: bytes, at: int) -> bytes:
    return stream[:at] + bytes((stream[at] ^ 1,)) + stream[at + 1 :]


@given(st.integers(0, len(render(ONE)) - 1))
def test_one_wrong_bit_anywhere_breaks_the_stream(at: int) -> None:
    parser = EventStreamParser()
    assert messages_of([render(ONE), flipped(render(ONE), at), render(ONE)], parser) == [ONE]
    assert parser.broken


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"\x05a", id="a name that ends too early"),
        pytest.param(b"\x01a\x63", id="an unknown type"),
        pytest.param(b"\x01a\x07\x00\x09hi", id="a text that ends too early"),
        pytest.param(b"\x01a\x04\x00", id="a number that ends too early"),
        pytest.param(b"\x01a\x09\x00", id="a uuid that ends too early"),
    ],
)
def test_headers_that_make_no_sense(headers: bytes) -> None:
    parser = EventStreamParser()
    assert messages_of([framed(headers)], parser) == []
    assert parser.broken == "the headers of a message make no sense"


@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    messages_of(cut(data, 7))


@pytest.mark.parametrize("size", [1, 100, 1_000_000])
def test_a_message_that_is_too_long_is_left_out_alone(size: int) -> None:
    parser = EventStreamParser(limit=100)
    long = EventMessage({}, b"x" * 300_000)
    assert messages_of(cut(b"".join(map(render, (ONE, long, ONE))), size), parser) == [ONE, ONE]
    assert parser.overflowed


def a_message_of_two_megabytes() -> Callable[[], object]:
    pieces = cut(render(EventMessage({}, b"x" * 2_000_000)), 1000)
    return lambda: messages_of(pieces, EventStreamParser(limit=10_000))


def test_memory_is_bounded() -> None:
    assert memory_of(a_message_of_two_megabytes).peak < 100_000
