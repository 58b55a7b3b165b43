"""The requests that are under way: what a snapshot tells of them, and their end where the proxy stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mitmproxy.http import HTTPFlow

from ringlet_mitm.addons.exchange import Exchange, exchange_of
from ringlet_mitm.addons.http_stream import PatientStream
from ringlet_mitm.addons.usage.snapshot import Stream
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.peek import Peek


def streams() -> list[Stream]:
    """All of this process, the oldest first; on its event loop."""
    each = [(stream, exchange) for stream, exchange in _exchanges() if exchange.row is None]
    found = [told(exchange, _phase(stream, exchange), _sent(exchange)) for stream, exchange in each]
    return in_order(found)


def in_order(found: Iterable[Stream]) -> list[Stream]:
    """The oldest first."""
    return sorted(found, key=lambda stream: (stream.started_us, stream.id))


def cut_off(record: Callable[[HTTPFlow], None]) -> None:
    """Have each of them written down as cut off; `record` is what hears of flows that go wrong."""
    for stream, exchange in _exchanges():
        if exchange.row is None:
            exchange.failure = Failure(FailureKind.PROXY_STOPPED, exchange.status)
            record(stream.flow)


def _exchanges() -> list[tuple[PatientStream, Exchange]]:
    each = ((stream, exchange_of(stream.flow)) for stream in tuple(PatientStream.in_flight))
    return [(stream, exchange) for stream, exchange in each if exchange is not None]


def told(exchange: Exchange, phase: str, sent: int) -> Stream:
    """One that is under way; `sent` are the bytes that have gone to the agent."""
    target, turn = exchange.target, exchange.turn
    features = turn.peek.features if turn is not None and isinstance(turn.peek, Peek) else None
    return Stream(
        id=exchange.id,
        started_us=exchange.started_us,
        phase=phase,
        session=features.session if features else "",
        agent=features.agent if features else "",
        provider=target.provider if target else "",
        model=(target.model if target else "") or (features.model if features else ""),
        rule=turn.decision.label if turn else "",
        attempt=max(1, len(exchange.attempts)),
        first_byte_us=exchange.first_byte_us,
        bytes=sent,
    )


def _sent(exchange: Exchange) -> int:
    return exchange.relay.bytes_out if exchange.relay is not None else 0


def _phase(stream: PatientStream, exchange: Exchange) -> str:
    if stream.in_line:
        return "in line"
    if stream.again is not None:
        return "between tries"
    if stream.connecting:
        return "connecting"
    return answering(exchange)


def answering(exchange: Exchange) -> str:
    """The phase of what has been sent."""
    return "waiting" if exchange.first_byte_us is None else "streaming"
