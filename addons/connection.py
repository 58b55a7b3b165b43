"""One model of one provider, ready to be asked from Python: the same routing, signing, codecs and rows as the proxy's.

What the proxy does with an agent's request is done here with one of our own: asked for by name, lined up, prepared,
signed, sent, read, priced and written into the spool; and sent again, to another key or provider, when that fails. Only
the sending is another, a plain HTTP client, and the waiting is the caller's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx

from ringlet_mitm.addons.answering import answer_context
from ringlet_mitm.addons.asking import format_for, question
from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.recorder import Sink
from ringlet_mitm.addons.relay import Reading
from ringlet_mitm.addons.sending import Http, sent
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.addons.usage.rows import new_id
from ringlet_mitm.addons.windows import Windows
from ringlet_mitm.addons.wire.canonical import Conversation, Refusal, Reply, Text
from ringlet_mitm.addons.wire.codec import read_json
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.faults import classify, parse_error
from ringlet_mitm.addons.wire.retry_hints import may_retry, retry_after_ms
from ringlet_mitm.addons.wire.translator import whole_answer
from ringlet_mitm.rules.errors import RingletError, RouteError, Untranslatable
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.peek import AgentRequest, Peek, peek
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.redaction import masked
from ringlet_mitm.rules.reliability import Attempt, GiveBack, Next, Policy, Step, Wait, next_step, timeouts_at
from ringlet_mitm.rules.routing import Decision, Route
from ringlet_mitm.rules.targets import ProfilePin, Target, lined_up

# No provider's host: so the request goes to the provider that was named, with its key, whatever its format is.
ASKED_HOST = "localhost"
BYTES_PER_TOKEN = 4
SAID_LIMIT = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """What is done about failures: `sleep` takes seconds, `jitter` gives 0 to 1 for the length of waits."""

    policy: Policy
    windows: Windows
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


class Connection:
    """Asks one model, and where `route` or `pin` say so others when it fails.

    Close it after use; not for several threads at once.
    """

    def __init__(
        self,
        spec: ProviderSpec,
        route: Route,
        registry: ProviderRegistry,
        pin: ProfilePin,
        preparer: Preparer,
        bookkeeper: Bookkeeper,
        sinks: tuple[Sink, ...],
        http: Http,
        patience: Patience,
    ) -> None:
        self.spec = spec
        self.model = route.model or ""
        self._route = route
        self._registry = registry
        self._pin = pin
        self._preparer = preparer
        self._bookkeeper = bookkeeper
        self._sinks = sinks
        self._patience = patience
        self._client = http.client()

    @property
    def name(self) -> str:
        """As reports say it."""
        return f"{self.spec.provider_id}/{self.model}"

    def close(self) -> None:
        """Give its connections back."""
        self._client.close()

    def ask(self, conversation: Conversation) -> Reply:
        """The answer; raises RouteError with the provider's words. What came of it is recorded either way."""
        exchange = self._lined_up(replace(conversation, model=self.model, stream=False))
        try:
            return self._answered(exchange)
        except RouteError:
            exchange.failure = exchange.failure or Failure(FailureKind.NOT_SENT)
            raise
        finally:
            self._record(exchange)

    def _lined_up(self, conversation: Conversation) -> Exchange:
        asked = question(conversation, format_for(self.spec, self.model))
        request = AgentRequest(
            asked.format, "POST", "http", ASKED_HOST, 80, asked.path, asked.headers, asked.body, direct=True
        )
        seen = peek(request, self._registry.by_host)
        label = f"connector → {self._route.provider}"
        decision = Decision(label, None, self._route, None, 1.0, self._patience.policy)
        features = seen.features if isinstance(seen, Peek) else None
        lineup = lined_up(self._route, request, features, self._registry, self._pin)
        # Nobody asked any host for it: a fallback to the one that was asked leads nowhere.
        targets = tuple(target for target in lineup.targets if not target.as_asked)
        return Exchange(
            new_id(), _now_us(), request, Turn(request, seen, decision), targets=targets, skipped=lineup.skipped
        )

    def _answered(self, exchange: Exchange) -> Reply:
        """Tries as long as the policy says."""
        step: Step = Next(exchange.targets[0])
        while not isinstance(step, GiveBack):
            reply = self._tried(exchange, step)
            if reply is not None:
                return reply
            step = self._step(exchange)
        raise RouteError(_told(exchange))

    def _tried(self, exchange: Exchange, step: Wait | Next) -> Reply | None:
        """One attempt; where it fails, its failure is the last attempt's."""
        assert exchange.turn is not None
        target, waited_ms = (step.target, 0) if isinstance(step, Next) else (exchange.attempts[-1].target, step.ms)
        if waited_ms:
            self._patience.sleep(waited_ms / 1000)
        number = len(exchange.attempts) + 1
        try:
            outbound, key_label = waited(self._preparer.ready(exchange.turn, target))
        except RingletError as error:
            if number == 1:
                raise
            not_sent = Failure(FailureKind.NOT_SENT, None, ProviderError("not_sent", str(error)))
            now_us = _now_us()
            exchange.attempts.append(Attempt(number, target, "", now_us, None, now_us, waited_ms, None, not_sent))
            return None
        exchange.forget_answer()
        exchange.outbound = outbound
        exchange.attempts.append(Attempt(number, target, key_label, _now_us(), wait_ms=waited_ms))
        answer = sent(self._client, outbound, timeouts_at(self._patience.policy, target))
        reply = None
        if isinstance(answer, Failure):
            exchange.failure = answer
        else:
            reply = _read(exchange, target, answer)
        exchange.close_attempt(_now_us())
        return reply

    def _step(self, exchange: Exchange) -> Step:
        """What follows the last attempt."""
        tried, failure = tuple(exchange.attempts), exchange.attempts[-1].failure
        assert failure is not None
        if self._preparer.renews_after(tried):
            return Wait(0)
        windows = self._patience.windows.after_now(self._registry, tried, exchange.targets)
        now_ms, jitter = _now_us() // 1000, self._patience.jitter()
        return next_step(self._patience.policy, exchange.targets, tried, failure, now_ms, jitter, windows)

    def _record(self, exchange: Exchange) -> None:
        now_us = _now_us()
        exchange.close_attempt(now_us)
        row, attempts = self._bookkeeper.rows(exchange, now_us)
        for sink in self._sinks:
            sink(row, attempts)


