"""Which provider and model are meant by a name: said outright, before a slash, or by what is usual here."""

from __future__ import annotations

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.settings import Settings


def resolved(
    registry: ProviderRegistry, model_name: str, model_type: str | None, base_url: str | None, settings: Settings
) -> tuple[ProviderSpec, str]:
    """The provider and its own name for the model; raises ConfigError that says how to name both.

    In this order: `model_type`, the name itself where it is a provider's, the prefix of the name, a base URL without a
    name (it is taken for a server like OpenAI's), the default provider.
    """
    if not model_name and not model_type:
        raise ConfigError("no model was named; write it as PROVIDER/MODEL")
    if model_type:
        return _with_model(registry, registry.get(model_type) or registry.require(model_type), model_name)
    whole = registry.get(model_name) if "/" not in model_name else None
    if whole is not None:
        return _with_model(registry, whole, "")
    prefixed = registry.infer_provider_from_model(model_name)
    if prefixed is not None:
        return _with_model(registry, prefixed, model_name)
    if base_url:
        return registry.require(f"custom:{base_url}"), model_name
    if settings.default_provider:
        return _with_model(registry, registry.require(settings.default_provider), model_name)
    raise ConfigError(f"which provider is model '{model_name}' of? {_advice(registry, model_name)}")


def _with_model(registry: ProviderRegistry, spec: ProviderSpec, model_name: str) -> tuple[ProviderSpec, str]:
    model = registry.normalize_model_name(spec.provider_id, model_name) if model_name else spec.default_model
    if not model:
        raise ConfigError(f"provider '{spec.provider_id}' has no default model; name one: {spec.provider_id}/MODEL")
    return spec, model


def _advice(registry: ProviderRegistry, model_name: str) -> str:
    """Providers that are known to serve it, their makers first."""
    having = [spec for spec in registry.list_providers() if spec.models and spec.has_model(model_name)]
    having.sort(key=lambda spec: not spec.category.endswith("Labs"))
    first = having[0].provider_id if having else "PROVIDER"
    return f"write {first}/{model_name}, or model_type='{first}'"
