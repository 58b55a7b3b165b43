"""The one mutable record of a flow: what was asked, decided, tried, answered. Nobody else touches `flow.metadata`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mitmproxy import flow as mitmproxy_flow

from ringlet_mitm.addons.http_stream import Waiting
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.relay import Reading, Relay
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.addons.translating import TranslatingRelay
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.addons.wire.faults import error_event
from ringlet_mitm.addons.wire.translator import BROKEN_OFF
from ringlet_mitm.rules.failures import Failure
from ringlet_mitm.rules.peek import AgentRequest
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.shapes import Loss
from ringlet_mitm.rules.targets import Target

KEY = "ringlet"


@dataclass(slots=True)
class Exchange:
    """One request of an agent and its answer. Times are microseconds since the epoch."""

    id: str
    started_us: int
    request: AgentRequest
    turn: Turn | None = None
    targets: tuple[Target, ...] = ()
    outbound: Outbound | None = None
    attempts: list[Attempt] = field(default_factory=list)
    counted_tokens: int | None = None
    calibration: float = 1.0
    decision_us: int = 0
    first_byte_us: int | None = None
    status: int | None = None
    failure: Failure | None = None
    reading: Reading | None = None
    note: str = ""
    relay: Relay | TranslatingRelay | None = None
    waiting: Waiting | None = None
    answer_losses: tuple[Loss, ...] = ()
    row: RequestRow | None = None

    @property
    def target(self) -> Target | None:
        """Where the last attempt went, or the first will go."""
        if self.attempts:
            return self.attempts[-1].target
        return self.targets[0] if self.targets else None

    def close_attempt(self, now_us: int) -> None:
        """What is known of the last attempt at its end."""
        if self.attempts:
            self.attempts[-1] = replace(
                self.attempts[-1],
                status=self.status,
                first_byte_us=self.first_byte_us,
                ended_us=now_us,
                failure=self.failure,
            )

    def let_go(self) -> None:
        """Forget what only an attempt needs; the row stays."""
        self.turn = self.outbound = self.relay = self.waiting = None
        asked = self.request
        self.request = AgentRequest(
            asked.format, asked.method, asked.scheme, asked.host, asked.port, asked.path, (), b"", asked.direct
        )


def attach(flow: mitmproxy_flow.Flow, exchange: Exchange) -> None:
    """Make `exchange` the flow's."""
    flow.metadata[KEY] = exchange


def waiting_of(flow: mitmproxy_flow.Flow) -> Waiting | None:
    """How the flow's agent is kept waiting, if it is."""
    exchange = exchange_of(flow)
    return exchange.waiting if exchange is not None else None


def ending_of(flow: mitmproxy_flow.Flow) -> bytes | None:
    """What ends the agent's stream whose provider is gone: an error event where the stream is of our making."""
    exchange = exchange_of(flow)
    if exchange is None:
        return None
    if isinstance(exchange.relay, TranslatingRelay):
        return exchange.relay.broken_off()
    if exchange.waiting is not None and exchange.waiting.begun:
        return error_event(exchange.request.format, 502, BROKEN_OFF)
    return None


def exchange_of(flow: mitmproxy_flow.Flow) -> Exchange | None:
    """The flow's exchange; None where it is not a model call."""
    found = flow.metadata.get(KEY)
    return found if isinstance(found, Exchange) else None
