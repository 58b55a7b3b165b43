from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import Connection, ConnectionType
from wsproto.events import BytesMessage, TextMessage

from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.turns_on_socket import MOST_TURNS, SocketTurns
from ringlet_mitm.rules.failures import FailureKind
from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.shapes import WireFormat

HANDSHAKE = AgentRequest(
    WireFormat.RESPONSES, "GET", "https", "api.openai.com", 443, "/v1/responses", ((b"session-id", b"s-1"),), b""
)
USAGE = {"input_tokens": 100, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 40}}
CREATE = {"type": "response.create", "model": "gpt-5", "input": "hello"}
DELTA = {"type": "response.output_text.delta", "delta": "Hello there"}


def ended(kind: str = "response.completed", **more: Any) -> dict[str, Any]:
    status = kind.removeprefix("response.")
    return {"type": kind, "response": {"model": "gpt-5-2025", "status": status, "usage": USAGE, **more}}


class Ends:
    """An agent and a provider with our reader between them."""

    def __init__(self) -> None:
        self.recorded: list[Exchange] = []
        self.readings: list[Any] = []
        self.turns = SocketTurns(HANDSHAKE, "", self._record)
        self._client, self._server = Connection(ConnectionType.CLIENT), Connection(ConnectionType.SERVER)

    def _record(self, exchange: Exchange) -> None:
        self.recorded.append(exchange)
        self.readings.append(exchange.reading)

    def asks(self, *messages: Any) -> bool:
        return self.turns.from_client(b"".join(map(self._frame(self._client), messages))).begins

    def says(self, *messages: Any) -> None:
        self.turns.from_server(b"".join(map(self._frame(self._server), messages)))

    @staticmethod
    def _frame(end: Connection) -> Any:
        def framed(message: Any) -> bytes:
            if isinstance(message, bytes):
                return end.send(BytesMessage(message))
            return end.send(TextMessage(message if isinstance(message, str) else json.dumps(message)))

        return framed


@pytest.fixture
def ends() -> Ends:
    return Ends()


def test_a_turn_is_an_exchange_with_the_body_of_its_message(ends: Ends) -> None:
    assert ends.asks(CREATE)
    (turn,) = ends.turns.unrouted()
    assert turn.exchange.request.headers == HANDSHAKE.headers
    assert json.loads(turn.exchange.request.body) == CREATE
    assert not ends.turns.idle
    ends.says({"type": "response.created", "response": {"model": "gpt-5-2025"}}, DELTA)
    assert ends.recorded == []
    ends.says(ended())
    (exchange,), (reading,) = ends.recorded, ends.readings
    assert (exchange.status, exchange.failure, reading.complete) == (200, None, True)
    assert (reading.model, reading.stop_reason) == ("gpt-5-2025", "completed")
    assert (reading.usage.input_tokens, reading.usage.cache_read_tokens, reading.usage.output_tokens) == (60, 40, 7)
    assert reading.bytes_out > 100 and exchange.first_byte_us is not None
    assert ends.turns.idle


ENDINGS = {
    "incomplete": (ended("response.incomplete", incomplete_details={"reason": "max_output_tokens"}), 200, None),
    "failed": (ended("response.failed", error={"code": "server_error", "message": "no"}), 200, "server-error"),
    "an error with its status": (
        {"type": "error", "status": 429, "error": {"code": "rate_limit_exceeded", "message": "slow down"}},
        429,
        "rate-limited",
    ),
    "an error without one": ({"type": "error", "code": "server_error", "message": "no"}, 200, "server-error"),
    "an error with an odd one": (
        {"type": "error", "status": "bad", "error": {"code": "context_length_exceeded", "message": "too long"}},
        200,
        "context-window",
    ),
}


@pytest.mark.parametrize(("event", "status", "kind"), ENDINGS.values(), ids=ENDINGS)
def test_how_a_turn_ends(ends: Ends, event: dict[str, Any], status: int, kind: str | None) -> None:
    ends.asks(CREATE)
    ends.says(event)
    (exchange,) = ends.recorded
    assert exchange.status == status
    assert (exchange.failure.kind if exchange.failure else None) == kind
    assert ends.turns.idle


@pytest.mark.parametrize(
    ("kind", "begun", "status"),
    [
        (FailureKind.CLIENT_GONE, True, 200),
        (FailureKind.BROKEN_STREAM, True, 200),
        (FailureKind.BROKEN_STREAM, False, None),
        (FailureKind.PROXY_STOPPED, True, 200),
    ],
    ids=["by the agent", "by the provider", "before anything came", "by the proxy's end"],
)
def test_a_connection_cut_in_the_middle_is_a_row_too(
    ends: Ends, kind: FailureKind, begun: bool, status: int | None
) -> None:
    ends.asks(CREATE)
    if begun:
        ends.says(DELTA)
    ends.turns.ended(kind)
    ends.turns.ended(kind)
    (exchange,), (reading,) = ends.recorded, ends.readings
    assert exchange.failure is not None
    assert (exchange.failure.kind, exchange.status, reading.complete) == (kind, status, False)
    assert reading.output_estimate == (3 if begun else 0)


