"""Price cards: what a model costs at a provider, from four sources in this order.

1. the person's own `[prices]` in a provider file;
2. `prices/PROVIDER.toml`: models that older releases of the price library lack, while the installed one is older than
the table;
3. the library genai-prices: matching of names, cache prices, tiers, and prices that begin on a date;
4. `prices/reference.toml`: the reference tables, for what is left.
Cache prices that a source leaves out come from `prices/cache-rates.toml`. A model in none of them has no card:
unknown, never 0.

The library costs 0.2 s and 17 to 23 MB to import, most of it machinery for fetching and validating that is not used
here. So it is read once into a compact catalogue (`extract`), which a caller may keep in a file; matching in the
catalogue is the library's own, clause by clause.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from ringlet_mitm.rules.pricetables import Price, Prices, PriceTable, make_card, reference, spellings, supplement
from ringlet_mitm.rules.pricing import PriceCard

# Our provider ids that the library spells otherwise.
LIBRARY_IDS: Mapping[str, str] = {"gemini": "google"}

# The library's words; the first that is priced counts.
LIBRARY_WORDS: dict[str, tuple[str, ...]] = {
    "input_tokens": ("input_mtok", "input_text_mtok"),
    "image_input_tokens": ("input_image_mtok",),
    "audio_input_tokens": ("input_audio_mtok",),
    "cache_read_tokens": ("cache_read_mtok", "cache_text_read_mtok"),
    "cache_write_5m_tokens": ("cache_write_5m_mtok", "cache_write_mtok", "cache_text_write_mtok"),
    "cache_write_1h_tokens": ("cache_write_1h_mtok", "cache_text_write_1h_mtok"),
    "output_tokens": ("output_mtok", "output_text_mtok"),
    "reasoning_tokens": ("output_reasoning_mtok",),
    "image_output_tokens": ("output_image_mtok",),
    "audio_output_tokens": ("output_audio_mtok",),
}
PER_REQUEST = "requests_kcount"

# When a price begins ("" always), and what each kind costs then: base, then [threshold, price].
Periods = list[tuple[str, dict[str, list[Any]]]]

# Model names come from agents: the memory of cards is bounded.
MOST_CARDS = 4096


class PriceBook:
    """Every card that was asked for; the first question about a pair costs a search, later ones 0.1 us.

    `own` are the person's tables by provider id, `library_ids` tell under which id the library prices a provider.
    `catalogue` gives what `extract` made; it is called when the library is first needed.
    """

    def __init__(
        self,
        own: Mapping[str, PriceTable] | None = None,
        library_ids: Mapping[str, str] | None = None,
        catalogue: Callable[[], bytes] | None = None,
    ) -> None:
        self._own = dict(own or {})
        self._library_ids = {**LIBRARY_IDS, **(library_ids or {})}
        self._open = catalogue or extract
        self._catalogue: Catalogue | None = None
        self._supplements: dict[str, PriceTable | None] = {}
        self._cards: dict[tuple[str, str, date | None], PriceCard | None] = {}

    def card(self, provider: str, model: str, on: date | None = None) -> PriceCard | None:
        """The card of a model at a provider, None where nobody knows its price.

        `on` is the day of the request (UTC): some prices begin on a date. Without it, the newest that are known.
        """
        asked = (provider, model, on)
        try:
            return self._cards[asked]
        except KeyError:
            if len(self._cards) >= MOST_CARDS:
                self._cards.clear()
            self._cards[asked] = found = self._find(provider, model, on)
            return found

    def warm(self) -> None:
        """Open the library's catalogue now, so that no request waits for it."""
        _ = self._library

    def _find(self, provider: str, model: str, on: date | None) -> PriceCard | None:
        library_id = self._library_ids.get(provider, provider)
        for table in (self._own.get(provider), self._supplement(library_id)):
            prices = table.find(model) if table else None
            if table and prices:
                return make_card(provider, model, prices, table.source)
        found = self._library.find(library_id, model)
        if found:
            prices, per_request = _prices_on(found[1], on)
            if prices:
                return make_card(provider, model, prices, f"genai-prices {self._library.version}", per_request)
        last = reference().get(library_id)
        prices = last.find(model) if last else None
        return make_card(provider, model, prices, last.source) if last and prices else None

    @property
    def _library(self) -> Catalogue:
        if self._catalogue is None:
            self._catalogue = Catalogue(self._open())
        return self._catalogue

    def _supplement(self, library_id: str) -> PriceTable | None:
        if library_id not in self._supplements:
            table = supplement(library_id)
            newer = table is not None and _numbers(table.library) > _numbers(self._library.version)
            self._supplements[library_id] = table if newer else None
        return self._supplements[library_id]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _prices_on(periods: Periods, on: date | None) -> tuple[Prices, Decimal]:
    """The prices in force on a day, and what each request costs besides; later periods go before earlier ones."""
    day = "9999" if on is None else on.isoformat()
    said = next((prices for start, prices in reversed(periods) if start <= day), periods[0][1])
    prices = {kind: Price(Decimal(base), _above(tiers)) for kind, (base, *tiers) in said.items() if kind != PER_REQUEST}
    return prices, Decimal(said.get(PER_REQUEST, ["0"])[0]) / 1000


