"""The dashboard at the proxy's own address."""

from __future__ import annotations

from mitmproxy import http

from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.addons.dashboard.apart import AnswersApart
from ringlet_mitm.addons.dashboard.site import Answer, Asked, answered, is_part, question, told


class Pages:
    """Answers what a browser asks of the proxy itself: `/`, `/dashboard/…` and what the page reads."""

    def __init__(self, answers: AnswersApart) -> None:
        self._answers = answers

    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer with a file, or with what the process that reads the ledger says."""
        request = flow.request
        if flow.response is not None or not is_part(request.path) or not asks_proxy(flow):
            return
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(request.method, request.path, headers, flow.client_conn.sockname[1])
        wanted = question(asked)
        flow.response = _response(answered(asked) if wanted is None else told(await self._answers.said(wanted)))

    async def done(self) -> None:
        """The process ends with the proxy."""
        await self._answers.end()


def _response(answer: Answer) -> http.Response:
    return http.Response.make(answer.status, answer.body, dict(answer.headers))
