"""Exchanges as dispatch leaves them, on mitmproxy's test flows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bodies import asked, compact, host_as_provider
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from ringlet_mitm.addons.answer import Answer
from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.exchange import Exchange, attach
from ringlet_mitm.addons.outbound import prepare
from ringlet_mitm.addons.recorder import Recorder
from ringlet_mitm.addons.sessions import Sessions
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.rules.peek import peek
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.rulebook import Route
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import line_up

REGISTRY = registry({})
HELLO = [{"role": "user", "content": "hello"}]
STARTED_US = 1_760_000_000_000_000
Rows = list[tuple[RequestRow, tuple[AttemptRow, ...]]]


def routed(
    wire_format: WireFormat,
    body: Any = None,
    *,
    provider: str | None = "groq",
    model: str = "llama-3.3-70b-versatile",
    **more: Any,
) -> Exchange:
    """A request that was read, decided on and sent once."""
    content = {"model": "asked-model", "messages": HELLO} if body is None else body
    request = replace(asked(wire_format, content, path="/v1/x/messages?key=K"), host="api.anthropic.com")
    seen = peek(request, host_as_provider)
    decision = Decision("tool-use → groq", 0, Route(provider, model), None, 1.0)
    targets = line_up(decision.route, request, getattr(seen, "features", None), REGISTRY)
    turn = Turn(request, seen, decision)
    exchange = Exchange("id-1", STARTED_US, request, turn, targets, **more)
    if targets[0].format is request.format:
        exchange.outbound = prepare(turn, targets[0])
    exchange.attempts.append(Attempt(1, targets[0], "env:GROQ_API_KEY", STARTED_US + 5))
    return exchange


def flow_with(
    exchange: Exchange | None, *, status: int = 200, content: bytes | None = None, **headers: str
) -> http.HTTPFlow:
    """A flow whose response head has come."""
    fields = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    response = tutils.tresp(status_code=status, headers=http.Headers(fields), content=content)
    flow = tflow.tflow(resp=response)
    if exchange is not None:
        attach(flow, exchange)
    return flow


class Way:
    """The way back of an answer: the addons that see it, and the rows they leave."""

    def __init__(self) -> None:
        self.rows: Rows = []
        self.recorder = Recorder(
            Bookkeeper("work", PriceBook()), [lambda row, attempts: self.rows.append((row, attempts))]
        )
        self.answer = Answer(self.recorder.record, Sessions(), lambda exchange: None)

    @property
    def row(self) -> RequestRow:
        """The only row there is."""
        ((row, _),) = self.rows
        return row

    @property
    def attempt(self) -> AttemptRow:
        """The only attempt of it."""
        ((_, (attempt,)),) = self.rows
        return attempt

    def open(self, flow: http.HTTPFlow) -> Any:
        """The relay that the response got."""
        self.answer.responseheaders(flow)
        assert flow.response is not None
        return flow.response.stream

    def pass_on(self, flow: http.HTTPFlow, *pieces: bytes) -> bytes:
        """All of an answer, from its head to mitmproxy's last hook."""
        relay = self.open(flow)
        out = b"".join(b"".join(relay(piece)) for piece in (*pieces, b""))
        self.recorder.response(flow)
        return out


__all__ = ["HELLO", "STARTED_US", "Way", "compact", "flow_with", "routed"]
