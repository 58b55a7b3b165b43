"""What is asked of the proxy itself: a table of paths."""

from __future__ import annotations

import json
from collections.abc import Callable

from mitmproxy import http

from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.addons.live import Live
from ringlet_mitm.addons.model_lists import models_page
from ringlet_mitm.rules.shapes import counting_path, format_of

Page = Callable[[], dict[str, object]]
HELP = 'ringlet-mitm is running. Point an agent at it: eval "$(ringlet-mitm env)"; health: GET /health\n'


class Endpoints:
    """Answers requests to the proxy's own address; model calls there (base-URL mode) go on to dispatch."""

    def __init__(self, live: Live, pages: dict[str, Page]) -> None:
        self._live = live
        self._pages = pages

    def request(self, flow: http.HTTPFlow) -> None:
        """Answer from the table; 404 with a hint for any other path.

        A browser sends what any web page tells it to, also to this address, and a model call here is paid with our
        keys: so what a browser says is from another site is refused.
        """
        request = flow.request
        if flow.response is not None or not asks_proxy(flow):
            return
        if request.headers.get("sec-fetch-site", "").lower() == "cross-site":
            flow.response = http.Response.make(
                403, "not for web pages of other sites\n", {"content-type": "text/plain"}
            )
            return
        if format_of(request.method, request.path) or counting_path(request.method, request.path):
            return
        page = self._pages.get(request.path.partition("?")[0])
        said = page() if page is not None else models_page(request, self._live.ruling)
        if said is None:
            flow.response = http.Response.make(404, HELP, {"content-type": "text/plain; charset=utf-8"})
            return
        body = json.dumps(said, indent=2) + "\n"
        flow.response = http.Response.make(200, body, {"content-type": "application/json", "cache-control": "no-store"})
