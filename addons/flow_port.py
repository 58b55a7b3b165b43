"""Answers what mitmproxy's stream asks about a flow, from the flow's exchange."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from mitmproxy import http

from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.exchange import exchange_of
from ringlet_mitm.addons.stream_port import NO_LIMITS, Gate, Limits, Port, Setback, Waiting
from ringlet_mitm.addons.waiting import while_trying
from ringlet_mitm.addons.wire.faults import error_event
from ringlet_mitm.addons.wire.translator import BROKEN_OFF
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.reliability import timeouts_at


class FlowPort(Port):
    """The port of every proxy of ours."""

    def __init__(self, admission: Admission, ping_s: float) -> None:
        self._admission = admission
        self._ping_s = ping_s

    def is_ours(self, flow: http.HTTPFlow) -> bool:
        """Model calls that were sent somewhere."""
        exchange = exchange_of(flow)
        return exchange is not None and bool(exchange.attempts)

    def limits(self, flow: http.HTTPFlow) -> Limits:
        """As the policy of its rule says."""
        exchange = exchange_of(flow)
        if exchange is None or exchange.turn is None or exchange.target is None:
            return NO_LIMITS
        limits = timeouts_at(exchange.turn.decision.policy, exchange.target)
        return Limits(
            limits.connect_ms / 1000, limits.first_byte_ms / 1000, limits.idle_ms / 1000, limits.total_ms / 1000
        )

    def gate(self, flow: http.HTTPFlow) -> Gate | None:
        """What its answer has to pass; set with the answer's head."""
        exchange = exchange_of(flow)
        return exchange.gate if exchange is not None else None

    def failed(self, flow: http.HTTPFlow, setback: Setback) -> None:
        """Keep it for the hook."""
        exchange = exchange_of(flow)
        if exchange is not None:
            exchange.setback = setback

    def again(self, flow: http.HTTPFlow) -> float | None:
        """In how many seconds to send it again."""
        exchange = exchange_of(flow)
        if exchange is None:
            return None
        found, exchange.again_s = exchange.again_s, None
        return found

    def is_told(self, flow: http.HTTPFlow) -> bool:
        """Whether the agent gets our words."""
        exchange = exchange_of(flow)
        return exchange is not None and exchange.told

    def enters(self, flow: http.HTTPFlow, granted: Callable[[], None]) -> bool | None:
        """Plans with few requests at once have a line before them."""
        exchange = exchange_of(flow)
        if exchange is None:
            return True
        found = self._admission.enters(exchange, granted)
        if found is False:
            exchange.waiting = exchange.waiting or while_trying(exchange, self._ping_s)
        return found

    def entered(self, flow: http.HTTPFlow) -> None:
        """What it waited belongs to the wait before the attempt."""
        exchange = exchange_of(flow)
        if exchange is not None and exchange.attempts:
            planned, now_us = exchange.attempts[-1], time.time_ns() // 1000
            waited_ms = planned.wait_ms + (now_us - planned.started_us) // 1000
            exchange.attempts[-1] = replace(planned, started_us=now_us, wait_ms=waited_ms)

    def called_off(self, flow: http.HTTPFlow) -> None:
        """It has no row: nobody was asked."""
        exchange = exchange_of(flow)
        if exchange is not None:
            exchange.call_off()

    def fell_silent(self, flow: http.HTTPFlow) -> None:
        """The row says so."""
        exchange = exchange_of(flow)
        if exchange is not None:
            exchange.failure = Failure(FailureKind.TIMED_OUT, exchange.status)

    def waiting(self, flow: http.HTTPFlow) -> Waiting | None:
        """How its agent is kept waiting, if it is."""
        exchange = exchange_of(flow)
        return exchange.waiting if exchange is not None else None

    def ending(self, flow: http.HTTPFlow) -> bytes | None:
        """An error event where the agent has a stream that can take one."""
        exchange = exchange_of(flow)
        if exchange is None:
            return None
        if exchange.relay is not None:
            return exchange.relay.broken_off()
        if exchange.waiting is not None and exchange.waiting.begun:
            return error_event(exchange.request.format, 502, BROKEN_OFF)
        return None
