from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from alone import memory_of
from hypothesis import given, settings
from hypothesis import strategies as st
from said import CHAT, GEMINI, MESSAGES, RESPONSES, Said, bare, chunk, cut, named, response, start
from streams import SAID

from ringlet_mitm.addons.wire.metering import WHOLE_LIMIT, Meter
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import SHAPES, WireFormat


def metered(said: Said, pieces: list[bytes]) -> Meter:
    meter = Meter(said.format, streamed=said.streamed)
    for piece in pieces:
        meter.feed(piece)
    meter.finish()
    return meter


def found(meter: Meter) -> tuple[object, ...]:
    return meter.usage, meter.stop_reason, meter.ended, meter.model, meter.error, meter.text_bytes


@pytest.mark.parametrize("said", SAID, ids=lambda said: said.name)
def test_what_vendors_write_is_read(said: Said) -> None:
    meter = metered(said, [said.body])
    assert (meter.usage, meter.stop_reason, meter.ended) == (said.usage, said.stop_reason, said.ended)
    assert meter.model == said.model


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAID), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_split_of_the_bytes_reads_the_same(said: Said, places: list[int]) -> None:
    assert found(metered(said, cut(said.body, places))) == found(metered(said, [said.body]))


@pytest.mark.parametrize("said", SAID, ids=lambda said: said.name)
def test_byte_by_byte_and_with_other_line_ends(said: Said) -> None:
    once = found(metered(said, [said.body]))
    assert found(metered(said, [bytes([byte]) for byte in said.body])) == once
    if said.streamed:
        crlf = said.body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        assert found(metered(said, [bytes([byte]) for byte in crlf])) == once


@pytest.mark.parametrize("said", [said for said in SAID if said.streamed], ids=lambda said: said.name)
def test_the_end_is_known_as_soon_as_its_bytes_are_there(said: Said) -> None:
    meter = Meter(said.format, streamed=True)
    meter.feed(said.body)
    assert (meter.ended, meter.usage) == (said.ended, said.usage)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(SHAPES)), st.booleans(), st.lists(st.binary(max_size=60), max_size=8))
def test_arbitrary_bytes_are_read_over(wire_format: WireFormat, streamed: bool, pieces: list[bytes]) -> None:
    metered(Said("", wire_format, b"", None, "", streamed=streamed), [b"data: ", *pieces, b"\n\n"])


KEYS = [
    *("type", "message", "delta", "usage", "error", "model", "choices", "response", "content", "stop_reason", "x_groq"),
    *(
        "input_tokens",
        "output_tokens",
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cache_creation",
        "function",
    ),
    *(
        "prompt_tokens_details",
        "cached_tokens",
        "usageMetadata",
        "promptTokenCount",
        "candidates",
        "parts",
        "tool_calls",
    ),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(list(SHAPES)), st.booleans(), JSON)
def test_json_of_any_shape_is_read_over(wire_format: WireFormat, streamed: bool, value: object) -> None:
    text = json.dumps(value).encode()
    meter = metered(
        Said("", wire_format, b"", None, "", streamed=streamed), [b"data: " + text + b"\n\n" if streamed else text]
    )
    for count in (getattr(meter.usage, name) for name in Usage.__slots__ if meter.usage):
        assert 0 <= count <= 3 * 10**9
    assert all(isinstance(text, str) for text in (meter.model, meter.stop_reason))


