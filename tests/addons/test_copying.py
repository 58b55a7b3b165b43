"""Copies over real connections: every kind of answer is read to its end, and nothing is raised about a bad one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from bodies import asked, host_as_provider
from ledgers import request as row_of
from local_servers import closed_port

from ringlet_mitm.addons.connect_to import Detour, parse_detour
from ringlet_mitm.addons.copies import LateCourier, Original, Outcome, copy_of
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.addons.outbound import prepare
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.cli.demo.replies import STYLES
from ringlet_mitm.cli.demo.script import answer
from ringlet_mitm.cli.demo.upstream import Refusal, Seen, Spoken, Vendor
from ringlet_mitm.rules.failures import FailureKind
from ringlet_mitm.rules.peek import peek
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.reliability import Timeouts
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.rulebook import Route, load_rulebook
from ringlet_mitm.rules.shapes import WireFormat

REGISTRY = registry({})
RULING = Ruling(load_rulebook("", "routing.toml", REGISTRY), REGISTRY, None)
HELLO = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
PLACES = ("anthropic/claude-haiku-4-5", "groq/llama-3.3-70b-versatile", "gemini/gemini-2.5-flash")


@pytest.fixture
def own_vendor() -> Iterator[Vendor]:
    with Vendor() as running:
        yield running


def exchange_to(place: str, *, stream: bool = False, **more: Any) -> Exchange:
    """A copy for there, with a key."""
    provider, _, model = place.partition("/")
    request = asked(WireFormat.MESSAGES, {**HELLO, "stream": stream, **more}, path="/v1/messages")
    headers = ((b"content-encoding", b"gzip"), (b"connection", b"x-hop"), (b"x-hop", b"1"), (b"user-agent", b"agent/1"))
    request = replace(request, host="api.anthropic.com", headers=headers)
    decision = Decision("a rule", 0, Route("anthropic"), None, 1.0, shadow=Route(provider, model))
    original = Original(Turn(request, peek(request, host_as_provider), decision), row_of(id="r-1"))
    exchange = copy_of(original, RULING)
    assert exchange.turn is not None
    outbound = prepare(exchange.turn, exchange.targets[0], replace_credentials=True)
    name = {"anthropic": b"x-api-key", "gemini": b"x-goog-api-key"}.get(provider, b"authorization")
    exchange.outbound = replace(outbound, headers=(*outbound.headers, (name, b"ours")))
    return exchange


def carried(vendor: Vendor, exchange: Exchange, timeouts: Timeouts | None = None) -> Outcome:
    detours = tuple(map(parse_detour, vendor.connect_to))
    return LateCourier(detours, vendor.ca_file).carry(exchange, timeouts or Timeouts())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("place", PLACES)
def test_an_answer_is_read_for_what_it_used(vendor: Vendor, place: str, stream: bool) -> None:
    begun = time.time_ns() // 1000
    outcome = carried(vendor, exchange_to(place, stream=stream))
    assert (outcome.status, outcome.failure) == (200, None)
    assert outcome.first_byte_us is not None
    assert begun <= outcome.first_byte_us <= outcome.ended_us
    reading = outcome.reading
    assert reading is not None
    assert reading.usage is not None
    assert (reading.complete, reading.stop_reason != "", reading.model) == (True, True, place.partition("/")[2])
    assert reading.usage.total_input > 0 < reading.usage.total_output


def test_what_is_about_the_agents_connection_stays_there(vendor: Vendor) -> None:
    carried(vendor, exchange_to(PLACES[0]))
    names = {name.lower(): value for name, value in vendor.seen[-1].headers.items()}
    assert (names["host"], names["user-agent"], names["accept-encoding"]) == (
        "api.anthropic.com",
        "agent/1",
        "identity",
    )
    assert not {"content-encoding", "x-hop"} & names.keys()
    assert json.loads(vendor.seen[-1].body)["model"] == "claude-haiku-4-5"


@pytest.mark.parametrize("place", PLACES)
def test_a_refusal_is_a_failure_with_the_vendors_words(own_vendor: Vendor, place: str) -> None:
    def model(style: str, seen: Seen, body: dict[str, Any], stream: bool) -> Spoken:
        raise Refusal(429, "rate_limit_error", "slow down")

    own_vendor.model = model
    outcome = carried(own_vendor, exchange_to(place, stream=True))
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.kind) == (429, FailureKind.RATE_LIMITED)
    assert outcome.failure.error is not None
    assert outcome.failure.error.message == "slow down"


@pytest.mark.parametrize("place", PLACES)
def test_a_stream_that_breaks_off_is_one(own_vendor: Vendor, place: str) -> None:
    def model(style: str, seen: Seen, body: dict[str, Any], stream: bool) -> Spoken:
        said = answer(seen.host, "m", body, seen.body)
        return Spoken(list(STYLES[style].stream(said, body))[:1], "text/event-stream")

    own_vendor.model = model
    outcome = carried(own_vendor, exchange_to(place, stream=True))
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.kind) == (200, FailureKind.BROKEN_STREAM)


def test_silence_and_a_long_answer_end_at_their_time(own_vendor: Vendor) -> None:
    own_vendor.delay_ms = 400
    for timeouts in (Timeouts(first_byte_ms=100, idle_ms=100), Timeouts(total_ms=100)):
        outcome = carried(own_vendor, exchange_to(PLACES[1], stream=True), timeouts)
        assert outcome.failure is not None
        assert outcome.failure.kind is FailureKind.TIMED_OUT


def test_nobody_there(vendor: Vendor) -> None:
    detour = Detour("api.groq.com", 443, "127.0.0.1", closed_port())
    outcome = LateCourier((detour,), vendor.ca_file).carry(exchange_to(PLACES[1]), Timeouts())
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.kind, outcome.reading) == (None, FailureKind.UNREACHABLE, None)
