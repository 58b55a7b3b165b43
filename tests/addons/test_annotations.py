from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from exchanges import flow_with, routed
from mitmproxy.test import tflow
from said import CHAT

from ringlet_mitm.addons import annotations as module
from ringlet_mitm.addons.annotations import Annotations, comment, facts, mark
from ringlet_mitm.addons.usage.rows import RequestRow

ROW = RequestRow(
    id="1", started_us=1, ended_us=2, profile="p", agent_format="openai-chat", asked_host="h", path="/p",
    rule="tool-use → groq", provider="groq", routed_model="llama", input_tokens=1000, cache_read_tokens=234,
    output_tokens=50, reasoning_tokens=6, usage_source="reported", cost_total=Decimal("0.00421"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW, "tool-use → groq/llama | 1,234 in / 56 out | $0.0042"),
        (replace(ROW, cost_total=None), "tool-use → groq/llama | 1,234 in / 56 out | $?"),
        (replace(ROW, usage_source="estimated"), "tool-use → groq/llama | ~1,234 in / ~56 out | $0.0042"),
        (
            replace(ROW, error_class="rate-limited"),
            "tool-use → groq/llama | 1,234 in / 56 out | $0.0042 | rate-limited",
        ),
        (replace(ROW, rule="", provider="", routed_model=""), "1,234 in / 56 out | $0.0042"),
    ],
    ids=["all known", "price unknown", "estimated", "failed", "never routed"],
)
def test_the_comment(row: RequestRow, said: str) -> None:
    assert comment(row) == said


@pytest.mark.parametrize("hook", [Annotations().response, Annotations().error], ids=["response", "error"])
@pytest.mark.parametrize(("error", "marked"), [("", ""), ("broken-stream", ":x:")])
def test_it_is_on_the_flow_with_a_marker_for_failures(hook: object, error: str, marked: str) -> None:
    exchange = routed(CHAT)
    exchange.row = replace(ROW, error_class=error)
    flow = flow_with(exchange)
    hook(flow)  # type: ignore[operator]
    assert (flow.comment.startswith("tool-use → groq/llama"), flow.marked) == (True, marked)


def test_other_flows_get_no_comment() -> None:
    for flow in (tflow.tflow(), flow_with(routed(CHAT))):
        Annotations().response(flow)
        assert (flow.comment, flow.marked) == ("", "")


def test_keys_are_masked_once_they_were_sent() -> None:
    flow = tflow.tflow(resp=True)
    flow.request.headers["Authorization"] = "Bearer sk-secret"
    Annotations().responseheaders(flow)
    assert flow.request.headers["Authorization"] == "Bearer ***"


def test_while_it_runs_the_comment_says_where_it_went() -> None:
    exchange = routed(CHAT)
    flow = flow_with(exchange)
    Annotations().request(flow)
    assert flow.comment == "tool-use → groq/llama-3.3-70b-versatile | running"
    exchange.attempts.append(replace(exchange.attempts[0], number=2))
    Annotations().upstream_failed(flow)
    assert flow.comment == "tool-use → groq/llama-3.3-70b-versatile | running, attempt 2"


@pytest.mark.parametrize(
    ("row", "marker"),
    [(ROW, ""), (replace(ROW, attempts=2), ":warning:"), (replace(ROW, attempts=2, error_class="quota"), ":x:")],
    ids=["well", "at the second attempt", "failed"],
)
def test_the_marker(row: RequestRow, marker: str) -> None:
    assert mark(row) == marker


def test_a_persons_own_mark_stays() -> None:
    exchange = routed(CHAT)
    exchange.row = replace(ROW, error_class="quota")
    flow = flow_with(exchange)
    flow.marked = ":red_circle:"
    Annotations().response(flow)
    assert flow.marked == ":red_circle:"


def test_what_meta_finds() -> None:
    found = facts(replace(ROW, agent="claude", stop_reason="end"))
    assert found == {
        "rule": "tool-use → groq", "provider": "groq", "model": "llama", "agent": "claude", "stop": "end",
        "usage": "reported", "cost": "0.004210",
    }  # fmt: skip


@pytest.mark.parametrize("keeps", [True, False], ids=["bodies are kept", "nothing is"])
def test_a_streamed_answer_is_there_after_its_end(keeps: bool) -> None:
    exchange = routed(CHAT)
    flow = flow_with(exchange)
    flow.request.data.content = b"asked"
    annotations = Annotations(keeps_bodies=keeps)
    assert flow.response is not None
    flow.response.stream = lambda data: data
    annotations.responseheaders(flow)
    assert callable(flow.response.stream)
    flow.response.stream(b"said")
    exchange.row = ROW
    annotations.response(flow)
    bodies = (flow.request.raw_content, flow.response.raw_content)
    assert bodies == ((b"asked", b"said") if keeps else (None, None))
    assert exchange.turn is None


def test_an_answer_that_is_not_streamed_is_kept_until_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SENT_S", 0)

    async def over() -> tuple[bytes | None, bytes | None]:
        exchange = routed(CHAT)
        exchange.row = ROW
        flow = flow_with(exchange, content=b"said")
        assert flow.response is not None
        Annotations(keeps_bodies=False).response(flow)
        sent = flow.response.raw_content
        await asyncio.sleep(0.001)
        return sent, flow.response.raw_content

    assert asyncio.run(over()) == (b"said", None)