@pytest.mark.parametrize(
    ("wire_format", "body", "error"),
    [
        (
            MESSAGES,
            named({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            ProviderError("overloaded_error", "Overloaded"),
        ),
        (
            CHAT,
            bare({"error": {"message": "No", "type": "server_error", "code": None}}),
            ProviderError("server_error", "No"),
        ),
        (CHAT, bare({"error": "plain words"}), ProviderError("error", "plain words")),
        (CHAT, bare(chunk("", x_groq={"id": "r", "error": "over capacity"})), ProviderError("error", "over capacity")),
        (
            RESPONSES,
            named({"type": "error", "code": "server_error", "message": "No", "param": None}),
            ProviderError("error", "No", "server_error"),
        ),
        (
            RESPONSES,
            named(
                {
                    "type": "error",
                    "error": {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "Long"},
                }
            ),
            ProviderError("invalid_request_error", "Long", "context_length_exceeded"),
        ),
        (
            RESPONSES,
            named(
                {
                    "type": "response.failed",
                    "response": response("failed", error={"code": "server_error", "message": "No"}),
                }
            ),
            ProviderError("error", "No", "server_error"),
        ),
        (
            GEMINI,
            b'data: {"error": {"code": 503, "message": "Busy", "status": "UNAVAILABLE"}}\r\n\r\n',
            ProviderError("UNAVAILABLE", "Busy", "503"),
        ),
        (CHAT, bare(chunk("hi", error=None), chunk("hi", error={}), chunk("hi", error="")), None),
    ],
    ids=[
        "messages",
        "chat",
        "chat, words",
        "groq",
        "responses",
        "responses, nested",
        "responses failed",
        "gemini",
        "no error",
    ],
)
def test_errors_inside_a_stream(wire_format: WireFormat, body: bytes, error: ProviderError | None) -> None:
    assert metered(Said("", wire_format, b"", None, ""), [body]).error == error


@pytest.mark.parametrize(
    ("wire_format", "body", "error"),
    [
        (
            CHAT,
            b'{"error": {"message": "Bad key", "type": "invalid_request_error", "code": "invalid_api_key"}}',
            ProviderError("invalid_request_error", "Bad key", "invalid_api_key"),
        ),
        (
            MESSAGES,
            b'{"type": "error", "error": {"type": "not_found_error", "message": "model: x"}}',
            ProviderError("not_found_error", "model: x"),
        ),
        (
            GEMINI,
            b'[{"error": {"code": 400, "message": "No", "status": "INVALID_ARGUMENT"}}]',
            ProviderError("INVALID_ARGUMENT", "No", "400"),
        ),
        (RESPONSES, b"<html>502 Bad Gateway</html>", None),
        (MESSAGES, b"", None),
    ],
    ids=["chat", "messages", "gemini, streamed", "a page", "nothing"],
)
def test_whole_error_bodies(wire_format: WireFormat, body: bytes, error: ProviderError | None) -> None:
    assert metered(Said("", wire_format, b"", None, "", streamed=False), [body]).error == error


def whole_chat(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).encode()


@pytest.mark.parametrize(
    ("wire_format", "streamed", "body", "estimate"),
    [
        (CHAT, True, bare(chunk("abcd"), chunk("efgh")), 2),
        (CHAT, True, bare(chunk("你好")), 2),
        (
            CHAT,
            True,
            bare(chunk(None, None, choices=[{"delta": {"tool_calls": [{"function": {"arguments": '{"a": 1}'}}]}}])),
            2,
        ),
        (CHAT, True, bare(chunk(None, None, choices=[{"delta": {"reasoning_content": "abcde", "content": None}}])), 2),
        (CHAT, False, whole_chat("abcdefgh"), 2),
        (
            MESSAGES,
            True,
            named(
                start(input_tokens=0),
                {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "abcde"}},
            ),
            2,
        ),
        (RESPONSES, True, named({"type": "response.output_text.delta", "delta": "abcde"}), 2),
        (GEMINI, True, b'data: {"candidates": [{"content": {"parts": [{"text": "ab"}, {"text": "cde"}]}}]}\n\n', 2),
        (CHAT, False, b"x" * 40, 10),
        (CHAT, True, bare(), 0),
    ],
    ids=[
        "chat",
        "not ascii",
        "a call",
        "thinking",
        "whole",
        "messages",
        "responses",
        "gemini",
        "unreadable: its length",
        "nothing",
    ],
)
def test_an_estimate_without_usage(wire_format: WireFormat, streamed: bool, body: bytes, estimate: int) -> None:
    meter = metered(Said("", wire_format, b"", None, "", streamed=streamed), [body])
    assert (meter.usage, meter.output_estimate) == (None, estimate)


def test_figures_beyond_belief_are_cut_to_what_a_column_holds() -> None:
    body = bare(chunk("", usage={"prompt_tokens": 10**30, "completion_tokens": -5}))
    assert metered(Said("", CHAT, b"", None, ""), [body]).usage == Usage(input_tokens=10**9)


def fifty_megabytes(streamed: bool) -> Callable[[], None]:
    meter, piece = Meter(CHAT, streamed=streamed), b"x" * 65_536
    meter.feed(b'data: {"choices": [{"delta": {"content": "' if streamed else b'{"a": "')

    def pass_by() -> None:
        for _ in range(50 * 1024 * 1024 // len(piece)):
            meter.feed(piece)
        meter.feed(b'"}}]}\n\n')
        meter.feed(bare(chunk(None, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2})))
        meter.finish()
        assert meter.usage == (Usage(input_tokens=1, output_tokens=2) if streamed else None)
        assert meter.output_estimate == 0 if streamed else meter.output_estimate > 50 * 1024 * 1024 // 4

    return pass_by


@pytest.mark.parametrize("streamed", [True, False], ids=["one event", "one body"])
def test_fifty_megabytes_without_an_end_do_not_pile_up(streamed: bool) -> None:
    assert memory_of(fifty_megabytes, streamed).peak < 1.3 * WHOLE_LIMIT
