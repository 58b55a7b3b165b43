from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from exchanges import routed
from said import CHAT, MESSAGES

from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.views.account import account_of, unpacked
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.shapes import WireFormat

RULES = '[[rule]]\nmatch = { tool-use = true }\nto = "groq"\n[default]\nto = "anthropic"\n'
KEY = "sk-ant-of-somebody-0123456789"


def request_lines(exchange: Exchange) -> list[str]:
    return [f"{line.name}: {line.text}" if line.name else line.text for line in account_of(exchange).request]


def test_it_is_the_same_after_packing() -> None:
    account = account_of(routed(CHAT))
    assert unpacked(account.packed()) == account


@pytest.mark.parametrize("data", [b"", b"junk", zlib.compress(b"[]"), zlib.compress(b'{"request": [{"x": 1}]}')])
def test_anything_else_is_no_account(data: bytes) -> None:
    assert unpacked(data) is None


def test_the_formats_are_those_of_the_bodies_that_the_flow_has() -> None:
    account = account_of(routed(MESSAGES, provider="groq"))
    assert account.answer_format is MESSAGES
    assert account.request_format is MESSAGES  # nothing was sent, so the flow has what the agent sent
    assert account_of(routed(CHAT)).request_format is WireFormat.CHAT


def test_headers_are_compared_before_they_are_masked() -> None:
    exchange = routed(CHAT)
    assert exchange.outbound is not None
    before = ((b"Authorization", f"Bearer {KEY}".encode()), (b"X-Same", b"1"), (b"X-Gone", b"2"), (b"Host", b"a"))
    after = ((b"authorization", b"Bearer gsk_another-key-0123456789"), (b"x-same", b"1"), (b"x-new", b"3"))
    exchange.request = replace(exchange.request, headers=before)
    exchange.outbound = replace(exchange.outbound, headers=after)
    lines = request_lines(exchange)
    for line in (
        "~ authorization: Bearer *** → Bearer ***",
        "- x-gone: 2",
        "+ x-new: 3",
        "1 header as the agent sent it",
    ):
        assert line in lines
    assert not any("host" in line.partition(":")[0] for line in lines if line.startswith(("-", "~")))
    assert KEY not in str(account_of(exchange))


def test_every_rule_says_its_verdict() -> None:
    exchange = routed(CHAT)
    exchange.book = load_rulebook(RULES, "routing.toml", registry({}))
    lines = request_lines(exchange)
    assert any("1. tool-use → groq: no" in line for line in lines)


def test_a_body_that_nobody_could_read() -> None:
    exchange = routed(CHAT, body=b"{")
    exchange.book = load_rulebook(RULES, "routing.toml", registry({}))
    assert any("could not be read" in line for line in request_lines(exchange))


def test_what_was_never_sent() -> None:
    exchange = routed(CHAT)
    exchange.outbound = None
    assert "nothing was sent" in request_lines(exchange)


def test_each_attempt_says_how_it_went() -> None:
    exchange = routed(CHAT)
    first = exchange.attempts[0]
    error = ProviderError("rate_limit_error", KEY)
    failed = replace(
        first, status=429, ended_us=first.started_us + 2_000_000, failure=Failure(FailureKind.RATE_LIMITED, 429, error)
    )
    exchange.attempts = [failed, replace(first, number=2, wait_ms=1500, key_label="agent")]
    said = [line.text for line in account_of(exchange).answer if line.name[:2] in ("1.", "2.")]
    assert said == [
        "key env:GROQ_API_KEY, status 429, rate-limited: sk-ant-***, 2.0 s",
        "after 1.5 s, the agent's own key, still running",
    ]