def test_turns_side_by_side_are_told_apart_by_their_stream(ends: Ends) -> None:
    ends.asks({**CREATE, "stream_id": "a"}, {**CREATE, "stream_id": "b", "model": "gpt-5-mini"})
    ends.says({**DELTA, "stream_id": "b"}, {**ended(), "stream_id": "b"}, {**ended(), "stream_id": "a"})
    assert ends.turns.unrouted() == []
    assert [reading.output_estimate for reading in ends.readings] == [3, 0]


def test_one_after_the_other_without_a_stream(ends: Ends) -> None:
    for _ in range(3):
        ends.asks(CREATE)
        ends.says(DELTA, ended())
    assert [reading.usage.output_tokens for reading in ends.readings] == [7, 7, 7]
    assert len({exchange.id for exchange in ends.recorded}) == 3


def test_a_warming_up_is_a_row_only_where_it_used_tokens(ends: Ends) -> None:
    warm = {**CREATE, "generate": False}
    ends.asks(warm)
    assert not ends.turns.idle
    ends.says(ended(usage={"input_tokens": 0, "output_tokens": 0}))
    assert ends.recorded == [] and ends.turns.idle
    ends.asks(warm)
    ends.says(ended())
    assert len(ends.recorded) == 1


def test_whether_it_goes_on_from_an_answer_is_known(ends: Ends) -> None:
    ends.asks(CREATE, {**CREATE, "previous_response_id": "resp_1"}, {**CREATE, "previous_response_id": None})
    assert [turn.part for turn in ends.turns.unrouted()] == [False, True, False]


OTHERS = {
    "no JSON": "{",
    "no object": "[1]",
    "binary": b"\x00\xff",
    "another event": {"type": "response.cancel"},
    "no type": {"model": "gpt-5"},
    "empty": "",
    "a type that is no text": {"type": 7},
}


@pytest.mark.parametrize("message", OTHERS.values(), ids=OTHERS)
def test_what_is_no_turn_begins_none_and_ends_none(ends: Ends, message: Any) -> None:
    assert not ends.asks(message)
    ends.says(message)
    ends.asks(CREATE)
    ends.says(message)
    assert (len(ends.turns.open), ends.recorded) == (1, [])


def test_turns_that_never_end_are_given_up(ends: Ends) -> None:
    ends.asks(*[CREATE] * (MOST_TURNS + 3))
    assert (len(ends.turns.open), len(ends.recorded)) == (MOST_TURNS, 3)


def test_a_turn_that_is_too_long_to_read_is_one_all_the_same(ends: Ends) -> None:
    ends.turns.client._limit = 100
    assert ends.asks({**CREATE, "input": "x" * 200})
    ends.says(ended())
    (exchange,) = ends.recorded
    assert exchange.note.startswith("not read: a message of 2")
    assert exchange.reading is not None and exchange.reading.usage is not None


MESSAGES = st.recursive(
    st.sampled_from([CREATE, ended(), DELTA, {"type": "error"}, {"type": "response.failed"}, "x", b"y"])
    | st.dictionaries(
        st.sampled_from(["type", "stream_id", "status", "generate", "response", "error", "delta"]),
        st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["response.create", "response.completed"]),
    ),
    lambda inner: st.builds(lambda value: {"type": "response.completed", "response": value}, inner),
    max_leaves=3,
).filter(lambda value: isinstance(value, dict | str | bytes))


def _plain(value: Any) -> bool:
    return not isinstance(value, dict) or all(
        not isinstance(inner, bytes) and _plain(inner) for inner in value.values()
    )


@given(st.lists(st.tuples(st.booleans(), MESSAGES.filter(_plain)), max_size=12))
def test_whatever_is_said_each_turn_is_recorded_once(said: list[tuple[bool, Any]]) -> None:
    ends = Ends()
    begun = 0
    for by_client, message in said:
        if by_client:
            ends.asks(message)
            begun += len(ends.turns.unrouted())
        else:
            ends.says(message)
    ends.turns.ended(FailureKind.CLIENT_GONE)
    assert len({exchange.id for exchange in ends.recorded}) == len(ends.recorded) <= begun
    assert ends.turns.open == []
