"""What a proxy counts against its limits, and what it says and logs of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledgers import request

from ringlet_mitm.addons import budget as budget_file
from ringlet_mitm.addons.budget import Budget
from ringlet_mitm.addons.elsewhere import Elsewhere
from ringlet_mitm.addons.usage.spending import Moment, Purse, Since, Spent
from ringlet_mitm.rules.limits import ALLOWED, NO_LIMITS, Limit, LimitKind, Limits
from ringlet_mitm.rules.routes import Route

DAY, MONTH = LimitKind.USD_PER_DAY, LimitKind.USD_PER_MONTH
REQUESTS, TOKENS = LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE
NOON = datetime(2026, 11, 20, 12).timestamp()
MIDNIGHT = datetime(2026, 11, 21).timestamp()


class Proxy:
    """A budget with a clock that stands still, and others whose spending is given."""

    def __init__(self, others: Spent | None = None, now: float = NOON) -> None:
        self.now, self.others, self.reads = now, others or Spent(), 0
        self.budget = Budget("work", Elsewhere(self.read), lambda: self.now)

    async def read(self, since: Since) -> Spent:
        self.reads += 1
        return self.others

    def reread(self, limits: Limits) -> None:
        """As `keep` does, once."""

        async def once() -> None:
            task = asyncio.create_task(self.budget.keep(lambda: limits))
            await self.budget.ready()
            task.cancel()

        asyncio.run(once())

    def done(self, row_id: str = "", *, attempts: int = 0, **given: Any) -> None:
        """A request that has ended now."""
        us = round(self.now * 1e6)
        ids = {"id": row_id} if row_id else {}
        self.budget.record(request(**{"provider": "zai", "started_us": us, "ended_us": us, **ids, **given}), ())

    def used(self, kind: LimitKind, provider: str | None = None) -> object:
        return self.budget.report(Limits((Limit(kind, provider, refuse=1),)))[0]["used"]


def limits(*given: Limit) -> Limits:
    return Limits(given)


# Money


def test_money_is_that_of_this_process_and_of_the_others() -> None:
    proxy = Proxy(Spent([Purse("zai", Decimal(3), Decimal(30)), Purse("groq", Decimal(1), Decimal(1))]))
    proxy.done(cost_total=Decimal("0.25"))
    assert proxy.used(DAY) == 0.25
    proxy.reread(limits(Limit(DAY, refuse=Decimal(1))))
    assert [proxy.used(DAY), proxy.used(DAY, "zai"), proxy.used(MONTH), proxy.used(DAY, "groq")] == [
        4.25,
        3.25,
        31.25,
        1,
    ]


def test_a_new_day_begins_by_itself_for_both() -> None:
    proxy = Proxy(Spent([Purse("zai", Decimal(3), Decimal(30))]), now=MIDNIGHT - 1)
    proxy.reread(limits(Limit(DAY, refuse=Decimal(1))))
    proxy.done(cost_total=Decimal(1))
    assert [proxy.used(DAY), proxy.used(MONTH)] == [4, 31]
    proxy.now = MIDNIGHT + 1
    proxy.done(cost_total=Decimal(5), started_us=round((MIDNIGHT - 1) * 1e6))
    assert [proxy.used(DAY), proxy.used(MONTH)] == [0, 36]
    proxy.done(cost_total=Decimal(7))
    assert [proxy.used(DAY), proxy.used(MONTH)] == [7, 43]


UNPRICED: dict[str, tuple[dict[str, Any], int]] = {
    "no price": ({"cost_total": None}, 1),
    "a price": ({"cost_total": Decimal(1)}, 0),
    "failed before it used a token": ({"cost_total": None, "usage_source": "none", "status": 429}, 0),
    "failed after it used some": ({"cost_total": None, "error_class": "broken-stream"}, 1),
}


@pytest.mark.parametrize(("row", "count"), UNPRICED.values(), ids=UNPRICED)
def test_what_has_no_known_price_counts_nothing_and_is_told(
    row: dict[str, Any], count: int, caplog: pytest.LogCaptureFixture
) -> None:
    proxy, money = Proxy(), limits(Limit(DAY, refuse=Decimal(20)))
    proxy.done(**row)
    assert proxy.budget.report(money)[0]["unpriced_requests"] == count
    for _ in range(2):
        assert proxy.budget.check(money, "zai") == ALLOWED
    said = "limit usd-per-day: 1 request without a known price counted as $0"
    assert [record.message for record in caplog.records] == [said] * count


# By the minute


def test_the_request_beyond_the_limit_is_refused_until_there_is_room() -> None:
    proxy, minute = Proxy(), limits(Limit(REQUESTS, refuse=3))
    for number in range(3):
        assert proxy.budget.check(minute, "zai") == ALLOWED
        proxy.budget.sent(f"r{number}", "zai", 100)
        proxy.now += 10
    found = proxy.budget.check(minute, "groq")
    assert found.retry_after_s is not None
    assert 30 <= found.retry_after_s <= 31
    assert found.said.startswith("limit reached: 3 of 3 requests per minute for profile 'work', room again in 3")
    proxy.now += found.retry_after_s
    assert proxy.budget.check(minute, "zai") == ALLOWED


def test_an_estimate_counts_until_the_row_says_better() -> None:
    proxy = Proxy()
    proxy.budget.sent("a", "zai", 5000)
    assert [proxy.used(TOKENS), proxy.used(TOKENS, "zai"), proxy.used(REQUESTS)] == [5000, 5000, 1]
    proxy.now += 20
    proxy.done("a", input_tokens=100, cache_read_tokens=9000, cache_write_5m_tokens=50, output_tokens=7)
    assert [proxy.used(TOKENS), proxy.used(TOKENS, "zai"), proxy.used(TOKENS, "groq")] == [157, 157, 0]
    proxy.now += 45
    assert proxy.used(TOKENS) == 7  # of the end, 45 seconds ago
    proxy.now += 20
    assert [proxy.used(TOKENS), proxy.used(REQUESTS)] == [0, 0]


def test_each_attempt_is_a_request_of_its_provider_and_a_failed_one_used_nothing() -> None:
    proxy = Proxy()
    for provider in ("groq", "zai", "zai"):
        proxy.budget.sent("a", provider, 1000)
    assert [proxy.used(TOKENS), proxy.used(TOKENS, "groq"), proxy.used(REQUESTS, "zai")] == [3000, 1000, 2]
    proxy.done("a", input_tokens=900, output_tokens=1)
    assert [proxy.used(TOKENS), proxy.used(TOKENS, "groq"), proxy.used(TOKENS, "zai")] == [901, 0, 901]
    assert [proxy.used(REQUESTS), proxy.used(REQUESTS, "groq"), proxy.used(REQUESTS, "zai")] == [3, 1, 2]


def test_what_took_longer_than_a_minute_counts_when_it_ends() -> None:
    proxy = Proxy()
    proxy.budget.sent("a", "zai", 5000)
    proxy.now += 90
    proxy.budget.sent("b", "zai", 1)
    proxy.done("a", input_tokens=100, output_tokens=40)
    assert [proxy.used(TOKENS), proxy.used(REQUESTS)] == [41, 1]


def test_the_minute_of_others_counts_too_and_passes() -> None:
    us = round(NOON * 1e6)
    proxy = Proxy(Spent(moments=[Moment(us - 30_000_000, "zai", 2, 70), Moment(us - 10_000_000, "groq", 1, 30)]))
    minute = limits(Limit(REQUESTS, refuse=4))
    proxy.reread(minute)
    assert proxy.budget.check(minute, "zai") == ALLOWED
    proxy.budget.sent("a", "zai", 5)
    assert [proxy.used(TOKENS), proxy.used(TOKENS, "zai")] == [105, 75]
    found = proxy.budget.check(minute, "zai")
    assert found.retry_after_s is not None
    assert 30 <= found.retry_after_s <= 31
    proxy.now += 31
    assert [proxy.used(REQUESTS), proxy.used(TOKENS, "zai")] == [2, 5]


STEPS = st.lists(
    st.tuples(st.sampled_from(["sent", "done", "wait"]), st.integers(0, 5), st.integers(0, 30)), max_size=40
)


@given(STEPS)
def test_in_all_is_what_all_providers_come_to(steps: list[tuple[str, int, int]]) -> None:
    proxy = Proxy()
    for what, number, amount in steps:
        provider = ("zai", "groq", "")[number % 3]
        if what == "sent":
            proxy.budget.sent(str(number), provider, amount)
        elif what == "done":
            proxy.done(str(number), provider=provider, input_tokens=amount, cost_total=Decimal(amount))
        else:
            proxy.now += amount
    for kind in LimitKind:
        parts: list[Any] = [proxy.used(kind, provider) for provider in ("zai", "groq", "")]
        assert proxy.used(kind) == sum(parts)
        assert min(parts) >= 0


def test_what_never_comes_to_a_row_is_forgotten() -> None:
    proxy = Proxy()
    for number in range(500):
        proxy.budget.sent(str(number), "zai", 1)
        proxy.now += 1
    assert len(proxy.budget._underway) <= 62


# What is logged


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.message for record in caplog.records]
    caplog.clear()
    return found


def test_a_warning_is_logged_once_a_day_and_the_end_of_it_is_not(caplog: pytest.LogCaptureFixture) -> None:
    proxy, money = Proxy(), limits(Limit(DAY, warn=Decimal(1), refuse=Decimal(20)))
    proxy.done(cost_total=Decimal(2))
    for _ in range(3):
        assert proxy.budget.check(money, "zai").action.word == "warn"
    assert messages(caplog) == ["limit near: $2 of $20 per day for profile 'work'"]
    assert proxy.budget.check(limits(Limit(DAY, warn=Decimal(5))), "zai") == ALLOWED
    proxy.now = MIDNIGHT
    assert proxy.budget.check(money, "zai") == ALLOWED
    assert messages(caplog) == []
    proxy.done(cost_total=Decimal(3))
    proxy.budget.check(money, "zai")
    assert messages(caplog) == ["limit near: $3 of $20 per day for profile 'work'"]


def test_each_step_is_logged_and_a_raised_one_again(caplog: pytest.LogCaptureFixture) -> None:
    proxy = Proxy()
    proxy.done(cost_total=Decimal(30))
    for most in (10, 10, 20):
        proxy.budget.check(limits(Limit(DAY, warn=Decimal(1), switch=Decimal(most), to=Route("ollama"))), "zai")
    assert messages(caplog) == [
        "limit reached: $30 of $10 per day for profile 'work'; requests go to ollama",
        "limit reached: $30 of $20 per day for profile 'work'; requests go to ollama",
    ]


def test_a_limit_by_the_minute_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    proxy, minute = Proxy(), limits(Limit(REQUESTS, warn=1))
    for _ in range(120):
        proxy.budget.sent("a", "zai", 1)
        proxy.budget.check(minute, "zai")
        proxy.now += 1
    assert len(messages(caplog)) == 2


# What `/health` says


def test_the_report() -> None:
    proxy = Proxy()
    proxy.done(cost_total=Decimal("12.5"))
    proxy.done(cost_total=None)
    found = proxy.budget.report(
        limits(
            Limit(DAY, warn=Decimal(10), refuse=Decimal(20)),
            Limit(MONTH, "zai", switch=Decimal(12), to=Route("ollama", "m")),
            Limit(REQUESTS, "zai", refuse=60),
        )
    )
    assert json.loads(json.dumps(found)) == [
        {
            "limit": "usd-per-day",
            "provider": None,
            "used": 12.5,
            "warn": 10.0,
            "refuse": 20.0,
            "unpriced_requests": 1,
            "action": "warn",
        },
        {
            "limit": "usd-per-month",
            "provider": "zai",
            "used": 12.5,
            "switch": 12.0,
            "to": "ollama/m",
            "unpriced_requests": 1,
            "action": "switch",
        },
        {"limit": "requests-per-minute", "provider": "zai", "used": 0, "refuse": 60, "action": "allow"},
    ]


def test_without_limits_nothing_is_said_or_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_file, "LOOK_S", 0.001)
    proxy, now = Proxy(), [NO_LIMITS]

    async def follow(then: Callable[[], object]) -> None:
        task = asyncio.create_task(proxy.budget.keep(lambda: now[0]))
        await asyncio.sleep(0.01)
        assert proxy.reads == 0
        then()
        await proxy.budget.ready()
        assert proxy.reads == 1
        task.cancel()

    assert proxy.budget.check(NO_LIMITS, "zai") is ALLOWED
    assert proxy.budget.report(NO_LIMITS) == []
    asyncio.run(follow(lambda: now.__setitem__(0, limits(Limit(DAY, refuse=Decimal(1))))))
