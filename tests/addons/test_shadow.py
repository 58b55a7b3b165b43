"""When a copy is made, and when not: on mitmproxy's test flows, with a courier that waits until it is let go."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bodies import asked, host_as_provider
from ledgers import request as row_of
from mitmproxy.test import tflow

from ringlet_mitm.addons.admission import Admission
from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.breakers import Breakers
from ringlet_mitm.addons.budget import Budget
from ringlet_mitm.addons.copies import Outcome
from ringlet_mitm.addons.copy_budget import CopyBudget
from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.elsewhere import Elsewhere
from ringlet_mitm.addons.exchange import Exchange, attach
from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.relay import Reading
from ringlet_mitm.addons.shadow import MOST_WAITING, Shadow, apart
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.addons.usage.spending import Since, Spent
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.peek import peek
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.reliability import Attempt, Timeouts
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.rulebook import Route, load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.tokens import Calibration

REGISTRY = registry({})
GROQ = Route("groq", "llama-3.3-70b-versatile")
READING = Reading(Usage(input_tokens=1000, output_tokens=100), "llama", "stop", None, 10, 0, True)
HELLO = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}


class Held:
    """Copies that went out, each held until `let_go`."""

    def __init__(self, outcome: Outcome | None = None) -> None:
        self.sent: list[Exchange] = []
        self.let_go = threading.Event()
        self.outcome = outcome or Outcome(2_000_000_000_000_000, 200, 1_900_000_000_000_000, READING)

    def carry(self, exchange: Exchange, timeouts: Timeouts) -> Outcome:
        self.sent.append(exchange)
        self.let_go.wait(10)
        return self.outcome


class Desk:
    """A shadow with all that it needs; `rules` are of a routing.toml."""

    def __init__(self, tmp_path: Path, rules: str = "", spent: str = "0", keys: tuple[str, ...] = ("GROQ",)) -> None:
        self.rows: list[tuple[RequestRow, tuple[AttemptRow, ...]]] = []
        book = load_rulebook(rules, "routing.toml", REGISTRY)
        live = Live(Ruling(book, REGISTRY, None), Calibration())

        async def read(since: Since) -> Spent:
            return Spent(shadow_usd=Decimal(spent))

        self.budget = CopyBudget(read)
        self.breakers = Breakers(lambda: 0)
        self.elsewhere = Elsewhere(read)
        self.limits = Budget("work", self.elsewhere)
        environ = {f"{name}_API_KEY": f"ours-{name}" for name in keys}
        vault = Vault(environ, LoginStore(home_of({"RINGLET_HOME": str(tmp_path)})))
        preparer = Preparer(Signer(vault, lambda: REGISTRY), lambda answer_id: None)
        self.courier = Held()
        self.shadow = Shadow(
            Admission(live, self.breakers, self.limits),
            Bookkeeper("work", PriceBook()),
            self.courier,
            self.budget,
            [lambda row, attempts: self.rows.append((row, attempts))],
            preparer,
            pause_s=0,
        )

    def answer(self, *, shadow: Route | None = GROQ, session: str = "s-1", **given: Any) -> None:
        """An agent has got an answer."""
        headers = ((b"x-claude-code-session-id", session.encode()),)
        request = asked(WireFormat.MESSAGES, HELLO, path="/v1/messages")
        request = replace(request, host="api.anthropic.com", headers=headers)
        decision = Decision("tool-use → anthropic", 0, Route("anthropic"), None, 1.0, shadow=shadow)
        turn = Turn(request, peek(request, host_as_provider), decision)
        usual = {"input_tokens": 1000, "output_tokens": 100, "session": session}
        exchange = Exchange(f"r-{len(self.rows)}", 0, request, turn, row=row_of(**{**usual, **given}))
        flow = tflow.tflow(resp=True)
        attach(flow, exchange)
        self.shadow.response(flow)
        exchange.let_go()

    async def until(self, ready: Callable[[], bool]) -> None:
        for _ in range(2000):
            if ready():
                return
            await asyncio.sleep(0.002)
        raise AssertionError(self.shadow.report())

    @property
    def left(self) -> Any:
        return self.shadow.report()["left_out"]


def test_a_copy_leaves_a_row_of_its_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def scenario() -> None:
        desk.courier.let_go.set()
        desk.answer()
        await desk.until(lambda: bool(desk.rows))

    asyncio.run(scenario())
    ((row, (attempt,)),) = desk.rows
    assert (row.origin, row.rule, row.provider) == ("shadow", "shadow of tool-use → anthropic", "groq")
    assert (row.shadow_of, row.session, row.asked_host, row.path) != ("", "", "localhost", "")
    assert (attempt.key_label, attempt.status, attempt.request_id) == ("env:GROQ_API_KEY", 200, row.id)
    assert row.cost_total == Decimal("1000") * Decimal("0.59") / 10**6 + Decimal("100") * Decimal("0.79") / 10**6
    assert (row.cost_as_asked, row.stop_reason) == (0, "end")
    (sent,) = desk.courier.sent
    assert sent.outbound is not None
    assert (sent.outbound.host, dict(sent.outbound.headers)[b"authorization"]) == ("api.groq.com", b"Bearer ours-GROQ")
    assert desk.budget.today == row.cost_total


WANTED: dict[str, dict[str, Any]] = {
    "no shadow": {"shadow": None},
    "an error": {"status": 529, "error_class": "overloaded"},
    "broken off": {"error_class": "broken-stream"},
    "never answered": {"status": None},
}


@pytest.mark.parametrize("given", WANTED.values(), ids=WANTED)
def test_there_is_nothing_to_copy(tmp_path: Path, given: dict[str, Any]) -> None:
    desk = Desk(tmp_path)
    desk.answer(**given)
    assert (desk.shadow.report()["waiting"], desk.left) == (0, {})


OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a share of none": ({"rules": "[shadow]\nshare = 0\n"}, {}, "share"),
    "too long": ({"rules": "[shadow]\nmax-tokens = 999\n"}, {}, "max-tokens"),
    "the day is spent": ({"spent": "0.9999"}, {}, "budget"),
    "a smaller day": ({"rules": "[shadow]\nusd-per-day = 0.0001\n"}, {}, "budget"),
    "no price": ({}, {"shadow": Route("groq", "nobody-knows-it")}, "no price"),
    "no key": ({"keys": ()}, {}, "unusable"),
    "a limit warns": ({"rules": "[limits]\nrequests-per-minute = { warn = 1, refuse = 9 }\n"}, {}, "limits"),
    "places of requests": ({"rules": "[limits.groq]\nparallel = 2\n"}, {}, "parallel"),
}


@pytest.mark.parametrize(("desk", "given", "why"), OTHERS.values(), ids=OTHERS)
def test_it_is_left_out_and_counted(tmp_path: Path, desk: dict[str, Any], given: dict[str, Any], why: str) -> None:
    there = Desk(tmp_path, **desk)

    async def scenario() -> None:
        await there.elsewhere.turn(Since(0, 0, 0))
        there.limits.sent("r-1", "anthropic", 10)
        there.answer(**given)
        await there.until(lambda: bool(there.left))

    asyncio.run(scenario())
    assert there.left == {why: 1}
    assert there.courier.sent == there.rows == []


def test_a_provider_that_rests_is_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def scenario() -> None:
        desk.courier.let_go.set()
        desk.answer()
        await desk.until(lambda: bool(desk.rows))
        target = desk.courier.sent[0].targets[0]
        limited = Failure(FailureKind.RATE_LIMITED, 429, None, 20_000)
        desk.breakers.ended(Attempt(1, target, "env:GROQ_API_KEY", 0, ended_us=9, failure=limited))
        desk.answer()
        await desk.until(lambda: bool(desk.left))

    asyncio.run(scenario())
    assert desk.left == {"resting": 1}


def test_local_models_need_no_price(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "[shadow]\nusd-per-day = 0\n")

    async def scenario() -> None:
        desk.courier.let_go.set()
        desk.answer(shadow=Route("ollama", "qwen3"))
        await desk.until(lambda: bool(desk.rows))

    asyncio.run(scenario())
    assert desk.rows[0][0].cost_total is None


def test_two_at_once_and_a_bounded_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(tmp_path)

    async def scenario() -> None:
        for number in range(2 + MOST_WAITING + 3):
            desk.answer(session=f"s-{number}")
        await desk.until(lambda: len(desk.courier.sent) == 2)
        assert desk.shadow.report() == {
            "sent": 2,
            "under_way": 2,
            "waiting": MOST_WAITING,
            "left_out": {"line": 3},
            "usd_today": 0.0,
        }
        desk.courier.let_go.set()
        await desk.until(lambda: len(desk.rows) == 2 + MOST_WAITING)

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert sum("left out" in line for line in caplog.messages) == 1


def test_a_share_takes_whole_conversations(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "[shadow]\nshare = 50\n")

    async def scenario() -> None:
        desk.courier.let_go.set()
        for number in range(12):
            for _ in range(2):
                desk.answer(session=f"s-{number}")
        await desk.until(lambda: len(desk.rows) + desk.left["share"] == 24)

    asyncio.run(scenario())
    sessions = [row.session for row, _ in desk.rows]
    assert 0 < len(set(sessions)) < 12
    assert {sessions.count(session) for session in sessions} == {2}


def test_at_the_end_what_is_under_way_is_recorded_and_not_waited_for(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    async def scenario() -> None:
        desk.answer()
        await desk.until(lambda: len(desk.courier.sent) == 1)
        desk.shadow.done()
        desk.answer()

    asyncio.run(scenario())
    desk.courier.let_go.set()
    ((row, _),) = desk.rows
    assert (row.status, row.error_class, row.cost_total) == (None, "client-gone", None)


def test_what_a_thread_raises_is_raised_where_it_is_awaited() -> None:
    def stumbles() -> None:
        raise ValueError("of the thread")

    async def scenario() -> None:
        assert await apart(lambda: threading.current_thread().daemon)
        with pytest.raises(ValueError, match="of the thread"):
            await apart(stumbles)

    asyncio.run(scenario())
