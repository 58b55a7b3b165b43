from __future__ import annotations

import pytest
from exchanges import HELLO, Way, flow_with, routed
from mitmproxy import flow as mitmproxy_flow
from mitmproxy import http
from mitmproxy.connection import ConnectionState
from mitmproxy.test import tflow
from said import CHAT, MESSAGES
from streams import MESSAGES_SAID

from ringlet_mitm.addons.recorder import Recorder
from ringlet_mitm.addons.sessions import Sessions
from ringlet_mitm.rules.failures import Failure, FailureKind

STREAMED = {"model": "asked-model", "messages": HELLO, "stream": True}
STREAM = MESSAGES_SAID[0].body
EVENTS = "text/event-stream"


def broken(flow: http.HTTPFlow, message: str, *, client_left: bool = False) -> http.HTTPFlow:
    flow.error = mitmproxy_flow.Error(message)
    if client_left:
        flow.client_conn.state = ConnectionState.CLOSED
    return flow


@pytest.mark.parametrize(
    ("message", "client_left", "kind"),
    [
        ("Client disconnected.", False, "client-gone"),
        ("stream reset by client (CANCEL)", False, "client-gone"),
        ("Connection killed.", True, "client-gone"),
        (
            "peer closed connection without sending complete message body (incomplete chunked read)",
            False,
            "broken-stream",
        ),
        ("stream reset by server (INTERNAL_ERROR)", False, "broken-stream"),
        ("server closed connection", False, "broken-stream"),
    ],
)
def test_a_stream_that_breaks_leaves_one_row_with_what_was_seen(message: str, client_left: bool, kind: str) -> None:
    way = Way()
    flow = flow_with(routed(MESSAGES, STREAMED, provider="minimax"), content_type=EVENTS)
    relay = way.open(flow)
    relay(STREAM.partition(b"event: message_delta")[0])
    way.recorder.error(broken(flow, message, client_left=client_left))
    way.recorder.error(flow)
    relay(b"")
    way.recorder.response(flow)
    assert (way.row.error_class, way.attempt.error_class, way.row.status) == (kind, kind, 200)
    assert (way.row.cache_read_tokens, way.row.cache_write_1h_tokens) == (1200, 100)
    assert (way.row.output_tokens, way.row.usage_source) == (6, "estimated")
    assert way.recorder.recorded == 1


@pytest.mark.parametrize(
    ("message", "kind", "given"),
    [("Client disconnected.", "client-gone", None), ("[Errno 111] Connect call failed", "unreachable", 502)],
)
def test_before_any_answer(message: str, kind: str, given: int | None) -> None:
    way, flow = Way(), tflow.tflow()
    flow.metadata.update(flow_with(routed(CHAT)).metadata)
    way.recorder.error(broken(flow, message))
    assert (way.row.error_class, way.row.status, way.row.usage_source) == (kind, given, "none")
    assert (way.attempt.status, way.attempt.ended_us) == (None, way.row.ended_us)


def test_an_error_that_the_provider_told_of_says_more_than_the_connection() -> None:
    way = Way()
    flow = flow_with(routed(MESSAGES, STREAMED, provider="minimax"), content_type=EVENTS)
    way.open(flow)(MESSAGES_SAID[-1].body)
    way.recorder.error(broken(flow, "stream reset by server"))
    assert way.row.error_class == "overloaded"


def test_a_client_that_leaves_after_the_end_has_had_its_answer() -> None:
    way = Way()
    flow = flow_with(routed(MESSAGES, STREAMED, provider="minimax"), content_type=EVENTS)
    way.open(flow)(STREAM)
    way.recorder.error(broken(flow, "Client disconnected."))
    assert way.row.error_class == ""


def test_an_answer_made_here_is_recorded_with_its_status() -> None:
    way, exchange = Way(), routed(CHAT)
    exchange.attempts.clear()
    exchange.failure = Failure(FailureKind.NOT_SENT, 401)
    way.recorder.response(flow_with(exchange, status=401, content=b"no key"))
    assert (way.row.status, way.row.error_class, way.row.attempts) == (401, "not-sent", 0)
    assert way.rows[0][1] == ()


def test_what_is_no_model_call_leaves_nothing() -> None:
    way, flow = Way(), flow_with(None)
    way.recorder.response(flow)
    way.recorder.error(broken(flow, "Client disconnected."))
    assert way.rows == []


def test_a_sink_that_breaks_in_the_relay_does_not_break_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    way = Way()
    way.recorder = Recorder(way.recorder._bookkeeper, [full])
    way.answer = type(way.answer)(way.recorder.record, Sessions(), lambda exchange: None)
    flow = flow_with(routed(MESSAGES, STREAMED, provider="minimax"), content_type=EVENTS)
    assert way.pass_on(flow, STREAM) == STREAM
    assert "disk full" in caplog.text
    assert way.recorder.recorded == 1


def test_bodies_are_let_go_when_nobody_can_look_at_them() -> None:
    way, exchange = Way(), routed(MESSAGES, STREAMED, provider="minimax")
    flow = flow_with(exchange, content_type=EVENTS)
    way.pass_on(flow, STREAM)
    assert (flow.request.raw_content, exchange.request.body, exchange.turn) == (None, b"", None)
    assert way.row.request_bytes > 0
