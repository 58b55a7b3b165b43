"""From a flow to a routed exchange: what came in is read, decided, and lined up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from mitmproxy import http

from ringlet_mitm.addons.addressing import VENDORS, asks_proxy
from ringlet_mitm.addons.conversations import Conversations
from ringlet_mitm.addons.counting import Counter
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.lineups import Lineups
from ringlet_mitm.addons.live import Live
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.addons.usage.rows import new_id
from ringlet_mitm.addons.wire.encodings import decode_whole
from ringlet_mitm.rules.limits import Limit
from ringlet_mitm.rules.peek import AgentRequest, Peek, RequestFeatures, Unreadable, peek
from ringlet_mitm.rules.routing import NEED_TOKENS, Decision, Need, Route, decide, decide_unreadable
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import lined_up

BODY_LIMIT = 256 * 1024 * 1024


class Intake:
    """Takes model calls in; what is not for us is left alone."""

    def __init__(
        self,
        live: Live,
        counter: Counter,
        decrypted: Callable[[str], bool],
        conversations: Conversations | None = None,
    ) -> None:
        self._live = live
        self._counter = counter
        self._decrypted = decrypted
        self._conversations = Conversations() if conversations is None else conversations
        self._lineups = Lineups()

    async def take_in(self, flow: http.HTTPFlow, wire_format: WireFormat | None, path: str = "") -> Exchange | None:
        """The exchange of a request in `wire_format`; None where it is none, or of a host that is not ours.

        `path` stands for the request's own where that is not a model call's.
        """
        request = flow.request
        if wire_format is None:
            return None
        direct = asks_proxy(flow)
        if not direct and not self._decrypted(request.host):
            return None
        started_us = time.time_ns() // 1000
        raw = request.raw_content or b""
        body = await _decoded(raw, request.headers.get("content-encoding", ""))
        asked = AgentRequest(
            format=wire_format,
            method=request.method,
            scheme="https" if direct else request.scheme,
            host=VENDORS[wire_format] if direct else request.host,
            port=443 if direct else request.port,
            path=path or request.path,
            headers=request.headers.fields,
            body=raw if body is None else body,
            direct=direct,
        )
        return Exchange(id=new_id(), started_us=started_us, request=asked)

    async def route(self, exchange: Exchange, *, part: bool = True) -> None:
        """Set the exchange's turn and targets; raises RouteError. `part` says whether it is one of its conversation."""
        started = time.perf_counter_ns()
        ruling = self._live.ruling
        request = exchange.request
        seen = peek(request, ruling.registry.by_host)
        if isinstance(seen, Unreadable):
            exchange.note = f"not read: {seen.why}"
            decision = decide_unreadable(ruling.book, exchange.id)
        else:
            decision = await self._decide(exchange, seen, ruling.book)
            if part and decision.sticky:
                self._conversations.took(seen.features, decision.label)
            if decision.kept:
                exchange.remark("kept by a sticky rule")
        exchange.turn, exchange.book = Turn(request, seen, decision), ruling.book
        features = None if isinstance(seen, Unreadable) else seen.features
        lineup = self._lineups.of(ruling, decision.route, request, features)
        if features is None and lineup.targets[0].format is not request.format:
            # Nobody can translate what nobody can read: the host that it was meant for says what is wrong with it.
            lineup = lined_up(Route(), request, None, ruling.registry)
        exchange.targets, exchange.skipped = lineup.targets, lineup.skipped
        exchange.decision_us = (time.perf_counter_ns() - started) // 1000

    def redirect(self, exchange: Exchange, limit: Limit) -> None:
        """Send it the way of a limit that is reached; raises RouteError."""
        turn, ruling = exchange.turn, self._live.ruling
        assert turn is not None and limit.to is not None
        decision = replace(
            turn.decision,
            label=limit.label,
            index=limit.index,
            route=limit.to,
            policy=limit.policy,
            kept=False,
            arm="",
            shadow=None,
        )
        features = None if isinstance(turn.peek, Unreadable) else turn.peek.features
        lineup = self._lineups.of(ruling, limit.to, turn.request, features)
        exchange.turn = replace(turn, decision=decision)
        exchange.targets, exchange.skipped = lineup.targets, lineup.skipped

    async def count(self, exchange: Exchange) -> int:
        """The estimated input tokens at the first target, counted where they are not yet."""
        assert exchange.turn is not None
        seen, target = exchange.turn.peek, exchange.targets[0]
        if isinstance(seen, Unreadable):
            return 0
        counted = exchange.counted_tokens
        if counted is None:
            counted = await self._counter.count(self._counter.survey(seen.parts))
        return round(counted * self._live.calibration.ratio(target.provider, target.model))

    async def _decide(self, exchange: Exchange, seen: Peek, book: RuleBook) -> Decision:
        """The decision; long texts are counted only where the bounds leave it open.

        Always by the same book: while counting another may come into force, whose providers are others.
        """
        features = seen.features
        survey = self._counter.survey(seen.parts)
        known = self._counter.at_once(survey) if book.counts_tokens else survey.exact
        if known is not None:
            features = replace(features, exact_tokens=known)
        decision = self._decided(exchange, features, book)
        if decision is NEED_TOKENS:
            known = await self._counter.count(survey)
            decision = self._decided(exchange, replace(features, exact_tokens=known), book)
        assert isinstance(decision, Decision)
        exchange.counted_tokens = known
        return decision

    def _decided(
        self, exchange: Exchange, features: RequestFeatures, book: RuleBook
    ) -> Decision | Literal[Need.TOKENS]:
        kept = self._conversations.kept(features) if book.sticks else ()
        return decide(book, features, self._live.calibration, kept, exchange.id)


async def _decoded(raw: bytes, encoding: str) -> bytes | None:
    """A body without its content-encoding, None where that fails; in a thread, since a kilobyte may hold a gigabyte."""
    if not encoding:
        return raw
    return await asyncio.to_thread(decode_whole, raw, encoding, BODY_LIMIT)
