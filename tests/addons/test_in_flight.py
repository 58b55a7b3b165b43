"""Requests under way, as a snapshot tells of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from exchanges import HELLO, Way, flow_with, routed
from said import MESSAGES
from streams import MESSAGES_SAID

from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.http_stream import PatientStream
from ringlet_mitm.addons.in_flight import streams

STREAMED = {"model": "asked-model", "messages": HELLO, "stream": True}
HALF = MESSAGES_SAID[0].body.partition(b"event: message_delta")[0]


@pytest.fixture
def under_way() -> Iterator[Callable[..., PatientStream]]:
    """Adds a stream to those of this process."""
    before = set(PatientStream.in_flight)

    def add(exchange: Exchange | None, **state: Any) -> PatientStream:
        stream = PatientStream.__new__(PatientStream)
        stream.flow = flow_with(exchange, content_type="text/event-stream")
        for name, value in state.items():
            setattr(stream, name, value)
        PatientStream.in_flight.add(stream)
        return stream

    yield add
    PatientStream.in_flight.clear()
    PatientStream.in_flight.update(before)


def test_what_is_told(under_way: Callable[..., PatientStream]) -> None:
    exchange = routed(MESSAGES, STREAMED, provider="minimax", model="m2")
    stream = under_way(exchange)
    relay = Way().open(stream.flow)
    (said,) = streams()
    assert (said.phase, said.bytes, said.first_byte_us) == ("waiting", 0, None)
    out = relay(HALF)
    (said,) = streams()
    assert (said.id, said.provider, said.model, said.rule) == ("id-1", "minimax", "m2", "tool-use → groq")
    assert (said.phase, said.bytes, said.attempt) == ("streaming", sum(map(len, out)), 1)
    assert said.first_byte_us is not None


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ({"in_line": True}, "in line"),
        ({"again": object()}, "between tries"),
        ({"connecting": True}, "connecting"),
        ({}, "waiting"),
    ],
    ids=["in line", "between tries", "connecting", "waiting"],
)
def test_how_far_it_is(under_way: Callable[..., PatientStream], state: dict[str, Any], phase: str) -> None:
    exchange = routed(MESSAGES, STREAMED)
    exchange.attempts.append(replace(exchange.attempts[0], number=2))
    under_way(exchange, **state)
    assert [(said.phase, said.attempt) for said in streams()] == [(phase, 2)]


def test_the_oldest_first_and_no_other_than_model_calls(under_way: Callable[..., PatientStream]) -> None:
    for started_us in (30, 10, 20):
        exchange = routed(MESSAGES, STREAMED)
        exchange.started_us = started_us
        under_way(exchange)
    under_way(None)
    assert [said.started_us for said in streams()] == [10, 20, 30]
