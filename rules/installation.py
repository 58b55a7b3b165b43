"""What holds for all profiles of a home: the providers and the settings, each read against the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.profiles import Profile, provider_texts
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.settings import NO_SETTINGS, Settings
from ringlet_mitm.rules.settings_file import load_settings
from ringlet_mitm.rules.targets import ProfilePin


@dataclass(frozen=True, slots=True)
class Installation:
    """The registry has the endpoint that the settings name; the settings have providers by the registry's ids."""

    registry: ProviderRegistry = field(repr=False)
    settings: Settings

    def routing_for(self, profile: Profile) -> Settings:
        """The settings as far as they say where a profile's requests go: nothing where it obeys no rules.

        A profile's model goes before `default_model`.
        """
        if profile.proxy == "none":
            return NO_SETTINGS
        return replace(self.settings, default_model=profile.model or self.settings.default_model)

    def pin_for(self, profile: Profile) -> ProfilePin:
        """What the profile fixes, with the keys that are everybody's."""
        return replace(profile.pin, shared_keys=self.settings.keys)


def load_installation(home: Home, environ: Mapping[str, str]) -> Installation:
    """Both of a home; raises ConfigError for a provider file or a config.toml that is wrong."""
    texts = provider_texts(home)
    providers = registry(texts, environ)
    settings = load_settings(home, providers, environ)
    if settings.base_urls:
        providers = registry(texts, environ, settings.base_urls)
    return Installation(providers, settings)
