"""What a request cost: arithmetic over token kinds and a price card.

`Usage` is the one list of token kinds. They are disjoint: a token is in one of them, whatever the vendor's own
fields overlap in (`addons/wire/metering.py` untangles that). A price that is not known is None, never 0, and one
unknown part that matters makes the total unknown.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from operator import attrgetter, mul
from typing import Any

MTOK_DIGITS = 6
MTOK = Decimal(10**MTOK_DIGITS)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request by kind; disjoint, so that sums are totals. The kinds of each of PARTS stand together."""

    input_tokens: int = 0
    image_input_tokens: int = 0
    audio_input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    image_output_tokens: int = 0
    audio_output_tokens: int = 0

    @property
    def total_input(self) -> int:
        """All tokens that went in, cached or not."""
        return (
            self.input_tokens
            + self.image_input_tokens
            + self.audio_input_tokens
            + self.cache_read_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
        )

    @property
    def total_output(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output_tokens + self.reasoning_tokens + self.image_output_tokens + self.audio_output_tokens


TOKEN_KINDS: tuple[str, ...] = tuple(field.name for field in fields(Usage))


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens of each kind; None is unknown. The names are those of `Usage`."""

    input_tokens: Decimal | None = None
    image_input_tokens: Decimal | None = None
    audio_input_tokens: Decimal | None = None
    cache_read_tokens: Decimal | None = None
    cache_write_5m_tokens: Decimal | None = None
    cache_write_1h_tokens: Decimal | None = None
    output_tokens: Decimal | None = None
    reasoning_tokens: Decimal | None = None
    image_output_tokens: Decimal | None = None
    audio_output_tokens: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates of a whole request whose input is more than `above_input_tokens`."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True, slots=True)
class PriceCard:
    """The prices of one model at one provider; `tiers` ascending by their threshold."""

    provider: str
    model: str
    rates: Rates
    source: str  # "genai-prices 0.2.3", "ringlet 2026-11-21", "user"
    tiers: tuple[Tier, ...] = ()
    per_request: Decimal = Decimal(0)

    def rates_for(self, total_input: int) -> Rates:
        """The rates of a request with that many input tokens."""
        found = self.rates
        for tier in self.tiers:
            if total_input > tier.above_input_tokens:
                found = tier.rates
        return found


@dataclass(frozen=True, slots=True)
class Cost:
    """USD by part; None is unknown. `total` is None as soon as a part with tokens has no price."""

    input: Decimal | None
    cache_read: Decimal | None
    cache_write: Decimal | None
    output: Decimal | None
    total: Decimal | None


UNKNOWN_COST = Cost(None, None, None, None, None)

# Which kinds make up which part of a bill.
PARTS: dict[str, tuple[str, ...]] = {
    "input": ("input_tokens", "image_input_tokens", "audio_input_tokens"),
    "cache_read": ("cache_read_tokens",),
    "cache_write": ("cache_write_5m_tokens", "cache_write_1h_tokens"),
    "output": ("output_tokens", "reasoning_tokens", "image_output_tokens", "audio_output_tokens"),
}
_SLICES = {part: slice(TOKEN_KINDS.index(kinds[0]), TOKEN_KINDS.index(kinds[-1]) + 1) for part, kinds in PARTS.items()}
_FIRST_OUTPUT = TOKEN_KINDS.index("output_tokens")
# The values of all kinds, of whatever has these names, in the order of TOKEN_KINDS.
in_order: attrgetter[tuple[Any, ...]] = attrgetter(*TOKEN_KINDS)
# What was not read from the cache, from a prompt's front to its end: what a vendor writes to its cache comes first, and
# what shall live for an hour before what lives for 5 minutes (Anthropic wants it so; accessed 2026-11-21).
UNCACHED = (
    "cache_write_1h_tokens",
    "cache_write_5m_tokens",
    "input_tokens",
    "image_input_tokens",
    "audio_input_tokens",
)
_UNCACHED_PLACES = tuple(map(TOKEN_KINDS.index, UNCACHED))
_CACHE_READ = TOKEN_KINDS.index("cache_read_tokens")


def cost(usage: Usage, card: PriceCard | None) -> Cost:
    """Price `usage` with `card`; everything unknown without one."""
    if card is None:
        return UNKNOWN_COST
    counts, rates = in_order(usage), in_order(card.rates_for(usage.total_input))
    parts = {part: _amount(counts[kinds], rates[kinds]) for part, kinds in _SLICES.items()}
    known = [amount for amount in parts.values() if amount is not None]
    total = sum(known, card.per_request) if len(known) == len(parts) else None
    return Cost(**parts, total=total)


class RateTable:
    """The prices of a card as whole numbers of one small unit, for the hundred thousand requests of a replay."""

    def __init__(self, card: PriceCard) -> None:
        every = [in_order(rates) for rates in (card.rates, *(tier.rates for tier in card.tiers))]
        digits = max(
            (-int(rate.as_tuple().exponent) for rates in every for rate in rates if rate is not None), default=0
        )
        self._unit = -digits - MTOK_DIGITS
        self._from = [tier.above_input_tokens + 1 for tier in card.tiers]
        self._rates = [[0 if rate is None else int(rate.scaleb(digits)) for rate in rates] for rates in every]
        self._output_rates = [rates[_FIRST_OUTPUT:] for rates in self._rates]
        self._unknown = [[place for place, rate in enumerate(rates) if rate is None] for rates in every]
        self._per_request = card.per_request

    def amounts(self, counts: Sequence[int]) -> tuple[Decimal | None, Decimal | None]:
        """Total and output of `cost`, for counts in the order of TOKEN_KINDS; in an eighth of its time."""
        tier = bisect_right(self._from, sum(counts[:_FIRST_OUTPUT])) if self._from else 0
        for place in self._unknown[tier]:
            if counts[place]:
                return None, None
        whole = sum(map(mul, counts, self._rates[tier]))
        output = sum(map(mul, counts[_FIRST_OUTPUT:], self._output_rates[tier]))
        return Decimal(whole).scaleb(self._unit) + self._per_request, Decimal(output).scaleb(self._unit)


def switch_cost(usage: Usage, card: PriceCard | None, cached_elsewhere: int) -> Decimal | None:
    """USD, a part of `cost`, that a request after a switch cost since the cache left behind could not be read.

    It is what the request cost, less what the same prompt would have cost at the same prices had the first
    `cached_elsewhere` tokens of it been read from the cache: so many the provider and model before had in theirs. Both
    caches begin at the front of the prompt, so what this one has read from its own is of these, and was not lost.
    Prices of another model are no part of it: `cost_as_asked` is about these. Never below 0, not even where a read
    costs more; None where a price that matters is unknown.
    """
    left, extra = max(cached_elsewhere - usage.cache_read_tokens, 0), Decimal(0)
    if not left:
        return extra
    if card is None:
        return None
    rates = card.rates_for(usage.total_input)
    for kind in UNCACHED:
        tokens = min(left, getattr(usage, kind))
        if not tokens:
            continue
        rate: Decimal | None = getattr(rates, kind)
        if rate is None or rates.cache_read_tokens is None:
            return None
        extra += tokens * max(rate - rates.cache_read_tokens, Decimal(0)) / MTOK
        left -= tokens
    return extra


def _amount(counts: Iterable[int], rates: Iterable[Decimal | None]) -> Decimal | None:
    """USD; None where a rate that matters is unknown."""
    amount = Decimal(0)
    for tokens, rate in zip(counts, rates, strict=True):
        if tokens:
            if rate is None:
                return None
            amount += tokens * rate
    return amount / MTOK


def _total(counts: Sequence[int], card: PriceCard | None) -> Decimal | None:
    """The total of `cost`, for counts in the order of TOKEN_KINDS."""
    if card is None:
        return None
    amount = _amount(counts, in_order(card.rates_for(sum(counts[:_FIRST_OUTPUT]))))
    return None if amount is None else amount + card.per_request


def cost_as_asked(usage: Usage, card: PriceCard | None, cached: int) -> Decimal | None:
    """USD that the same tokens would have cost with `card`, of the model that was asked for, had it answered all along.

    `cached` is how many tokens the conversation's last request had that a cache could still hold: so many at the front
    of the prompt would have been cache reads there, and what was read from a cache elsewhere would have been too. That
    is the least it could have cost, so that what rules save is rather understated. None where a price is unknown.
    """
    return _total(_read_from_cache(usage, cached), card)


def cost_uncached(usage: Usage, card: PriceCard | None) -> Decimal | None:
    """USD that the same tokens would have cost without any cache; None where a price is unknown."""
    counts = list(in_order(usage))
    for part in ("cache_read", "cache_write"):
        kinds = _SLICES[part]
        counts[0] += sum(counts[kinds])
        counts[kinds] = [0] * len(PARTS[part])
    return _total(counts, card)


def _read_from_cache(usage: Usage, cached: int) -> Sequence[int]:
    """The counts of `usage` with at least `cached` tokens, as far as there are as many, read from the cache."""
    left = cached - usage.cache_read_tokens
    counts = list(in_order(usage))
    for place in _UNCACHED_PLACES if left > 0 else ():
        tokens = min(left, counts[place])
        counts[place] -= tokens
        counts[_CACHE_READ] += tokens
        left -= tokens
    return counts
