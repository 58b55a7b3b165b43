"""What an OpenTelemetry collector gets, from a real receiver of OTLP over HTTP on loopback."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ledgers import NOON, request
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ringlet_mitm.addons.genai_names import measured, span_name, spanned
from ringlet_mitm.addons.telemetry import MOST_ROWS, STOP_S, Collected, wanted
from ringlet_mitm.addons.telemetry_export import Export
from ringlet_mitm.addons.usage.rows import AttemptRow
from ringlet_mitm.rules.settings import Telemetry

FAILED = {"provider": "groq", "routed_model": "llama", "status": 429, "error_class": "rate-limit"}
ROW = request(
    id="row-1",
    stream=True,
    first_byte_us=NOON + 250_000,
    session="s-1",
    answered_model="claude-sonnet-4-5-20250929",
    input_tokens=10,
    cache_read_tokens=90,
    output_tokens=7,
    reasoning_tokens=3,
    cost_total=Decimal("0.125"),
    attempts=2,
)
TRIED = (
    AttemptRow(
        request_id="row-1",
        number=1,
        provider="groq",
        model="llama",
        started_us=NOON,
        status=429,
        error_class="rate-limit",
        key_label="work",
    ),
    AttemptRow(request_id="row-1", number=2, provider="anthropic", model="claude-sonnet-4-5", started_us=NOON + 5),
)


class Collector(ThreadingHTTPServer):
    """Keeps what it is sent, decoded."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receiving)
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resources: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Receiving(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.path == "/v1/traces":
            for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.server.resources.append(attributes(sent.resource))
                self.server.spans += [span for scope in sent.scope_spans for span in scope.spans]
        elif self.path == "/v1/metrics":
            for found in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.server.metrics |= {m.name: m for scope in found.scope_metrics for m in scope.metrics}
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def attributes(of: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in of.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def sent(collector: Collector, *rows: Any, endpoint: str | None = None) -> None:
    export = Export(collector.url if endpoint is None else endpoint, "work")
    for row in rows:
        export.add(row, TRIED if row is ROW else ())
    export.close(10.0)


def test_a_span(collector: Collector) -> None:
    sent(collector, ROW)
    (span,) = collector.spans
    assert span.name == "chat claude-sonnet-4-5"
    assert span.kind == Span.SPAN_KIND_CLIENT
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (NOON * 1000, (NOON + 1_000_000) * 1000)
    assert attributes(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.response.model": "claude-sonnet-4-5-20250929",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 90,
        "gen_ai.usage.cache_creation.input_tokens": 0,
        "gen_ai.usage.reasoning.output_tokens": 3,
        "gen_ai.conversation.id": "s-1",
        "gen_ai.request.stream": True,
        "gen_ai.response.time_to_first_chunk": 0.25,
        "http.response.status_code": 200,
        "ringlet.request.id": "row-1",
        "ringlet.profile": "work",
        "ringlet.agent": "claude",
        "ringlet.rule": "default → anthropic",
        "ringlet.requested_model": "claude-sonnet-4-5",
        "ringlet.usage_source": "reported",
        "ringlet.cost_usd": 0.125,
        "ringlet.attempts": 2,
        "ringlet.origin": "proxy",
    }
    first, second = span.events
    assert attributes(first) == {
        "ringlet.attempt": 1,
        "gen_ai.provider.name": "groq",
        "gen_ai.request.model": "llama",
        "http.response.status_code": 429,
        "error.type": "rate-limit",
        "ringlet.wait_ms": 0,
    }
    assert attributes(second)["gen_ai.provider.name"] == "anthropic"
    assert collector.resources[0]["service.name"] == "ringlet-mitm"


def test_metrics(collector: Collector) -> None:
    sent(collector, ROW, request(usage_source="estimated", input_tokens=5), request(**FAILED, usage_source="none"))
    tokens = {attributes(point)["gen_ai.token.type"]: point for point in points(collector, "gen_ai.client.token.usage")}
    assert {kind: (point.count, point.sum) for kind, point in tokens.items()} == {"input": (1, 100), "output": (1, 10)}
    assert list(tokens["input"].explicit_bounds) == [4**power for power in range(14)]
    assert collector.metrics["gen_ai.client.token.usage"].unit == "{token}"
    took = {
        attributes(point).get("error.type", ""): point
        for point in points(collector, "gen_ai.client.operation.duration")
    }
    assert took["rate-limit"].count == 1 and attributes(took["rate-limit"])["gen_ai.provider.name"] == "groq"
    assert took["rate-limit"].sum == 1.0
    (first,) = points(collector, "gen_ai.client.operation.time_to_first_chunk")
    assert (first.count, first.sum) == (1, 0.25)


def points(collector: Collector, name: str) -> list[Any]:
    return list(collector.metrics[name].histogram.data_points)


def test_a_failure(collector: Collector) -> None:
    sent(collector, request(**FAILED))
    (span,) = collector.spans
    assert (span.status.code, span.status.message) == (2, "rate-limit")
    assert attributes(span)["error.type"] == "rate-limit"


def test_models_without_end_make_no_series_without_end(collector: Collector) -> None:
    sent(collector, *(request(routed_model=f"m{number}", input_tokens=1) for number in range(150)))
    assert len(points(collector, "gen_ai.client.operation.duration")) == 101


def test_the_standard_variables_hold(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=tools")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "the-proxy")
    sent(collector, ROW, endpoint="")
    assert len(collector.spans) == 1
    assert {headers.get("x-team") for headers in collector.headers} == {"tools"}


def test_the_thread_sends_what_was_recorded(collector: Collector) -> None:
    collected = Collected(collector.url, "work")
    collected.start()
    collected.record(ROW, TRIED)
    collected.stop()
    assert [span.name for span in collector.spans] == ["chat claude-sonnet-4-5"]


def test_a_collector_that_is_away_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    collected = Collected("http://127.0.0.1:1", "work")
    recording = threading.Thread(target=lambda: [collected.record(ROW, ()) for _ in range(MOST_ROWS + 10)], daemon=True)
    recording.start()
    recording.join(20)
    assert not recording.is_alive()
    collected.start()
    begun = time.monotonic()
    collected.stop()
    assert time.monotonic() - begun < STOP_S + 1
    assert sum("telemetry" in record.getMessage() for record in caplog.records) <= 1


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("said", "environ", "found"),
    [
        pytest.param(Telemetry(), {}, None, id="off-by-default"),
        pytest.param(Telemetry(), ENDPOINT, "", id="the-standard-variable"),
        pytest.param(Telemetry(), {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h"}, "", id="of-one-signal"),
        pytest.param(Telemetry("http://h:4318"), {}, "http://h:4318", id="config.toml"),
        pytest.param(Telemetry("http://h:4318"), ENDPOINT, "http://h:4318", id="config.toml-first"),
        pytest.param(Telemetry(enabled=False), ENDPOINT, None, id="the-variable-is-for-others"),
        pytest.param(Telemetry(), {**ENDPOINT, "OTEL_SDK_DISABLED": "true"}, None, id="disabled-for-all"),
        pytest.param(Telemetry(), {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, None, id="not-spoken"),
    ],
)
def test_who_wants_it(said: Telemetry, environ: dict[str, str], found: str | None) -> None:
    assert wanted(said, environ) == found


def test_without_the_library_it_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("ringlet_mitm.addons.telemetry.find_spec", lambda name: None)
    caplog.set_level(logging.WARNING)
    assert wanted(Telemetry(), ENDPOINT) is None
    assert "pip install 'ringlet-mitm[otel]'" in caplog.text


@pytest.mark.parametrize(
    ("row", "name", "provider"),
    [
        pytest.param({"provider": "bedrock"}, "chat claude-sonnet-4-5", "aws.bedrock", id="their-own-name"),
        pytest.param({"provider": "zai"}, "chat claude-sonnet-4-5", "zai", id="no-name-of-theirs"),
        pytest.param({"provider": ""}, "chat claude-sonnet-4-5", "passthrough", id="passed-through"),
        pytest.param(
            {"provider": "gemini", "provider_format": "gemini", "routed_model": "gemini-3"},
            "generate_content gemini-3",
            "gcp.gemini",
            id="another-operation",
        ),
        pytest.param({"routed_model": "", "requested_model": ""}, "chat", "anthropic", id="no-model"),
    ],
)
def test_names(row: dict[str, Any], name: str, provider: str) -> None:
    found = request(**row)
    assert (span_name(found), measured(found)["gen_ai.provider.name"]) == (name, provider)


def test_tokens_that_nobody_knows_are_not_said() -> None:
    assert not [name for name in spanned(request(usage_source="none")) if "usage" in name and name.startswith("gen_ai")]


def test_it_costs_nothing_before_it_is_wanted() -> None:
    script = (
        "import sys, ringlet_mitm.addons.telemetry; print([n for n in sys.modules if n.startswith('opentelemetry')])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"
