"""Who may be asked now: one door for what rests, what limits say, and who is next in line."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from exchanges import REGISTRY, routed

from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.breakers import Breakers
from ringlet_mitm.addons.budget import Budget
from ringlet_mitm.addons.elsewhere import Elsewhere
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.addons.usage.spending import Since, Spent
from ringlet_mitm.rules.errors import LimitReached
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.limits import Action
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.targets import Target
from ringlet_mitm.rules.tokens import Calibration

LIMITED = Failure(FailureKind.RATE_LIMITED, 429, None, 20_000)
REFUSED = Failure(FailureKind.AUTH, 401)
NOW_S = 1_760_000_000.0


async def nothing_spent(since: Since) -> Spent:
    return Spent()


def admission(limits: str = "") -> Admission:
    book = load_rulebook(limits, "routing.toml", REGISTRY)
    live = Live(Ruling(book, REGISTRY, None), Calibration())
    return Admission(live, Breakers(lambda: 0), Budget("work", Elsewhere(nothing_spent), lambda: NOW_S))


def asking(door: Admission, session: str = "s-1") -> Exchange:
    """A request to Groq, with Anthropic behind it; nothing is sent yet."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "metadata": {"session_id": session}}
    exchange = routed(WireFormat.CHAT, body, over=door.over)
    spare = routed(WireFormat.CHAT, provider="anthropic", model="claude-haiku-4-5").targets[0]
    exchange.targets = (*exchange.targets, spare)
    return exchange


def failed(exchange: Exchange, failure: Failure) -> None:
    exchange.failure, exchange.status = failure, failure.status
    exchange.close_attempt(exchange.started_us + 9)


def send(exchange: Exchange, target: Target) -> None:
    exchange.failure = exchange.status = None
    exchange.attempts.append(replace(exchange.attempts[0], number=2, target=target, ended_us=None, failure=None))


def test_the_first_is_asked_first_and_the_next_while_that_rests() -> None:
    door = admission()
    exchange = asking(door)
    groq, spare = exchange.targets
    assert (door.first(exchange), exchange.note) == (groq, "")
    failed(exchange, LIMITED)
    assert door.rests(exchange, groq) and not door.rests(exchange, spare)
    other = asking(door)
    assert door.first(other) == spare
    assert other.note == "groq rests for 20 s after 1 failure (rate-limited)"
    (resting,) = door.report()["resting"]  # type: ignore[misc]
    assert (resting["provider"], resting["state"]) == ("groq", "resting")  # type: ignore[index]


def test_a_token_that_had_run_out_says_nothing_of_the_provider() -> None:
    door = admission()
    exchange = asking(door)
    exchange.renews = True
    failed(exchange, REFUSED)
    assert not door.rests(exchange, exchange.targets[0])
    exchange = asking(door)
    failed(exchange, REFUSED)
    assert door.rests(exchange, exchange.targets[0])


def test_a_limit_refuses_and_the_next_is_asked() -> None:
    door = admission("[limits.groq]\nrequests-per-minute = 1\n")
    exchange = asking(door)
    groq, spare = exchange.targets
    verdict = asyncio.run(_verdict(door, exchange))
    assert verdict is Action.ALLOW
    assert door.first(exchange) is groq
    door.sent(exchange, exchange.attempts[0])
    other = asking(door)
    assert door.first(other) == spare
    assert "limit reached: 1 of 1 requests per minute" in other.note
    assert door.rests(other, groq)
    with pytest.raises(LimitReached):
        door.admit(other, groq)
    door.admit(other, spare)
    other.targets = (groq,)
    with pytest.raises(LimitReached) as told:
        door.first(other)
    assert told.value.retry_after_s in (60, 61)


async def _verdict(door: Admission, exchange: Exchange) -> Action:
    await door.budget._elsewhere.turn(Since(0, 0, 0))
    said = await door.verdict(exchange)
    assert said is not None
    return said.action


def test_without_limits_nothing_is_asked() -> None:
    door = admission()
    assert asyncio.run(door.verdict(asking(door))) is None
    assert door.report() == {"resting": [], "lines": [], "limits": []}


def test_places_in_line_are_given_back_when_an_attempt_is_over() -> None:
    door = admission("[limits.groq]\nparallel = 1\n")
    first, second, third = (asking(door, f"s-{number}") for number in range(3))
    called: list[str] = []
    assert door.enters(first, lambda: called.append("first")) is True
    assert door.enters(second, lambda: called.append("second")) is False
    assert door.enters(third, lambda: called.append("third")) is False
    (line,) = door.report()["lines"]  # type: ignore[misc]
    assert line == {"provider": "groq", "running": 1, "waiting": 2, "most": 1}
    second.call_off()
    failed(first, LIMITED)
    assert called == ["third"]
    assert door.enters(first, lambda: None) is False
    failed(third, LIMITED)
    assert door.report()["lines"] == [{"provider": "groq", "running": 1, "waiting": 0, "most": 1}]


def test_who_has_no_line_enters() -> None:
    door = admission("[limits.zai]\nparallel = 1\n")
    assert door.enters(asking(door), lambda: None) is True
    assert door.report()["lines"] == []


def test_each_attempt_stands_in_line_for_its_own_provider() -> None:
    door = admission("[limits.anthropic]\nparallel = 1\n")
    exchange = asking(door)
    assert door.enters(exchange, lambda: None) is True
    failed(exchange, LIMITED)
    send(exchange, exchange.targets[1])
    assert door.enters(exchange, lambda: None) is True
    (line,) = door.report()["lines"]  # type: ignore[misc]
    assert line["provider"] == "anthropic"  # type: ignore[index]
