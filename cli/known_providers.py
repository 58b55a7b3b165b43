"""The providers as a request would find them: built in and own files, config.toml, variables, stored logins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringlet_mitm.addons.credentials.store import LoginStore, store_of
from ringlet_mitm.cli import provider_keys
from ringlet_mitm.cli.provider_keys import KeySource
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec


@dataclass(frozen=True, slots=True)
class Known:
    """All of it. `refs` are keys that a file names in place of a provider's own."""

    home: Home
    environ: Mapping[str, str] = field(repr=False)
    registry: ProviderRegistry
    store: LoginStore
    refs: Mapping[str, KeyRef]

    def named(self, name: str) -> ProviderSpec:
        """By any of its names, also one that lacks a variable; raises ConfigError with the nearest name."""
        return self.registry.get(name) or self.registry.require(name)

    def key(self, spec: ProviderSpec) -> KeySource:
        """Where its key comes from."""
        return provider_keys.key_source(spec, self.environ, self.store, self.refs.get(spec.provider_id))

    def is_configured(self, spec: ProviderSpec) -> bool:
        """Whether a request could be sent there, as far as can be told without sending one."""
        return provider_keys.is_configured(spec, self.key(spec))


def known_providers(environ: Mapping[str, str]) -> Known:
    """As `environ` has them; raises ConfigError with file, line and key."""
    home = home_of(environ)
    found = load_installation(home, environ)
    return Known(home, environ, found.registry, store_of(home, environ), found.settings.keys)
