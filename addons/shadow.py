"""Copies after the answer, within a budget: what a rule's `shadow` would have said, cost and taken.

An agent never waits for a copy. It is made when the agent has its whole answer, prepared in a thread where it has to be
translated, sent and read in one (`copying.py`). What is too much is not made: two at a time, a short line, the day's
budget. A provider that rests gets none, nor one that a limit has begun to warn of, nor one with a limit of how many
requests run at once: those places are the agents'.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import TypeVar

from mitmproxy import http

from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.conversations import Conversations
from ringlet_mitm.addons.copies import Courier, Original, Outcome, copy_of, expected_cost, rows_of
from ringlet_mitm.addons.copy_budget import CopyBudget
from ringlet_mitm.addons.exchange import Exchange, exchange_of
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.limits import Action
from ringlet_mitm.rules.peek import Unreadable
from ringlet_mitm.rules.reliability import Attempt, timeouts_at
from ringlet_mitm.rules.splits import within
from ringlet_mitm.rules.targets import Target

AT_ONCE = 2
MOST_WAITING = 32
MOST_WAITING_BYTES = 32 * 1024 * 1024
# mitmproxy's last hook comes before the last bytes have left.
PAUSE_S = 0.1
DAY_S = 86_400

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Left(Exception):
    """Why a copy is not made: a word for counts, and a sentence for the log, "" where nobody needs to know."""

    def __init__(self, why: str, said: str = "") -> None:
        super().__init__(why)
        self.why, self.said = why, said


class Shadow:
    """Makes the copies of one proxy; `sinks` get their rows as they get the requests'."""

    def __init__(
        self,
        admission: Admission,
        bookkeeper: Bookkeeper,
        courier: Courier,
        budget: CopyBudget,
        sinks: Sequence[Callable[[RequestRow, tuple[AttemptRow, ...]], None]],
        preparer: Preparer,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._preparer = preparer
        self._admission = admission
        # Who answered a conversation last is another question for copies than for requests.
        self._bookkeeper = replace(bookkeeper, conversations=Conversations())
        self._courier = courier
        self._budget = budget
        self._sinks = tuple(sinks)
        self._pause_s = pause_s
        self._waiting: deque[Original] = deque()
        self._under_way: dict[str, tuple[Exchange, Original]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._left: Counter[str] = Counter()
        self._said: dict[str, float] = {}
        self._sent = 0
        self._done = False

    def response(self, flow: http.HTTPFlow) -> None:
        """The agent has its answer: line up a copy where the rule wants one. Comes before the exchange is let go."""
        original = _original(exchange_of(flow))
        if original is None or self._done:
            return
        try:
            self._check(original)
        except Left as left:
            self._leave(left)
            return
        self._waiting.append(original)
        self._go_on()

    def error(self, flow: http.HTTPFlow) -> None:
        """Some agents hang up as soon as they have the last event."""
        self.response(flow)

    def done(self) -> None:
        """What is under way is not waited for: nobody knows what it will have cost."""
        self._done = True
        self._waiting.clear()
        gone = Outcome(time.time_ns() // 1000, failure=Failure(FailureKind.CLIENT_GONE))
        for exchange, original in tuple(self._under_way.values()):
            self._record(exchange, original, gone)
        for task in self._tasks:
            task.cancel()

    def report(self) -> dict[str, object]:
        """For `/health`."""
        return {
            "sent": self._sent,
            "under_way": len(self._under_way),
            "waiting": len(self._waiting),
            "left_out": dict(self._left),
            "usd_today": float(self._budget.today),
        }

    def _check(self, original: Original) -> None:
        """Whether to line it up at all; raises Left."""
        said, row = self._admission.live.ruling.book.shadowing, original.row
        if not within(f"shadow\0{original.who}", said.share):
            raise Left("share")
        if said.max_tokens is not None and row.usage.total_input > said.max_tokens:
            raise Left("max-tokens")
        held = sum(one.size for one in self._waiting) + original.size
        if len(self._waiting) >= MOST_WAITING or held > MOST_WAITING_BYTES:
            raise Left("line", "copies are left out: more requests come than copies can be made, two at a time")

    def _go_on(self) -> None:
        """Begin with what waits, as far as there is room."""
        while self._waiting and len(self._tasks) < AT_ONCE and not self._done:
            task = asyncio.get_running_loop().create_task(self._copy(self._waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("a copy could not be made", exc_info=error)
        self._go_on()

    async def _copy(self, original: Original) -> None:
        await asyncio.sleep(self._pause_s)
        try:
            await self._copied(original)
        except Left as left:
            self._leave(left)
        except RingletError as error:
            self._leave(Left("unusable", f"no copy was made: {error}"))

    async def _copied(self, original: Original) -> None:
        ruling = self._admission.live.ruling
        exchange = copy_of(original, ruling)
        target = exchange.targets[0]
        await self._open(target)
        expected = expected_cost(original, target, ruling, self._bookkeeper)
        if expected is None:
            said = f"no copies to {_name(target)}: its price is not known, so usd-per-day of [shadow] could not hold"
            raise Left("no price", f"{said}; `ringlet-mitm models add` takes one")
        if not await self._budget.take(ruling.book.shadowing.usd_per_day, expected):
            raise Left("budget", self._no_room())
        row = None
        try:
            row = await self._send(exchange, original, target)
        finally:
            self._budget.settle(expected, row)

    async def _send(self, exchange: Exchange, original: Original, target: Target) -> RequestRow | None:
        live, turn = self._admission.live, exchange.turn
        assert turn is not None
        exchange.outbound, label = await self._preparer.ready(turn, target, apart_bytes=0)
        exchange.calibration = live.calibration.ratio(target.provider, target.model)
        exchange.started_us = time.time_ns() // 1000
        exchange.attempts.append(Attempt(1, target, label, exchange.started_us))
        if live.ruling.book.limits.limits:
            self._admission.budget.sent(exchange.id, target.provider, original.row.usage.total_input)
        self._under_way[exchange.id] = (exchange, original)
        self._sent += 1
        timeouts = timeouts_at(turn.decision.policy, target)
        outcome = await apart(partial(self._courier.carry, exchange, timeouts))
        return self._record(exchange, original, outcome)

    async def _open(self, target: Target) -> None:
        """Whether its provider may be asked for a copy now; raises Left."""
        limits, admission = self._admission.live.ruling.book.limits, self._admission
        if target.provider in limits.parallel:
            raise Left("parallel", f"no copies to {target.provider}: its places in [limits] are for requests")
        if admission.breakers.rests(target):
            raise Left("resting")
        if limits.limits:
            await admission.budget.ready()
            if admission.budget.check(limits, target.provider, target.model).action is not Action.ALLOW:
                raise Left("limits")

    def _no_room(self) -> str:
        if not self._budget.known:
            return "no copies as long as the ledger cannot be read: nobody knows what they have cost today"
        today = f"${self._budget.today:.2f}"
        return f"copies have cost {today} today: the next one would be more than usd-per-day of [shadow]"

    def _record(self, exchange: Exchange, original: Original, outcome: Outcome) -> RequestRow | None:
        """Once for each; None where it was recorded already."""
        if self._under_way.pop(exchange.id, None) is None:
            return None
        row, attempts = rows_of(exchange, original, outcome, self._bookkeeper)
        for sink in self._sinks:
            sink(row, attempts)
        return row

    def _leave(self, left: Left) -> None:
        """Count it, and say why, once a day for each reason."""
        self._left[left.why] += 1
        now = time.monotonic()
        if left.said and now - self._said.get(left.why, -DAY_S) >= DAY_S:
            self._said[left.why] = now
            logger.warning("%s", left.said)


def _original(exchange: Exchange | None) -> Original | None:
    """What a copy is made of; None where the rule wants none, or the agent got no good answer."""
    if exchange is None or exchange.turn is None or exchange.row is None:
        return None
    row, turn = exchange.row, exchange.turn
    if turn.decision.shadow is None or isinstance(turn.peek, Unreadable):
        return None
    good = row.status is not None and row.status < 400 and not row.error_class
    return Original(turn, row) if good else None


async def apart(work: Callable[[], T]) -> T:
    """What `work` gives, in a thread of its own that nobody waits for when the proxy ends."""
    future: Future[T] = Future()

    def run() -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:  # whoever awaits it gets it
            future.set_exception(error)

    threading.Thread(target=run, name="shadow", daemon=True).start()
    return await asyncio.wrap_future(future)


def _name(target: Target) -> str:
    return f"{target.provider}/{target.model}"
