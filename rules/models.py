"""The catalogue of models: what each is, holds, can do and costs at a provider, with the source of every figure.

Sources, the first that says something counts, and `ModelSpec.figures` keeps what the others say otherwise:
- what the person added (`own_models`);
- our tables by family (`model_files`), for the vendor's own models;
- the price data (`pricelist`): what a provider makes of a model; then our tables, for models of others;
- the reference tables.
Prices have their own order, see `pricelist`. What nobody says is None: unknown, never 0 and never "no".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from ringlet_mitm.rules import model_files
from ringlet_mitm.rules.errors import UsageError, nearest
from ringlet_mitm.rules.model_files import Facts
from ringlet_mitm.rules.model_names import normalised, plain
from ringlet_mitm.rules.own_models import OwnModel
from ringlet_mitm.rules.pricelist import PriceBook
from ringlet_mitm.rules.pricing import PriceCard
from ringlet_mitm.rules.provider_specs import ProviderSpec
from ringlet_mitm.rules.providers import ProviderRegistry

YOURS = "yours"

# Why a model is in the catalogue: the person added it, it is on a curated list, in the reference tables, or only in
# the price data.
ORIGINS = (YOURS, "curated", "reference", "price data")

Row = tuple[str, str, str]  # provider, name, origin


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: the value that is used, its source and date, and what other sources say otherwise."""

    value: int | frozenset[str]
    source: str
    others: tuple[tuple[int | frozenset[str], str], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model at one provider.

    `figures` are those of `context`, `max-output` and `capabilities` that are known. `cards` are its prices by source,
    the first counts; none is unknown.
    """

    id: str
    provider: str
    origin: str
    family: str = ""
    note: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    cards: tuple[PriceCard, ...] = ()

    @property
    def context_window(self) -> int | None:
        """How many tokens it holds; None is unknown."""
        return self._number("context")

    @property
    def max_output(self) -> int | None:
        """How many tokens an answer may have; None is unknown."""
        return self._number("max-output")

    @property
    def capabilities(self) -> frozenset[str] | None:
        """Which of `CAPABILITIES` it has; None is unknown."""
        figure = self.figures.get("capabilities")
        return figure.value if figure and isinstance(figure.value, frozenset) else None

    @property
    def card(self) -> PriceCard | None:
        """What it costs; None is unknown."""
        return self.cards[0] if self.cards else None

    def _number(self, name: str) -> int | None:
        figure = self.figures.get(name)
        return figure.value if figure and isinstance(figure.value, int) else None


class ModelCatalogue:
    """Every model that is known, made of a registry, prices, and what the person added."""

    def __init__(self, registry: ProviderRegistry, prices: PriceBook, own: Sequence[OwnModel] = ()) -> None:
        self._registry = registry
        self._prices = prices
        self._own = {(model.provider_id, normalised(model.id)): model for model in own}
        self._served: dict[str, list[str]] = {}
        for spec in registry.list_providers():
            self._served.setdefault(prices.library_id(spec.provider_id), []).append(spec.provider_id)

    def curated_models(self, provider: str) -> tuple[str, ...]:
        """The models to offer for a provider, best known first: its curated list, else the reference table's rows.

        Raises ConfigError for a provider that nobody knows.
        """
        spec = self._provider(provider)
        return spec.example_models or tuple(model_files.reference().get(spec.provider_id, ()))

    def models(self, provider: str | None = None, *, everything: bool = False) -> list[ModelSpec]:
        """The person's models, the curated lists and the reference tables; with `everything`, the price data too."""
        if provider is not None:
            provider = self._provider(provider).provider_id
        rows = [*self._known(), *(self._published() if everything else ())]
        found: dict[tuple[str, str], ModelSpec] = {}
        for owner, name, origin in rows:
            key = (owner, normalised(name))
            if provider in (None, owner) and key not in found:
                found[key] = self._spec(owner, name, origin)
        return sorted(found.values(), key=lambda spec: (spec.origin != YOURS, spec.provider))

    def find(self, name: str, provider: str | None = None) -> list[ModelSpec]:
        """A model at every provider that has it, the one to look at first in front.

        `name` may be any spelling, with or without `provider/`. Raises UsageError, with the nearest name, for a model
        that nobody knows.
        """
        owner, name = self._named(name, provider)
        known = [row for row in (*self._known(), *self._published()) if owner in (None, row[0])]
        rows = _by_provider(known, name)
        if owner is not None and not any(normalised(row[1]) == normalised(name) for row in rows.values()):
            rows = self._unlisted(owner, name) or rows
        if not rows:
            raise UsageError(_unknown(name, owner, (row[1] for row in known)))
        specs = [self._spec(*row) for row in rows.values()]
        return sorted(specs, key=lambda spec: (spec.origin != YOURS, not self._is_vendor(spec)))

    def window(self, provider: str, name: str) -> int | None:
        """How many tokens a model takes in at a provider; None is unknown.

        `provider` is an id, and may be "" for a host that is nobody's. It takes 0.1 ms, the first time 6; `find`,
        which searches all names, takes 3, the first time 15.
        """
        own = self._own.get((provider, normalised(name)))
        said = self._said(provider, name, own, model_files.facts(name), _reference_row(provider, name))
        return next((one.context for one in said if one.context is not None), None)

    def _unlisted(self, provider: str, name: str) -> dict[str, Row]:
        """A model that no list has and that is known nevertheless: one region of Bedrock and another."""
        known = self._prices.listed(provider, name) or model_files.facts(name)
        return {provider: (provider, name, ORIGINS[-1])} if known else {}

    def _provider(self, name: str) -> ProviderSpec:
        """A provider, usable or not: what is known of its models does not hang on whether its variables are set."""
        return self._registry.get(name) or self._registry.require(name)

    def _named(self, name: str, provider: str | None) -> tuple[str | None, str]:
        spec = self._provider(provider) if provider else self._registry.infer_provider_from_model(name)
        if spec is None:
            return None, name
        return spec.provider_id, self._registry.normalize_model_name(spec.provider_id, name)

    def _is_vendor(self, spec: ModelSpec) -> bool:
        facts = model_files.facts(spec.id)
        return facts is not None and facts.vendor == spec.provider

    def _known(self) -> Iterator[Row]:
        """The person's models, the curated ones, those of the reference tables; what comes first counts."""
        own = ((provider, model.id, YOURS) for (provider, _), model in self._own.items())
        return chain(own, self._curated(), self._referenced())

    def _curated(self) -> Iterator[Row]:
        for spec in self._registry.list_providers():
            yield from ((spec.provider_id, name, "curated") for name in spec.example_models)

    def _referenced(self) -> Iterator[Row]:
        for provider, rows in model_files.reference().items():
            yield from ((provider, name, "reference") for name in rows)

    def _published(self) -> Iterator[Row]:
        """All of the price data, for each provider that it holds for."""
        for catalogue in filter(None, (self._prices.update, self._prices.library)):
            for library_id in catalogue.providers:
                providers = self._served.get(library_id, [library_id])
                for model in catalogue.models(library_id):
                    yield from ((one, model.id, ORIGINS[-1]) for one in providers if self._has(one, model.id))

    def _has(self, provider: str, model: str) -> bool:
        """Google's prices are those of two places, and only one of them has Claude."""
        spec = self._registry.get(provider)
        return spec is None or not spec.models or spec.has_model(model)

    def _spec(self, provider: str, name: str, origin: str) -> ModelSpec:
        own = self._own.get((provider, normalised(name)))
        facts = model_files.facts(name)
        row = _reference_row(provider, name)
        said = self._said(provider, name, own, facts, row)
        figures = {
            "context": _figure((one.context, one.source) for one in said),
            "max-output": _figure((one.max_output, one.source) for one in said),
            "capabilities": _figure((self._possible(provider, one.capabilities), one.source) for one in said),
        }
        return ModelSpec(
            id=name,
            provider=provider,
            origin=YOURS if own else origin,
            family=facts.family if facts else "",
            note="; ".join(one.note for one in (row, facts) if one and one.note),
            figures={key: figure for key, figure in figures.items() if figure},
            cards=tuple(self._prices.cards(provider, name)),
        )

    def _said(
        self, provider: str, name: str, own: OwnModel | None, facts: Facts | None, row: Facts | None
    ) -> list[Facts]:
        """What each source says, the one that counts first."""
        listed = [Facts(source, context=model.context) for model, source in self._prices.listed(provider, name)]
        ours = [facts] if facts else []
        middle = [*ours, *listed] if facts and facts.vendor == provider else [*listed, *ours]
        return [*([_added(own)] if own else []), *middle, *([row] if row else [])]

    def _possible(self, provider: str, capabilities: frozenset[str] | None) -> frozenset[str] | None:
        """Without what a model cannot do at a provider that does not take it."""
        spec = self._registry.get(provider)
        if spec is None or capabilities is None:
            return capabilities
        lacking = {
            "vision": not spec.capabilities.vision,
            "function-calling": not spec.capabilities.native_tool_calling,
        }
        return capabilities - {name for name, is_lacking in lacking.items() if is_lacking}


def _added(own: OwnModel) -> Facts:
    capabilities = None if own.capabilities is None else frozenset[str](own.capabilities)
    return Facts(YOURS, context=own.context, max_output=own.max_output, capabilities=capabilities)


def _reference_row(provider: str, name: str) -> Facts | None:
    rows = model_files.reference().get(provider)
    if not rows:
        return None
    wanted = normalised(name)
    return next((row for other, row in rows.items() if normalised(other) == wanted), None)


def _figure(said: Iterable[tuple[int | frozenset[str] | None, str]]) -> Figure | None:
    """The first that is known, and the others where they differ."""
    known = [(value, source) for value, source in said if value is not None]
    if not known:
        return None
    value, source = known[0]
    return Figure(value, source, tuple((other, where) for other, where in known[1:] if other != value))


def _by_provider(rows: Sequence[Row], name: str) -> dict[str, Row]:
    """The first row of each provider for a model: by its name as given, else in another spelling, else under other
    terms (`:free`, `global.`)."""
    found: dict[str, Row] = {}
    for naming in (str.lower, normalised, plain):
        wanted = naming(name)
        for row in rows:
            if row[0] not in found and naming(row[1]) == wanted:
                found[row[0]] = row
    return found


def _unknown(name: str, provider: str | None, known: Iterable[str]) -> str:
    where = f" at {provider}" if provider else ""
    close = nearest(name, known)
    if close:
        return f"no model '{name}' is known{where}; did you mean '{close}'?"
    return (
        f"no model '{name}' is known{where}. Any name works in a rule (to = \"PROVIDER/{name}\"); "
        "tell its price and size with: ringlet-mitm models add"
    )
