"""What newer price data changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from ringlet_mitm.rules.price_catalogue import Catalogue
from ringlet_mitm.rules.pricetables import Prices


@dataclass(frozen=True, slots=True)
class Changes:
    """What new data would change: models that were unknown, and those whose price is another now, old and new."""

    added: tuple[str, ...]
    repriced: tuple[tuple[str, str, str], ...]
    gone: tuple[str, ...]


def compared(old: Catalogue, new: Catalogue) -> Changes:
    """What `new` says otherwise than `old` about the prices in force."""
    before, after = dict(_priced(old)), dict(_priced(new))
    repriced = (
        (name, _short(before[name]), _short(prices))
        for name, prices in after.items()
        if name in before and before[name] != prices
    )
    return Changes(
        tuple(name for name in after if name not in before),
        tuple(repriced),
        tuple(name for name in before if name not in after),
    )


def _priced(catalogue: Catalogue) -> Iterator[tuple[str, tuple[Prices, Decimal]]]:
    for provider in catalogue.providers:
        for model in catalogue.models(provider):
            yield f"{provider}/{model.id}", model.prices_on(None)


def _short(prices: tuple[Prices, Decimal]) -> str:
    """`$3 / $15`: what a million tokens in and out cost."""
    shown = [prices[0].get(kind) for kind in ("input_tokens", "output_tokens")]
    return " / ".join(f"${price.base.normalize():f}" if price else "?" for price in shown)
