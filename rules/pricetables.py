"""Price tables in TOML, ours and a person's: their words, their rows, and the card a row makes."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.model_names import folded, plain, spellings
from ringlet_mitm.rules.pricing import TOKEN_KINDS, PriceCard, Rates, Tier

FOLDER = Path(__file__).parent / "prices"

# The words of our tables, and of the person's, for the kinds of `Usage`.
WORDS: dict[str, str] = {
    "input": "input_tokens",
    "image-input": "image_input_tokens",
    "audio-input": "audio_input_tokens",
    "cache-read": "cache_read_tokens",
    "cache-write-5m": "cache_write_5m_tokens",
    "cache-write-1h": "cache_write_1h_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
    "image-output": "image_output_tokens",
    "audio-output": "audio_output_tokens",
}

# A kind without a price of its own is billed as this one; vendors do so, and the library as well.
BILLED_AS: tuple[tuple[str, str], ...] = (
    ("image_input_tokens", "input_tokens"),
    ("audio_input_tokens", "input_tokens"),
    ("cache_read_tokens", "input_tokens"),
    ("reasoning_tokens", "output_tokens"),
    ("image_output_tokens", "output_tokens"),
    ("audio_output_tokens", "output_tokens"),
)
CACHE_WRITES = ("cache_write_5m_tokens", "cache_write_1h_tokens")


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens: `base`, and from above each threshold of input tokens another."""

    base: Decimal
    above: tuple[tuple[int, Decimal], ...] = ()

    def at(self, threshold: int) -> Decimal:
        """The price above `threshold` input tokens; 0 is the base."""
        return next((price for start, price in reversed(self.above) if threshold >= start), self.base)

    def times(self, rate: Decimal) -> Price:
        """The same price multiplied."""
        return Price(self.base * rate, tuple((start, price * rate) for start, price in self.above))


Prices = dict[str, Price]  # kind of token -> price


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The prices of one provider by model name or glob, as a table in TOML says them."""

    models: Mapping[str, Mapping[str, Any]]
    source: str
    library: str = ""

    def find(self, model: str) -> Prices | None:
        """The prices of `model`, by any of its spellings."""
        for name in spellings(model):
            row = self.models.get(folded(name))
            if row is not None:
                return self.find(row["as"]) if "as" in row else read_prices(row)
        globs = (row for name, row in self.models.items() if "*" in name and fnmatchcase(folded(model), name))
        return next((read_prices(row) for row in globs), None)


def table_of(models: Mapping[str, Mapping[str, Any]], source: str, library: str = "") -> PriceTable:
    """A table with its names folded, so that `claude-sonnet-4.5` and `claude-sonnet-4-5` are one."""
    return PriceTable({folded(name): row for name, row in models.items()}, source, library)


def read_prices(row: Mapping[str, Any]) -> Prices:
    """A row of a table: `{ input = 3, output = 15 }`, or lists with `above`.

    Raises ConfigError, with the word as its key, for what cannot be a price.
    """
    above = tuple(row.get("above", ()))
    prices: Prices = {}
    for word, value in row.items():
        if word == "above":
            continue
        kind = WORDS.get(word.replace("_", "-"))
        if kind is None:
            raise ConfigError("unknown kind of price", key=word, suggestion=nearest(word, WORDS))
        amounts = [_amount(word, item) for item in (value if isinstance(value, list) else [value])]
        if len(amounts) not in (1, len(above) + 1):
            raise ConfigError(f"{len(amounts)} prices for {len(above)} thresholds in 'above'", key=word)
        prices[kind] = Price(amounts[0], tuple(zip(above, amounts[1:], strict=False)))
    return prices


def _amount(word: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal) or value < 0:
        raise ConfigError("a price is a number of USD per million tokens, 0 or more", key=word)
    return Decimal(str(value))


def make_card(provider: str, model: str, prices: Prices, source: str, per_request: Decimal = Decimal(0)) -> PriceCard:
    """A card with every kind that can be priced; kinds without a price of their own are billed as vendors do."""
    filled, rated = _with_cache_rates(model, prices)
    for kind, other in BILLED_AS:
        if kind not in filled and other in filled:
            filled[kind] = filled[other]
    if "input_tokens" in filled and not any(kind in filled for kind in CACHE_WRITES):
        filled |= dict.fromkeys(
            CACHE_WRITES, filled["input_tokens"]
        )  # no surcharge for writing: written is plain input
    starts = sorted({start for price in filled.values() for start, _ in price.above})
    tiers = tuple(Tier(start, _rates(filled, start)) for start in starts)
    source = f"{source} + cache rates" if rated else source
    return PriceCard(provider, model, _rates(filled, 0), source, tiers, per_request)


def _rates(prices: Prices, threshold: int) -> Rates:
    return Rates(**{kind: prices[kind].at(threshold) for kind in TOKEN_KINDS if kind in prices})


def _with_cache_rates(model: str, prices: Prices) -> tuple[Prices, bool]:
    """A copy with the cache prices that the source leaves out, and whether there were any."""
    filled = dict(prices)
    if "input_tokens" in prices:
        names = {folded(model), plain(model)}
        for globs, rates in _cache_rates():
            if any(fnmatchcase(name, glob) for name in names for glob in globs):
                filled = {kind: prices["input_tokens"].times(rate) for kind, rate in rates.items()} | filled
    return filled, len(filled) > len(prices)


# ---- our own files ----


def supplement(library_id: str, installed: tuple[int, ...]) -> PriceTable | None:
    """What older releases of the price library lack of a provider; None where there is no table newer than `installed`.

    The rows, 70 ms for all providers, are only read for who needs them.
    """
    path = FOLDER / f"{library_id}.toml"
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    head = tomllib.loads(text.partition("[models]")[0])
    if numbers(head["library"]) <= installed:
        return None
    data = tomllib.loads(text, parse_float=Decimal)
    return table_of(data["models"], data["source"], data["library"])


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare with others."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


@cache
def known_library() -> tuple[str, date]:
    """The release of the price library that our tables were made of, and the day of it."""
    data = _read(FOLDER / "anthropic.toml")
    return data["library"], data["accessed"]


@cache
def reference() -> Mapping[str, PriceTable]:
    """The reference tables by provider."""
    data = _read(FOLDER / "reference.toml")
    return {name: table_of(models, data["source"]) for name, models in data.items() if isinstance(models, dict)}


@cache
def _cache_rates() -> tuple[tuple[tuple[str, ...], dict[str, Decimal]], ...]:
    rules = _read(FOLDER / "cache-rates.toml")["rate"]
    return tuple(
        (tuple(rule["models"]), {kind: Decimal(str(rule[word])) for word, kind in WORDS.items() if word in rule})
        for rule in rules
    )


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
