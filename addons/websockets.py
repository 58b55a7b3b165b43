"""WebSockets on model paths: passed through where all that may follow goes where it was asked to go, else refused.

Codex opens one before it says anything, and the rules are about what it is going to say. So the handshake is passed
only where no rule could want anything else (rules/handshakes.py). Otherwise it is answered 426, at which Codex and
others go on over HTTP at once, which is what we can route; any other refusal is tried six more times with growing
pauses (Codex 0.169.0, seen 2026-11). That holds for a limit that is reached as well: the request over HTTP is then told
of it in the agent's own format, and leaves a row.

What is passed is read along, so that each turn is counted like a call over HTTP. Where the rules change under an open
WebSocket, it is closed between two turns, and the handshake that comes then is decided anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from mitmproxy import ctx, http

from ringlet_mitm.addons.addressing import asks_proxy
from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.in_flight import answering, told
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.addons.socket_relay import Nudge, SocketPort, install
from ringlet_mitm.addons.socket_sums import SocketSums
from ringlet_mitm.addons.turns_on_socket import OpenTurn, Passed, SocketTurns
from ringlet_mitm.addons.usage.snapshot import Stream
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.failures import FailureKind
from ringlet_mitm.rules.handshakes import why_not
from ringlet_mitm.rules.limits import Action
from ringlet_mitm.rules.peek import AgentRequest, Unreadable
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.shapes import WireFormat, format_of
from ringlet_mitm.rules.targets import Target, lined_up

logger = logging.getLogger(__name__)

LOOK_S = 0.3
NOT_AS_ASKED = "went on as asked over an open WebSocket"


@dataclass(slots=True)
class PassedSocket:
    """A WebSocket of an agent; `ruling` is the last one that was found to leave it alone."""

    flow: http.HTTPFlow
    handshake: AgentRequest
    live: Live
    ruling: Ruling
    turns: SocketTurns = field(init=False)
    sums: SocketSums = field(default_factory=SocketSums)

    def from_client(self, data: bytes) -> Passed:
        """What the agent sends."""
        return self.turns.from_client(data)

    def from_server(self, data: bytes) -> Passed:
        """What the provider sends."""
        return self.turns.from_server(data)

    def closes(self) -> bool:
        """Whether rules have come into force that want something else, and nothing is under way."""
        ruling = self.live.ruling
        if ruling is self.ruling or not self.turns.idle:
            return False
        if why_not(ruling.book, self.handshake, ruling.registry, ruling.pin):
            return True
        self.ruling = ruling
        return False

    def ended(self, *, by_client: bool) -> None:
        """The connection is gone."""
        self.turns.ended(FailureKind.CLIENT_GONE if by_client else FailureKind.BROKEN_STREAM)

    def closed(self) -> tuple[bool, int] | None:
        """Whether it was the agent that closed it, and by what code, as far as a frame said so."""
        return self.turns.closed


class WebSockets(SocketPort):
    """Decides handshakes, and follows what was passed. `decrypted` says whether a host is one of the agents'.

    `watched` is whether anybody looks at flows, `shows` whether they may see messages. WebSockets that are none of ours
    are left to mitmproxy's own layer where people, or their scripts, look at them.
    """

    def __init__(
        self,
        live: Live,
        intake: Intake,
        admission: Admission,
        record: Callable[[Exchange], None],
        decrypted: Callable[[str], bool],
        *,
        watched: bool = False,
        shows: bool = False,
    ) -> None:
        self._live, self._intake, self._admission = live, intake, admission
        self._record, self._decrypted = record, decrypted
        self._watched = watched
        self.shows = shows
        self._decided: dict[str, PassedSocket] = {}
        self._open: set[str] = set()
        self._looking: asyncio.Task[None] | None = None

    @property
    def open(self) -> int:
        """How many WebSockets are open, those that are none of ours included."""
        return len(self._open)

    @property
    def turns(self) -> list[OpenTurn]:
        """The turns that are under way on them."""
        return [turn for one in self._sockets() for turn in one.turns.open]

    def streams(self) -> list[Stream]:
        """The same as a snapshot tells of them."""
        return [told(turn.exchange, answering(turn.exchange), turn.bytes_out) for turn in self.turns]

    def running(self) -> None:
        """Called once the port is open."""
        install(self)
        self._looking = asyncio.get_running_loop().create_task(self._look())

    def done(self) -> None:
        """What is under way is cut off."""
        if self._looking is not None:
            self._looking.cancel()
        for one in self._sockets():
            one.turns.ended(FailureKind.PROXY_STOPPED)
            one.ended(by_client=False)

    async def request(self, flow: http.HTTPFlow) -> None:
        """Let the handshake pass, or answer it; those of others pass."""
        request = flow.request
        if flow.response is not None or request.headers.get("upgrade", "").lower() != "websocket":
            return
        wire_format, direct = format_of("POST", request.path), asks_proxy(flow)
        if wire_format is None or not (direct or self._decrypted(request.host)):
            return
        handshake = AgentRequest(
            format=wire_format,
            method=request.method,
            scheme=request.scheme,
            host=request.host,
            port=request.port,
            path=request.path,
            headers=request.headers.fields,
            body=b"",
            direct=direct,
        )
        ruling = self._live.ruling
        why = await self._why_not(handshake, ruling)
        if why:
            logger.info("WebSocket to %s answered 426: %s", request.host, why)
            flow.response = http.Response.make(426, b"", {"upgrade": "HTTP/1.1", "connection": "close"})
            return
        self._decided[flow.id] = PassedSocket(flow, handshake, self._live, ruling)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """The provider may say no."""
        if flow.response is not None and flow.response.status_code != 101:
            self._decided.pop(flow.id, None)

    def error(self, flow: http.HTTPFlow) -> None:
        """There was no answer."""
        self._decided.pop(flow.id, None)

    def websocket_start(self, flow: http.HTTPFlow) -> None:
        """It is open."""
        self._open.add(flow.id)
        one = self._decided.get(flow.id)
        if one is not None and flow.response is not None:
            extensions = flow.response.headers.get("sec-websocket-extensions", "")
            one.turns = SocketTurns(one.handshake, extensions, partial(self._ended, one))

    def _ended(self, one: PassedSocket, exchange: Exchange) -> None:
        self._record(exchange)
        if exchange.row is not None:
            one.sums.add(exchange.row)
            one.flow.comment = str(one.sums)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """It is closed."""
        self._open.discard(flow.id)
        self._decided.pop(flow.id, None)

    async def socket_turn(self, flow: http.HTTPFlow) -> None:
        """Say of the turns that have begun what the rules say of them; they are on their way already."""
        one = self._decided.get(flow.id)
        for turn in one.turns.unrouted() if one is not None else ():
            await self._route(turn)

    def passes(self, flow: http.HTTPFlow) -> bool:
        """Whether it goes through our relay."""
        return not self._watched or flow.id in self._decided

    def socket(self, flow: http.HTTPFlow) -> PassedSocket | None:
        """Who reads along."""
        return self._decided.get(flow.id) if flow.id in self._open else None

    def _sockets(self) -> list[PassedSocket]:
        return [one for name, one in self._decided.items() if name in self._open]

    async def _why_not(self, handshake: AgentRequest, ruling: Ruling) -> str:
        if handshake.format is not WireFormat.RESPONSES:
            return "nobody speaks this format over a WebSocket"
        why = why_not(ruling.book, handshake, ruling.registry, ruling.pin)
        limits = ruling.book.limits
        if why or not limits.limits:
            return why
        await self._admission.budget.ready()
        said = self._admission.budget.check(limits, ruling.registry.by_host(handshake.host))
        return said.said if said.action >= Action.SWITCH else ""

    async def _route(self, turn: OpenTurn) -> None:
        exchange, note = turn.exchange, turn.exchange.note
        with suppress(RingletError):
            await self._intake.route(exchange)
        exchange.note = note or exchange.note
        target = self._target(exchange)
        exchange.targets = (target,)
        if turn.part:
            exchange.counted_tokens = None  # of what is new; the provider counts all that came before as well
        exchange.calibration = self._live.calibration.ratio(target.provider, target.model)
        attempt = Attempt(1, target, "agent", exchange.started_us)
        exchange.attempts.append(attempt)
        self._admission.sent(exchange, attempt)

    def _target(self, exchange: Exchange) -> Target:
        """Where it has gone: to the host asked, for the model asked."""
        seen = exchange.turn.peek if exchange.turn is not None else None
        if exchange.turn is None or seen is None or isinstance(seen, Unreadable):
            features = None
        else:
            features = replace(seen.features, stream=True)
            exchange.turn = replace(exchange.turn, peek=replace(seen, features=features))
        (target,) = lined_up(Route(), exchange.request, features, self._live.ruling.registry).targets
        first = exchange.targets[0] if exchange.targets else target
        if features is not None and (not first.as_asked or first.model != features.model):
            exchange.remark(NOT_AS_ASKED)
        return target

    async def _look(self) -> None:
        """Close those that the rules have changed for, also while nothing passes on them."""
        while True:
            await asyncio.sleep(LOOK_S)
            for one in self._sockets():
                if one.closes():
                    with suppress(ValueError):  # the connection is gone just now
                        ctx.master.addons.get("proxyserver").inject_event(Nudge(one.flow, None))
