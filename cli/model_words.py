"""A model in words and as JSON, for `models list` and `models show`; unknown is `?`, never 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from ringlet_mitm.rules.model_files import CAPABILITIES
from ringlet_mitm.rules.models import YOURS, Figure, ModelSpec
from ringlet_mitm.rules.pricing import PriceCard, Rates

UNKNOWN = "?"
HEAD = ("MODEL", "PROVIDER", "CONTEXT", "INPUT $/M", "OUTPUT $/M", "CACHE READ", "CAPABILITIES")

# The kinds of a card that are shown by themselves, and their names; others only where they have a price of their own.
SHOWN = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache read",
    "cache_write_5m_tokens": "cache write 5m",
    "cache_write_1h_tokens": "cache write 1h",
}
SPECIAL = {
    "image_input_tokens": ("image input", "input_tokens"),
    "audio_input_tokens": ("audio input", "input_tokens"),
    "reasoning_tokens": ("reasoning", "output_tokens"),
    "image_output_tokens": ("image output", "output_tokens"),
    "audio_output_tokens": ("audio output", "output_tokens"),
}


def row(spec: ModelSpec) -> tuple[str, ...]:
    """A line of `models list`."""
    return (spec.id, spec.provider, tokens(spec.context_window), *_prices(spec.card), words(spec.capabilities))


def lines(specs: Sequence[ModelSpec]) -> Iterator[str]:
    """What `models show` prints: the first in full, then where else there is one."""
    spec = specs[0]
    yield f"{spec.id} at {spec.provider}" + (f", family {spec.family}" if spec.family else "")
    if spec.note:
        yield f"  {spec.note}"
    yield ""
    for name, figure in (("context", "context"), ("max output", "max-output"), ("capabilities", "capabilities")):
        yield _figure_line(name, spec.figures.get(figure))
    yield from _price_lines(spec)
    yield _line("listed", _ORIGINS[spec.origin], "")
    others = specs[1:]
    if others:
        yield ""
        yield "also at"
        width = max(len(other.provider) for other in others)
        for other in others:
            yield f"  {other.provider:{width}}  {other.id}  {_pair(other.card)}"


def as_json(spec: ModelSpec) -> dict[str, Any]:
    """A model for programs; null is unknown, prices are USD per million tokens."""
    card = spec.card
    return {
        "model": spec.id,
        "provider": spec.provider,
        "origin": spec.origin,
        "family": spec.family or None,
        "note": spec.note or None,
        "context": spec.context_window,
        "max-output": spec.max_output,
        "capabilities": None if spec.capabilities is None else _sorted(spec.capabilities),
        "prices": _rates(card.rates) if card else None,
        "tiers": [{"above": tier.above_input_tokens, **_rates(tier.rates)} for tier in card.tiers] if card else [],
        "per-request": float(card.per_request) if card else None,
        "price-source": source(card.source) if card else None,
        "sources": {name: figure.source for name, figure in spec.figures.items()},
        "otherwise": {name: _others(figure) for name, figure in spec.figures.items() if figure.others}
        | ({"prices": [_other_card(other) for other in _differing(spec)]} if _differing(spec) else {}),
    }


def tokens(count: int | None) -> str:
    """`1,048,576`."""
    return UNKNOWN if count is None else f"{count:,}"


def words(capabilities: frozenset[str] | None) -> str:
    """In the order of the reference; `?` where nobody says, `none` where somebody says that there are none."""
    return UNKNOWN if capabilities is None else ", ".join(_sorted(capabilities)) or "none"


def usd(amount: Decimal | None) -> str:
    """Dollars with cents, and as many places more as there are."""
    if amount is None:
        return UNKNOWN
    text = f"{amount.normalize():f}"
    places = len(text.partition(".")[2])
    return f"${amount:,.2f}" if places <= 2 else f"${text}"


def source(name: str) -> str:
    """The source of a card; the person's own is theirs."""
    return name.replace("user", YOURS, 1) if name.startswith("user") else name


