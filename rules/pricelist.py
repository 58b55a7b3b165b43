"""Price cards: what a model costs at a provider, from five sources in this order.

1. the person's own prices: `[prices]` in a provider file, and what `models add` was told;
2. newer price data that `models update` fetched, while it is newer than what follows;
3. `prices/PROVIDER.toml`: models that older releases of the price library lack, while the installed one is older than
the table;
4. the library genai-prices: matching of names, cache prices, tiers, and prices that begin on a date;
5. `prices/reference.toml`: the reference tables, for what is left.
Cache prices that a source leaves out come from `prices/cache-rates.toml`. A model in none of them has no card:
unknown, never 0.

The library costs 0.2 s and 17 to 23 MB to import, most of it machinery for fetching and validating that is not used
here. So it is read once into a compact catalogue (`extract`), which a caller may keep in a file; matching in the
catalogue is the library's own, clause by clause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

import msgspec

from ringlet_mitm.rules.price_catalogue import Catalogue, PublishedModel
from ringlet_mitm.rules.pricetables import PriceTable, known_library, make_card, numbers, reference, supplement
from ringlet_mitm.rules.pricing import PriceCard
from ringlet_mitm.rules.published_prices import library_prices

# Our provider ids that the library spells otherwise.
LIBRARY_IDS: Mapping[str, str] = {"gemini": "google"}

# Model names come from agents: the memory of cards is bounded.
MOST_CARDS = 4096


class PriceBook:
    """Every card that was asked for; the first question about a pair costs a search, later ones 0.1 us.

    `own` are the person's tables by provider id, `library_ids` tell under which id the library prices a provider.
    `catalogue` gives what `extract` made; it is called when the library is first needed. `update` is newer data.
    """

    def __init__(
        self,
        own: Mapping[str, PriceTable] | None = None,
        library_ids: Mapping[str, str] | None = None,
        catalogue: Callable[[], bytes] | None = None,
        update: Catalogue | None = None,
    ) -> None:
        self._open = catalogue or extract
        self._catalogue: Catalogue | None = None
        self._cards: dict[tuple[str, str, date | None], PriceCard | None] = {}
        self.replace(own or {}, library_ids or {}, update)

    def replace(self, own: Mapping[str, PriceTable], library_ids: Mapping[str, str], update: Catalogue | None) -> None:
        """Other prices of the person, other ids, other newer data: whoever holds this book has them from now on."""
        self._own = dict(own)
        self._library_ids = {**LIBRARY_IDS, **library_ids}
        self._update = update
        self._update_counts: bool | None = None
        self._supplements: dict[str, PriceTable | None] = {}
        self._cards.clear()

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
            self._cards[asked] = found = next(self.cards(provider, model, on), None)
            return found

    def cards(self, provider: str, model: str, on: date | None = None) -> Iterator[PriceCard]:
        """What each source says of a model's price; the first is the one that counts."""
        library_id = self.library_id(provider)
        for said in (self._own.get(provider), self.update, self._supplement(library_id), self.library):
            card = _card(said, provider, model, library_id, on)
            if card:
                yield card
        last = _card(reference().get(library_id), provider, model, library_id, on)
        if last:
            yield last

    def listed(self, provider: str, model: str) -> list[tuple[PublishedModel, str]]:
        """What the price data has of a model, and the source of it; the newest first."""
        catalogues = [one for one in (self.update, self.library) if one]
        found = ((one.find(self.library_id(provider), model), one.source) for one in catalogues)
        return [(entry, source) for entry, source in found if entry]

    def library_id(self, provider: str) -> str:
        """Under which name the library prices a provider."""
        return self._library_ids.get(provider, provider)

    def warm(self) -> None:
        """Open the library's catalogue now, so that no request waits for it."""
        _ = self.library

    @property
    def library(self) -> Catalogue:
        """The installed library's data."""
        if self._catalogue is None:
            self._catalogue = Catalogue(self._open())
        return self._catalogue

    @property
    def update(self) -> Catalogue | None:
        """The data that was fetched, while it is newer than the library; None where there is none to use."""
        if self._update is None:
            return None
        if self._update_counts is None:
            self._update_counts = is_newer(self._update, self.library.version)
        return self._update if self._update_counts else None

    def _supplement(self, library_id: str) -> PriceTable | None:
        if library_id not in self._supplements:
            self._supplements[library_id] = supplement(library_id, numbers(self.library.version))
        return self._supplements[library_id]


def is_newer(update: Catalogue, installed: str) -> bool:
    """Whether fetched data is newer than an installed library.

    By its version, where it has one. Data without one is of the day that it says or was fetched on: it counts until a
    later release than the one it was fetched over is installed. The library does not say what day it is of; our own
    tables say it of one release (`known_library`).
    """
    if update.version:
        return numbers(update.version) > numbers(installed)
    if update.over and numbers(installed) > numbers(update.over):
        return False
    release, day = known_library()
    return update.dated >= day.isoformat() or numbers(installed) < numbers(release)


def _card(
    said: PriceTable | Catalogue | None, provider: str, model: str, library_id: str, on: date | None
) -> PriceCard | None:
    if said is None:
        return None
    if isinstance(said, PriceTable):
        prices = said.find(model)
        return make_card(provider, model, prices, said.source) if prices else None
    found = said.find(library_id, model)
    if found is None:
        return None
    prices, per_request = found.prices_on(on)
    return make_card(provider, model, prices, said.source, per_request) if prices else None


# ---- the library ----


def extract() -> bytes:
    """The installed price library as a compact catalogue in JSON.

    The import is here and not at the top because of its cost (see above); nothing of it is needed where a catalogue
    is at hand.
    """
    from importlib.metadata import version

    from genai_prices.data_snapshot import get_snapshot

    providers = {
        provider.id: {
            "models": [
                [model.id, _clause(model.match), _periods(model.prices), model.context_window]
                for model in provider.models
            ],
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
        return [["", library_prices(_words(prices))]]
    starts = [(getattr(item.constraint, "start_date", None), item) for item in prices]
    return [
        [str(start or ""), library_prices(_words(item.prices))]
        for start, item in starts
        if start is not None or item.constraint is None
    ]


def _words(prices: Any) -> dict[str, Any]:
    """A price object of the library as its published data has it."""
    return {word: _tiered(value) if hasattr(value, "tiers") else value for word, value in vars(prices).items()}


def _tiered(value: Any) -> dict[str, Any]:
    return {"base": value.base, "tiers": [{"start": tier.start, "price": tier.price} for tier in value.tiers]}
