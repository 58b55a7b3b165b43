from __future__ import annotations

from dataclasses import replace

from exchanges import flow_with, routed
from mitmproxy.test import tflow
from said import CHAT

from ringlet_mitm.addons.exchange import KEY, Exchange, exchange_of


def test_a_flow_has_the_exchange_that_was_attached() -> None:
    exchange = routed(CHAT)
    assert exchange_of(flow_with(exchange)) is exchange


def test_other_flows_have_none() -> None:
    flow = tflow.tflow()
    assert exchange_of(flow) is None
    flow.metadata[KEY] = "from a saved file"
    assert exchange_of(flow) is None


def test_its_target_is_where_the_last_attempt_went() -> None:
    exchange = routed(CHAT)
    (first,), (attempt,) = exchange.targets, exchange.attempts
    exchange.attempts.append(replace(attempt, number=2, target=replace(first, provider="second")))
    assert exchange.target is not None
    assert exchange.target.provider == "second"
    exchange.attempts.clear()
    assert exchange.target is first
    assert Exchange("id", 1, exchange.request).target is None
