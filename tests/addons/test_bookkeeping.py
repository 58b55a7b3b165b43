from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from exchanges import STARTED_US, compact, routed
from said import CHAT, MESSAGES

from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.exchange import Exchange
from ringlet_mitm.addons.relay import Reading
from ringlet_mitm.addons.usage.rows import RequestRow, decode_line, encode_line
from ringlet_mitm.rules.failures import Failure, FailureKind
from ringlet_mitm.rules.peek import peek
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.reliability import Attempt

BOOKS = Bookkeeper("work", PriceBook())
NOW = STARTED_US + 1_000_000
READING = Reading(Usage(input_tokens=1000, output_tokens=200), "answered", "stop", None, 5000, 300, complete=True)
BODY = {
    "model": "asked-model",
    "stream": True,
    "max_tokens": 77,
    "system": "be brief",
    "tools": [{"name": "a"}],
    "messages": [{"role": "user", "content": "x" * 391}],
    "metadata": {"user_id": "user_a_account__session_0123456789"},
}


def row_of(exchange: Exchange) -> RequestRow:
    row, attempts = BOOKS.rows(exchange, NOW)
    assert decode_line(encode_line(row, attempts)) == (row, attempts)
    return row


def test_a_row_tells_the_whole_story() -> None:
    exchange = routed(
        MESSAGES, BODY, provider="anthropic", model="claude-sonnet-4-5", counted_tokens=100, calibration=1.1
    )
    exchange.status, exchange.reading, exchange.decision_us, exchange.first_byte_us = 200, READING, 321, STARTED_US + 9
    row = row_of(exchange)
    assert (row.id, row.started_us, row.first_byte_us, row.ended_us) == ("id-1", STARTED_US, STARTED_US + 9, NOW)
    assert (row.profile, row.rule, row.note, row.losses) == ("work", "tool-use → groq", "", "")
    assert (row.agent_format, row.provider_format) == ("anthropic-messages", "anthropic-messages")
    assert (row.asked_host, row.path) == ("api.anthropic.com", "/v1/x/messages")
    assert (row.provider, row.requested_model, row.routed_model, row.answered_model) == (
        "anthropic", "asked-model", "claude-sonnet-4-5", "answered",
    )  # fmt: skip
    assert (row.stream, row.messages, row.tools, row.has_system, row.max_output_tokens) == (True, 1, 1, True, 77)
    assert (row.counted_tokens, row.calibration, row.estimated_input_tokens) == (100, 1.1, 110)
    assert row.decision_ratio == 1.0  # that of the model asked for; `calibration` is that of the one that answered
    assert (row.status, row.error_class, row.attempts, row.decision_us) == (200, "", 1, 321)
    assert (row.request_bytes, row.response_bytes) == (len(compact(BODY)), 5000)
    assert (row.usage, row.usage_source) == (READING.usage, "reported")
    assert (row.cost_input, row.cost_output, row.cost_total) == (Decimal("0.003"), Decimal("0.003"), Decimal("0.006"))
    assert row.price_source


@pytest.mark.parametrize("word", ["K", "key=", "?"])
def test_no_key_of_the_query_is_in_a_row(word: str) -> None:
    assert word not in row_of(routed(MESSAGES, BODY, provider="minimax")).path


@pytest.mark.parametrize(
    ("reading", "status", "usage", "source"),
    [
        (READING, 200, READING.usage, "reported"),
        (replace(READING, usage=None), 200, Usage(input_tokens=150, output_tokens=300), "estimated"),
        (replace(READING, usage=None, bytes_out=0), 200, Usage(), "none"),
        (replace(READING, usage=None), 500, Usage(), "none"),
        (replace(READING, usage=None), None, Usage(), "none"),
        (None, None, Usage(), "none"),
        (replace(READING, complete=False), 200, Usage(input_tokens=1000, output_tokens=300), "estimated"),
        (replace(READING, complete=False, output_estimate=100), 200, READING.usage, "reported"),
        (
            replace(READING, complete=False, usage=Usage(input_tokens=9, output_tokens=1, reasoning_tokens=100)),
            200,
            Usage(input_tokens=9, output_tokens=200, reasoning_tokens=100),
            "estimated",
        ),
        (READING, 500, READING.usage, "reported"),
    ],
    ids=[
        "reported",
        "nothing reported",
        "nothing came",
        "an error",
        "no status",
        "no answer",
        "broken off, more seen than reported",
        "broken off, more reported than seen",
        "broken off while thinking",
        "an error that was billed",
    ],
)
def test_where_the_figures_are_from(reading: Reading | None, status: int | None, usage: Usage, source: str) -> None:
    exchange = routed(CHAT, counted_tokens=100, calibration=1.5)
    exchange.reading, exchange.status = reading, status
    row = row_of(exchange)
    assert (row.usage, row.usage_source) == (usage, source)
    assert (row.cost_total is None) is (source == "none")


