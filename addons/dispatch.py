"""The loop: what came in is read, decided, lined up, prepared, signed and sent.

Each attempt, the first included, goes through `_send`; the agent's request is kept unchanged in the exchange.
"""

from __future__ import annotations

import time

from mitmproxy import http

from ringlet_mitm.addons.answering import answer_context
from ringlet_mitm.addons.exchange import Exchange, attach
from ringlet_mitm.addons.http_stream import Waiting
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.live import Live
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.refusing import refuse
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.shapes import format_of
from ringlet_mitm.rules.targets import Target

# Agents give up after 30 to 300 s without a byte; Anthropic itself pings about every 10 s.
PING_S = 5.0


class Dispatch:
    """Routes model calls; every other request passes untouched."""

    def __init__(self, live: Live, intake: Intake, preparer: Preparer, ping_s: float = PING_S) -> None:
        self._live = live
        self._intake = intake
        self._preparer = preparer
        self._ping_s = ping_s

    async def request(self, flow: http.HTTPFlow) -> None:
        """Take a model call in and send it where the rules say, or answer with an error that the agent understands."""
        if flow.response is not None:
            return
        exchange = await self._intake.take_in(flow, format_of(flow.request.method, flow.request.path))
        if exchange is None:
            return
        attach(flow, exchange)
        try:
            await self._intake.route(exchange)
            await self._send(flow, exchange, exchange.targets[0])
        except RingletError as error:
            refuse(flow, exchange, error)

    async def _send(self, flow: http.HTTPFlow, exchange: Exchange, target: Target) -> None:
        assert exchange.turn is not None
        exchange.calibration = self._live.calibration.ratio(target.provider, target.model)
        outbound, key_label = await self._preparer.ready(exchange.turn, target)
        exchange.outbound = outbound
        exchange.attempts.append(
            Attempt(len(exchange.attempts) + 1, target, key_label, started_us=time.time_ns() // 1000)
        )
        exchange.waiting = _waiting(exchange, outbound, self._ping_s)
        apply(flow.request, outbound)


def _waiting(exchange: Exchange, outbound: Outbound, ping_s: float) -> Waiting | None:
    """Signs of life for an agent that asked for a stream of a provider that gives none."""
    translation = outbound.translation
    if translation is None or translation.streams or not translation.conversation.stream:
        return None
    return Waiting(
        every_s=ping_s,
        content_type=translation.content_type,
        ping=translation.agent.renderer(answer_context(exchange, translation)).ping,
    )
