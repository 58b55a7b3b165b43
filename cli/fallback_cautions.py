"""Fallbacks and shadows that cannot help: nobody can ask their provider, or it has no key here.

Cautions, since keys come later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ringlet_mitm.cli.provider_keys import is_configured, key_source
from ringlet_mitm.cli.rule_setting import Setting
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import ProviderSpec
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.rulebook import Default, Rule, RuleBook
from ringlet_mitm.rules.settings import Settings


def of_rules(book: RuleBook, setting: Setting) -> list[str]:
    """Those that the rules of a routing file name, and the profile's own."""
    found: list[str] = []
    for rule in book.rules:
        found += _of_one(rule, f"{rule.file}:{rule.line}", setting)
    found += _of_one(book.default, f"{book.default_file}:{book.default_line}", setting)
    own = setting.installation.usual_for(setting.profile).fallback
    return found + list(_each(own, str(setting.home.profile_file(setting.profile.name)), setting))


def _of_one(one: Rule | Default, place: str, setting: Setting) -> Iterator[str]:
    yield from _each(one.fallback or (), place, setting)
    yield from _each(filter(None, (one.shadow,)), place, setting, "a shadow that gets no copies")


def of_settings(settings: Settings, setting: Setting) -> list[str]:
    """Those of `[reliability]`, and keys that belong to nobody."""
    place, said = f"{settings.file}:{settings.reliability_line}", settings.reliability
    found = list(_each((Route(name) for name in said.fallback_providers), place, setting))
    if said.api_keys and settings.default_provider is None:
        found.append(f'{place}: reliability.api_keys are of no use without a provider: default_provider = "…"')
    return found + list(_each(_by_model(settings, setting), place, setting))


def _by_model(settings: Settings, setting: Setting) -> Iterator[Route]:
    """Other providers that model fallbacks lead to; not where the default provider serves a model of that name."""
    registry = setting.registry
    usual = registry.get(settings.default_provider or "")
    for names in settings.reliability.model_fallbacks.values():
        for name in names:
            named = registry.infer_provider_from_model(name)
            if named is not None and (usual is None or usual.own_name(name) is None):
                yield Route(named.provider_id)


def _each(
    routes: Iterable[Route], place: str, setting: Setting, what: str = "a fallback that cannot help"
) -> Iterator[str]:
    for provider in dict.fromkeys(route.provider for route in routes):
        if provider is None:
            continue
        try:
            why = _without_key(setting.registry.require(provider), setting)
        except ConfigError as error:
            why = str(error)
        if why:
            yield f"{place}: {what}: {why}"


def _without_key(spec: ProviderSpec, setting: Setting) -> str:
    from ringlet_mitm.addons.credentials.store import store_of

    pin = setting.pin
    own = (KeyRef((variable,)) for name, variable in pin.keys.items() if setting.registry.get(name) is spec)
    ref = next(own, None) or pin.shared_keys.get(spec.provider_id)
    source = key_source(spec, setting.environ, store_of(setting.home, setting.environ), ref)
    return "" if is_configured(spec, source) else f"the key of '{spec.provider_id}' is {source.words}"
