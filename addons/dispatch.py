"""The loop: what came in is read, decided, lined up, prepared, signed and sent; and sent again when that fails.

Each attempt, the first included, goes through `_send`; the agent's request is kept unchanged in the exchange.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mitmproxy import http

from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.exchange import Exchange, attach, exchange_of
from ringlet_mitm.addons.failing import ANSWERED, failure_of, is_no_answer, made_answer
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.live import Live
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.refusing import refuse
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.addons.waiting import PING_S, while_trying, while_whole
from ringlet_mitm.addons.windows import Windows
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.limits import Action
from ringlet_mitm.rules.reliability import Attempt, GiveBack, Next, Wait, next_step
from ringlet_mitm.rules.shapes import format_of
from ringlet_mitm.rules.targets import Target


class Dispatch:
    """Routes model calls; every other request passes untouched. `jitter` is 0 to 1, for the length of waits."""

    def __init__(
        self,
        live: Live,
        intake: Intake,
        preparer: Preparer,
        admission: Admission,
        windows: Windows,
        ping_s: float = PING_S,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._live = live
        self._intake = intake
        self._preparer = preparer
        self._admission = admission
        self._windows = windows
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
        exchange.over = self._admission.over
        try:
            await self._intake.route(exchange)
            await self._keep_within_limits(exchange)
            await self._begin(flow, exchange, self._admission.first(exchange))
        except RingletError as error:
            refuse(flow, exchange, error)

    async def _begin(self, flow: http.HTTPFlow, exchange: Exchange, target: Target) -> None:
        try:
            await self._send(flow, exchange, target)
        except RingletError:
            self._admission.not_sent(target)
            if target is exchange.targets[0]:
                raise
            await self._send(flow, exchange, exchange.targets[0])  # one that rests is better than one that cannot be

    async def _keep_within_limits(self, exchange: Exchange) -> None:
        """Where a limit says to go elsewhere, go there."""
        said = await self._admission.verdict(exchange)
        if said is not None and said.action is Action.SWITCH and said.limit is not None and said.limit.to is not None:
            exchange.remark(said.said)
            exchange.obeyed = (*exchange.obeyed, said.limit)
            self._intake.redirect(exchange, said.limit)

    async def upstream_failed(self, flow: http.HTTPFlow) -> None:
        """An attempt has failed before anything went to the agent: prepare another one, or what the agent is told."""
        exchange = exchange_of(flow)
        if exchange is None or exchange.turn is None or exchange.setback is None:
            return
        response = flow.response if exchange.setback.trouble in ANSWERED else None
        answered = failure_of(exchange, exchange.setback, response)
        exchange.setback = None
        if not await self._tries_again(flow, exchange, answered):
            _give_back(flow, exchange, answered, response)

    async def _tries_again(self, flow: http.HTTPFlow, exchange: Exchange, failure: Failure) -> bool:
        """Whether there is another attempt, which is prepared then."""
        assert exchange.turn is not None
        while True:
            exchange.failure, exchange.status = failure, failure.status
            ended = replace(exchange.attempts[-1], failure=failure)
            exchange.renews = self._preparer.renews_after((*exchange.attempts[:-1], ended))
            exchange.close_attempt(_now_us())
            step = Wait(0) if exchange.renews else await self._step(exchange, failure)
            if isinstance(step, GiveBack):
                return False
            target = step.target if isinstance(step, Next) else exchange.attempts[-1].target
            waited_ms = step.ms if isinstance(step, Wait) else 0
            try:
                self._admission.admit(exchange, target)
                outbound, key_label = await self._preparer.ready(exchange.turn, target)
            except RingletError as error:
                # A fallback that cannot be used, for want of a key say, is passed over; its row says why.
                failure = Failure(FailureKind.NOT_SENT, None, ProviderError("not_sent", str(error)))
                exchange.attempts.append(_attempt(exchange, target, "", waited_ms))
                exchange.first_byte_us = None
                continue
            waiting = exchange.waiting
            exchange.forget_answer()
            self._put(flow, exchange, outbound, _attempt(exchange, target, key_label, waited_ms))
            if waiting is not None and waiting.begun:
                exchange.waiting = waiting
            else:
                exchange.waiting = exchange.waiting or while_trying(exchange, self._ping_s)
            exchange.again_s = waited_ms / 1000
            return True

    async def _step(self, exchange: Exchange, failure: Failure) -> Wait | Next | GiveBack:
        assert exchange.turn is not None
        policy, chain, tried = exchange.turn.decision.policy, exchange.targets, tuple(exchange.attempts)
        windows = await self._windows.after(self._live.ruling, tried, chain)
        now_ms, jitter = _now_us() // 1000, self._jitter()
        rests = partial(self._admission.rests, exchange)
        return next_step(policy, chain, tried, failure, now_ms, jitter, windows, rests)

    async def _send(self, flow: http.HTTPFlow, exchange: Exchange, target: Target) -> None:
        assert exchange.turn is not None
        outbound, key_label = await self._preparer.ready(exchange.turn, target)
        self._put(flow, exchange, outbound, _attempt(exchange, target, key_label))

    def _put(self, flow: http.HTTPFlow, exchange: Exchange, outbound: Outbound, attempt: Attempt) -> None:
        target = attempt.target
        exchange.calibration = self._live.calibration.ratio(target.provider, target.model)
        exchange.outbound = outbound
        exchange.attempts.append(attempt)
        self._admission.sent(exchange, attempt)
        exchange.waiting = while_whole(exchange, outbound, self._ping_s)
        apply(flow.request, outbound, exchange.raw_body)


def _give_back(flow: http.HTTPFlow, exchange: Exchange, failure: Failure, response: http.Response | None) -> None:
    """What the provider answered, where the agent can do with it; else an error of ours that says what it was."""
    exchange.failure, exchange.status = failure, failure.status
    begun = exchange.waiting is not None and exchange.waiting.begun
    if response is None or begun or is_no_answer(exchange, failure):
        exchange.told = True
        exchange.gate = exchange.relay = None
        flow.response = made_answer(exchange, failure)


def _attempt(exchange: Exchange, target: Target, key_label: str, waited_ms: int = 0) -> Attempt:
    """The next one; where it waits first, it starts after that."""
    started_us = _now_us() + waited_ms * 1000
    return Attempt(len(exchange.attempts) + 1, target, key_label, started_us, wait_ms=waited_ms)


def _now_us() -> int:
    return time.time_ns() // 1000
