"""Every exchange leaves its rows here, once, before the agent sees the end of its answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mitmproxy import http
from mitmproxy.connection import ConnectionState

from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.exchange import Exchange, exchange_of
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.rules.failures import Failure, FailureKind

# What mitmproxy answers the agent where the provider cannot be reached.
BAD_GATEWAY = 502
Sink = Callable[[RequestRow, tuple[AttemptRow, ...]], None]


class Recorder:
    """Turns finished exchanges into rows and hands them to the sinks, the spool first.

    The relay calls `record` at the terminal event: mitmproxy's own response hook comes after the last bytes went out,
    and an agent could then hold a complete answer that no row tells of.
    """

    def __init__(self, bookkeeper: Bookkeeper, sinks: Sequence[Sink], *, keeps_bodies: bool = False) -> None:
        self._bookkeeper = bookkeeper
        self._keeps_bodies = keeps_bodies
        self._sinks = tuple(sinks)
        self.recorded = 0

    def record(self, exchange: Exchange, *, given: int | None = None) -> None:
        """Write the rows of `exchange`; a second call does nothing.

        `given` is the status that the agent gets where no provider sent one.
        """
        if exchange.row is not None:
            return
        now_us = time.time_ns() // 1000
        exchange.close_attempt(now_us)
        if exchange.status is None:
            exchange.status = given
        exchange.row, attempts = self._bookkeeper.rows(exchange, now_us)
        self.recorded += 1
        for sink in self._sinks:
            sink(exchange.row, attempts)

    def response(self, flow: http.HTTPFlow) -> None:
        """Answers without a body, and those made here, were not relayed."""
        exchange = exchange_of(flow)
        if exchange is None:
            return
        if exchange.row is not None:
            self._let_go(flow, exchange)
            return
        if flow.response is not None:
            exchange.status = flow.response.status_code
        self.record(exchange)

    def error(self, flow: http.HTTPFlow) -> None:
        """The agent or the provider went away in the middle."""
        exchange = exchange_of(flow)
        if exchange is None or exchange.row is not None:
            return
        if exchange.failure is None:
            exchange.failure = Failure(_kind(flow, exchange), exchange.status)
        if exchange.relay is not None:
            exchange.relay.abort()
        gone = exchange.failure.kind is not FailureKind.UNREACHABLE
        self.record(exchange, given=None if gone else BAD_GATEWAY)

    def _let_go(self, flow: http.HTTPFlow, exchange: Exchange) -> None:
        """Drop the bodies of a finished flow that nobody can look at.

        mitmproxy's flows lie in reference cycles, so megabytes would wait for the garbage collector.
        """
        if not self._keeps_bodies:
            flow.request.data.content = None
            exchange.let_go()


def _kind(flow: http.HTTPFlow, exchange: Exchange) -> FailureKind:
    """Whose connection it was, in mitmproxy's words ("Client disconnected.", "stream reset by client (CANCEL)")."""
    said = flow.error.msg.lower() if flow.error else ""
    if said.startswith("client ") or " by client" in said or flow.client_conn.state is ConnectionState.CLOSED:
        return FailureKind.CLIENT_GONE
    return FailureKind.UNREACHABLE if exchange.status is None else FailureKind.BROKEN_STREAM