def text_of(reply: Reply) -> str:
    """What the model said to the person, without its thoughts."""
    said = (block.text for block in reply.blocks if isinstance(block, Text | Refusal))
    return "".join(said)


def waited(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, also where the caller's own event loop is running (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _read(exchange: Exchange, target: Target, answer: httpx.Response) -> Reply | None:
    """The answer, also in the exchange; None where it is an error, which is then the exchange's failure."""
    exchange.first_byte_us, status = _now_us(), answer.status_code
    exchange.status = status
    reply, error = _parsed(exchange, target, answer)
    exchange.reading = _reading(reply, error, answer)
    if reply is None:
        headers = answer.headers.raw
        hint_ms = retry_after_ms(headers, answer.content, time.time())
        said = error or ProviderError("unreadable", answer.text)
        exchange.failure = Failure(classify(status, error), status, said, hint_ms, may_retry(headers))
    return reply


def _parsed(exchange: Exchange, target: Target, answer: httpx.Response) -> tuple[Reply | None, ProviderError | None]:
    """The answer, or the error that came in its place."""
    translation = exchange.outbound.translation if exchange.outbound is not None else None
    if translation is not None:
        context = answer_context(exchange, translation)
        whole = whole_answer(translation, context, answer.status_code, answer.content)
        return whole.reply, whole.error
    error = parse_error(answer.content)
    if answer.status_code >= 400 or error is not None:
        return None, error
    try:
        return CODECS[target.format].parse_reply(read_json(answer.content)), None
    except (ValueError, Untranslatable) as reason:
        return None, ProviderError("bad_gateway", f"the answer makes no sense: {reason}")


def _reading(reply: Reply | None, error: ProviderError | None, answer: httpx.Response) -> Reading:
    return Reading(
        usage=reply.usage if reply else None,
        model=reply.model if reply else "",
        stop_reason=(reply.stop_said or reply.stop) if reply else "",
        error=error,
        bytes_out=len(answer.content),
        output_estimate=-(-len(text_of(reply)) // BYTES_PER_TOKEN) if reply else 0,
        complete=True,
    )


def _told(exchange: Exchange) -> str:
    """What the last provider said that was asked, and what else was tried."""
    target, failure = exchange.target, exchange.failure
    assert target is not None and failure is not None
    said = masked(" ".join((failure.error.message if failure.error else "").split()))[:SAID_LIMIT]
    if failure.status is None:
        there = target.endpoint
        told = f"{target.provider} at {there.scheme}://{there.host}:{there.port} {said}"
    else:
        told = f"{_name(target)} answered {failure.status} ({failure.kind}): {said or 'nothing'}"
    attempts = exchange.attempts
    if len(attempts) == 1:
        return told
    failed = ((_name(one.target), one.failure) for one in attempts)
    others = dict.fromkeys(f"{name} ({why.kind})" for name, why in failed if why and name != _name(target))
    also = f"; also tried: {', '.join(others)}" if others else ""
    return f"{told}, after {len(attempts)} attempts{also}"


def _name(target: Target) -> str:
    return f"{target.provider}/{target.model}"


def _now_us() -> int:
    return time.time_ns() // 1000
