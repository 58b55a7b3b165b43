"""What `/metrics` says, read back by Prometheus' own parser."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import NOON, request
from mitmproxy import http
from mitmproxy.test import tflow, tutils
from prometheus_client.parser import text_string_to_metric_families

from ringlet_mitm.addons.measures import FIRST_BYTE_S, MOST_NAMES, OTHER, Measures, Names, Spread
from ringlet_mitm.addons.metrics import Metrics, Now
from ringlet_mitm.addons.observing import Observing
from ringlet_mitm.addons.usage.rows import AttemptRow

QUIET = Now(0, [], [], 0, 0)
BUSY = Now(
    in_flight=3,
    lanes=[{"lane": "zai", "running": 2, "waiting": 5, "most": 2}],
    doors=[
        {"provider": "groq", "key": "work", "model": "", "state": "resting"},
        {"provider": "zai", "key": "", "model": "", "state": "sound"},
    ],
    unsaved_rows=7,
    dropped_rows=1,
)
LLAMA = {"provider": "groq", "model": "llama"}
SONNET = {"provider": "anthropic", "model": "claude-sonnet-4-5"}


def attempt(**given: Any) -> AttemptRow:
    said = {"request_id": "a", "number": 1, "provider": "groq", "model": "llama", "started_us": NOON, "status": 200}
    return AttemptRow(**{**said, **given})


def samples(measures: Measures, now: Now = QUIET) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = Metrics(measures, "work", 12.5, now).text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_requests_attempts_tokens_and_cost() -> None:
    measures = Measures()
    measures.record(request(input_tokens=10, cache_read_tokens=5, output_tokens=2, cost_total=Decimal("0.5")), ())
    measures.record(request(input_tokens=1, cost_total=Decimal("0.25"), usage_source="estimated"), ())
    limited = attempt(status=429, error_class="rate-limit")
    measures.record(
        request(provider="groq", routed_model="llama", cost_total=None, input_tokens=4), (limited, attempt(number=2))
    )
    found = samples(measures)
    assert of(found, "ringlet_requests_total", **SONNET, status="200", error="") == 2
    assert of(found, "ringlet_attempts_total", provider="groq", status="429", error="rate-limit") == 1
    assert of(found, "ringlet_attempts_total", provider="groq", status="200", error="") == 1
    assert of(found, "ringlet_tokens_total", **SONNET, kind="input") == 11
    assert of(found, "ringlet_tokens_total", **SONNET, kind="cache_read") == 5
    assert of(found, "ringlet_cost_usd_total", **SONNET) == 0.75
    assert of(found, "ringlet_unpriced_requests_total", **LLAMA) == 1
    assert ("ringlet_cost_usd_total", frozenset(LLAMA.items())) not in found
    assert of(found, "ringlet_estimated_requests_total", **SONNET) == 1
    assert of(found, "ringlet_start_time_seconds", profile="work") == 12.5


@pytest.mark.parametrize(
    ("row", "unpriced"),
    [
        pytest.param({"cost_total": None, "usage_source": "none", "status": 502}, 0, id="failed-before-a-token"),
        pytest.param({"cost_total": None, "usage_source": "none"}, 1, id="went-well-and-said-nothing"),
        pytest.param({"cost_total": None, "usage_source": "reported", "status": 502}, 1, id="failed-after-tokens"),
        pytest.param({"cost_total": Decimal(0)}, 0, id="free"),
    ],
)
def test_what_has_no_price_is_counted_as_reports_do(row: dict[str, Any], unpriced: int) -> None:
    measures = Measures()
    measures.record(request(**row), ())
    assert sum(measures.unpriced.values()) == unpriced


def test_latencies() -> None:
    measures = Measures()
    measures.record(request(first_byte_us=NOON + 300_000, ended_us=NOON + 90_000_000), ())
    measures.record(request(first_byte_us=None, ended_us=NOON + 1_000_000), ())
    found = samples(measures)
    assert of(found, "ringlet_first_byte_seconds_bucket", provider="anthropic", le="0.25") == 0
    assert of(found, "ringlet_first_byte_seconds_bucket", provider="anthropic", le="0.5") == 1
    assert of(found, "ringlet_first_byte_seconds_count", provider="anthropic") == 1
    assert of(found, "ringlet_duration_seconds_bucket", provider="anthropic", le="1.0") == 1
    assert of(found, "ringlet_duration_seconds_bucket", provider="anthropic", le="+Inf") == 2
    assert of(found, "ringlet_duration_seconds_sum", provider="anthropic") == 91


def test_what_is_so_now() -> None:
    found = samples(Measures(), BUSY)
    assert of(found, "ringlet_in_flight") == 3
    assert of(found, "ringlet_queue_waiting", provider="zai") == 5
    assert of(found, "ringlet_queue_running", provider="zai") == 2
    assert of(found, "ringlet_resting", provider="groq", key="work", model="", state="resting") == 1
    assert not [labels for name, labels in found if name == "ringlet_resting" and ("provider", "zai") in labels]
    assert of(found, "ringlet_unsaved_rows") == 7
    assert of(found, "ringlet_dropped_rows_total") == 1


def test_an_agent_that_makes_up_models_makes_no_series_without_end() -> None:
    measures = Measures()
    for number in range(3 * MOST_NAMES):
        measures.record(request(routed_model=f"m{number}", input_tokens=1), ())
    assert len(measures.requests) == len(measures.tokens) == MOST_NAMES + 1
    assert measures.tokens["anthropic", OTHER, "input"] == 2 * MOST_NAMES


@given(st.lists(st.text(max_size=3)), st.integers(0, 5))
def test_names_are_bounded_and_stay(asked: list[str], most: int) -> None:
    names = Names(most)
    first = {name: names.of(name) for name in asked}
    assert len({*first.values()} - {OTHER}) <= most
    assert all(names.of(name) == said for name, said in first.items() if said != OTHER)


@given(st.lists(st.floats(0, 1000)))
def test_every_value_is_in_one_bucket(values: list[float]) -> None:
    spread = Spread(FIRST_BYTE_S)
    for value in values:
        spread.add(value)
    for place, bound in enumerate(FIRST_BYTE_S):
        assert sum(spread.counts[: place + 1]) == sum(value <= bound for value in values)
    assert sum(spread.counts) == len(values)


@given(st.text(max_size=20))
def test_any_name_survives_the_format(name: str) -> None:
    measures = Measures()
    measures.record(request(routed_model=name or "m"), ())
    assert ("ringlet_cost_usd_total", frozenset({("provider", "anthropic"), ("model", name or "m")})) in samples(
        measures
    )


def page(path: str, *, method: str = "GET", host: str = "127.0.0.1", **headers: str) -> http.Response | None:
    fields = http.Headers([(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()])
    request = tutils.treq(host=host, port=8484, path=path.encode(), method=method.encode(), headers=fields)
    flow = tflow.tflow(req=request)
    flow.client_conn.sockname = ("127.0.0.1", 8484)
    flow.client_conn.tls = False
    asyncio.run(Observing("work", lambda: QUIET).request(flow))
    return flow.response


@pytest.mark.parametrize("path", ["/metrics", "/metrics?name[]=x"])
def test_the_page(path: str) -> None:
    response = page(path)
    assert response is not None
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE ringlet_requests_total counter" in (response.text or "")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        pytest.param({"method": "POST"}, 405, id="only-read"),
        pytest.param({"sec_fetch_site": "cross-site"}, 403, id="a-web-page-of-another-site"),
    ],
)
def test_refused(asked: dict[str, str], status: int) -> None:
    response = page("/metrics", **asked)
    assert response is not None and response.status_code == status


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({"path": "/health"}, id="another-page"),
        pytest.param({"path": "/metrics", "host": "api.anthropic.com"}, id="another-host"),
        pytest.param({"path": "/metrics", "host": "rebound.example"}, id="a-name-that-leads-here"),
    ],
)
def test_what_is_for_somebody_else_goes_on(asked: dict[str, str]) -> None:
    assert page(**asked) is None


def test_the_library_is_not_imported_before_somebody_asks() -> None:
    script = "import sys, ringlet_mitm.addons.observing; print([n for n in sys.modules if 'prometheus' in n])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"
