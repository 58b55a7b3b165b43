"""`count_tokens` and its kin: agents ask them to see how full their window is.

Where the rules send the model call to the format's own vendor, the question goes there too, with the model that would
answer. Any other provider has no such endpoint, and a vendor refuses another's sealed
thinking: then our own estimate is the answer. Nothing of it is billed, so it
leaves no row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from mitmproxy import http

from ringlet_mitm.addons.addressing import VENDORS
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.outbound import needs_translation
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.refusing import refuse
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.shapes import WireFormat, counting_path

ANSWERS: dict[WireFormat, Callable[[int], dict[str, object]]] = {
    WireFormat.MESSAGES: lambda tokens: {"input_tokens": tokens},
    WireFormat.RESPONSES: lambda tokens: {"object": "response.input_tokens", "input_tokens": tokens},
    WireFormat.GEMINI: lambda tokens: {"totalTokens": tokens},
}


class TokenCounts:
    """Answers or forwards questions for the number of tokens."""

    def __init__(self, intake: Intake, preparer: Preparer) -> None:
        self._intake = intake
        self._preparer = preparer

    async def request(self, flow: http.HTTPFlow) -> None:
        """Leave every other request alone."""
        if flow.response is not None:
            return
        found = counting_path(flow.request.method, flow.request.path)
        if found is None:
            return
        wire_format, path = found
        exchange = await self._intake.take_in(flow, wire_format, path)
        if exchange is None:
            return
        exchange.request = replace(exchange.request, body=_asked_about(exchange.request.body))
        try:
            await self._intake.route(exchange, part=False)
            await self._answer(flow, exchange)
        except RingletError as error:
            refuse(flow, exchange, error)

    async def _answer(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        target, request, turn = exchange.targets[0], exchange.request, exchange.turn
        assert turn is not None
        as_is = not needs_translation(turn, target)
        if as_is and target.as_asked and not request.direct:
            return
        if as_is and target.endpoint.host == VENDORS[request.format]:
            outbound, _ = await self._preparer.ready(turn, target)
            asked, _, query = flow.request.path.partition("?")
            path = _counting(outbound.path.partition("?")[0], asked)
            moved = replace(outbound, path=f"{path}?{query}" if query else path)
            apply(flow.request, moved, flow.request.raw_content or b"")
            return
        body = json.dumps(ANSWERS[request.format](await self._intake.count(exchange))).encode()
        flow.response = http.Response.make(200, body, {"content-type": "application/json"})


def _asked_about(body: bytes) -> bytes:
    """The model call's body; Gemini also takes it wrapped, beside the model's name."""
    if b'"generateContentRequest"' not in body:
        return body
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body
    inner = found.get("generateContentRequest") if isinstance(found, dict) else None
    return json.dumps(inner).encode() if isinstance(inner, dict) else body


def _counting(model_call: str, asked: str) -> str:
    """The path of the question beside the model call's: the same end as in the one that was asked."""
    if ":" in asked.rpartition("/")[2]:
        return f"{model_call.rpartition(':')[0]}:{asked.rpartition(':')[2]}"
    return f"{model_call}/{asked.rpartition('/')[2]}"
