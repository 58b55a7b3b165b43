"""What a copy is made of: another provider's target always, a key of ours always, and rows that say what it was."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from bodies import asked, host_as_provider
from ledgers import request as row_of

from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.copies import Original, Outcome, copy_of, expected_cost, rows_of
from ringlet_mitm.addons.live import Ruling
from ringlet_mitm.addons.outbound import prepare
from ringlet_mitm.addons.splicing import Turn
from ringlet_mitm.rules.errors import ConfigError, Untranslatable
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.peek import AgentRequest, peek
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.reliability import Attempt
from ringlet_mitm.rules.routing import Decision
from ringlet_mitm.rules.rulebook import Route, load_rulebook
from ringlet_mitm.rules.shapes import WireFormat

REGISTRY = registry({})
RULING = Ruling(load_rulebook("", "routing.toml", REGISTRY), REGISTRY, None)
HELLO = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
KEY = ((b"x-api-key", b"sk-of-the-agent"), (b"cookie", b"a=b"))


def original(to: str, path: str = "/v1/messages", **row: Any) -> Original:
    provider, _, model = to.partition("/")
    request: AgentRequest = asked(WireFormat.MESSAGES, HELLO, path=path)
    request = replace(request, host="api.anthropic.com", headers=KEY)
    decision = Decision("a → groq", 0, Route("groq"), None, 1.0, arm="groq", shadow=Route(provider, model or None))
    turn = Turn(request, peek(request, host_as_provider), decision)
    return Original(turn, row_of(**{"input_tokens": 1000, "output_tokens": 100, **row}))


@pytest.mark.parametrize("to", ["anthropic", "anthropic/claude-haiku-4-5", "groq/m", "openai"])
def test_nothing_of_the_agents_key_is_in_it(to: str) -> None:
    exchange = copy_of(original(to), RULING)
    (target,) = exchange.targets
    assert exchange.turn is not None
    assert (target.provider, target.as_asked, exchange.turn.decision.arm) == (to.partition("/")[0], False, "")
    outbound = prepare(exchange.turn, target)
    assert not outbound.keeps_credentials
    assert not {b"x-api-key", b"cookie"} & {name for name, _ in outbound.headers}


def test_without_a_model_the_requested_one_is_asked_for_where_it_is_known() -> None:
    assert copy_of(original("anthropic"), RULING).targets[0].model == "claude-opus-4-8"


def test_a_provider_that_cannot_be_reached_or_read_is_said() -> None:
    with pytest.raises(ConfigError):
        copy_of(original("azure-openai/m"), RULING)
    wrapped = original("groq/m")
    turn = replace(wrapped.turn, request=replace(wrapped.turn.request, path="/v1internal:generateContent"))
    exchange = copy_of(replace(wrapped, turn=turn), RULING)
    assert exchange.turn is not None
    with pytest.raises(Untranslatable):
        prepare(exchange.turn, exchange.targets[0])


EXPECTED = {
    "a price": ("groq/llama-3.3-70b-versatile", Decimal("0.000669")),
    "no price": ("groq/nobody-knows", None),
    "a server of one's own": ("ollama/qwen3", Decimal(0)),
}


@pytest.mark.parametrize(("to", "usd"), EXPECTED.values(), ids=EXPECTED)
def test_what_it_will_cost_by_what_the_request_used(to: str, usd: Decimal | None) -> None:
    there = original(to)
    target = copy_of(there, RULING).targets[0]
    assert expected_cost(there, target, RULING, Bookkeeper("work", PriceBook())) == usd


def test_the_row_says_what_it_is_of() -> None:
    there = original("groq/llama-3.3-70b-versatile", session="s-1")
    exchange = copy_of(there, RULING)
    exchange.attempts.append(Attempt(1, exchange.targets[0], "env:GROQ_API_KEY", exchange.started_us))
    failed = Failure(FailureKind.OVERLOADED, 529)
    outcome = Outcome(exchange.started_us + 7, 529, exchange.started_us + 5, None, failed)
    row, (attempt,) = rows_of(exchange, there, outcome, Bookkeeper("work", PriceBook()))
    assert (row.origin, row.shadow_of, row.rule, row.arm) == ("shadow", there.row.id, "shadow of a → groq", "")
    assert (row.asked_host, row.path, row.requested_model) == ("api.anthropic.com", "/v1/messages", "claude-opus-4-8")
    assert (row.status, row.error_class, row.cost_total, row.cost_as_asked) == (529, "overloaded", None, 0)
    assert (row.first_byte_us, row.ended_us) == (exchange.started_us + 5, exchange.started_us + 7)
    assert (attempt.error_class, attempt.key_label) == ("overloaded", "env:GROQ_API_KEY")
