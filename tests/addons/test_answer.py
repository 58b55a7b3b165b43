from __future__ import annotations

import gzip
import json
from types import NoneType
from typing import Any

import pytest
from exchanges import HELLO, Way, flow_with, routed
from mitmproxy import http
from said import CHAT, MESSAGES, bare, chunk
from streams import CHAT_SAID, FEW, FEW_USAGE, MESSAGES_SAID

from ringlet_mitm.addons.holding import FirstEvent, Whole
from ringlet_mitm.rules.pricing import Usage

STREAMED = {"model": "asked-model", "messages": HELLO, "stream": True}
EVENTS = "text/event-stream; charset=utf-8"
WITH = bare(chunk("hi"), chunk(None, "stop"), chunk(choices=[], usage=FEW))
WITHOUT = bare(chunk("hi"), chunk(None, "stop"))


def test_a_stream_passes_and_leaves_its_row() -> None:
    way, exchange = Way(), routed(MESSAGES, STREAMED, provider="minimax", model="MiniMax-M3")
    said = MESSAGES_SAID[0]
    assert way.pass_on(flow_with(exchange, content_type=EVENTS), said.body[:100], said.body[100:]) == said.body
    assert (way.row.usage, way.row.usage_source, way.row.error_class) == (said.usage, "reported", "")
    assert (way.row.response_bytes, way.row.status) == (len(said.body), 200)
    assert exchange.first_byte_us is not None
    assert (way.row.first_byte_us, way.attempt.first_byte_us) == (exchange.first_byte_us, exchange.first_byte_us)


@pytest.mark.parametrize(
    "kind", [EVENTS, "TEXT/EVENT-STREAM", "text/plain", ""], ids=["events", "in capitals", "text", "nothing"]
)
def test_the_usage_chunk_that_only_we_asked_for_is_hidden(kind: str) -> None:
    way = Way()
    assert way.pass_on(flow_with(routed(CHAT, STREAMED), content_type=kind), WITH) == WITHOUT
    assert (way.row.usage, way.row.response_bytes) == (FEW_USAGE, len(WITHOUT))


def test_an_agent_that_asked_for_it_gets_it() -> None:
    exchange = routed(CHAT, STREAMED | {"stream_options": {"include_usage": True}})
    assert Way().pass_on(flow_with(exchange, content_type=EVENTS), WITH) == WITH


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2.0"])
def test_the_length_of_an_answer_with_a_hidden_chunk_is_not_told(version: str) -> None:
    flow = flow_with(routed(CHAT, STREAMED), content_type=EVENTS, content_length=str(len(WITH)))
    assert flow.response is not None
    flow.response.http_version = version
    Way().open(flow)
    assert "content-length" not in flow.response.headers
    assert flow.response.headers.get("transfer-encoding") == ("chunked" if version == "HTTP/1.1" else None)


def test_a_packed_stream_passes_as_it_is_and_is_read() -> None:
    way, packed = Way(), gzip.compress(WITH)
    flow = flow_with(
        routed(CHAT, STREAMED), content_type=EVENTS, content_encoding="GZip", content_length=str(len(packed))
    )
    assert way.pass_on(flow, packed[:30], packed[30:]) == packed
    assert way.row.usage == FEW_USAGE
    assert flow.response is not None
    assert flow.response.headers["content-length"] == str(len(packed))


@pytest.mark.parametrize(
    ("body", "kind", "gate"),
    [
        (STREAMED, EVENTS, FirstEvent),
        (STREAMED, "application/json", NoneType),
        (None, "application/json; charset=utf-8", Whole),
        (None, "text/plain", NoneType),
    ],
    ids=["events", "a stream in JSON, as Gemini's array", "whole", "whole, and nobody knows what"],
)
def test_only_what_may_turn_out_to_be_a_failure_is_held_back(body: Any, kind: str, gate: type) -> None:
    exchange = routed(CHAT, body)
    Way().open(flow_with(exchange, content_type=kind))
    assert type(exchange.gate) is gate


def test_a_whole_answer_has_its_row_before_its_last_bytes() -> None:
    way, body = Way(), json.dumps({"model": "m", "choices": [], "usage": FEW}).encode()
    relay = way.open(flow_with(routed(CHAT), content_type="application/json", content_length=str(len(body))))
    relay(body[:10])
    assert not way.rows
    relay(body[10:])
    assert way.row.usage == FEW_USAGE


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, b'{"error": {"message": "Slow", "type": "tokens", "code": "rate_limit_exceeded"}}', "rate-limited"),
        (401, b'{"error": {"message": "Bad", "code": "invalid_api_key"}}', "auth"),
        (502, b"<html>Bad Gateway</html>", "unreachable"),
        (400, b"", "refused-request"),
    ],
)
def test_an_error_answer_passes_and_says_its_kind(status: int, body: bytes, kind: str) -> None:
    way = Way()
    flow = flow_with(routed(CHAT, STREAMED), status=status, content_type="application/json")
    assert way.pass_on(flow, *([body] if body else [])) == body
    assert (way.row.error_class, way.row.status, way.attempt.error_class, way.attempt.status) == (
        kind,
        status,
        kind,
        status,
    )
    assert (way.row.usage_source, way.row.usage, way.row.cost_total) == ("none", Usage(), None)


def test_an_error_inside_a_stream_says_its_kind() -> None:
    way = Way()
    way.pass_on(flow_with(routed(MESSAGES, STREAMED, provider="minimax"), content_type=EVENTS), MESSAGES_SAID[-1].body)
    assert (way.row.error_class, way.row.status) == ("overloaded", 200)
    assert way.row.input_tokens == 25


def test_a_stream_that_ends_too_early_is_broken() -> None:
    way = Way()
    way.pass_on(flow_with(routed(CHAT, STREAMED), content_type=EVENTS), bare(chunk("hi"), end=b""))
    assert (way.row.error_class, way.row.usage_source) == ("broken-stream", "estimated")


def test_without_usage_it_is_estimated_and_marked() -> None:
    way = Way()
    way.pass_on(
        flow_with(routed(CHAT, STREAMED, counted_tokens=100, calibration=1.2), content_type=EVENTS), CHAT_SAID[1].body
    )
    assert (way.row.usage_source, way.row.usage) == ("estimated", Usage(input_tokens=120, output_tokens=3))
    assert way.row.cost_total is not None


@pytest.mark.parametrize("content", [b"made here", None], ids=["an answer of our own", "no model call"])
def test_other_answers_are_left_alone(content: bytes | None) -> None:
    flow = flow_with(routed(CHAT) if content else None, content=content)
    Way().answer.responseheaders(flow)
    assert isinstance(flow.response, http.Response)
    assert flow.response.stream is False