def test_nobody_counted_so_the_body_is_measured() -> None:
    exchange = routed(CHAT, b"x" * 400)
    exchange.reading, exchange.status = replace(READING, usage=None), 200
    row = row_of(exchange)
    assert (row.input_tokens, row.counted_tokens, row.estimated_input_tokens) == (100, None, None)


def test_a_model_without_a_price_costs_an_unknown_amount() -> None:
    exchange = routed(CHAT, model="nobody-knows-this-model")
    exchange.reading, exchange.status = READING, 200
    row = row_of(exchange)
    assert (row.cost_total, row.cost_input, row.price_source) == (None, None, "")
    assert row.usage == READING.usage


def test_an_unreadable_body_has_a_row_without_features() -> None:
    exchange = routed(CHAT, b"not json", note="not read: no JSON")
    row = row_of(exchange)
    assert (row.requested_model, row.messages, row.agent, row.note) == ("", 0, "", "not read: no JSON")


def test_a_request_that_was_never_routed() -> None:
    exchange = routed(CHAT)
    bare = Exchange("id-2", STARTED_US, exchange.request, failure=Failure(FailureKind.NOT_SENT, 400))
    row = row_of(bare)
    assert (row.provider, row.rule, row.attempts, row.error_class, row.provider_format) == ("", "", 0, "not-sent", "")


def test_each_attempt_has_its_row() -> None:
    exchange = routed(CHAT)
    first, target = exchange.attempts[0], exchange.targets[0]
    failed = replace(first, status=429, ended_us=STARTED_US + 50, failure=Failure(FailureKind.RATE_LIMITED, 429))
    exchange.attempts = [failed, Attempt(2, target, "env:OTHER", STARTED_US + 60, wait_ms=10)]
    row, attempts = BOOKS.rows(exchange, NOW)
    assert row.attempts == 2
    assert [(one.number, one.status, one.error_class, one.key_label, one.wait_ms) for one in attempts] == [
        (1, 429, "rate-limited", "env:GROQ_API_KEY", 0),
        (2, None, "", "env:OTHER", 10),
    ]
    assert {one.request_id for one in attempts} == {row.id}


LEFT_OUT = ("provider 'cloudflare' needs CLOUDFLARE_ACCOUNT_ID in the environment", "unknown provider 'gone'")


def failed_with(*kinds: FailureKind, note: str = "", skipped: tuple[str, ...] = LEFT_OUT) -> RequestRow:
    exchange = routed(MESSAGES, BODY, note=note, skipped=skipped)
    (first,) = exchange.attempts
    exchange.attempts = [replace(first, failure=Failure(kind)) for kind in kinds] + [first]
    return row_of(exchange)


@pytest.mark.parametrize(
    ("kinds", "skipped", "note"),
    [
        ((FailureKind.OVERLOADED,), LEFT_OUT, f"left out: {LEFT_OUT[0]}; {LEFT_OUT[1]}"),
        ((FailureKind.OVERLOADED,), (), ""),
        ((FailureKind.REFUSED_REQUEST,), LEFT_OUT, ""),
        ((FailureKind.CLIENT_GONE,), LEFT_OUT, ""),
        ((), LEFT_OUT, ""),
    ],
    ids=["they were missed", "there are none", "no other could help", "nobody was waiting", "nothing failed"],
)
def test_fallbacks_that_cannot_be_used_are_noted_where_they_were_missed(
    kinds: tuple[FailureKind, ...], skipped: tuple[str, ...], note: str
) -> None:
    assert failed_with(*kinds, skipped=skipped).note == note


