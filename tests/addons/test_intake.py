"""A conversation request by request: which rule takes it, and what is remembered of that."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from bodies import PATHS, compact
from mitmproxy import http
from mitmproxy.test import tflow

from ringlet_mitm.addons.conversations import Conversations
from ringlet_mitm.addons.counting import Counter
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.intake import Intake
from ringlet_mitm.addons.live import Live, Ruling
from ringlet_mitm.rules.encoder import Encoder, load_encoder
from ringlet_mitm.rules.limits import Limit, LimitKind
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.rulebook import load_rulebook
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.tokens import Calibration

PROVIDERS = registry({})
DEFAULT = '[default]\nto = "anthropic"\n'
LONG = '[[rule]]\nname = "long"\nmatch = { input-tokens-gt = 500 }\nto = "openai"\n'
SHORT = '[[rule]]\nname = "short"\nmatch = { input-tokens-lt = 100 }\nto = "groq"\n'
STICKY = 'sticky = "session"\n'
TO_LONG, TO_SHORT, TO_DEFAULT = "long → openai", "short → groq", "default → anthropic"


@dataclass
class Desk:
    """An intake with rules that can be changed."""

    rules: str
    live: Live = field(init=False)
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.live = Live(self.ruling(self.rules), Calibration())
        self.intake = Intake(self.live, Counter(), lambda host: True, Conversations())

    def ruling(self, rules: str) -> Ruling:
        return Ruling(load_rulebook(rules, "routing.toml", PROVIDERS), PROVIDERS, None)

    def took(self, words: int, *, session: str = "s-1", model: str = "claude-opus-4-8", part: bool = True) -> Exchange:
        """What became of a request of that many words."""
        return asyncio.run(self._took(_flow(words, session, model), part))

    async def _took(self, flow: http.HTTPFlow, part: bool) -> Exchange:
        exchange = await self.intake.take_in(flow, WireFormat.MESSAGES)
        assert exchange is not None
        await self.intake.route(exchange, part=part)
        return exchange


def _flow(words: int, session: str, model: str) -> http.HTTPFlow:
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "word " * words}]}
    flow = tflow.tflow()
    flow.request = http.Request.make("POST", "https://api.anthropic.com" + PATHS[WireFormat.MESSAGES], compact(body))
    flow.request.headers["user-agent"] = "claude-cli/2.0"
    flow.request.headers["x-claude-code-session-id"] = session
    return flow


def label(exchange: Exchange) -> str:
    assert exchange.turn is not None
    return exchange.turn.decision.label


HOVERING = [50, 200, 50, 600, 50, 200]
ROUTES: dict[str, tuple[str, list[str]]] = {
    "no rule is sticky": (LONG + SHORT, [TO_SHORT, TO_DEFAULT, TO_SHORT, TO_LONG, TO_SHORT, TO_DEFAULT]),
    "the first": (LONG + STICKY + SHORT, [TO_SHORT, TO_DEFAULT, TO_SHORT, TO_LONG, TO_LONG, TO_LONG]),
    "the last": (LONG + SHORT + STICKY, [TO_SHORT, TO_SHORT, TO_SHORT, TO_LONG, TO_SHORT, TO_SHORT]),
    "both": (LONG + STICKY + SHORT + STICKY, [TO_SHORT, TO_SHORT, TO_SHORT, TO_LONG, TO_LONG, TO_LONG]),
}


@pytest.mark.parametrize(("rules", "labels"), ROUTES.values(), ids=ROUTES)
def test_a_conversation_that_hovers_around_thresholds(rules: str, labels: list[str]) -> None:
    desk = Desk(rules + DEFAULT)
    assert [label(desk.took(words)) for words in HOVERING] == labels


def test_a_request_that_was_kept_says_so() -> None:
    desk = Desk(SHORT + STICKY + DEFAULT)
    assert [desk.took(words).note for words in (50, 200)] == ["", "kept by a sticky rule"]


OTHERS: dict[str, dict[str, Any]] = {
    "another session": {"session": "s-2"},
    "a side call to another model": {"model": "claude-haiku-4-5"},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_conversations_are_not_kept(other: dict[str, Any]) -> None:
    desk = Desk(SHORT + STICKY + DEFAULT)
    assert label(desk.took(50, **other)) == TO_SHORT
    assert label(desk.took(200)) == TO_DEFAULT
    assert label(desk.took(200, **other)) == TO_SHORT


def test_what_only_asks_for_a_count_is_no_part_of_the_conversation() -> None:
    """Agents count single tools: a rule for short requests would get the conversation and keep it."""
    desk = Desk(SHORT + STICKY + DEFAULT)
    assert label(desk.took(50, part=False)) == TO_SHORT
    assert label(desk.took(200)) == TO_DEFAULT
    desk.took(50)
    assert label(desk.took(200, part=False)) == TO_SHORT


def test_a_reload_of_the_rules_leaves_conversations_where_they_are() -> None:
    desk = Desk(SHORT + STICKY + DEFAULT)
    desk.took(50)
    for rules, expected in (
        (LONG + SHORT + STICKY + DEFAULT, TO_SHORT),
        (SHORT + DEFAULT, TO_DEFAULT),
        (SHORT.replace("short", "small") + STICKY + DEFAULT, TO_DEFAULT),
        (SHORT + STICKY + DEFAULT, TO_SHORT),
    ):
        desk.live.ruling = desk.ruling(rules)
        assert label(desk.took(200)) == expected


def test_a_body_that_cannot_be_read_is_of_no_conversation() -> None:
    desk = Desk('[[rule]]\nmatch.always = true\nto = "groq"\n' + STICKY + DEFAULT)
    flow = _flow(5, "s-1", "claude-opus-4-8")
    flow.request.content = b"not json"
    assert label(asyncio.run(desk._took(flow, part=True))) == TO_DEFAULT


def test_rules_that_come_into_force_while_tokens_are_counted_are_for_the_next_request() -> None:
    """Decided by the new book and lined up by the old registry, it would go to a provider that nobody knows."""
    desk = Desk(LONG + DEFAULT)
    own = registry({"gw.toml": 'name = "gw"\nshape = "anthropic"\nendpoint = "https://gw.example"\n'})
    book = load_rulebook(LONG.replace("openai", "gw") + DEFAULT, "routing.toml", own)

    def load() -> Encoder:
        desk.live.ruling = Ruling(book, own, None)
        return load_encoder()

    desk.intake = Intake(desk.live, Counter(load), lambda host: True, Conversations())
    taken = [desk.took(600) for _ in range(2)]
    assert [(label(one), one.targets[0].provider) for one in taken] == [(TO_LONG, "openai"), ("long → gw", "gw")]


SPLIT = '[[rule]]\nmatch = { always = true }\nsplit = { "groq" = 1, "anthropic" = 1 }\nshadow = "openai"\n'


def test_a_session_keeps_its_arm_and_others_have_theirs() -> None:
    desk = Desk(SPLIT)
    arms = []
    for number in range(20):
        exchanges = [desk.took(words, session=f"s-{number}") for words in (50, 200)]
        found = {(one.turn.decision.arm, one.targets[0].provider) for one in exchanges if one.turn}
        assert len(found) == 1
        arms += found
    assert set(arms) == {("groq", "groq"), ("anthropic", "anthropic")}


def test_what_a_limit_sends_elsewhere_is_of_no_arm_and_not_copied() -> None:
    desk = Desk(SPLIT)
    exchange = desk.took(50)
    limit = Limit(LimitKind.USD_PER_DAY, switch=1, to=Route("openai", "gpt-5-nano"), label="limit usd-per-day → openai")
    desk.intake.redirect(exchange, limit)
    assert exchange.turn is not None
    decision = exchange.turn.decision
    assert (decision.arm, decision.shadow, exchange.targets[0].provider) == ("", None, "openai")
