"""Which models to ask for instead of one that fails, and where: `[reliability.model_fallbacks]` of config.toml.

A name like `openai/gpt-4o` has two readings, and both are meant: at OpenRouter it is a model of OpenRouter's, and
everywhere else it is a model of OpenAI's. So it is asked for where the request was going if that provider serves such
a name, which costs no second account, and then at the provider that it names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ringlet_mitm.rules.model_names import normalised
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.routes import Route

Table = Mapping[str, tuple[str, ...]]


def listed(table: Table, requested: str, sent: str, provider: str) -> tuple[str, ...]:
    """What the table says of the model that was asked for, else of the one that was sent to `provider`.

    A name that stands there as it is goes before one that is only another spelling of the same model.
    """
    for model in filter(None, (requested, sent) if table else ()):
        for name in (model, f"{provider}/{model}"):
            if name in table:
                return table[name]
        plain = normalised(model)
        for name, others in table.items():
            if normalised(name) == plain:
                return others
    return ()


def places_of(name: str, route: Route, spec: ProviderSpec | None, registry: ProviderRegistry) -> Iterator[Route]:
    """Where to ask for the model `name` when `route`, which leads to `spec`, has failed; nowhere if nobody has it."""
    named = registry.infer_provider_from_model(name)
    if named is None and (spec is None or not spec.models):  # a provider that does not say what it serves
        yield replace(route, model=name if spec is None else spec.own_name(name) or name, fallback=())
    elif spec is not None and (named is spec or spec.own_name(name) is not None):
        yield replace(route, model=_own_name(name, spec, registry), fallback=())
    if named is not None and named is not spec:
        yield Route(named.provider_id, _own_name(name, named, registry))


def _own_name(name: str, spec: ProviderSpec, registry: ProviderRegistry) -> str:
    """What the model is called there."""
    plain = registry.normalize_model_name(spec.provider_id, name)
    return spec.own_name(plain) or plain
