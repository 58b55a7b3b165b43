from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard
from alone import memory_of
from hypothesis import given, settings
from hypothesis import strategies as st
from said import CHAT, GEMINI, MESSAGES, Said, bare, chunk, cut, named, start
from streams import FEW, FEW_USAGE, MESSAGES_SAID, SAID

from ringlet_mitm.addons.relay import HELD_LIMIT, Reading, Relay, WholeFrames, is_event
from ringlet_mitm.rules.failures import ProviderError
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import SHAPES, WireFormat

HI = chunk("Hé 🌍", usage=None)
STOP = chunk(None, "stop", usage=None)
EXTRA = chunk(choices=[], usage=FEW)
CHAT_STREAM = bare(HI, STOP, EXTRA)
WITHOUT_EXTRA = bare(HI, STOP)


class Ran:
    """A relay that was run over some pieces."""

    def __init__(self, wire_format: WireFormat, pieces: list[bytes], *, end: bool = True, **options: Any) -> None:
        self.readings: list[Reading] = []
        self.firsts = 0
        self.relay = Relay(
            wire_format, on_first_byte=self._first, on_end=self.readings.append, **{"streamed": True, **options}
        )
        self.given = [self.relay(piece) for piece in pieces]
        if end:
            self.given.append(self.relay(b""))

    def _first(self) -> None:
        self.firsts += 1

    @property
    def out(self) -> bytes:
        assert all(isinstance(given, list) and all(given) for given in self.given), "an empty piece ends a chunked body"
        return b"".join(piece for given in self.given for piece in given)

    @property
    def reading(self) -> Reading:
        (only,) = self.readings
        return only


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAID), st.lists(st.integers(0, 10_000), max_size=20), st.booleans())
def test_any_split_passes_the_same_bytes_and_reads_the_same(said: Said, places: list[int], hide: bool) -> None:
    once = Ran(said.format, [said.body], streamed=said.streamed, hide_usage_chunk=hide and said.format is CHAT)
    ran = Ran(
        said.format, cut(said.body, places), streamed=said.streamed, hide_usage_chunk=hide and said.format is CHAT
    )
    assert ran.out == once.out
    if not hide:
        assert ran.out == said.body
    assert ran.reading == once.reading
    assert ran.reading.usage == said.usage
    assert ran.firsts == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([HI, STOP, EXTRA, chunk(choices=[]), chunk("", usage=FEW)]), max_size=6),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sampled_from([b": ping", b"", b"data: [DONE]"]),
    st.lists(st.integers(0, 3000), max_size=20),
)
def test_only_the_usage_chunk_is_taken_out(
    chunks: list[dict[str, Any]], newline: bytes, last: bytes, places: list[int]
) -> None:
    def written(events: list[dict[str, Any]]) -> bytes:
        return (bare(*events, end=b"") + last).replace(b"\n", newline)

    ran = Ran(CHAT, cut(written(chunks), places), hide_usage_chunk=True)
    assert ran.out == written([one for one in chunks if one is not EXTRA])


@pytest.mark.parametrize(
    "frame",
    [
        chunk(choices=[], usage=None),
        chunk(choices=[], usage={}),
        chunk(choices=[], prompt_filter_results=[{"usage": 1}]),
        chunk('{"choices": [], "usage": {"prompt_tokens": 1}}'),
        chunk("", usage=FEW),
        chunk(choices=[], usage=FEW, error={"message": "No"}),
        [{"choices": [], "usage": FEW}],
    ],
    ids=["null", "empty", "azure's first", "spoken of in the text", "beside a choice", "with an error", "in a list"],
)
def test_what_is_no_usage_chunk_passes(frame: Any) -> None:
    assert Ran(CHAT, [bare(frame)], hide_usage_chunk=True).out == bare(frame)


def test_a_usage_chunk_without_a_blank_line_at_the_end_is_taken_out() -> None:
    assert Ran(CHAT, [bare(HI, EXTRA, end=b"").rstrip(b"\n")], hide_usage_chunk=True).out == bare(HI, end=b"")


def test_nesting_without_end_is_no_usage_chunk() -> None:
    frame = b'data: {"choices": [], "usage": ' + b"[" * 30_000 + b"\n\n"
    assert Ran(CHAT, [frame], hide_usage_chunk=True).out == frame


