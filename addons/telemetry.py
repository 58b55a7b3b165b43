"""Metrics and spans for an OpenTelemetry collector, made of the recorder's rows; off unless somebody names a collector.

By `[telemetry] endpoint` of config.toml or the standard OTEL_EXPORTER_OTLP_ENDPOINT (or that of one signal). All other
standard variables hold as well, as the library reads them: headers, timeouts, OTEL_SERVICE_NAME, resource attributes.

A request costs the event loop one append. A thread of its own makes spans and metrics of the rows, imports the library
(0.3 s) before the first, and sends both every few seconds; while the collector is away they are dropped after a few
thousand, which is said once, and nobody else notices.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.rules.settings import Telemetry

if TYPE_CHECKING:
    from ringlet_mitm.addons.telemetry_export import Export

logger = logging.getLogger(__name__)

ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
SPOKEN = "http/protobuf"
EXPORT = "ringlet_mitm.addons.telemetry_export"
MOST_ROWS = 2000
PERIOD_S = 1.0
# The proxy's end is not held up for longer by a collector that is away.
STOP_S = 2.0

Rows = tuple[RequestRow, tuple[AttemptRow, ...]]


def wanted(said: Telemetry, environ: Mapping[str, str]) -> str | None:
    """The collector's endpoint, '' where the library's own variables say it all, None where there is to be none.

    What keeps it from working although it is wanted is logged.
    """
    named = any(environ.get(name) for name in ENDPOINTS)
    if not said.enabled or (said.endpoint is None and not named):
        return None
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        logger.warning("telemetry is asked for, and its library is missing:  pip install 'ringlet-mitm[otel]'")
        return None
    protocol = environ.get(PROTOCOL, SPOKEN)
    if said.endpoint is None and protocol != SPOKEN:
        logger.warning("telemetry is not sent: %s is %s, and this speaks %s only", PROTOCOL, protocol, SPOKEN)
        return None
    return said.endpoint or ""


def collected_for(profile: str, said: Telemetry, environ: Mapping[str, str]) -> Collected | None:
    """What sends the rows of a profile to a collector, None where nobody wants that."""
    endpoint = wanted(said, environ)
    return None if endpoint is None else Collected(endpoint, profile)


@dataclass(slots=True, eq=False)
class Collected:
    """A sink of the recorder with its thread. `endpoint` is what `wanted` gave."""

    endpoint: str
    profile: str
    _rows: deque[Rows] = field(default_factory=lambda: deque(maxlen=MOST_ROWS))
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _thread: threading.Thread | None = None

    def record(self, request: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        """Take a row; the oldest goes where the thread is too slow."""
        self._rows.append((request, attempts))

    def start(self) -> None:
        """Begin; once."""
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what there is, within two seconds."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def _run(self) -> None:
        # An optional library of dozens of modules: only here, where it is wanted.
        export: Export = import_module(EXPORT).Export(self.endpoint, self.profile)
        while not self._stopping:
            self._wake.wait(PERIOD_S)
            self._drain(export)
        self._drain(export)
        export.close(STOP_S)

    def _drain(self, export: Export) -> None:
        while self._rows:
            export.add(*self._rows.popleft())
