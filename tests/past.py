"""Requests of the past for tests of what replays them, in a world of four models with round prices."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from ledgers import NOON

from ringlet_mitm.rules.backtest import Ground
from ringlet_mitm.rules.pricing import TOKEN_KINDS, PriceCard, Rates, RateTable
from ringlet_mitm.rules.providers import registry
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.rulebook import RuleBook, load_rulebook
from ringlet_mitm.rules.targets import Place, ProfilePin
from ringlet_mitm.rules.tokens import Calibration

REGISTRY = registry({})
MINUTE = 60_000_000
BIG, FAST, GPT = Place("anthropic", "big"), Place("groq", "fast"), Place("openai", "gpt")


def card(place: Place, plain: str, read: str, write: str, write_1h: str, out: str) -> PriceCard:
    """USD a million tokens."""
    rates = dict.fromkeys(TOKEN_KINDS, Decimal(plain)) | dict.fromkeys(TOKEN_KINDS[6:], Decimal(out))
    rates |= {"cache_read_tokens": Decimal(read)}
    rates |= {"cache_write_5m_tokens": Decimal(write), "cache_write_1h_tokens": Decimal(write_1h)}
    return PriceCard(place.provider, place.model, Rates(**rates), "test")


CARDS = {
    BIG: card(BIG, "10", "1", "12.5", "20", "50"),  # caches what is marked, and has a price for that
    FAST: card(FAST, "1", "1", "1", "1", "2"),  # caches nothing
    GPT: card(GPT, "2", "0.2", "2", "2", "8"),  # caches by itself
}


def cards(provider: str, model: str, _on: date | None = None) -> PriceCard | None:
    return CARDS.get(Place(provider, model))


def ground(ratios: dict[tuple[str, str], float] | None = None) -> Ground:
    """With these learned ratios; by default those of all models are the same."""
    learned = dict.fromkeys(map(tuple, CARDS), 1.0) if ratios is None else ratios
    return Ground(REGISTRY, ProfilePin(), Calibration(learned), cards)  # type: ignore[arg-type]


def book(text: str) -> RuleBook:
    """Of a routing.toml; what no rule takes goes to the big model."""
    ending = "" if "[default]" in text else '\n[default]\nto = "anthropic/big"\n'
    return load_rulebook(text + ending, "routing.toml", REGISTRY)


def recorded(place: Place = BIG, **given: Any) -> Recorded:
    """A request that the big model answered by default; `given` says what matters. It costs what its card says."""
    said: dict[str, Any] = dict.fromkeys(Recorded._fields, 0)
    said |= dict.fromkeys(("thinking", "has_system", "tool_result", "stream", "kept", "limited", "failed"), False)
    said |= {"id": "r1", "started_us": NOON, "within": True, "agent": "claude", "session": "s"}
    said |= {"format": "anthropic-messages", "path": "/v1/messages", "asked": "anthropic", "requested": "big"}
    said |= {"messages": 1, "max_output_tokens": None, "tokens_low": 0, "tokens_high": 10**6, "counted": None}
    said |= {"ratio": 1.0, "target_ratio": 1.0, "readable": True, "rule": "default → anthropic", "arm": ""}
    said |= {"provider": place.provider, "model": place.model, "first_provider": None, "first_model": None}
    said |= {"source": "reported", **given}
    said.setdefault("cost", None)
    said["ended_us"] = given.get("ended_us", said["started_us"] + 1_000_000)
    made = Recorded(**said)
    known = CARDS.get(Place(made.provider, made.model))
    if "cost" in given or known is None:
        return made._replace(cost=given.get("cost"))
    return made._replace(cost=RateTable(known).amounts(made.counts)[0])


def turn(number: int, text: int = 0, read: int = 0, write: int = 0, out: int = 100, **given: Any) -> Recorded:
    """The so-manyth turn of a conversation, a minute after the one before."""
    said = {
        "id": f"r{number}",
        "started_us": NOON + number * MINUTE,
        "messages": 2 * number - 1,
        "input_tokens": text,
        "cache_read_tokens": read,
        "cache_write_5m_tokens": write,
        "output_tokens": out,
    }
    return recorded(given.pop("place", BIG), **{**said, **given})
