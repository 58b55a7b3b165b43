from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from alone import memory_of

from ringlet_mitm.addons.relay import Reading
from ringlet_mitm.addons.translating import TranslatingRelay, reading_of
from ringlet_mitm.addons.wire.translator import StreamTranslation, Translation, Wanted, parse, translate, whole_answer
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT = WireFormat.MESSAGES, WireFormat.CHAT
BODY = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "hi"}]}


def translation(**more: object) -> Translation:
    """Messages to Chat."""
    body = json.dumps(BODY | more).encode()
    return translate(parse(body, "/v1/messages", MESSAGES), "/v1/messages", MESSAGES, Wanted(CHAT, "llama"))


def chunk(**delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return b"data: " + json.dumps({"id": "c", "model": "llama", "choices": [choice]}).encode() + b"\n\n"


END = (
    b'data: {"id":"c","model":"llama","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"c","model":"llama","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
)


class Told:
    """What a relay said, and when."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.first = 0
        made = translation()
        self.relay = TranslatingRelay(
            StreamTranslation(made, made.context("id", "llama", 7, 1)),
            on_first_byte=self._first,
            on_end=self.readings.append,
        )

    def _first(self) -> None:
        self.first += 1


def test_the_end_is_told_before_its_bytes_are_returned() -> None:
    told = Told()
    assert told.relay(chunk(role="assistant", content="Hello")) != []
    assert (told.readings, told.first) == ([], 1)
    (out,) = told.relay(END + b"data: [DONE]\n\n")
    assert b"message_stop" in out
    (reading,) = told.readings
    assert (reading.usage and reading.usage.total_output, reading.complete, reading.stop_reason) == (2, True, "stop")
    assert told.relay(b"") == []
    assert len(told.readings) == 1


def test_a_stream_that_breaks_off_ends_with_an_error_event() -> None:
    told = Told()
    told.relay(chunk(content="Hel"))
    (out,) = told.relay(b"")
    assert b"event: error" in out
    assert b"message_stop" not in out
    (reading,) = told.readings
    assert (reading.complete, reading.error is not None, reading.output_estimate) == (False, True, 1)


def test_a_connection_that_is_gone_is_told_once() -> None:
    told = Told()
    told.relay(chunk(content="Hel"))
    told.relay.abort()
    told.relay.abort()
    assert [reading.complete for reading in told.readings] == [False]


def test_no_empty_piece_is_sent() -> None:
    assert Told().relay(b"data: {") == []


def a_stream() -> Callable[[], None]:
    told = Told()
    told.relay(chunk(role="assistant", content="a"))

    def goes_on() -> None:
        for _ in range(20_000):
            told.relay(chunk(content="some words of the model"))

    return goes_on


def test_memory_does_not_grow_with_the_stream() -> None:
    assert memory_of(a_stream).held < 1024


def errors() -> Iterator[tuple[int, bytes, int, str, str]]:
    """Provider's status and body; what the agent gets."""
    rate = b'{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded"}}'
    long = b'{"error":{"message":"too many tokens","type":"invalid_request_error","code":"context_length_exceeded"}}'
    yield 429, rate, 429, "rate_limit_error", "slow down"
    yield 400, long, 400, "invalid_request_error", "prompt is too long: too many tokens"
    yield 401, b'{"error":{"message":"no","code":"invalid_api_key"}}', 401, "authentication_error", "no"
    yield 503, b"<html>busy</html>", 529, "overloaded_error", "<html>busy</html>"
    yield 500, b"", 500, "api_error", "the provider answered with status 500"
    yield 200, b"not json", 502, "api_error", "ringlet-mitm: the provider's answer is not a JSON object"
    yield 200, b'{"error":{"message":"inside","code":"server_error"}}', 500, "api_error", "inside"


@pytest.mark.parametrize(("status", "body", "said", "kind", "text"), list(errors()))
def test_a_providers_error_is_said_in_the_agents_words(
    status: int, body: bytes, said: int, kind: str, text: str
) -> None:
    made = translation()
    answer = whole_answer(made, made.context("id", "llama", 7, 1), status, body)
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["type"], error["message"], answer.content_type) == (
        said,
        kind,
        text,
        "application/json",
    )
    assert reading_of(answer).usage is None


def test_a_whole_answer_becomes_a_stream_where_one_was_asked_for() -> None:
    made = translation()
    said = {
        "id": "c",
        "model": "llama",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    }
    answer = whole_answer(made, made.context("id", "llama", 7, 1), 200, json.dumps(said).encode())
    assert answer.content_type == "text/event-stream"
    assert b'"text":"Hi"' in answer.body
    assert answer.body.rstrip().endswith(b'data: {"type":"message_stop"}')
    assert reading_of(answer).output_estimate > 0


def test_an_agent_of_messages_is_told_of_the_model_that_it_asked_for() -> None:
    """Else Claude Code keeps the thinking of the answer to itself; the ledger has the one that answered."""
    told = Told()
    out = told.relay(chunk(content="Hi")) + told.relay(END + b"data: [DONE]\n\n")
    assert (b'"model":"m"' in out[0], told.readings[0].model) == (True, "llama")
    said = {
        "id": "c",
        "model": "llama",
        "choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}],
    }
    for made in (translation(), translation(stream=False)):
        answer = whole_answer(made, made.context("id", "llama", 7, 1), 200, json.dumps(said).encode())
        assert (b'"model":"m"' in answer.body, reading_of(answer).model) == (True, "llama")