def test_an_event_that_is_long_passes_and_the_usage_chunk_after_it_does_not() -> None:
    long = b'data: {"usage": "' + b"x" * HELD_LIMIT * 3
    pieces = cut(long + b'"}\n\n' + CHAT_STREAM, list(range(0, HELD_LIMIT * 4, 5000)))
    ran = Ran(CHAT, pieces, hide_usage_chunk=True)
    assert ran.out == long + b'"}\n\n' + WITHOUT_EXTRA
    assert max(len(b"".join(given)) for given in ran.given) < HELD_LIMIT + 10_000


def test_a_whole_answer_is_not_searched_for_chunks() -> None:
    body = json.dumps({"choices": [], "usage": FEW}).encode()
    assert Ran(CHAT, [body], streamed=False, hide_usage_chunk=True).out == body


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": gzip.compress(CHAT_STREAM),
    "br": brotli.compress(CHAT_STREAM),
    "zstd": zstandard.compress(CHAT_STREAM),
    "deflate": _deflated(CHAT_STREAM),
    "gzip, br": brotli.compress(gzip.compress(CHAT_STREAM)),
}


@pytest.mark.parametrize("encoding", PACKED)
def test_compressed_answers_are_metered_and_pass_untouched(encoding: str) -> None:
    for step in (1, 7, 10_000):
        ran = Ran(CHAT, cut(PACKED[encoding], list(range(0, 10_000, step))), content_encoding=encoding)
        assert ran.out == PACKED[encoding]
        assert (ran.reading.usage, ran.reading.complete) == (FEW_USAGE, True)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "made-up"])
def test_what_cannot_be_unpacked_passes_unread_and_is_no_failure(encoding: str) -> None:
    ran = Ran(CHAT, [b"\xffnot ", b"packed"], content_encoding=encoding)
    assert (ran.out, ran.reading.usage, ran.reading.complete) == (b"\xffnot packed", None, True)


@pytest.mark.parametrize("said", [said for said in SAID if said.ended], ids=lambda said: said.name)
def test_the_row_is_there_before_the_bytes_that_end_a_stream(said: Said) -> None:
    ran = Ran(said.format, [said.body[:-1]], end=False)
    assert not ran.readings
    out = b"".join(ran.relay(said.body[-1:]))
    assert out and said.body.endswith(out)
    assert len(ran.readings) == 1
    ran.relay(b"")
    assert ran.reading.complete


def test_the_row_is_there_before_the_last_bytes_of_a_known_length() -> None:
    body = json.dumps({"choices": [], "usage": FEW}).encode()
    ran = Ran(CHAT, [body[:20], body[20:]], end=False, streamed=False, content_length=len(body))
    assert ran.reading.usage == FEW_USAGE
    assert ran.reading.bytes_out == len(body)


def test_without_length_the_row_is_there_before_the_end_is_passed_on() -> None:
    body = json.dumps({"choices": [], "usage": FEW}).encode()
    ran = Ran(CHAT, [body], end=False, streamed=False)
    assert not ran.readings
    ran.relay(b"")
    assert ran.reading.usage == FEW_USAGE


@pytest.mark.parametrize(
    ("wire_format", "body", "complete"),
    [
        (MESSAGES, named(start(input_tokens=9, output_tokens=1)), False),
        (CHAT, bare(HI, end=b""), False),
        (CHAT, bare(HI, STOP, end=b""), True),
        (CHAT, bare({"error": {"message": "No"}}, end=b""), True),
        (GEMINI, b'data: {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}\r\n\r\n', False),
        (GEMINI, b'data: {"candidates": [{"finishReason": "STOP"}]}\r\n\r\n', True),
        (CHAT, b"", False),
    ],
    ids=[
        "no message_stop",
        "no end",
        "a stop without [DONE]",
        "an error",
        "no finish reason",
        "a finish reason",
        "nothing",
    ],
)
def test_a_stream_that_just_ends(wire_format: WireFormat, body: bytes, complete: bool) -> None:
    assert Ran(wire_format, [body] if body else []).reading.complete is complete


def test_an_aborted_stream_is_told_once_with_what_was_seen() -> None:
    seen = MESSAGES_SAID[0].body.partition(b"event: message_delta")[0]
    ran = Ran(MESSAGES, [seen], end=False)
    ran.relay.abort()
    ran.relay.abort()
    ran.relay(b"")
    assert ran.reading.usage == Usage(
        input_tokens=21, cache_read_tokens=1200, cache_write_5m_tokens=88, cache_write_1h_tokens=100, output_tokens=1
    )
    assert (ran.reading.complete, ran.reading.bytes_out, ran.reading.output_estimate) == (False, len(seen), 6)


