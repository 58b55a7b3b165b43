from __future__ import annotations

import gzip
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from exchanges import flow_with, routed
from mitmproxy import contentviews, http
from mitmproxy.test import taddons, tflow
from said import CHAT, MESSAGES, bare, chunk

from ringlet_mitm.addons.annotations import Annotations
from ringlet_mitm.addons.contentview import install
from ringlet_mitm.addons.looked_at import LookedAt
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.shapes import Loss, WireFormat

ROW = RequestRow(
    id="1", started_us=1_000_000, first_byte_us=1_400_000, ended_us=3_500_000, profile="p", agent_format="openai-chat",
    asked_host="h", path="/p", rule="tool-use → groq", provider="groq", routed_model="llama", status=200,
    input_tokens=1000, cache_read_tokens=234, output_tokens=50, usage_source="reported", stop_reason="end",
    cost_total=Decimal("0.00421"), price_source="genai-prices 1",
)  # fmt: skip
ANSWER = bare(chunk("Hello "), chunk("there"), chunk(finish="stop"))


@pytest.fixture
def looked() -> LookedAt:
    made = LookedAt()
    install(made)
    return made


def show(flow: http.HTTPFlow, message: http.Message, name: str = "auto") -> tuple[str, str]:
    """What this mitmproxy shows, and by which view."""
    if hasattr(contentviews, "Contentview"):
        with taddons.context():
            made: Any = contentviews.prettify_message(message, flow, name)
        return made.text, made.view_name
    description, lines, error = contentviews.get_message_content_view(name, message, flow)  # type: ignore[attr-defined]
    assert not error
    return "\n".join("".join(text for _, text in line) for line in lines), description


def finished(
    row: RequestRow = ROW, *, wire_format: WireFormat = CHAT, answer: bytes = ANSWER, **more: Any
) -> http.HTTPFlow:
    """A flow that has run through."""
    exchange = routed(wire_format, **more)
    exchange.row = row
    flow = flow_with(exchange, content=answer)
    flow.request.data.content = exchange.outbound.body if exchange.outbound else exchange.request.body
    Annotations().response(flow)
    return flow


def test_the_view_is_chosen_by_itself_for_model_calls(looked: LookedAt) -> None:
    flow = finished()
    assert flow.response is not None
    for message in (flow.request, flow.response):
        assert show(flow, message)[1] == "LLM"
    assert flow.id in looked
    other = tflow.tflow(resp=True)
    assert show(other, other.request)[1] != "LLM"
    assert other.id not in looked


def test_the_request_says_where_it_went_and_what_was_in_it(looked: LookedAt) -> None:
    flow = finished()
    said, _ = show(flow, flow.request)
    for line in (
        "rule: tool-use → groq",
        "host: api.anthropic.com → api.groq.com",
        "model: asked-model → llama-3.3-70b-versatile",
        "1. user:",
        "hello",
    ):
        assert line in said


def test_the_answer_says_what_it_used_and_cost(looked: LookedAt) -> None:
    flow = finished()
    assert flow.response is not None
    said, _ = show(flow, flow.response)
    for line in (
        "answered by: groq/llama",
        "Usage: as the provider reported it",
        "cache read: 234",
        "in all: 1,234 in, 50 out",
        "Cost: $0.0042, by genai-prices 1",
        "to the first byte: 400 ms",
        "to the end: 2.5 s",
        "1. groq/llama-3.3-70b-versatile: key env:GROQ_API_KEY",
        "Hello there",
        "stop: end (stop)",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (replace(ROW, cost_total=None, cost_input=None), "Cost: unknown"),
        (replace(ROW, usage_source="estimated"), "output: ~50"),
        (replace(ROW, usage_source="none", cost_total=None), "Usage: none was reported"),
        (replace(ROW, error_class="rate-limited"), "failed: rate-limited: slow down, Bearer ***"),
    ],
    ids=["no price", "estimated", "no usage", "failed"],
)
def test_what_is_not_known_is_said_to_be(row: RequestRow, line: str, looked: LookedAt) -> None:
    error = ProviderError("rate_limit_error", "slow down, Bearer sk-secret-of-somebody")
    flow = finished(row, failure=Failure(FailureKind.RATE_LIMITED, 429, error))
    assert flow.response is not None
    assert line in show(flow, flow.response)[0]


def test_what_the_answer_lost_is_said(looked: LookedAt) -> None:
    flow = finished(answer_losses=(Loss("logprobs", "this format has none"),))
    assert flow.response is not None
    assert "logprobs: this format has none" in show(flow, flow.response)[0]


def test_while_it_runs(looked: LookedAt) -> None:
    exchange = routed(CHAT)
    flow = flow_with(exchange)
    flow.request.data.content = exchange.request.body
    assert flow.response is not None
    assert "rule: tool-use → groq" in show(flow, flow.request)[0]
    flow.response.data.content = b""
    assert "still running" in show(flow, flow.response, "LLM")[0]


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"mess', b"[" * 200_000, b""], ids=["bytes", "cut", "deep", "empty"])
def test_any_body_is_shown(body: bytes, looked: LookedAt) -> None:
    flow = finished(answer=body)
    flow.request.data.content = body
    assert flow.response is not None
    for message in (flow.request, flow.response):
        said, name = show(flow, message, "LLM")
        assert name == "LLM"
        assert "no JSON" in said or "no whole JSON" in said or "no body" in said or "not a" in said


def test_a_copy_or_a_file_has_the_account_too(looked: LookedAt) -> None:
    flow = finished()
    for copy in (flow.copy(), http.HTTPFlow.from_state(flow.get_state())):
        assert isinstance(copy, http.HTTPFlow)
        assert show(copy, copy.request)[0] == show(flow, flow.request)[0]
    assert b"sk-" not in repr(flow.get_state()).encode()


def test_a_flow_that_never_passed_here_shows_its_conversation(looked: LookedAt) -> None:
    flow = tflow.tflow(resp=True)
    flow.request.path, flow.request.method = "/v1/messages", "POST"
    flow.request.content = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
    said, name = show(flow, flow.request)
    assert (name, "hello" in said) == ("LLM", True)


def test_all_of_it_is_shown_where_somebody_asks(looked: LookedAt) -> None:
    text = "".join(f"line {number}\n" for number in range(300))
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    flow = finished(wire_format=MESSAGES, body=body, provider="anthropic", model="claude-haiku-4-5")
    assert "line 299" not in show(flow, flow.request)[0]
    assert "line 299" in show(flow, flow.request, "LLM-all")[0]


def test_a_packed_body_that_was_cut_is_shown(looked: LookedAt) -> None:
    flow = finished()
    assert flow.response is not None
    flow.response.headers["content-encoding"] = "gzip"
    flow.response.data.content = gzip.compress(ANSWER)[:-12]
    assert "Hello" in show(flow, flow.response, "LLM")[0]
