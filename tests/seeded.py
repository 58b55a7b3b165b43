"""10,000 made-up requests, always the same: fixtures/ledger/recipe.toml.

Costs are integers of nanodollars here, by the recipe's own prices. What tests compare reports with is added up from
the `Made` and not by our code.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from ringlet_mitm.addons.usage.rows import RequestRow

RECIPE = Path(__file__).parents[1] / "fixtures" / "ledger" / "recipe.toml"
NANO = 9
MASK = 2**64 - 1
# The recipe's kinds of tokens, and the columns that hold them.
KINDS: Mapping[str, str] = {
    "input": "input_tokens",
    "cache-read": "cache_read_tokens",
    "cache-write-5m": "cache_write_5m_tokens",
    "cache-write-1h": "cache_write_1h_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}
IN, OUT = tuple(KINDS)[:4], tuple(KINDS)[4:]


class Dice:
    """SplitMix64: five lines that give the same numbers everywhere."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, bound: int) -> int:
        """A number from 0 up to `bound`, which is not included."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & MASK
        mixed = ((self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        return (mixed ^ (mixed >> 31)) % bound

    def one_of(self, choices: Sequence[Any]) -> Any:
        """Any of them."""
        return choices[self.below(len(choices))]

    def shared(self, choices: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """One of the tables, each as often as its `share` says."""
        left = self.below(sum(choice["share"] for choice in choices))
        for choice in choices:
            left -= choice["share"]
            if left < 0:
                return choice
        raise AssertionError("shares are positive")


@dataclass(frozen=True, slots=True)
class Made:
    """A request: the row as the ledger gets it, and what it is for who adds up by hand. None is an unknown price."""

    row: RequestRow
    tokens: Mapping[str, int]
    nanodollars: int | None
    switch_nanodollars: int | None

    @property
    def tokens_in(self) -> int:
        """All that went in."""
        return sum(self.tokens.get(kind, 0) for kind in IN)

    @property
    def tokens_out(self) -> int:
        """All that came out."""
        return sum(self.tokens.get(kind, 0) for kind in OUT)


@cache
def seeded() -> tuple[Made, ...]:
    """All of them, in the order of their time."""
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    return tuple(_made(recipe))


def counted() -> list[Made]:
    """Those that reports count: without imported ones from the first on that the proxy saw of their session."""
    seen: dict[str, int] = {}
    for made in seeded():
        if made.row.origin == "proxy" and made.row.session:
            seen.setdefault(made.row.session, made.row.started_us)
    return [
        made
        for made in seeded()
        if not made.row.origin.startswith("import:") or made.row.ended_us < seen.get(made.row.session, MASK)
    ]


def _made(recipe: Mapping[str, Any]) -> Iterator[Made]:
    dice = Dice(recipe["seed"])
    first, last = (round(datetime.fromisoformat(recipe[end]).timestamp()) * 1_000_000 for end in ("first", "last"))
    times = sorted(first + dice.below(last - first) for _ in range(recipe["requests"]))
    for place, started_us in enumerate(times):
        yield _request(recipe, dice, f"{place:05}", started_us, (started_us - first) / (last - first))


def _request(recipe: Mapping[str, Any], dice: Dice, name: str, started_us: int, passed: float) -> Made:
    agent, rule = dice.shared(recipe["agent"]), dice.shared(recipe["rule"])
    # Sessions follow each other, three at a time. What is read from logs is partly of sessions that the proxy saw, or
    # came to see, and partly not.
    session = int(passed * (recipe["sessions"] - 3)) + dice.below(3)
    provider, model = rule["to"]
    prices = recipe["price"].get(provider, {}).get(model)
    fate = _fate(recipe["of-1000"], dice)
    logged = dice.below(2 if fate == "imported" else 100) == 0
    tokens = {} if fate == "refused" else _tokens(dice, prices or recipe["price"]["anthropic"]["claude-sonnet-4-5"])
    nano = None if prices is None and fate != "refused" else _bill(prices or {}, tokens)
    # A tenth of the input was in the cache of who had answered before.
    again = None if nano is None else tokens.get("input", 0) // 10 * (prices or {"input": 0})["input"]
    switch = again if fate == "switched" else 0
    said: dict[str, Any] = {
        "id": name,
        "started_us": started_us,
        "first_byte_us": None if fate == "refused" else started_us + 200_000 + dice.below(1_500_000),
        "ended_us": started_us + 2_000_000 + dice.below(20_000_000),
        "profile": dice.one_of(recipe["profiles"]),
        "agent": agent["name"],
        "session": f"log{session // 4:02}" if logged else f"s{session:03}" if dice.below(50) else "",
        "project": dice.one_of(recipe["projects"]),
        "agent_format": "anthropic-messages",
        "asked_host": "api.anthropic.com",
        "path": "/v1/messages",
        "asked_provider": agent["asked"][0],
        "requested_model": agent["asked"][1],
        "rule": rule["label"],
        "arm": rule.get("arm", ""),
        "provider": provider,
        "routed_model": model,
        "stream": True,
        "status": 200,
        "usage_source": "reported",
        "cost_total": _usd(nano),
        "cost_switch": _usd(switch),
        "cost_as_asked": _usd(_bill(recipe["price"][agent["asked"][0]][agent["asked"][1]], tokens)),
        **{KINDS[kind]: count for kind, count in tokens.items()},
    }
    return Made(_as(fate, RequestRow(**said)), tokens, nano, switch)


def _fate(of_1000: Mapping[str, int], dice: Dice) -> str:
    left = dice.below(1000)
    for fate, many in of_1000.items():
        left -= many
        if left < 0:
            return fate
    return ""


def _tokens(dice: Dice, prices: Mapping[str, int]) -> dict[str, int]:
    """Of each kind that has a price; a few requests are long ones."""
    long = 40 if dice.below(40) == 0 else 1
    tokens = {"input": dice.below(4_000) * long + 1, "output": dice.below(1_200) + 1, "reasoning": dice.below(400)}
    for kind, most in (("cache-read", 4_000), ("cache-write-5m", 900), ("cache-write-1h", 300)):
        tokens[kind] = dice.below(most) * bool(dice.below(3)) if kind in prices else 0
    return tokens


def _bill(prices: Mapping[str, int], tokens: Mapping[str, int]) -> int:
    """What is cached is input where a provider has no price of its own for that; reasoning is output."""
    other = {"reasoning": "output", "cache-read": "input", "cache-write-5m": "input", "cache-write-1h": "input"}
    return sum(count * prices[kind if kind in prices else other[kind]] for kind, count in tokens.items() if count)


def _usd(nanodollars: int | None) -> Decimal | None:
    return None if nanodollars is None else Decimal(nanodollars).scaleb(-NANO)


def _as(fate: str, row: RequestRow) -> RequestRow:
    """The row as what became of it has it."""
    changes: dict[str, dict[str, Any]] = {
        "refused": {"status": 429, "error_class": "rate-limited", "usage_source": "none", "cost_total": None},
        "broken": {"error_class": "broken-stream"},
        "estimated": {"usage_source": "estimated"},
        "switched": {"switched_from": "anthropic/claude-opus-4-1"},
        "shadow": {"origin": "shadow", "shadow_of": "00000"},
        "imported": {"origin": f"import:{row.agent or 'gemini'}", "rule": "", "asked_host": "", "path": ""},
    }
    return replace(row, **changes.get(fate, {}))
