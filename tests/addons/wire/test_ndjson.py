from __future__ import annotations

from collections.abc import Callable

import pytest
from alone import memory_of
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.ndjson import NdjsonParser, render

LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").strip()), max_size=6)


def lines_of(pieces: list[bytes], limit: int = 1000) -> tuple[list[bytes], bool]:
    parser = NdjsonParser(limit)
    lines = [line for piece in pieces for line in parser.feed(piece)] + parser.close()
    return lines, parser.overflowed


@given(LINES, st.integers(1, 40))
def test_the_split_of_the_bytes_does_not_matter(lines: list[bytes], size: int) -> None:
    stream = b"".join(render(line) for line in lines)
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert lines_of(pieces) == ([line for line in lines if line], False)


@pytest.mark.parametrize(
    ("stream", "lines"),
    [
        pytest.param(b'{"a":1}\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}'], id="CR before the line's end"),
        pytest.param(b'\n\n{"a":1}\n \n', [b'{"a":1}'], id="blank lines"),
        pytest.param(b'{"a":1}\n{"b":2}', [b'{"a":1}', b'{"b":2}'], id="a last line without its end"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_lines(stream: bytes, lines: list[bytes]) -> None:
    assert lines_of([stream])[0] == lines


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_line_that_is_too_long_is_left_out_alone(size: int) -> None:
    stream = b"short\n" + b"x" * 50 + b"\nafter\n"
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert lines_of(pieces, limit=20) == ([b"short", b"after"], True)


def an_endless_line() -> Callable[[], None]:
    parser = NdjsonParser(limit=10_000)

    def is_fed() -> None:
        for _ in range(2000):
            parser.feed(b"x" * 1000)

    return is_fed


def test_memory_is_bounded() -> None:
    assert memory_of(an_endless_line).peak < 100_000
