"""Nothing that comes in breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from bodies import ENVELOPED, asked, captures, host_as_provider, seen, unreadable
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import any_bodies

from ringlet_mitm.rules.peek import AgentRequest, Peek, Unreadable, peek
from ringlet_mitm.rules.shapes import SHAPES, WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI

DEEP = 100_000
UNREADABLE: dict[str, bytes] = {
    "empty": b"",
    "whitespace": b" \n",
    "a list": b"[1]",
    "a string": b'"x"',
    "a number": b"1",
    "null": b"null",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NaN": b'{"max_tokens":NaN}',
    "two values": b"{} {}",
    "cut off": b'{"model":"m","messages":[{"role":"us',
    "cut off in an emoji": b'{"model":"\\ud83d',
    "gzip": b"\x1f\x8b\x08\x00rest",
    "UTF-16": '{"model":"m"}'.encode("utf-16"),
    "nested 100,000 deep": b"[" * DEEP + b"]" * DEEP,
    "messages nested 100,000 deep": b'{"messages":[' + b"[" * DEEP + b"]" * DEEP + b"]}",
    "objects nested 100,000 deep": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
}


@pytest.mark.parametrize("wire_format", SHAPES)
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_request_is_unreadable(wire_format: WireFormat, body: bytes) -> None:
    assert unreadable(wire_format, body)
    assert wire_format is not GEMINI or unreadable(wire_format, body, path=ENVELOPED)


@pytest.mark.parametrize("wire_format", SHAPES)
def test_nesting_that_the_reader_takes_breaks_nothing(wire_format: WireFormat) -> None:
    for depth in (100, 500, 900, 1100):
        nested = b"[" * depth + b'"image_url","inlineData"' + b"]" * depth
        body = b'{"messages":[{"role":"user","content":%b}],"contents":[{"parts":%b}],"input":[%b],"thinking":%b}'
        peek(asked(wire_format, body % ((nested,) * 4)), host_as_provider)


def test_a_string_of_50_megabytes() -> None:
    found = seen(CHAT, b'{"messages":[{"role":"user","content":"' + b"a" * 50_000_000 + b'"}],"model":"m"}')
    assert (found.features.model, found.features.messages) == ("m", 1)
    assert found.features.token_bounds.high > 50_000_000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(list(SHAPES)), st.booleans())
def test_any_bytes(body: bytes, wire_format: WireFormat, enveloped: bool) -> None:
    path = ENVELOPED if enveloped and wire_format is GEMINI else None
    assert isinstance(peek(asked(wire_format, body, path=path), host_as_provider), Peek | Unreadable)


@settings(max_examples=300, deadline=None)
@given(any_bodies(), st.sampled_from(list(SHAPES)))
def test_one_formats_body_as_anothers(made: tuple[WireFormat, Any], wire_format: WireFormat) -> None:
    seen(wire_format, made[1])


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(sorted(captures())))
def test_damaged_captures(data: st.DataObject, name: str) -> None:
    request = captures()[name]
    body = bytearray(request.body)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        width = data.draw(st.integers(0, 40))
        body[place : place + width] = data.draw(
            st.one_of(st.binary(max_size=10), st.sampled_from([b"[" * 50, b'"', b"\\", b"null"]))
        )
    damaged = AgentRequest(
        *(request.format, request.method, request.scheme, request.host, request.port, request.path, request.headers),
        body=bytes(body),
    )
    assert isinstance(peek(damaged, host_as_provider), Peek | Unreadable)
