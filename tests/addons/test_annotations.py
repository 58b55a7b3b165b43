from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from exchanges import flow_with, routed
from mitmproxy.test import tflow
from said import CHAT

from ringlet_mitm.addons.annotations import Annotations, comment
from ringlet_mitm.addons.usage.rows import RequestRow

ROW = RequestRow(
    id="1", started_us=1, ended_us=2, profile="p", agent_format="openai-chat", asked_host="h", path="/p",
    rule="tool-use → groq", routed_model="llama", input_tokens=1000, cache_read_tokens=234, output_tokens=50,
    reasoning_tokens=6, usage_source="reported", cost_total=Decimal("0.00421"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW, "tool-use → groq | llama | 1,234 in / 56 out | $0.0042"),
        (replace(ROW, cost_total=None), "tool-use → groq | llama | 1,234 in / 56 out | $?"),
        (replace(ROW, usage_source="estimated"), "tool-use → groq | llama | ~1,234 in / ~56 out | $0.0042"),
        (
            replace(ROW, error_class="rate-limited"),
            "tool-use → groq | llama | 1,234 in / 56 out | $0.0042 | rate-limited",
        ),
        (replace(ROW, rule="", routed_model=""), "1,234 in / 56 out | $0.0042"),
    ],
    ids=["all known", "price unknown", "estimated", "failed", "never routed"],
)
def test_the_comment(row: RequestRow, said: str) -> None:
    assert comment(row) == said


@pytest.mark.parametrize("hook", [Annotations().response, Annotations().error], ids=["response", "error"])
@pytest.mark.parametrize(("error", "marked"), [("", ""), ("broken-stream", ":red_circle:")])
def test_it_is_on_the_flow_with_a_marker_for_failures(hook: object, error: str, marked: str) -> None:
    exchange = routed(CHAT)
    exchange.row = replace(ROW, error_class=error)
    flow = flow_with(exchange)
    hook(flow)  # type: ignore[operator]
    assert (flow.comment.startswith("tool-use → groq | llama"), flow.marked) == (True, marked)


def test_other_flows_get_no_comment() -> None:
    for flow in (tflow.tflow(), flow_with(routed(CHAT))):
        Annotations().response(flow)
        assert (flow.comment, flow.marked) == ("", "")


def test_keys_are_masked_once_they_were_sent() -> None:
    flow = tflow.tflow()
    flow.request.path = "/v1beta/models/m:generateContent?key=AIzaSecret&alt=sse"
    flow.request.headers["Authorization"] = "Bearer sk-secret"
    Annotations().response(flow)
    assert flow.request.path == "/v1beta/models/m:generateContent?key=***&alt=sse"
    assert flow.request.headers["Authorization"] == "Bearer ***"
