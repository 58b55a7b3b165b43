"""What holds for all profiles of a home: the providers and the settings, each read against the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.policies import Usual
from ringlet_mitm.rules.profiles import Profile, provider_texts
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.routes import named_route
from ringlet_mitm.rules.settings import NO_SETTINGS, Settings
from ringlet_mitm.rules.settings_file import load_settings
from ringlet_mitm.rules.targets import ProfilePin


@dataclass(frozen=True, slots=True)
class Installation:
    """The registry has the endpoint that the settings name; the settings have providers by the registry's ids."""

    registry: ProviderRegistry = field(repr=False)
    settings: Settings

    def routing_for(self, profile: Profile) -> Settings:
        """The settings as far as they say where a profile's requests go, and how patiently they are tried.

        Only the latter where it obeys no rules. A profile's model goes before `default_model`.
        """
        if profile.proxy == "none":
            patience = replace(self.settings.reliability, fallback_providers=(), model_fallbacks={}, api_keys=())
            return replace(NO_SETTINGS, reliability=patience)
        return replace(self.settings, default_model=profile.model or self.settings.default_model)

    def usual_for(self, profile: Profile) -> Usual:
        """What the profile says for its rules; raises ConfigError for a fallback to nobody."""
        try:
            routes = tuple(named_route(name, self.registry) for name in profile.fallback)
        except ConfigError as error:
            file = f"profiles/{profile.name}/profile.toml"
            raise ConfigError(error.message, file=file, key="fallback", suggestion=error.suggestion) from None
        return Usual(patience=profile.patience, fallback=routes)

    def pin_for(self, profile: Profile) -> ProfilePin:
        """What the profile fixes, with the keys that are everybody's and the fallbacks that it obeys."""
        obeyed = self.routing_for(profile).reliability
        return replace(
            profile.pin,
            shared_keys=self.settings.keys,
            further_keys=self.settings.further_keys,
            model_fallbacks=obeyed.model_fallbacks,
            fallback_providers=obeyed.fallback_providers,
        )


def load_installation(home: Home, environ: Mapping[str, str]) -> Installation:
    """Both of a home; raises ConfigError for a provider file or a config.toml that is wrong."""
    texts = provider_texts(home)
    providers = registry(texts, environ)
    settings = load_settings(home, providers, environ)
    if settings.base_urls:
        providers = registry(texts, environ, settings.base_urls)
    return Installation(providers, settings)
