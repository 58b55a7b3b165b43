"""Rows whose sums anyone can check: a week of two agents, some failures, and names that want to be markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from ledgers import NOON, request

from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow

DAY_US = 86_400 * 1_000_000
HOSTILE = (
    "<script>window.hit='script'</script>",
    "<img src=x onerror=\"window.hit='image'\">",
    "</script><script>window.hit='closed'</script>",
    '"><svg onload="window.hit=\'svg\'">',
    "'};window.hit='json';//",
    "\u202eevil\u2028\u0007",
)
KINDS = (
    ("tool-use → anthropic", "anthropic", "claude-sonnet-4-5", "claude", "0.0301", 900),
    ("input-tokens-lt → groq", "groq", "llama-3.3-70b-versatile", "claude", "0.0007", 120),
    ("default → anthropic", "anthropic", "claude-opus-4-6[1m]", "codex", "0.2199", 2400),
)


def exchanges() -> list[tuple[RequestRow, tuple[AttemptRow, ...]]]:
    """All of them."""
    rows = [*_ordinary(), *_failed(), *_unpriced(), *_hostile()]
    return [(row, ()) for row in rows]


def _ordinary() -> Iterator[RequestRow]:
    """Seven days, 60 requests a day."""
    for day in range(7):
        for place in range(60):
            rule, provider, model, agent, usd, first_byte_ms = KINDS[place % 3]
            started_us = NOON - (6 - day) * DAY_US + place * 60_000_000
            yield request(
                started_us=started_us,
                first_byte_us=started_us + first_byte_ms * 1000 + place,
                ended_us=started_us + first_byte_ms * 3000,
                rule=rule,
                provider=provider,
                routed_model=model,
                agent=agent,
                session=f"s{day}-{place % 5}",
                project=("ringlet", "website")[place % 2],
                stream=True,
                input_tokens=100 + place,
                cache_read_tokens=900,
                output_tokens=40,
                cost_total=Decimal(usd),
            )


def _failed() -> Iterator[RequestRow]:
    for place in range(4):
        yield request(
            provider="groq",
            routed_model="llama-3.3-70b-versatile",
            rule="input-tokens-lt → groq",
            status=429,
            error_class="rate-limited",
            usage_source="none",
            cost_total=None,
            started_us=NOON + place,
        )


def _unpriced() -> Iterator[RequestRow]:
    yield request(provider="local", routed_model="own-model", cost_total=None, input_tokens=5000, output_tokens=10)


def _hostile() -> Iterator[RequestRow]:
    """A request for each, worth a cent."""
    for name in HOSTILE:
        row = request(cost_total=Decimal("0.01"), input_tokens=10, output_tokens=1)
        names = dict.fromkeys(("rule", "routed_model", "provider", "agent", "session", "project"), name)
        yield replace(row, **names)
