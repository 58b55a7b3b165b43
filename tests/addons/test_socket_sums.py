from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from ringlet_mitm.addons.socket_sums import SocketSums
from ringlet_mitm.addons.usage.rows import RequestRow

ROW = RequestRow(
    id="1",
    started_us=1,
    ended_us=2,
    profile="work",
    agent_format="openai-responses",
    asked_host="api.openai.com",
    path="/v1/responses",
    rule="default → passthrough",
    routed_model="gpt-5",
    status=200,
    input_tokens=1000,
    cache_read_tokens=200,
    output_tokens=56,
    cost_total=Decimal("0.0021"),
)


def test_turns_are_added_up() -> None:
    sums = SocketSums()
    sums.add(ROW)
    assert str(sums) == "default → passthrough → gpt-5 | 1 turn | 1,200 in / 56 out | $0.0021"
    sums.add(replace(ROW, status=429, error_class="rate-limited"))
    assert str(sums) == "default → passthrough → gpt-5 | 2 turns, 1 failed | 2,400 in / 112 out | $0.0042"


def test_a_price_that_is_not_known_is_not_made_up() -> None:
    sums = SocketSums()
    for cost in (None, Decimal(1)):
        sums.add(replace(ROW, cost_total=cost, routed_model=""))
    assert str(sums) == "default → passthrough | 2 turns | 2,400 in / 112 out | $?"
