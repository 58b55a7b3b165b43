"""A stream cut in pieces, its pieces as events, and its events as an answer, for tests of wire formats."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from ringlet_mitm.addons.wire.accumulating import Accumulator
from ringlet_mitm.addons.wire.canonical import Event, Reply
from ringlet_mitm.addons.wire.codec import StreamParser


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The pieces between `places`, which are somewhere in it."""
    return [data[start:end] for start, end in pairwise([0, *sorted(places), len(data)])]


def each(data: bytes, size: int) -> list[bytes]:
    """Pieces of `size` bytes, the last one perhaps smaller."""
    return cut(data, range(size, len(data), size))


def parsed(parser: StreamParser, pieces: Iterable[bytes]) -> list[Event]:
    """What a new parser makes of a whole stream."""
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def together(events: Iterable[Event]) -> Reply:
    """The answer that the events tell."""
    accumulator = Accumulator()
    for event in events:
        accumulator.feed(event)
    return accumulator.reply