def test_a_note_is_short_and_keeps_what_else_was_odd() -> None:
    row = failed_with(FailureKind.UNREACHABLE, note="not read: no JSON", skipped=("x" * 1000,))
    assert row.note.startswith("not read: no JSON; left out: xxx") and row.note.endswith("x…")
    assert len(row.note) < 330


CLAUDE, LLAMA = ("anthropic", "claude-sonnet-4-5"), ("groq", "llama-3.3-70b-versatile")
MINUTE_US = 60 * 1_000_000
HAIKU, GPT = ("anthropic", "claude-haiku-4-5"), ("openai", "gpt-5")


def answered(
    books: Bookkeeper,
    to: tuple[str, str],
    after_us: int = 0,
    body: Any = None,
    status: int | None = 200,
    **used: int,
) -> tuple[str, Decimal | None]:
    """What the row says of a switch: a request that was answered some time after the first."""
    exchange = routed(MESSAGES, body or BODY, provider=to[0], model=to[1])
    exchange.started_us = STARTED_US + after_us
    exchange.status, exchange.reading = status, replace(READING, usage=Usage(**used)) if used else None
    row, _ = books.rows(exchange, exchange.started_us + 1_000_000)
    assert decode_line(encode_line(row, ())) == (row, ())
    return row.switched_from, row.cost_switch


def books() -> Bookkeeper:
    return Bookkeeper("work", PriceBook())


Used = dict[str, int]

# Who had answered and with what, who answers now and with what, and what leaving the first cost. USD per million
# tokens: Sonnet 3, written to the cache 3.75, read there 0.30; Haiku 1, 1.25, 0.10; GPT-5 1.25, read 0.125; Llama 0.59,
# nothing cheaper.
SWITCHES: dict[str, tuple[tuple[str, str], Used, tuple[str, str], Used, str]] = {
    "no cache on either side": (LLAMA, {"input_tokens": 60_000}, CLAUDE, {"input_tokens": 61_000}, "0"),
    "nothing was cached there that could be left behind": (
        LLAMA,
        {"input_tokens": 60_000},
        CLAUDE,
        {"input_tokens": 1_000, "cache_write_5m_tokens": 60_000},
        "0",
    ),
    "nothing was marked there to be cached": (CLAUDE, {"input_tokens": 60_000}, GPT, {"input_tokens": 61_000}, "0"),
    "a warm cache is left behind, and all is paid in full": (
        HAIKU,
        {"cache_read_tokens": 50_000, "cache_write_5m_tokens": 10_000},
        GPT,
        {"input_tokens": 62_000},
        "0.0675",  # 60,000 at 1.25 - 0.125
    ),
    "a warm cache is left behind, and all is written anew": (
        HAIKU,
        {"cache_read_tokens": 50_000, "cache_write_5m_tokens": 10_000, "input_tokens": 500},
        CLAUDE,
        {"cache_write_5m_tokens": 55_000, "input_tokens": 10_000},
        "0.20325",  # 55,000 at 3.75 - 0.30, and 5,000 at 3 - 0.30
    ),
    "what caches by itself holds the whole prompt": (
        GPT,
        {"input_tokens": 40_000},
        CLAUDE,
        {"cache_write_5m_tokens": 40_000},
        "0.138",  # 40,000 at 3.75 - 0.30
    ),
    "a prompt too short to be cached": (GPT, {"input_tokens": 1_000}, CLAUDE, {"input_tokens": 1_000}, "0"),
    "a part of it is in the new one's cache": (
        GPT,
        {"input_tokens": 60_000},
        CLAUDE,
        {"cache_read_tokens": 50_000, "cache_write_5m_tokens": 12_000},
        "0.0345",  # 10,000 at 3.75 - 0.30
    ),
    "all of it is in the new one's cache": (
        GPT,
        {"input_tokens": 60_000},
        CLAUDE,
        {"cache_read_tokens": 60_000, "input_tokens": 100},
        "0",
    ),
    "where nothing is cheaper from a cache, none is missed": (
        CLAUDE,
        {"cache_write_5m_tokens": 60_000},
        LLAMA,
        {"input_tokens": 61_000},
        "0",
    ),
}


