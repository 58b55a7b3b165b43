"""What is known of vendors' prompt caches: how long they live, what goes into them, what they hold after an answer.

There are two kinds. Anthropic's hold what an agent marks, and writing to them costs more than plain input; everybody
else's hold each prompt by themselves, and writing costs nothing extra. Which of them a model has is seen by its prices.
"""

from __future__ import annotations

from decimal import Decimal

from ringlet_mitm.rules.pricing import PriceCard, Usage

SECOND_US = 1_000_000
# Anthropic's caches live 5 minutes, or an hour where that is asked and paid for; OpenAI's 5 to 10 minutes without a
# request (both accessed 2026-11-21).
LIVES_US = 300 * SECOND_US
LIVES_LONG_US = 3600 * SECOND_US
# Shorter prompts neither caches; some models of Anthropic's none below 2,048 or 4,096 (accessed 2026-11-21).
LEAST_CACHED = 1024
NOTHING = Decimal(0)


def marks(card: PriceCard) -> bool:
    """Its cache holds only what the agent marks: writing costs more."""
    rates = card.rates
    return (rates.cache_write_5m_tokens or NOTHING) > (rates.input_tokens or NOTHING)


def lives_us(cache_write_1h_tokens: int) -> int:
    """How long a cache lives that a request with so many tokens for the long one has written or read."""
    return LIVES_LONG_US if cache_write_1h_tokens else LIVES_US


def held(usage: Usage, card: PriceCard | None) -> int:
    """How many tokens, from the prompt's front, the cache holds once this was answered.

    What was read or written is in there. Of what caches by itself no vendor says what it wrote: it holds the prompt,
    where that is long enough and reading costs less than input. A cost is rather left out than made up: where the
    prices are not known, it is what was reported.
    """
    reported = usage.cache_read_tokens + usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    if card is None or marks(card):
        return reported
    rates = card.rates_for(usage.total_input)
    cheaper = (rates.cache_read_tokens or NOTHING) < (rates.input_tokens or NOTHING)
    return usage.total_input if cheaper and usage.total_input >= LEAST_CACHED else reported
