"""Amounts and limits: which of them speaks, what it says, and when there is room again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.limits import (
    ALLOWED,
    NO_LIMITS,
    Action,
    Amount,
    Limit,
    LimitKind,
    Limits,
    Verdict,
    action_of,
    amount_words,
    judged,
)
from ringlet_mitm.rules.routes import Route

DAY, MONTH = LimitKind.USD_PER_DAY, LimitKind.USD_PER_MONTH
REQUESTS, TOKENS = LimitKind.REQUESTS_PER_MINUTE, LimitKind.TOKENS_PER_MINUTE


@dataclass
class Spent:
    """What each limit counts, by kind and provider; `parts` leave at their times."""

    amounts: dict[tuple[LimitKind, str | None], Amount] = field(default_factory=dict)
    parts: tuple[tuple[float, int], ...] = ()

    def used(self, limit: Limit) -> Amount:
        return self.amounts.get((limit.kind, limit.provider), 0)

    def leaving(self, limit: Limit) -> Iterable[tuple[float, int]]:
        return self.parts


def said_by(*limits: Limit, provider: str = "zai", spent: dict[Any, Amount], **more: Any) -> Verdict:
    amounts = {key if isinstance(key, tuple) else (key, None): amount for key, amount in spent.items()}
    parts = more.pop("parts", ())
    return judged(Limits(limits), "work", provider, Spent(amounts, parts), **more)


STEPS = Limit(DAY, warn=Decimal(10), switch=Decimal(15), refuse=Decimal(20), to=Route("ollama"))


@pytest.mark.parametrize(
    ("used", "action"),
    [("9.99", "allow"), ("10", "warn"), ("14.99", "warn"), ("15", "switch"), ("19.99", "switch"), ("20", "refuse")],
)
def test_each_step_begins_where_it_says(used: str, action: str) -> None:
    assert action_of(STEPS, Decimal(used)).word == action
    assert said_by(STEPS, spent={DAY: Decimal(used)}).action.word == action


def test_without_limits_everything_is_allowed() -> None:
    assert judged(NO_LIMITS, "work", "zai", Spent()) is ALLOWED


def test_a_limit_of_another_provider_says_nothing() -> None:
    other = Limit(DAY, "groq", refuse=Decimal(1))
    assert said_by(other, spent={(DAY, "groq"): 5}) == ALLOWED
    assert said_by(other, provider="groq", spent={(DAY, "groq"): 5}).action is Action.REFUSE


SAID: dict[str, tuple[Limit, Amount, str]] = {
    "money": (
        Limit(DAY, refuse=Decimal(20)),
        Decimal("20.139"),
        "limit reached: $20.13 of $20 per day for profile 'work'; raise usd-per-day in [limits] of routing.toml",
    ),
    "of one provider, as the file calls it": (
        Limit(MONTH, "zai", refuse=Decimal("0.5"), table="limits.glm"),
        Decimal("1234.5"),
        "limit reached: $1,234.50 of $0.50 per month for provider 'zai' in profile 'work'; "
        "raise usd-per-month in [limits.glm] of routing.toml",
    ),
    "by the minute, with the time": (
        Limit(REQUESTS, refuse=60),
        61,
        "limit reached: 61 of 60 requests per minute for profile 'work', room again in 8 s; "
        "raise requests-per-minute in [limits] of routing.toml",
    ),
    "another way": (
        Limit(TOKENS, switch=100_000, to=Route("groq", "llama")),
        100_001,
        "limit reached: 100,001 of 100,000 tokens per minute for profile 'work'; requests go to groq/llama",
    ),
    "a warning, with what comes next": (
        STEPS,
        Decimal("10.5"),
        "limit near: $10.50 of $15 per day for profile 'work'",
    ),
    "a warning and nothing else": (
        Limit(DAY, warn=Decimal(1)),
        Decimal(2),
        "limit near: $2 of $1 per day for profile 'work'",
    ),
}


@pytest.mark.parametrize(("limit", "used", "said"), SAID.values(), ids=SAID)
def test_what_is_said(limit: Limit, used: Amount, said: str) -> None:
    found = said_by(limit, spent={(limit.kind, limit.provider): used}, parts=((3.0, 1), (7.2, 1), (9.0, 59)))
    assert (found.said, found.limit, found.used) == (said, limit, used)


@pytest.mark.parametrize(
    ("usd", "words"),
    [("20", "$20"), ("0.5", "$0.50"), ("19.999", "$19.99"), ("0.00341", "$0.0034"), ("0.05", "$0.0500"), ("0", "$0")],
)
def test_money_is_cut_off_and_not_rounded_up(usd: str, words: str) -> None:
    assert amount_words(DAY, Decimal(usd)) == words


# The most severe, and the one that holds longest


def test_the_most_severe_wins_whatever_the_order() -> None:
    warns, refuses = Limit(DAY, warn=Decimal(1)), Limit(DAY, "zai", refuse=Decimal(5))
    switches = Limit(MONTH, switch=Decimal(2), to=Route("ollama"))
    spent = {DAY: 3, (DAY, "zai"): 6, MONTH: 3}
    for limits in ((warns, switches, refuses), (refuses, warns, switches), (switches, refuses, warns)):
        assert said_by(*limits, spent=spent).limit is refuses
    assert said_by(warns, switches, spent=spent).limit is switches


def test_of_two_refusals_the_one_that_waiting_does_not_help_wins() -> None:
    money, minute = Limit(DAY, refuse=Decimal(1)), Limit(REQUESTS, refuse=1)
    spent = {DAY: 2, REQUESTS: 1}
    for limits in ((money, minute), (minute, money)):
        found = said_by(*limits, spent=spent, parts=((30.0, 1),))
        assert (found.limit, found.retry_after_s) == (money, None)


def test_of_two_minutes_the_longer_wins() -> None:
    requests, tokens = Limit(REQUESTS, refuse=1), Limit(TOKENS, refuse=5)
    for limits in ((requests, tokens), (tokens, requests)):
        found = said_by(*limits, spent={REQUESTS: 1, TOKENS: 12}, parts=((10.0, 4), (30.0, 4), (50.0, 4)))
        assert (found.limit, found.retry_after_s) == (tokens, 30)


# Another way


@pytest.mark.parametrize(
    ("to", "model", "action"),
    [
        ("ollama", "x", "switch"),
        ("zai", "x", "allow"),
        ("zai/x", "x", "allow"),
        ("zai/x", "", "allow"),
        ("zai/small", "x", "switch"),
        ("passthrough", "x", "switch"),
    ],
)
def test_a_switch_to_where_it_goes_already_allows(to: str, model: str, action: str) -> None:
    provider, _, there = to.partition("/")
    route = Route() if to == "passthrough" else Route(provider, there or None)
    limit = Limit(DAY, switch=Decimal(1), to=route)
    assert said_by(limit, spent={DAY: 2}, model=model).action.word == action


def test_what_goes_there_already_is_warned_and_refused_all_the_same() -> None:
    limit = Limit(DAY, warn=Decimal(1), switch=Decimal(2), refuse=Decimal(3), to=Route("zai"))
    assert said_by(limit, spent={DAY: Decimal("2.5")}).action is Action.WARN
    assert said_by(limit, spent={DAY: 3}).action is Action.REFUSE


def test_two_limits_that_lead_to_each_other_come_to_an_end() -> None:
    limits = (
        Limit(REQUESTS, "zai", switch=1, to=Route("groq")),
        Limit(REQUESTS, "groq", switch=1, to=Route("zai")),
    )
    spent = {(REQUESTS, "zai"): 1, (REQUESTS, "groq"): 1}
    provider, obeyed = "zai", []
    while (found := said_by(*limits, provider=provider, spent=spent, obeyed=obeyed)).action is Action.SWITCH:
        assert found.limit is not None and found.limit.to is not None and found.limit.to.provider is not None
        provider = found.limit.to.provider
        obeyed.append(found.limit)
    assert (provider, len(obeyed), found.action) == ("zai", 2, Action.ALLOW)


# Room again

PARTS = st.lists(st.tuples(st.floats(0.01, 60), st.integers(0, 1000)), min_size=1, max_size=20).map(sorted)


@given(PARTS, st.integers(1, 20_000))
def test_after_the_wait_there_is_room_and_not_long_before(parts: list[tuple[float, int]], most: int) -> None:
    used = sum(part for _, part in parts)
    found = said_by(Limit(TOKENS, refuse=most), spent={TOKENS: used}, parts=tuple(parts))
    assert (found.action is Action.REFUSE) == (used >= most)
    if found.retry_after_s is not None:
        assert sum(part for still_s, part in parts if still_s > found.retry_after_s) < most
        if found.retry_after_s > 1:
            assert sum(part for still_s, part in parts if still_s > found.retry_after_s - 1) >= most