@pytest.mark.parametrize(("was", "used_then", "to", "used", "usd"), SWITCHES.values(), ids=SWITCHES)
def test_a_switch_costs_what_the_cache_left_behind_would_have_saved(
    was: tuple[str, str], used_then: Used, to: tuple[str, str], used: Used, usd: str
) -> None:
    own = books()
    assert answered(own, was, **used_then) == ("", 0)
    assert answered(own, to, after_us=MINUTE_US, **used) == ("/".join(was), Decimal(usd))
    assert answered(own, to, after_us=2 * MINUTE_US, **used) == ("", 0)


@pytest.mark.parametrize(
    ("kind", "minutes", "cost"),
    [
        ("cache_write_5m_tokens", 5, "0.0345"),
        ("cache_write_5m_tokens", 6, "0"),
        ("cache_write_1h_tokens", 60, "0.0345"),
        ("cache_write_1h_tokens", 61, "0"),
    ],
)
def test_a_cache_that_is_gone_is_not_left_behind(kind: str, minutes: int, cost: str) -> None:
    own = books()
    answered(own, HAIKU, **{kind: 10_000})
    came = answered(own, CLAUDE, minutes * MINUTE_US, cache_write_5m_tokens=10_000)
    assert came == ("/".join(HAIKU), Decimal(cost))


def test_without_a_price_a_switch_costs_an_unknown_amount() -> None:
    own = books()
    answered(own, CLAUDE, cache_write_5m_tokens=2_000)
    assert answered(own, ("groq", "nobody-knows-this-model"), input_tokens=2_000) == (
        "anthropic/claude-sonnet-4-5", None,
    )  # fmt: skip


def test_an_answer_that_did_not_come_is_no_switch() -> None:
    own = books()
    answered(own, LLAMA, input_tokens=1_000)
    assert answered(own, CLAUDE, status=529) == ("", 0)
    assert answered(own, LLAMA, input_tokens=1_000) == ("", 0)


OTHERS = {
    "a side call to another model": BODY | {"model": "small-model"},
    "a subagent with a prompt of its own": BODY | {"messages": [{"role": "user", "content": "look for the tests"}]},
    "another session": BODY | {"metadata": {"user_id": "user_a_account__session_fedcba9876"}},
    "what cannot be read": b"not json",
}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_other_conversations_have_nothing_to_do_with_it(body: Any) -> None:
    own = books()
    answered(own, LLAMA, input_tokens=1_000)
    assert answered(own, CLAUDE, body=body, input_tokens=1_000) == ("", 0)
    assert answered(own, LLAMA, input_tokens=1_000) == ("", 0)


def test_a_fallback_that_answered_is_a_switch_as_well() -> None:
    own = books()
    answered(own, HAIKU, cache_write_5m_tokens=1_000)
    exchange = routed(MESSAGES, BODY, provider=LLAMA[0], model=LLAMA[1])
    fallback = routed(MESSAGES, BODY, provider=CLAUDE[0], model=CLAUDE[1]).targets[0]
    failed = replace(exchange.attempts[0], failure=Failure(FailureKind.OVERLOADED, 529))
    exchange.attempts = [failed, Attempt(2, fallback, "env:ANTHROPIC_API_KEY", STARTED_US + 60)]
    exchange.status, exchange.reading = 200, replace(READING, usage=Usage(input_tokens=1_000))
    row, _ = own.rows(exchange, NOW)
    assert (row.provider, row.switched_from, row.cost_switch) == (
        "anthropic", "anthropic/claude-haiku-4-5", Decimal("0.0027"),
    )  # fmt: skip


HOSTS = {"api.anthropic.com": "anthropic"}


def as_asked(
    books: Bookkeeper, to: tuple[str, str], asked: str = CLAUDE[1], hosts: Mapping[str, str] = HOSTS, **used: int
) -> Decimal | None:
    """What the row says that the model asked for would have cost."""
    exchange = routed(MESSAGES, BODY | {"model": asked}, provider=to[0], model=to[1])
    reread(exchange, hosts)
    exchange.status, exchange.reading = 200, replace(READING, usage=Usage(**used))
    row, _ = books.rows(exchange, NOW)
    assert decode_line(encode_line(row, ())) == (row, ())
    return row.cost_as_asked


