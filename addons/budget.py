"""How much of the limits is used, and what they say to a request; on the event loop, fed by the recorder.

Two sources, counted apart so that nothing is counted twice or lost: what this process spent, added up in memory from
its start on, and what all others of the profile did, as the ledger says (`Elsewhere`). Which is which a row's id tells.

An attempt counts as a request of its provider, and with its estimated tokens, from when it leaves. Its row then says
how many they were: input counts at that place without what was read from the prompt cache, output when it had ended.
So Anthropic counts against its own limits, and Groq (their pages on rate limits, accessed 2026-11-21).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from decimal import Decimal

from ringlet_mitm.addons.books import Books, Calendar
from ringlet_mitm.addons.elsewhere import Elsewhere
from ringlet_mitm.addons.minute import SLICES_A_SECOND, SPAN, Slice, by_age, leaves_in_s
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.rules.limits import ALLOWED, Action, Amount, Limit, LimitKind, Limits, Verdict, action_of, judged

logger = logging.getLogger(__name__)

# How often it is looked whether a reload brought limits.
LOOK_S = 1.0

# A provider, where its attempt was counted, and with how many tokens.
Place = tuple[str, tuple[Slice, Slice], int]


class Budget:
    """The limits' side of one proxy. `now` is in seconds since the epoch."""

    def __init__(self, profile: str, elsewhere: Elsewhere, now: Callable[[], float] = time.time) -> None:
        self._profile = profile
        self._elsewhere = elsewhere
        self._now = now
        self._calendar = Calendar()
        self._own = Books()
        self._underway: OrderedDict[str, list[Place]] = OrderedDict()
        self._told: dict[tuple[str, Action, Amount | None], int] = {}

    async def keep(self, limits: Callable[[], Limits]) -> None:
        """Reread the ledger as long as `limits` gives some that count; for the life of a proxy."""
        while True:
            pause = await self._elsewhere.turn(self._calendar.since(self._now())) if limits().limits else LOOK_S
            await asyncio.sleep(pause)

    async def ready(self) -> None:
        """Wait, up to 5 s, until what was spent before is known."""
        await self._elsewhere.ready()

    def check(self, limits: Limits, provider: str, model: str = "", *, obeyed: Collection[Limit] = ()) -> Verdict:
        """What they say to a request that would go to `provider`, there to `model`; see `judged`.

        What is no ALLOW is logged, once for each limit and period, and so are requests without a known price.
        """
        if not limits.limits:
            return ALLOWED
        self._roll()
        found = judged(limits, self._profile, provider, self, model=model, obeyed=obeyed)
        if found.limit is not None:
            self._say(found.limit, found.action, found.said)
        for limit in limits.limits:
            unpriced = self._unpriced(limit)
            if unpriced:
                some = f"{unpriced} request{'' if unpriced == 1 else 's'} without a known price counted as $0"
                self._say(limit, Action.ALLOW, f"limit {limit.name}: {some}")
        return found

    def sent(self, request_id: str, provider: str, tokens: int) -> None:
        """An attempt leaves for `provider`, with an estimate of its input."""
        now = self._now()
        self._forget(now)
        where = self._own.count(provider, now, 1, tokens)
        self._underway.setdefault(request_id, []).append((provider, where, tokens))

    def record(self, row: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        """A request is over: its row says what it used. A sink of the recorder."""
        self._roll()
        usage, places = row.usage, self._underway.pop(row.id, [])
        for place in places[:-1]:
            self._correct(place, 0)
        for place in places[-1:]:
            self._correct(place, usage.total_input - usage.cache_read_tokens)
        if usage.total_output:
            self._own.count(row.provider, self._now(), 0, usage.total_output)
        self._own.spend(row.provider, row.started_us, row.cost_total or Decimal(0), _unpriced(row))

    def report(self, limits: Limits) -> list[dict[str, object]]:
        """Each limit for `/health`: how much is used, what it says now, and how many requests had no known price."""
        self._roll()
        return [self._reported(limit) for limit in limits.limits]

    def used(self, limit: Limit) -> Amount:
        """Of this process and the others together."""
        now = self._now()
        own, others = (books.used(limit.kind, limit.provider, now) for books in self._books)
        return own + others

    def leaving(self, limit: Limit) -> Iterable[tuple[float, int]]:
        """See `Spending`."""
        now = self._now()
        requests = limit.kind is LimitKind.REQUESTS_PER_MINUTE
        for one in by_age(*(books.slices(limit.provider) for books in self._books)):
            yield leaves_in_s(one.number, now), one.requests if requests else one.tokens

    @property
    def _books(self) -> tuple[Books, Books]:
        return self._own, self._elsewhere.books

    def _roll(self) -> None:
        since = self._calendar.since(self._now())
        for books in self._books:
            books.roll(since)

    def _correct(self, place: Place, tokens: int) -> None:
        provider, where, estimated = place
        self._own.correct(provider, where, tokens - estimated)

    def _forget(self, now: float) -> None:
        """Requests that have been under way for so long that their estimates no longer count."""
        oldest = int(now * SLICES_A_SECOND) - SPAN
        while self._underway:
            request_id, places = next(iter(self._underway.items()))
            if places[-1][1][0].number >= oldest:
                break
            del self._underway[request_id]

    def _unpriced(self, limit: Limit) -> int:
        if not limit.kind.is_money:
            return 0
        return sum(books.money(limit.kind, limit.provider).unpriced for books in self._books)

    def _reported(self, limit: Limit) -> dict[str, object]:
        used = self.used(limit)
        said: dict[str, object] = {"limit": str(limit.kind), "provider": limit.provider, "used": _number(used)}
        for name in ("warn", "switch", "refuse"):
            step: Amount | None = getattr(limit, name)
            if step is not None:
                said[name] = _number(step)
        if limit.to is not None:
            said["to"] = str(limit.to)
        if limit.kind.is_money:
            said["unpriced_requests"] = self._unpriced(limit)
        return {**said, "action": action_of(limit, used).word}

    def _say(self, limit: Limit, action: Action, said: str) -> None:
        """Log it, once in a period; again where the limit was changed."""
        key, period = (limit.name, action, getattr(limit, action.word, None)), self._period(limit)
        if self._told.get(key) != period:
            self._told[key] = period
            logger.warning("%s", said)

    def _period(self, limit: Limit) -> int:
        match limit.kind:
            case LimitKind.USD_PER_DAY:
                return self._own.day_us
            case LimitKind.USD_PER_MONTH:
                return self._own.month_us
        return int(self._now() // 60)


def _unpriced(row: RequestRow) -> int:
    """As the view `spend` has it: not a request that failed before it used a token."""
    failed = bool(row.error_class) or row.status is None or row.status >= 400
    return int(row.cost_total is None and not (failed and row.usage_source == "none"))


def _number(amount: Amount) -> float | int:
    return amount if isinstance(amount, int) else float(amount)