_ORIGINS = {
    YOURS: "yours, in models.toml",
    "curated": "on the curated list",
    "reference": "in the reference tables",
    "price data": "in the price data only",
}


def _prices(card: PriceCard | None) -> tuple[str, str, str]:
    """Input, output and cache read; `*` where they are higher above a number of tokens."""
    if card is None:
        return (UNKNOWN,) * 3
    rates = (card.rates.input_tokens, card.rates.output_tokens, card.rates.cache_read_tokens)
    first, second, third = (usd(rate) + ("*" if card.tiers and rate is not None else "") for rate in rates)
    return first, second, third


def _pair(card: PriceCard | None) -> str:
    if card is None:
        return "price unknown"
    return f"{usd(card.rates.input_tokens)} / {usd(card.rates.output_tokens)}  ({source(card.source)})"


def _figure_line(name: str, figure: Figure | None) -> str:
    if figure is None:
        return _line(name, "unknown", "")
    others = "; ".join(f"{where}: {_shown(value)}" for value, where in figure.others)
    return _line(name, _shown(figure.value), figure.source + (f"  [{others}]" if others else ""))


def _price_lines(spec: ModelSpec) -> Iterator[str]:
    card = spec.card
    if card is None:
        yield _line("price", "unknown", "")
        return
    yield from (_line(name, usd(rate), source(card.source)) for name, rate in _named(card.rates))
    if card.per_request:
        yield _line("each request", usd(card.per_request), source(card.source))
    for tier in card.tiers:
        said = ", ".join(f"{name} {usd(rate)}" for name, rate in _named(tier.rates))
        yield _line(f"above {tier.above_input_tokens:,} input tokens", said, "")
    for other in _differing(spec):
        yield _line("", f"[{source(other.source)}: {_pair(other).partition('  (')[0]}{_tiers(other)}]", "")


def _tiers(card: PriceCard) -> str:
    said = (
        f", above {tier.above_input_tokens:,}: {usd(tier.rates.input_tokens)} / {usd(tier.rates.output_tokens)}"
        for tier in card.tiers
    )
    return "".join(said)


def _named(rates: Rates) -> Iterator[tuple[str, Decimal | None]]:
    for kind, name in SHOWN.items():
        yield name, getattr(rates, kind)
    for kind, (name, usual) in SPECIAL.items():
        if getattr(rates, kind) not in (None, getattr(rates, usual)):
            yield name, getattr(rates, kind)


def _differing(spec: ModelSpec) -> list[PriceCard]:
    """Cards of other sources that say something else about input or output."""
    first = spec.card
    return [card for card in spec.cards[1:] if first and _compared(card) != _compared(first)]


def _compared(card: PriceCard) -> tuple[Any, ...]:
    tiers = ((tier.above_input_tokens, tier.rates.input_tokens, tier.rates.output_tokens) for tier in card.tiers)
    return card.rates.input_tokens, card.rates.output_tokens, tuple(tiers)


def _line(name: str, value: str, where: str) -> str:
    return f"{name:15} {value:12}  {where}".rstrip() if len(name) <= 15 else f"{name}: {value}"


def _shown(value: int | frozenset[str]) -> str:
    return tokens(value) if isinstance(value, int) else words(value)


def _sorted(capabilities: frozenset[str]) -> list[str]:
    return [name for name in CAPABILITIES if name in capabilities]


def _others(figure: Figure) -> list[dict[str, Any]]:
    return [
        {"value": value if isinstance(value, int) else _sorted(value), "source": where}
        for value, where in figure.others
    ]


def _other_card(card: PriceCard) -> dict[str, Any]:
    tiers = [{"above": tier.above_input_tokens, **_rates(tier.rates)} for tier in card.tiers]
    return {"source": source(card.source), **_rates(card.rates), "tiers": tiers}


def _rates(rates: Rates) -> dict[str, float | None]:
    return {name.replace(" ", "-"): None if rate is None else float(rate) for name, rate in _named(rates)}
