from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from exchanges import STARTED_US, compact, routed
from said import CHAT, MESSAGES

from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.relay import Reading
from ringlet_mitm.addons.usage.rows import RequestRow, decode_line, encode_line
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.reliability import Attempt

BOOKS = Bookkeeper("work", PriceBook())
NOW = STARTED_US + 1_000_000
READING = Reading(Usage(input_tokens=1000, output_tokens=200), "answered", "stop", None, 5000, 300, complete=True)
BODY = {
    "model": "asked-model",
    "stream": True,
    "max_tokens": 77,
    "system": "be brief",
    "tools": [{"name": "a"}],
    "messages": [{"role": "user", "content": "x" * 391}],
    "metadata": {"user_id": "user_a_account__session_0123456789"},
}


def row_of(exchange: Exchange) -> RequestRow:
    row, attempts = BOOKS.rows(exchange, NOW)
    assert decode_line(encode_line(row, attempts)) == (row, attempts)
    return row


def test_a_row_tells_the_whole_story() -> None:
    exchange = routed(
        MESSAGES, BODY, provider="anthropic", model="claude-sonnet-4-5", counted_tokens=100, calibration=1.1
    )
    exchange.status, exchange.reading, exchange.decision_us, exchange.first_byte_us = 200, READING, 321, STARTED_US + 9
    row = row_of(exchange)
    assert (row.id, row.started_us, row.first_byte_us, row.ended_us) == ("id-1", STARTED_US, STARTED_US + 9, NOW)
    assert (row.profile, row.rule, row.note, row.losses) == ("work", "tool-use → groq", "", "")
    assert (row.agent_format, row.provider_format) == ("anthropic-messages", "anthropic-messages")
    assert (row.asked_host, row.path) == ("api.anthropic.com", "/v1/x/messages")
    assert (row.provider, row.requested_model, row.routed_model, row.answered_model) == (
        "anthropic", "asked-model", "claude-sonnet-4-5", "answered",
    )  # fmt: skip
    assert (row.stream, row.messages, row.tools, row.has_system, row.max_output_tokens) == (True, 1, 1, True, 77)
    assert (row.counted_tokens, row.calibration, row.estimated_input_tokens) == (100, 1.1, 110)
    assert (row.status, row.error_class, row.attempts, row.decision_us) == (200, "", 1, 321)
    assert (row.request_bytes, row.response_bytes) == (len(compact(BODY)), 5000)
    assert (row.usage, row.usage_source) == (READING.usage, "reported")
    assert (row.cost_input, row.cost_output, row.cost_total) == (Decimal("0.003"), Decimal("0.003"), Decimal("0.006"))
    assert row.price_source


@pytest.mark.parametrize("word", ["K", "key=", "?"])
def test_no_key_of_the_query_is_in_a_row(word: str) -> None:
    assert word not in row_of(routed(MESSAGES, BODY, provider="minimax")).path


@pytest.mark.parametrize(
    ("reading", "status", "usage", "source"),
    [
        (READING, 200, READING.usage, "reported"),
        (replace(READING, usage=None), 200, Usage(input_tokens=150, output_tokens=300), "estimated"),
        (replace(READING, usage=None, bytes_out=0), 200, Usage(), "none"),
        (replace(READING, usage=None), 500, Usage(), "none"),
        (replace(READING, usage=None), None, Usage(), "none"),
        (None, None, Usage(), "none"),
        (replace(READING, complete=False), 200, Usage(input_tokens=1000, output_tokens=300), "estimated"),
        (replace(READING, complete=False, output_estimate=100), 200, READING.usage, "reported"),
        (
            replace(READING, complete=False, usage=Usage(input_tokens=9, output_tokens=1, reasoning_tokens=100)),
            200,
            Usage(input_tokens=9, output_tokens=200, reasoning_tokens=100),
            "estimated",
        ),
        (READING, 500, READING.usage, "reported"),
    ],
    ids=[
        "reported",
        "nothing reported",
        "nothing came",
        "an error",
        "no status",
        "no answer",
        "broken off, more seen than reported",
        "broken off, more reported than seen",
        "broken off while thinking",
        "an error that was billed",
    ],
)
def test_where_the_figures_are_from(reading: Reading | None, status: int | None, usage: Usage, source: str) -> None:
    exchange = routed(CHAT, counted_tokens=100, calibration=1.5)
    exchange.reading, exchange.status = reading, status
    row = row_of(exchange)
    assert (row.usage, row.usage_source) == (usage, source)
    assert (row.cost_total is None) is (source == "none")


def test_nobody_counted_so_the_body_is_measured() -> None:
    exchange = routed(CHAT, b"x" * 400)
    exchange.reading, exchange.status = replace(READING, usage=None), 200
    row = row_of(exchange)
    assert (row.input_tokens, row.counted_tokens, row.estimated_input_tokens) == (100, None, None)


def test_a_model_without_a_price_costs_an_unknown_amount() -> None:
    exchange = routed(CHAT, model="nobody-knows-this-model")
    exchange.reading, exchange.status = READING, 200
    row = row_of(exchange)
    assert (row.cost_total, row.cost_input, row.price_source) == (None, None, "")
    assert row.usage == READING.usage


def test_an_unreadable_body_has_a_row_without_features() -> None:
    exchange = routed(CHAT, b"not json", note="not read: no JSON")
    row = row_of(exchange)
    assert (row.requested_model, row.messages, row.agent, row.note) == ("", 0, "", "not read: no JSON")


def test_a_request_that_was_never_routed() -> None:
    exchange = routed(CHAT)
    bare = Exchange("id-2", STARTED_US, exchange.request, failure=Failure(FailureKind.NOT_SENT, 400))
    row = row_of(bare)
    assert (row.provider, row.rule, row.attempts, row.error_class, row.provider_format) == ("", "", 0, "not-sent", "")


def test_each_attempt_has_its_row() -> None:
    exchange = routed(CHAT)
    first, target = exchange.attempts[0], exchange.targets[0]
    failed = replace(first, status=429, ended_us=STARTED_US + 50, failure=Failure(FailureKind.RATE_LIMITED, 429))
    exchange.attempts = [failed, Attempt(2, target, "env:OTHER", STARTED_US + 60, wait_ms=10)]
    row, attempts = BOOKS.rows(exchange, NOW)
    assert row.attempts == 2
    assert [(one.number, one.status, one.error_class, one.key_label, one.wait_ms) for one in attempts] == [
        (1, 429, "rate-limited", "env:GROQ_API_KEY", 0),
        (2, None, "", "env:OTHER", 10),
    ]
    assert {one.request_id for one in attempts} == {row.id}
