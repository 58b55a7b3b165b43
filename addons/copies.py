"""Copies of requests for a rule's shadow: what one is made of, what came of it, and the rows that it leaves.

A copy is prepared and signed as every attempt is, from the agent's request; only that it pretends to have been sent to
nobody's host. So it goes to the provider that the rule names, with that provider's key, also where the agent asked the
very same one: what the agent signed in with is for what the agent asked.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Protocol

from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.addons.relay import Reading
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow, new_id
from ringlet_mitm.rules.failures import Failure
from ringlet_mitm.rules.peek import Peek
from ringlet_mitm.rules.pricing import Usage, cost
from ringlet_mitm.rules.reliability import Timeouts
from ringlet_mitm.rules.shadowing import SHADOW, label_of
from ringlet_mitm.rules.targets import Target, lined_up

NOBODYS_HOST = "localhost"
LOCAL = "Local"
MODULE = "ringlet_mitm.addons.copying"


@dataclass(frozen=True, slots=True)
class Original:
    """A request that was answered, as much of it as a copy needs; the exchange itself forgets its body."""

    turn: Turn
    row: RequestRow

    @property
    def size(self) -> int:
        """Bytes that are kept for it."""
        return len(self.turn.request.body)

    @property
    def who(self) -> str:
        """Whose request it is: the session's, so that conversations are copied whole and caches work as they would."""
        return self.row.session or self.row.id


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a copy; times are microseconds since the epoch. `reading` is None where nothing was to be read."""

    ended_us: int
    status: int | None = None
    first_byte_us: int | None = None
    reading: Reading | None = None
    failure: Failure | None = None


class Courier(Protocol):
    """Takes a copy to its target and waits for what comes of it; called in a thread, by several at once."""

    def carry(self, exchange: Exchange, timeouts: Timeouts) -> Outcome:
        """What came of the exchange's outbound request; it changes nothing in the exchange."""


class LateCourier:
    """Sends with a client of our own that is loaded with the first copy: httpx takes 0.1 s and 10 MB."""

    def __init__(self, detours: tuple[Detour, ...] = (), upstream_ca: Path | None = None) -> None:
        self._detours = detours
        self._upstream_ca = upstream_ca
        self._loading = threading.Lock()
        self._courier: Courier | None = None

    def carry(self, exchange: Exchange, timeouts: Timeouts) -> Outcome:
        """See `Courier`."""
        with self._loading:
            if self._courier is None:
                self._courier = import_module(MODULE).HttpCourier(self._detours, self._upstream_ca)
        return self._courier.carry(exchange, timeouts)


def copy_of(original: Original, ruling: Ruling) -> Exchange:
    """The exchange of a copy, with one target; raises RingletError where its provider cannot take it."""
    turn = original.turn
    decision, seen = turn.decision, turn.peek
    assert decision.shadow is not None
    route = replace(decision.shadow, fallback=(), alone=True)
    decision = replace(decision, label=label_of(decision.label), route=route, arm="", shadow=None, sticky=None)
    request = replace(turn.request, host=NOBODYS_HOST, direct=True)
    features = seen.features if isinstance(seen, Peek) else None
    target = lined_up(route, request, features, ruling.registry, ruling.pin).targets[0]
    copied = replace(turn, request=request, decision=decision)
    row = original.row
    return Exchange(
        new_id(), time.time_ns() // 1000, request, copied, targets=(target,), counted_tokens=row.counted_tokens
    )


def expected_cost(original: Original, target: Target, ruling: Ruling, bookkeeper: Bookkeeper) -> Decimal | None:
    """USD that a copy will cost if its answer is as long as the agent's was; None where the price is not known.

    Servers on this machine cost nothing that anybody could be billed for.
    """
    used = original.row.usage
    usage = Usage(input_tokens=used.total_input, output_tokens=used.total_output)
    found = cost(usage, bookkeeper.prices.card(target.provider, target.model)).total
    spec = ruling.registry.get(target.provider)
    return Decimal(0) if found is None and spec is not None and spec.category == LOCAL else found


def rows_of(
    exchange: Exchange, original: Original, outcome: Outcome, bookkeeper: Bookkeeper
) -> tuple[RequestRow, tuple[AttemptRow, ...]]:
    """The rows of a copy. Nobody asked for it, so what was asked for would have cost nothing."""
    exchange.status, exchange.first_byte_us = outcome.status, outcome.first_byte_us
    exchange.reading, exchange.failure = outcome.reading, outcome.failure
    exchange.close_attempt(outcome.ended_us)
    row, attempts = bookkeeper.rows(exchange, outcome.ended_us)
    asked = original.row
    copied = replace(
        row,
        origin=SHADOW,
        shadow_of=asked.id,
        asked_host=asked.asked_host,
        path=asked.path,
        cost_as_asked=Decimal(0),
        response_bytes=0,
    )
    return copied, attempts