def reread(exchange: Exchange, hosts: Mapping[str, str] = HOSTS, **headers: str) -> None:
    """As dispatch reads it: with the provider of the host that was asked."""
    assert exchange.turn is not None
    sent = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    request = replace(exchange.turn.request, headers=sent)
    exchange.turn = replace(exchange.turn, peek=peek(request, lambda host: hosts.get(host, "")))


def test_what_was_asked_for_costs_what_it_cost() -> None:
    """3 USD a million tokens, 0.30 from the cache; the second one could have read more, and did not."""
    own = books()
    assert as_asked(own, CLAUDE, input_tokens=10_000) == Decimal("0.03")
    assert as_asked(own, CLAUDE, input_tokens=10_000) == Decimal("0.03")


def test_a_conversation_sent_elsewhere_would_have_had_its_cache_there() -> None:
    own = books()
    assert as_asked(own, LLAMA, input_tokens=10_000) == Decimal("0.03")
    assert (
        as_asked(own, LLAMA, input_tokens=12_000, output_tokens=100)
        == (10_000 * Decimal("0.3") + 2_000 * 3 + 100 * 15) / 1_000_000
    )


def test_coming_back_costs_what_it_would_not_have_as_asked() -> None:
    own = books()
    as_asked(own, LLAMA, input_tokens=10_000)
    assert (
        as_asked(own, CLAUDE, cache_write_5m_tokens=11_000)
        == (10_000 * Decimal("0.3") + 1_000 * Decimal("3.75")) / 1_000_000
    )


@pytest.mark.parametrize(
    ("asked", "hosts"),
    [("nobody-knows-this-model", HOSTS), (CLAUDE[1], {})],
    ids=["a model without a price", "a host that is nobody's"],
)
def test_what_nobody_knows_the_price_of_is_unknown(asked: str, hosts: Mapping[str, str]) -> None:
    assert as_asked(books(), LLAMA, asked, hosts, input_tokens=10_000) is None


def test_without_an_answer_there_is_nothing_to_compare() -> None:
    exchange = routed(MESSAGES, BODY | {"model": CLAUDE[1]}, provider=LLAMA[0], model=LLAMA[1])
    reread(exchange)
    exchange.status = 529
    assert row_of(exchange).cost_as_asked is None


def test_what_it_would_have_cost_without_a_cache_is_in_the_row() -> None:
    exchange = routed(MESSAGES, BODY, provider=CLAUDE[0], model=CLAUDE[1])
    used = Usage(input_tokens=1_000, cache_read_tokens=9_000)
    exchange.status, exchange.reading = 200, replace(READING, usage=used)
    row = row_of(exchange)
    assert (row.cost_total, row.cost_uncached) == (Decimal("0.0057"), Decimal("0.03"))


WORKS_IN = BODY | {"system": "# Environment\n - Primary working directory: /home/ada/lovelace\n"}


@pytest.mark.parametrize(("keeps", "project"), [(True, "lovelace"), (False, "")])
def test_the_project_is_in_the_row_unless_nothing_is_to_be_kept(keeps: bool, project: str) -> None:
    exchange = routed(MESSAGES, WORKS_IN)
    reread(exchange, user_agent="claude-cli/2.1.197")
    row, _ = Bookkeeper("work", PriceBook(), keeps_projects=keeps).rows(exchange, NOW)
    assert (row.agent, row.project) == ("claude", project)


def test_the_arm_and_why_the_answer_ended() -> None:
    exchange = routed(CHAT)
    assert exchange.turn is not None
    decision = replace(exchange.turn.decision, arm="groq/llama")
    exchange.turn = replace(exchange.turn, decision=decision)
    exchange.status, exchange.reading = 200, replace(READING, stop_reason="length")
    assert (row_of(exchange).arm, row_of(exchange).stop_reason) == ("groq/llama", "max tokens")
    exchange.reading = replace(READING, stop_reason="")
    assert row_of(exchange).stop_reason == ""
