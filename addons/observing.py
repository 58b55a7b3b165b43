"""What others may watch: `GET /metrics` at the proxy's own address, and a telemetry collector where one is wanted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mitmproxy import http

from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.addons.measures import Measures
from ringlet_mitm.addons.metrics import CONTENT_TYPE, Metrics, Now
from ringlet_mitm.addons.telemetry import Collected
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow

PATH = "/metrics"
METHODS = ("GET", "HEAD")


class Observing:
    """A sink of the recorder, and the page made of what it has counted. `now` is asked on the event loop."""

    def __init__(self, profile: str, now: Callable[[], Now], collected: Collected | None = None) -> None:
        self._measures = Measures()
        self._profile = profile
        self._started_s = time.time()
        self._now = now
        self._collected = collected

    def record(self, request: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        """Count one exchange."""
        self._measures.record(request, attempts)
        if self._collected is not None:
            self._collected.record(request, attempts)

    def running(self) -> None:
        """Called once the port is open."""
        if self._collected is not None:
            self._collected.start()

    def done(self) -> None:
        """What was recorded last is sent, if that is quick."""
        if self._collected is not None:
            self._collected.stop()

    async def request(self, flow: http.HTTPFlow) -> None:
        """The page, made in a thread: the first time a library is imported for it. Not for other sites' web pages."""
        request = flow.request
        if flow.response is not None or request.path.partition("?")[0] != PATH or not asks_proxy(flow):
            return
        if request.headers.get("sec-fetch-site", "").lower() == "cross-site":
            flow.response = _response(403, "not for web pages of other sites\n", "text/plain")
        elif request.method not in METHODS:
            flow.response = _response(405, "GET only\n", "text/plain")
        else:
            page = Metrics(self._measures, self._profile, self._started_s, self._now())
            flow.response = _response(200, await asyncio.to_thread(page.text), CONTENT_TYPE)


def _response(status: int, text: str, kind: str) -> http.Response:
    return http.Response.make(status, text, {"content-type": kind, "cache-control": "no-store"})
