"""One model of one provider, ready to be asked from Python: the same routing, signing, codecs and rows as the proxy's.

What the proxy does with an agent's request is done here with one of our own: asked for by name, lined up, prepared,
signed, sent, read, priced and written into the spool. Only the sending is another, a plain HTTP client.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx

from ringlet_mitm.addons.answering import answer_context
from ringlet_mitm.addons.asking import format_for, question
from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.credentials.logins.vendor_client import Detours
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.recorder import Sink
from ringlet_mitm.addons.relay import Reading
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.addons.usage.rows import new_id
from ringlet_mitm.addons.wire.canonical import Conversation, Refusal, Reply, Text
from ringlet_mitm.addons.wire.codec import read_json
from ringlet_mitm.addons.wire.codecs import CODECS
from ringlet_mitm.addons.wire.faults import classify, parse_error
from ringlet_mitm.addons.wire.translator import whole_answer
from ringlet_mitm.rules.errors import RouteError, Untranslatable
from ringlet_mitm.rules.failures import Failure, FailureKind, ProviderError
from ringlet_mitm.rules.peek import AgentRequest, Peek, peek
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.redaction import masked
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.routing import Decision, Route
from ringlet_mitm.rules.targets import ProfilePin, Target, line_up

# No provider's host: so the request goes to the provider that was named, with its key, whatever its format is.
ASKED_HOST = "localhost"
BYTES_PER_TOKEN = 4
SAID_LIMIT = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Http:
    """How requests are sent: what `--connect-to` and `--upstream-ca` say for a proxy. Nothing of the environment.

    The shell of who works through us says `HTTPS_PROXY=…` and means a proxy of ours.
    """

    timeout_s: float
    detours: tuple[Detour, ...] = ()
    upstream_ca: Path | None = None

    def client(self) -> httpx.Client:
        """A client; it is made once for a connection."""
        ca = self.upstream_ca
        context = ssl.create_default_context(cafile=str(ca)) if ca else httpx.create_ssl_context(trust_env=False)
        transport = Detours(self.detours, context) if self.detours else httpx.HTTPTransport(verify=context)
        timeout = httpx.Timeout(self.timeout_s, connect=min(self.timeout_s, 10.0))
        return httpx.Client(transport=transport, timeout=timeout, trust_env=False)


class Connection:
    """Asks one model. Close it after use; not for several threads at once."""

    def __init__(
        self,
        spec: ProviderSpec,
        model: str,
        registry: ProviderRegistry,
        pin: ProfilePin,
        preparer: Preparer,
        bookkeeper: Bookkeeper,
        sinks: tuple[Sink, ...],
        http: Http,
    ) -> None:
        self.spec = spec
        self.model = model
        self._registry = registry
        self._pin = pin
        self._preparer = preparer
        self._bookkeeper = bookkeeper
        self._sinks = sinks
        self._http = http
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
        exchange, target = self._lined_up(replace(conversation, model=self.model, stream=False))
        try:
            reply = self._asked(exchange, target)
        except RouteError:
            exchange.failure = exchange.failure or Failure(FailureKind.NOT_SENT)
            raise
        finally:
            self._record(exchange)
        return reply

    def _lined_up(self, conversation: Conversation) -> tuple[Exchange, Target]:
        asked = question(conversation, format_for(self.spec, self.model))
        request = AgentRequest(
            asked.format, "POST", "http", ASKED_HOST, 80, asked.path, asked.headers, asked.body, direct=True
        )
        seen = peek(request, self._registry.by_host)
        route = Route(self.spec.provider_id, self.model)
        exchange = Exchange(new_id(), _now_us(), request)
        exchange.turn = Turn(request, seen, Decision(f"connector → {route.provider}", None, route, None, 1.0))
        features = seen.features if isinstance(seen, Peek) else None
        exchange.targets = line_up(route, request, features, self._registry, self._pin)
        return exchange, exchange.targets[0]

    def _asked(self, exchange: Exchange, target: Target) -> Reply:
        assert exchange.turn is not None
        outbound, key_label = waited(self._preparer.ready(exchange.turn, target))
        exchange.outbound = outbound
        exchange.attempts.append(Attempt(1, target, key_label, started_us=_now_us()))
        answer = self._sent(exchange, outbound)
        exchange.first_byte_us, exchange.status = _now_us(), answer.status_code
        reply, error = _read(exchange, target, answer)
        exchange.reading = _reading(reply, error, answer)
        if reply is None:
            exchange.failure = Failure(classify(answer.status_code, error), answer.status_code, error)
            raise RouteError(self._refusal(exchange.failure, answer))
        return reply

    def _sent(self, exchange: Exchange, outbound: Outbound) -> httpx.Response:
        url = httpx.URL(
            scheme=outbound.scheme, host=outbound.host, port=outbound.port, raw_path=outbound.path.encode("ascii")
        )
        request = self._client.build_request(
            outbound.method, url, headers=list(outbound.headers), content=outbound.body
        )
        where = f"{self.spec.provider_id} at {outbound.scheme}://{outbound.host}:{outbound.port}"
        try:
            return self._client.send(request)
        except httpx.TimeoutException:
            exchange.failure = Failure(FailureKind.TIMED_OUT)
            raise RouteError(f"{where} did not answer within {self._http.timeout_s:g} s") from None
        except httpx.HTTPError as error:
            exchange.failure = Failure(FailureKind.UNREACHABLE)
            raise RouteError(f"{where} cannot be reached: {masked(str(error)) or type(error).__name__}") from None

    def _refusal(self, failure: Failure, answer: httpx.Response) -> str:
        said = failure.error.message if failure.error else answer.text
        words = masked(" ".join(said.split()))[:SAID_LIMIT]
        return f"{self.name} answered {answer.status_code} ({failure.kind}): {words or 'nothing'}"

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


def _read(exchange: Exchange, target: Target, answer: httpx.Response) -> tuple[Reply | None, ProviderError | None]:
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


def _now_us() -> int:
    return time.time_ns() // 1000
