"""The requests that are under way, as a snapshot tells of them."""

from __future__ import annotations

from ringlet_mitm.addons.exchange import Exchange, exchange_of
from ringlet_mitm.addons.http_stream import PatientStream
from ringlet_mitm.addons.usage.snapshot import Stream
from ringlet_mitm.rules.peek import Peek


def streams() -> list[Stream]:
    """All of this process, the oldest first; on its event loop."""
    found = [_told(stream, exchange) for stream, exchange in _exchanges() if exchange.row is None]
    return sorted(found, key=lambda stream: (stream.started_us, stream.id))


def _exchanges() -> list[tuple[PatientStream, Exchange]]:
    each = ((stream, exchange_of(stream.flow)) for stream in tuple(PatientStream.in_flight))
    return [(stream, exchange) for stream, exchange in each if exchange is not None]


def _told(stream: PatientStream, exchange: Exchange) -> Stream:
    target, turn = exchange.target, exchange.turn
    features = turn.peek.features if turn is not None and isinstance(turn.peek, Peek) else None
    return Stream(
        id=exchange.id,
        started_us=exchange.started_us,
        phase=_phase(stream, exchange),
        session=features.session if features else "",
        agent=features.agent if features else "",
        provider=target.provider if target else "",
        model=(target.model if target else "") or (features.model if features else ""),
        rule=turn.decision.label if turn else "",
        attempt=max(1, len(exchange.attempts)),
        first_byte_us=exchange.first_byte_us,
        bytes=exchange.relay.bytes_out if exchange.relay is not None else 0,
    )


def _phase(stream: PatientStream, exchange: Exchange) -> str:
    if stream.in_line:
        return "in line"
    if stream.again is not None:
        return "between tries"
    if stream.connecting:
        return "connecting"
    return "waiting" if exchange.first_byte_us is None else "streaming"
