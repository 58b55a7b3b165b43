"""`GET /metrics`: what was counted since the proxy started, in Prometheus' text format, written by its own library.

The library is imported when somebody asks first, in a thread: it takes 0.03 s (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from ringlet_mitm.addons.measures import Labels, Measures, Spread
from ringlet_mitm.rules.health import State

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WHOSE = ("provider", "model")
RESULT = ("status", "error")


@dataclass(frozen=True, slots=True)
class Now:
    """What is so at this moment; `lanes` and `doors` as these say of themselves."""

    in_flight: int
    lanes: Iterable[Mapping[str, Any]]
    doors: Iterable[Mapping[str, Any]]
    unsaved_rows: int
    dropped_rows: int
    open_websockets: int = 0


@dataclass(frozen=True, slots=True)
class Metrics:
    """The page of one proxy at one moment."""

    measures: Measures
    profile: str
    started_s: float
    now: Now

    def text(self) -> str:
        """The page; to be called in a thread."""
        exposition = import_module("prometheus_client.exposition")
        found: bytes = exposition.generate_latest(self)
        return found.decode()

    def collect(self) -> Iterator[Metric]:
        """As the library asks a collector."""
        core = import_module("prometheus_client.metrics_core")
        info = core.GaugeMetricFamily("ringlet_start_time_seconds", "When the proxy started.", labels=["profile"])
        info.add_metric([self.profile], self.started_s)
        yield info
        yield from self._counters(core)
        yield from self._spreads(core)
        yield from self._gauges(core)

    def _counters(self, core: Any) -> Iterator[Metric]:
        of = self.measures
        yield _counted(core, "requests", "Requests of agents.", (*WHOSE, *RESULT), of.requests)
        yield _counted(core, "attempts", "Tries at providers.", ("provider", *RESULT), of.attempts)
        yield _counted(core, "tokens", "Tokens by kind; input is what was not cached.", (*WHOSE, "kind"), of.tokens)
        yield _counted(core, "cost_usd", "USD of requests whose price is known.", WHOSE, of.cost_usd)
        yield _counted(core, "unpriced_requests", "Requests whose price is unknown.", WHOSE, of.unpriced)
        yield _counted(core, "estimated_requests", "Requests whose tokens were estimated.", WHOSE, of.estimated)
        lost: dict[Labels, float] = {(): self.now.dropped_rows}
        yield _counted(core, "dropped_rows", "Usage rows lost because the disk took none.", (), lost)

    def _spreads(self, core: Any) -> Iterator[Metric]:
        first, whole = self.measures.first_byte, self.measures.total
        yield _spread(core, "first_byte_seconds", "From the whole request to the answer's first byte.", first)
        yield _spread(core, "duration_seconds", "From the whole request to the end of the answer.", whole)

    def _gauges(self, core: Any) -> Iterator[Metric]:
        now = self.now
        lanes = list(now.lanes)
        yield _gauge(core, "in_flight", "Requests that are being answered.", (), [((), now.in_flight)])
        yield _gauge(core, "open_websockets", "WebSockets that are open.", (), [((), now.open_websockets)])
        waiting = [((lane["lane"],), lane["waiting"]) for lane in lanes]
        yield _gauge(core, "queue_waiting", "Requests that wait for a place at a provider.", ("provider",), waiting)
        running = [((lane["lane"],), lane["running"]) for lane in lanes]
        yield _gauge(core, "queue_running", "Requests that have such a place.", ("provider",), running)
        doors = [
            ((door["provider"], door["key"], door["model"], door["state"]), 1)
            for door in now.doors
            if door["state"] != State.SOUND
        ]
        labels = ("provider", "key", "model", "state")
        yield _gauge(core, "resting", "Providers, keys and models that get no requests for a while.", labels, doors)
        yield _gauge(core, "unsaved_rows", "Usage rows that wait for the disk.", (), [((), now.unsaved_rows)])


def _counted(core: Any, name: str, said: str, labels: Labels, counts: Mapping[Labels, float]) -> Metric:
    family = core.CounterMetricFamily(f"ringlet_{name}", said, labels=labels)
    for values, count in list(counts.items()):
        family.add_metric(values, count)
    return family  # type: ignore[no-any-return]


def _gauge(core: Any, name: str, said: str, labels: Labels, values: Iterable[tuple[Labels, float]]) -> Metric:
    family = core.GaugeMetricFamily(f"ringlet_{name}", said, labels=labels)
    for at, value in values:
        family.add_metric(at, value)
    return family  # type: ignore[no-any-return]


def _spread(core: Any, name: str, said: str, spreads: Mapping[Labels, Spread]) -> Metric:
    family = core.HistogramMetricFamily(f"ringlet_{name}", said, labels=("provider",))
    for values, spread in list(spreads.items()):
        upper = [*map(str, spread.bounds), "+Inf"]
        family.add_metric(values, list(zip(upper, accumulate(spread.counts), strict=True)), spread.total)
    return family  # type: ignore[no-any-return]
