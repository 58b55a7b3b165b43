"""A catalogue of published prices: names, what they match, context windows, and what each kind of token costs.

It is the price library's data without the library, as JSON: `version`, and by provider its `models`, each a list of
id, matching clause, priced periods and context window, and the providers `also` asked. The library itself is read into
this form (`pricelist.extract`), and so is the data that it publishes between releases (`published_prices`).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from ringlet_mitm.rules.model_names import spellings
from ringlet_mitm.rules.pricetables import Price, Prices

# The form of the JSON; a cache of another one is of no use.
FORM = 2

PER_REQUEST = "requests_kcount"

# When a price begins ("" always), and what each kind costs then: base, then [threshold, price].
Periods = list[tuple[str, dict[str, list[Any]]]]


class PublishedModel(msgspec.Struct, frozen=True, array_like=True):
    """One model of one provider: its id, the names it goes by, what it costs and when, its context window."""

    id: str
    clause: list[Any]
    periods: Periods
    context: int | None = None

    def prices_on(self, on: date | None) -> tuple[Prices, Decimal]:
        """The prices in force on a day, and what each request costs besides; later periods go before earlier ones.

        Without a day, the newest that are known.
        """
        if not self.periods:
            return {}, Decimal(0)
        day = "9999" if on is None else on.isoformat()
        said = next((prices for start, prices in reversed(self.periods) if start <= day), self.periods[0][1])
        prices = {kind: _price(value) for kind, value in said.items() if kind != PER_REQUEST}
        return prices, Decimal(said.get(PER_REQUEST, ["0"])[0]) / 1000


class PublishedProvider(msgspec.Struct, frozen=True):
    """The models of one provider, and who is asked where it has no price."""

    models: list[PublishedModel]
    also: list[str] = []


class _Head(msgspec.Struct, frozen=True):
    providers: dict[str, msgspec.Raw]
    version: str = ""
    dated: str = ""
    over: str = ""
    origin: str = ""


@dataclass(slots=True)
class Catalogue:
    """A catalogue in JSON; a provider is decoded when it is first asked for.

    Raises msgspec.DecodeError where the text is none.
    """

    text: bytes = field(repr=False)
    _head: _Head = field(init=False, repr=False)
    _decoded: dict[str, PublishedProvider] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._head = msgspec.json.decode(self.text, type=_Head)

    @property
    def version(self) -> str:
        """The library's version, "" where the data came without one."""
        return self._head.version

    @property
    def dated(self) -> str:
        """The day that the data is of, "" for the installed library."""
        return self._head.dated

    @property
    def over(self) -> str:
        """The version of the library that was installed when this was fetched; "" for the library itself."""
        return self._head.over

    @property
    def origin(self) -> str:
        """Where it was fetched from; "" for the library itself."""
        return self._head.origin

    @property
    def source(self) -> str:
        """Where its figures are from, in words."""
        return f"genai-prices {self.version}" if self.version else f"price update {self.dated}"

    @property
    def providers(self) -> tuple[str, ...]:
        """The ids of all providers."""
        return tuple(self._head.providers)

    def models(self, provider: str) -> Iterable[PublishedModel]:
        """What it lists at a provider itself."""
        found = self.provider(provider)
        return found.models if found else ()

    def find(self, provider: str, model: str) -> PublishedModel | None:
        """The model that the library would find; the spelling as given first."""
        for name in spellings(model):
            for owner in self._owners(provider):
                for found in owner.models:
                    if matches(name, found.clause):
                        return found
        return None

    def provider(self, provider: str) -> PublishedProvider | None:
        """A provider with its models."""
        raw = self._head.providers.get(provider)
        if raw is None:
            return None
        if provider not in self._decoded:
            self._decoded[provider] = msgspec.json.decode(raw, type=PublishedProvider)
        return self._decoded[provider]

    def _owners(self, provider: str) -> Iterable[PublishedProvider]:
        first = self.provider(provider)
        return () if first is None else (first, *filter(None, map(self.provider, first.also)))


CLAUSES: dict[str, Callable[[str, Any], bool]] = {
    "equals": operator.eq,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": operator.contains,
    "regex": lambda name, pattern: re.search(pattern, name) is not None,
    "or": lambda name, clauses: any(matches(name, clause) for clause in clauses),
    "and": lambda name, clauses: all(matches(name, clause) for clause in clauses),
}


def matches(name: str, clause: list[Any]) -> bool:
    """Whether a clause like `["starts_with", "gpt-5"]` or `["or", […]]` holds for a name in small letters."""
    return CLAUSES[clause[0]](name, clause[1])


def _price(value: list[Any]) -> Price:
    base, *tiers = value
    return Price(Decimal(base), tuple((start, Decimal(price)) for start, price in tiers))