def _above(tiers: list[tuple[int, str]]) -> tuple[tuple[int, Decimal], ...]:
    return tuple((start, Decimal(price)) for start, price in tiers)


def extract() -> bytes:
    """The installed price library as a compact catalogue in JSON: version, and by provider its models and prices.

    The import is here and not at the top because of its cost (see above); nothing of it is needed where a catalogue
    is at hand.
    """
    from importlib.metadata import version

    from genai_prices.data_snapshot import get_snapshot

    providers = {
        provider.id: {
            "models": [[model.id, _clause(model.match), _periods(model.prices)] for model in provider.models],
            "also": provider.fallback_model_providers or [],
        }
        for provider in get_snapshot().providers
    }
    return msgspec.json.encode({"version": version("genai-prices"), "providers": providers})


def _clause(match: Any) -> list[Any]:
    """`ClauseStartsWith(starts_with="x")` as `["starts_with", "x"]`, and so on down."""
    ((word, what),) = vars(match).items()
    if isinstance(what, list):
        return [word.rstrip("_"), [_clause(inner) for inner in what]]
    return [word, what if word == "regex" else what.lower()]


def _periods(prices: Any) -> list[list[Any]]:
    """Prices with the day they begin; prices by the hour of the day (one vendor has them) are left out."""
    if not isinstance(prices, list):
        return [["", _library_prices(prices)]]
    starts = [(getattr(item.constraint, "start_date", None), item) for item in prices]
    return [
        [str(start or ""), _library_prices(item.prices)]
        for start, item in starts
        if start is not None or item.constraint is None
    ]


def _library_prices(prices: Any) -> dict[str, Any]:
    said = {word: value for word, value in vars(prices).items() if value is not None}
    found: dict[str, Any] = {}
    for kind, words in LIBRARY_WORDS.items():
        value = next((said[word] for word in words if word in said), None)
        if value is not None:
            tiers = [[tier.start, str(tier.price)] for tier in getattr(value, "tiers", ())]
            found[kind] = [str(getattr(value, "base", value)), *tiers]
    if PER_REQUEST in said:
        found[PER_REQUEST] = [str(said[PER_REQUEST])]
    return found


_TESTS: dict[str, Callable[[str, Any], bool]] = {
    "equals": operator.eq,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "contains": operator.contains,
    "regex": lambda name, pattern: re.search(pattern, name) is not None,
    "or": lambda name, clauses: any(_matches(name, clause) for clause in clauses),
    "and": lambda name, clauses: all(_matches(name, clause) for clause in clauses),
}


def _matches(name: str, clause: list[Any]) -> bool:
    return _TESTS[clause[0]](name, clause[1])


class _LibraryProvider(msgspec.Struct, frozen=True):
    models: list[tuple[str, list[Any], Periods]]
    also: list[str] = []


class _Library(msgspec.Struct, frozen=True):
    version: str
    providers: dict[str, msgspec.Raw]


@dataclass(slots=True)
class Catalogue:
    """The library's prices; a provider is decoded when it is first asked for."""

    text: bytes = field(repr=False)
    _library: _Library = field(init=False, repr=False)
    _decoded: dict[str, _LibraryProvider] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._library = msgspec.json.decode(self.text, type=_Library)

    @property
    def version(self) -> str:
        """The library's version."""
        return self._library.version

    def find(self, provider: str, model: str) -> tuple[str, Periods] | None:
        """Id and priced periods of the model that the library would find; the spelling as given first."""
        for name in spellings(model):
            for owner in self._owners(provider):
                for found, clause, periods in owner.models:
                    if _matches(name, clause):
                        return found, periods
        return None

    def _owners(self, provider: str) -> Iterable[_LibraryProvider]:
        first = self._provider(provider)
        return () if first is None else (first, *filter(None, map(self._provider, first.also)))

    def _provider(self, provider: str) -> _LibraryProvider | None:
        raw = self._library.providers.get(provider)
        if raw is None:
            return None
        if provider not in self._decoded:
            self._decoded[provider] = msgspec.json.decode(raw, type=_LibraryProvider)
        return self._decoded[provider]
