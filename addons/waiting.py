"""How agents are kept waiting: signs of life while nothing of an answer can go out yet."""

from __future__ import annotations

from ringlet_mitm.addons.answering import answer_context, answer_id
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.stream_port import Waiting
from ringlet_mitm.addons.wire.pings import ping_of
from ringlet_mitm.rules.peek import Peek

# Agents give up after 30 to 300 s without a byte; Anthropic itself pings about every 10 s.
PING_S = 5.0
# With the first ping the head of the answer has gone out, and what fails then is an event of the stream, which agents
# put up with less than with a status. So it comes late where the provider may still answer well.
PATIENCE = 3


def while_whole(exchange: Exchange, outbound: Outbound, ping_s: float) -> Waiting | None:
    """For an agent that asked for a stream of a provider that gives none."""
    translation = outbound.translation
    if translation is None or translation.streams or not translation.conversation.stream:
        return None
    ping = translation.agent.renderer(answer_context(exchange, translation)).ping
    return Waiting(ping_s, ping_s, translation.content_type, ping)


def while_trying(exchange: Exchange, ping_s: float) -> Waiting | None:
    """For an agent that asked for a stream, while it stands in line, or waits for another attempt."""
    seen, asked = exchange.turn.peek if exchange.turn is not None else None, exchange.request
    if not isinstance(seen, Peek) or not seen.features.stream:
        return None
    ping = ping_of(asked.format, asked.path, seen.features.model, answer_id(exchange.id))
    return Waiting(PATIENCE * ping_s, ping_s, "text/event-stream", lambda: ping) if ping else None