def test_an_abort_after_the_end_changes_nothing() -> None:
    ran = Ran(CHAT, [CHAT_STREAM], end=False)
    ran.relay.abort()
    assert ran.reading.complete


def test_an_error_inside_a_stream_is_read() -> None:
    assert Ran(MESSAGES, [MESSAGES_SAID[-1].body]).reading.error == ProviderError("overloaded_error", "Overloaded")


def test_a_recorder_that_breaks_does_not_break_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    def breaks(_: Reading) -> None:
        raise OSError("no space left on device")

    relay = Relay(CHAT, streamed=True, on_first_byte=lambda: None, on_end=breaks)
    assert relay(CHAT_STREAM) == [CHAT_STREAM]
    assert relay(b"") == []
    assert "no space left" in caplog.text


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(list(SHAPES)),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "gzip", "br", "zstd", "deflate", "x"]),
    st.lists(st.binary(min_size=1, max_size=40), max_size=8),
)
def test_arbitrary_bytes_pass(
    wire_format: WireFormat, streamed: bool, hide: bool, encoding: str, pieces: list[bytes]
) -> None:
    options = {"streamed": streamed, "content_encoding": encoding, "hide_usage_chunk": hide}
    ran = Ran(wire_format, pieces, **options)
    assert ran.out == b"".join(pieces)
    assert ran.reading.bytes_out == len(ran.out)


def an_event_of_fifty_megabytes() -> Callable[[], None]:
    ran = Ran(CHAT, [b"data: "], end=False, hide_usage_chunk=True)
    piece = b"x" * 65_536

    def passes() -> None:
        assert sum(len(out) for _ in range(800) for out in ran.relay(piece)) == len(b"data: ") + 800 * len(piece)
        assert ran.relay(b"\n\n" + CHAT_STREAM) == [b"\n\n" + WITHOUT_EXTRA]
        assert ran.reading.usage == FEW_USAGE

    return passes


def test_fifty_megabytes_in_one_event_pass_without_piling_up() -> None:
    assert memory_of(an_event_of_fifty_megabytes).peak < 48 * 1024 * 1024


@given(st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"x", b"\n\n")), max_size=20), st.integers(1, 40))
def test_frames_pass_whole_and_nothing_is_lost(pieces: list[bytes], limit: int) -> None:
    frames = WholeFrames(limit)
    out = []
    for piece in pieces:
        found = frames.feed(piece)
        assert not found or not frames.between or found.endswith((b"\n\n", b"\r\n\r\n", b"\r\r"))
        out.append(found)
    assert b"".join(out) + frames.flush() == b"".join(pieces)


@pytest.mark.parametrize(
    ("frame", "whole"),
    [(b'data: {"a":1}', True), (b"data: [DONE]", True), (b": note", True), (b'event: a\ndata: {"a"', False)],
)
def test_a_last_event_is_whole_or_not(frame: bytes, whole: bool) -> None:
    assert is_event(frame) is whole


def test_an_agent_that_was_told_of_no_packing_gets_it_plain() -> None:
    stream = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    said: list[Reading] = []
    relay = Relay(
        WireFormat.MESSAGES,
        streamed=True,
        on_first_byte=lambda: None,
        on_end=said.append,
        content_encoding="gzip",
        unpacks=True,
    )
    packed = gzip.compress(stream)
    out = [piece for place in range(len(packed)) for piece in relay(packed[place : place + 1])]
    assert b"".join([*out, *relay(b"")]) == stream
    assert all(out) and said[0].complete


def test_what_cannot_be_read_passes_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[Reading] = []
    relay = Relay(WireFormat.MESSAGES, streamed=True, on_first_byte=lambda: None, on_end=said.append)

    def broken(data: bytes) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(relay._meter, "feed", broken)
    stream = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert b"".join([*relay(stream), *relay(stream), *relay(b"")]) == stream * 2
    assert caplog.text.count("could not be read") == 1
    assert len(said) == 1


def test_a_stream_that_ends_before_its_first_event_can_still_be_ended() -> None:
    said: list[Reading] = []
    relay = Relay(WireFormat.MESSAGES, streamed=True, on_first_byte=lambda: None, on_end=said.append)
    last = relay.broken_off()
    assert last is not None and last.startswith(b"event: error")
    assert not said[0].complete
