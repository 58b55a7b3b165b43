"""The loop: what came in is read, decided, lined up, prepared, signed and sent.

Each attempt, the first included, goes through `_send`; the agent's request is kept unchanged in the exchange.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from mitmproxy import http

from ringlet_mitm.addons.addressing import VENDORS, asks_proxy
from ringlet_mitm.addons.counting import Counter
from ringlet_mitm.addons.credentials.schemes import sign
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.exchange import Exchange, attach
from ringlet_mitm.addons.live import Live
from ringlet_mitm.addons.outbound import Outbound, Turn, prepare
from ringlet_mitm.addons.rewriting import apply
from ringlet_mitm.addons.usage.rows import new_id
from ringlet_mitm.addons.wire.encodings import decode_whole
from ringlet_mitm.addons.wire.faults import error_body
from ringlet_mitm.rules.errors import NoKey, RingletError, RouteError
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.peek import AgentRequest, Peek, Unreadable, peek
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.routing import NEED_TOKENS, Decision, Route, decide, decide_unreadable
from ringlet_mitm.rules.shapes import format_of
from ringlet_mitm.rules.targets import Target, line_up

BODY_LIMIT = 256 * 1024 * 1024


class Dispatch:
    """Routes model calls; every other request passes untouched."""

    def __init__(self, live: Live, counter: Counter, vault: Vault, decrypted: Callable[[str], bool]) -> None:
        self._live = live
        self._counter = counter
        self._vault = vault
        self._decrypted = decrypted

    async def request(self, flow: http.HTTPFlow) -> None:
        """Take a model call in and send it where the rules say, or answer with an error that the agent understands."""
        if flow.response is not None:
            return
        exchange = await self._take_in(flow)
        if exchange is None:
            return
        attach(flow, exchange)
        try:
            await self._route(exchange)
            self._send(flow, exchange, exchange.targets[0])
        except RingletError as error:
            _refuse(flow, exchange, error)

    async def _take_in(self, flow: http.HTTPFlow) -> Exchange | None:
        request = flow.request
        wire_format = format_of(request.method, request.path)
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
            path=request.path,
            headers=request.headers.fields,
            body=raw if body is None else body,
            direct=direct,
        )
        return Exchange(id=new_id(), started_us=started_us, request=asked)

    async def _route(self, exchange: Exchange) -> None:
        started = time.perf_counter_ns()
        ruling = self._live.ruling
        request = exchange.request
        seen = peek(request, ruling.registry.by_host)
        if isinstance(seen, Unreadable):
            exchange.note = f"not read: {seen.why}"
            decision = decide_unreadable(ruling.book)
        else:
            decision = await self._decide(exchange, seen)
        exchange.turn = Turn(request, seen, decision)
        features = None if isinstance(seen, Unreadable) else seen.features
        targets = line_up(decision.route, request, features, ruling.registry, ruling.pin)
        if features is None and targets[0].format is not request.format:
            # Nobody can translate what nobody can read: the host that it was meant for says what is wrong with it.
            targets = line_up(Route(), request, None, ruling.registry)
        exchange.targets = targets
        exchange.decision_us = (time.perf_counter_ns() - started) // 1000

    async def _decide(self, exchange: Exchange, seen: Peek) -> Decision:
        """The decision; long texts are counted only where the bounds leave it open."""
        live = self._live
        features = seen.features
        survey = self._counter.survey(seen.parts)
        known = self._counter.at_once(survey) if live.ruling.book.counts_tokens else survey.exact
        if known is not None:
            features = replace(features, exact_tokens=known)
        decision = decide(live.ruling.book, features, live.calibration)
        if decision is NEED_TOKENS:
            known = await self._counter.count(survey)
            decision = decide(live.ruling.book, replace(features, exact_tokens=known), live.calibration)
        assert isinstance(decision, Decision)
        exchange.counted_tokens = known
        return decision

    def _send(self, flow: http.HTTPFlow, exchange: Exchange, target: Target) -> None:
        assert exchange.turn is not None
        exchange.calibration = self._live.calibration.ratio(target.provider, target.model)
        outbound, key_label = self._prepare(exchange.turn, target)
        exchange.outbound = outbound
        exchange.attempts.append(
            Attempt(len(exchange.attempts) + 1, target, key_label, started_us=time.time_ns() // 1000)
        )
        apply(flow.request, outbound)

    def _prepare(self, turn: Turn, target: Target) -> tuple[Outbound, str]:
        """The signed request, and the label of the key in it."""
        if target.as_asked and not turn.request.direct:
            return prepare(turn, target), "agent"
        secret = self._vault.find(target.key_ref) if target.key_ref else None
        if target.as_asked and secret is None:
            return prepare(turn, target), "agent"
        outbound = prepare(turn, target, replace_credentials=True)
        if secret is None and target.key_ref and target.auth != "none":
            secret = self._vault.get(target.key_ref, target.provider)
        if secret is not None:
            self._check(target, outbound)
        return sign(outbound, target.auth, secret), target.key_ref.label if target.key_ref else ""

    def _check(self, target: Target, outbound: Outbound) -> None:
        """A key goes nowhere but to its own provider, whatever a bug elsewhere makes of the address."""
        spec = self._live.ruling.registry.get(target.provider)
        if spec is None or not spec.may_receive_key(outbound.scheme, outbound.host, outbound.port):
            raise RouteError(f"the key of provider '{target.provider}' is not for {outbound.host}:{outbound.port}")


async def _decoded(raw: bytes, encoding: str) -> bytes | None:
    """A body without its content-encoding, None where that fails; in a thread, since a kilobyte may hold a gigabyte."""
    if not encoding:
        return raw
    return await asyncio.to_thread(decode_whole, raw, encoding, BODY_LIMIT)


def _refuse(flow: http.HTTPFlow, exchange: Exchange, error: RingletError) -> None:
    """Answer in the agent's own error format; no attempt was made."""
    status = 401 if isinstance(error, NoKey) else 400
    said = ProviderError("authentication_error" if status == 401 else "invalid_request_error", f"ringlet-mitm: {error}")
    exchange.failure = Failure(FailureKind.NOT_SENT, status, said)
    body = error_body(exchange.request.format, status, said)
    flow.response = http.Response.make(status, body, {"content-type": "application/json"})
