"""The loop: what came in is read, decided, lined up, prepared, signed and sent; and sent again when that fails.

Each attempt, the first included, goes through `_send`; the agent's request is kept unchanged in the exchange.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from mitmproxy import http

from ringlet_mitm.addons.answering import answer_context
from ringlet_mitm.addons.exchange import Exchange, attach, exchange_of
from ringlet_mitm.addons.failing import ANSWERED, failure_of, is_no_answer, made_answer
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.live import Live
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.refusing import refuse
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.addons.stream_port import Waiting
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.reliability import Attempt, GiveBack, Next, Wait, next_step
from ringlet_mitm.rules.shapes import format_of
from ringlet_mitm.rules.targets import Target

# Agents give up after 30 to 300 s without a byte; Anthropic itself pings about every 10 s.
PING_S = 5.0


class Dispatch:
    """Routes model calls; every other request passes untouched. `jitter` is 0 to 1, for the length of waits."""

    def __init__(
        self,
        live: Live,
        intake: Intake,
        preparer: Preparer,
        ping_s: float = PING_S,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._live = live
        self._intake = intake
        self._preparer = preparer
        self._ping_s = ping_s
        self._jitter = jitter

    async def request(self, flow: http.HTTPFlow) -> None:
        """Take a model call in and send it where the rules say, or answer with an error that the agent understands."""
        if flow.response is not None:
            return
        exchange = await self._intake.take_in(flow, format_of(flow.request.method, flow.request.path))
        if exchange is None:
            return
        attach(flow, exchange)
        exchange.raw_body = flow.request.raw_content or b""
        try:
            await self._intake.route(exchange)
            await self._send(flow, exchange, exchange.targets[0])
        except RingletError as error:
            refuse(flow, exchange, error)

    async def upstream_failed(self, flow: http.HTTPFlow) -> None:
        """An attempt has failed before anything went to the agent: prepare another one, or what the agent is told."""
        exchange = exchange_of(flow)
        if exchange is None or exchange.turn is None or exchange.setback is None:
            return
        response = flow.response if exchange.setback.trouble in ANSWERED else None
        answered = failure = failure_of(exchange, exchange.setback, response)
        exchange.setback = None
        while True:
            exchange.failure, exchange.status = failure, failure.status
            exchange.close_attempt(_now_us())
            step = Wait(0) if self._renews(exchange, failure) else self._step(exchange, failure)
            if isinstance(step, GiveBack):
                break
            target = step.target if isinstance(step, Next) else exchange.attempts[-1].target
            waited_ms = step.ms if isinstance(step, Wait) else 0
            try:
                outbound, key_label = await self._preparer.ready(exchange.turn, target)
            except RingletError as error:
                # A fallback that cannot be used, for want of a key say, is passed over; its row says why.
                failure = Failure(FailureKind.NOT_SENT, None, ProviderError("not_sent", str(error)))
                exchange.attempts.append(_attempt(exchange, target, "", waited_ms))
                continue
            begun = exchange.waiting if exchange.waiting is not None and exchange.waiting.begun else None
            exchange.forget_answer()
            self._put(flow, exchange, outbound, _attempt(exchange, target, key_label, waited_ms))
            exchange.waiting = begun or exchange.waiting
            exchange.again_s = waited_ms / 1000
            return
        exchange.failure, exchange.status = answered, answered.status
        if response is None or is_no_answer(exchange, answered):
            exchange.told = True
            exchange.gate = exchange.relay = None
            flow.response = made_answer(exchange, answered)

    def _renews(self, exchange: Exchange, failure: Failure) -> bool:
        """Whether a token was refused before its time, as after a sign-out elsewhere: a new one is worth one try."""
        here = exchange.attempts[-1]
        tried = [attempt for attempt in exchange.attempts if attempt.target == here.target]
        return failure.status == 401 and len(tried) == 1 and self._preparer.renews(here.target)

    def _step(self, exchange: Exchange, failure: Failure) -> Wait | Next | GiveBack:
        assert exchange.turn is not None
        policy, now_ms = exchange.turn.decision.policy, _now_us() // 1000
        return next_step(policy, exchange.targets, tuple(exchange.attempts), failure, now_ms, self._jitter())

    async def _send(self, flow: http.HTTPFlow, exchange: Exchange, target: Target) -> None:
        assert exchange.turn is not None
        outbound, key_label = await self._preparer.ready(exchange.turn, target)
        self._put(flow, exchange, outbound, _attempt(exchange, target, key_label))

    def _put(self, flow: http.HTTPFlow, exchange: Exchange, outbound: Outbound, attempt: Attempt) -> None:
        target = attempt.target
        exchange.calibration = self._live.calibration.ratio(target.provider, target.model)
        exchange.outbound = outbound
        exchange.attempts.append(attempt)
        exchange.waiting = _waiting(exchange, outbound, self._ping_s)
        apply(flow.request, outbound, exchange.raw_body)


def _attempt(exchange: Exchange, target: Target, key_label: str, waited_ms: int = 0) -> Attempt:
    """The next one; where it waits first, it starts after that."""
    started_us = _now_us() + waited_ms * 1000
    return Attempt(len(exchange.attempts) + 1, target, key_label, started_us, wait_ms=waited_ms)


def _now_us() -> int:
    return time.time_ns() // 1000


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
