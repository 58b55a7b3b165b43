"""Spans and metrics by OpenTelemetry's library, sent by OTLP over HTTP. Only the telemetry's thread imports this."""

from __future__ import annotations

import logging
from contextlib import suppress

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from ringlet_mitm.addons.genai_names import (
    DURATION,
    DURATION_BUCKETS,
    FIRST_CHUNK,
    TOKEN_BUCKETS,
    TOKEN_USAGE,
    error_type,
    first_chunk_s,
    measured,
    span_name,
    spanned,
    tried,
)
from ringlet_mitm.addons.measures import Names
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow

logger = logging.getLogger(__name__)

SCOPE = "ringlet-mitm"
LIBRARY = "opentelemetry"
US_NS = 1000
BUCKETS = {TOKEN_USAGE: TOKEN_BUCKETS, DURATION: DURATION_BUCKETS, FIRST_CHUNK: DURATION_BUCKETS}


class Export:
    """Where rows become spans and metrics. `endpoint` '' leaves it to the library's own variables."""

    def __init__(self, endpoint: str, profile: str) -> None:
        _say_once()
        base = endpoint.rstrip("/")
        resource = Resource.create({"service.name": SCOPE, "ringlet.profile": profile})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces" if base else None)
        self._traces.add_span_processor(BatchSpanProcessor(spans))
        sums = OTLPMetricExporter(endpoint=f"{base}/v1/metrics" if base else None)
        views = [
            View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(bounds))
            for name, bounds in BUCKETS.items()
        ]
        reader = PeriodicExportingMetricReader(sums)
        self._metrics = MeterProvider([reader], resource=resource, views=views, shutdown_on_exit=False)
        meter = self._metrics.get_meter(SCOPE)
        self._tracer = self._traces.get_tracer(SCOPE)
        self._tokens = meter.create_histogram(TOKEN_USAGE, "{token}", "Number of input and output tokens used.")
        self._duration = meter.create_histogram(DURATION, "s", "GenAI operation duration.")
        self._first = meter.create_histogram(FIRST_CHUNK, "s", "Time to receive the first chunk.")
        # What an agent asks for and a provider says would each make time series without end.
        self._names = {name: Names() for name in ("gen_ai.request.model", "gen_ai.response.model", "error.type")}

    def add(self, request: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        """One exchange."""
        self._span(request, attempts)
        said = {
            name: self._names[name].of(str(value)) if name in self._names else value
            for name, value in measured(request).items()
        }
        self._duration.record((request.ended_us - request.started_us) / 1_000_000, said)
        first_s = first_chunk_s(request)
        if first_s is not None:
            self._first.record(first_s, said)
        if request.usage_source == "reported":
            of = {name: value for name, value in said.items() if name != "error.type"}
            self._tokens.record(request.usage.total_input, {**of, "gen_ai.token.type": "input"})
            self._tokens.record(request.usage.total_output, {**of, "gen_ai.token.type": "output"})

    def close(self, seconds: float) -> None:
        """Send what waits, for about as long as that."""
        # The library has several ways to say that the collector is gone, and here nobody is left to hear it.
        with suppress(Exception):
            self._traces.force_flush(int(seconds * 500))
            self._metrics.force_flush(seconds * 500)

    def _span(self, request: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        span = self._tracer.start_span(
            span_name(request), kind=SpanKind.CLIENT, attributes=spanned(request), start_time=request.started_us * US_NS
        )
        for attempt in attempts:
            span.add_event("ringlet.attempt", tried(attempt), attempt.started_us * US_NS)
        wrong = error_type(request)
        if wrong:
            span.set_status(Status(StatusCode.ERROR, wrong))
        span.end(request.ended_us * US_NS)


class _Once(logging.Filter):
    """The library complains with each attempt, by the second."""

    said = False

    def filter(self, record: logging.LogRecord) -> bool:
        if not self.said:
            self.said = True
            logger.warning("telemetry does not reach its collector and is dropped: %s", record.getMessage()[:200])
        return False


def _say_once() -> None:
    once = _Once()
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(f"{LIBRARY}."):
            logging.getLogger(name).addFilter(once)
