from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from said import cut

from ringlet_mitm.addons.wire.sse import SseEvent, SseParser, render


def parse(pieces: list[bytes], limit: int = 1000) -> tuple[list[SseEvent], bool]:
    parser = SseParser(limit)
    events = [event for piece in pieces for event in parser.feed(piece)] + parser.close()
    return events, parser.overflowed


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (b"data: a\n\n", [SseEvent("", b"a")]),
        (b"data:a\n\n", [SseEvent("", b"a")]),
        (b"data:  a \n\n", [SseEvent("", b" a ")]),
        (b"event: message_stop\ndata: {}\n\n", [SseEvent("message_stop", b"{}")]),
        (b"data: {}\nevent: late\n\n", [SseEvent("late", b"{}")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [SseEvent("", b"a"), SseEvent("", b"b")]),
        (b"data: a\r\rdata: b\r\r", [SseEvent("", b"a"), SseEvent("", b"b")]),
        (b"data: a\n\r\ndata: b\n\n", [SseEvent("", b"a"), SseEvent("", b"b")]),
        (b"data: a\ndata: b\n\n", [SseEvent("", b"a\nb")]),
        (b"data\n\n", [SseEvent("", b"")]),
        (b": ping\n\ndata: a\n\n", [SseEvent("", b"a")]),
        (b": OPENROUTER PROCESSING\n\n\n\n\ndata: a\n\n", [SseEvent("", b"a")]),
        (b"id: 7\nretry: 10\ndata: a\n\n", [SseEvent("", b"a")]),
        (b"event: ping\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n", [SseEvent("", b"a")]),
        (b"data: a", [SseEvent("", b"a")]),
        (b"data: a\r\n", [SseEvent("", b"a")]),
        (b"", []),
        (b"\xef\xbb", []),
        ("data: \u2028 é\x0b\x0c\n\n".encode(), [SseEvent("", "\u2028 é\x0b\x0c".encode())]),
        (b"event: \xff\ndata: \xff\n\n", [SseEvent("\ufffd", b"\xff")]),
    ],
    ids=[
        "one event",
        "no space after the colon",
        "only one space is taken away",
        "a name",
        "the name after the data",
        "CRLF",
        "CR alone",
        "line ends mixed",
        "data of two lines",
        "data without a colon is empty",
        "comments are no events",
        "blank lines between events",
        "id and retry are read over",
        "a name without data is no event",
        "a byte order mark",
        "no line end at the end",
        "no blank line at the end",
        "nothing",
        "half a byte order mark",
        "only CR and LF end lines",
        "bytes that are not UTF-8",
    ],
)
def test_events(text: bytes, events: list[SseEvent]) -> None:
    assert parse([text]) == (events, False)
    assert parse([text[at : at + 1] for at in range(len(text))]) == (events, False)


LINES = st.sampled_from(
    [
        b"data: ab",
        b"data:",
        b"event: e",
        b": c",
        b"",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"\xc3\xa9",
        b"x" * 30,
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(LINES, max_size=30).map(b"".join),
    st.lists(st.integers(0, 500), max_size=12),
    st.sampled_from([5, 20, 1000]),
)
@example(b"data: abc\r\n\r\ndata: d\n\n", [10, 11, 12], 1000)
def test_any_split_of_the_bytes_gives_the_same_events(data: bytes, places: list[int], limit: int) -> None:
    assert parse(cut(data, places), limit) == parse([data], limit)
    assert parse([data[at : at + 1] for at in range(len(data))], limit) == parse([data], limit)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_arbitrary_bytes_are_read_over(pieces: list[bytes]) -> None:
    events, _ = parse(pieces)
    assert all(isinstance(event, SseEvent) for event in events)


@given(
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8).map(str.strip),
    st.binary(max_size=60).map(lambda data: data.replace(b"\r", b"")),
)
def test_what_is_rendered_is_read_again(name: str, data: bytes) -> None:
    assert parse([render(SseEvent(name, data))])[0] == [SseEvent(name, data)]


def test_an_event_beyond_the_limit_is_left_out_and_the_next_one_read() -> None:
    events, overflowed = parse([b"data: a\n\n", b"data: ", *[b"x" * 600] * 10, b"\n", b"\ndata: b\n\n"])
    assert (events, overflowed) == ([SseEvent("", b"a"), SseEvent("", b"b")], True)


def test_a_stream_that_ends_inside_an_event_beyond_the_limit() -> None:
    assert parse([b"data: ", *[b"x" * 600] * 10, b"data: b"]) == ([], True)


def test_memory_stays_near_the_limit_and_a_long_event_costs_its_length() -> None:
    limit, piece = 1_000_000, b"x" * 16_384
    parser = SseParser(limit)
    tracemalloc.start()
    started = time.process_time()
    parser.feed(b"data: ")
    for _ in range(50 * 1024 * 1024 // len(piece)):
        parser.feed(piece)
    spent = time.process_time() - started
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert parser.overflowed
    assert most < 3 * limit
    assert spent < 2
