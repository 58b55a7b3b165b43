"""From the name of a model to a connection that can be asked: provider, endpoint, key and time-out as they are now."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.connection import Connection, Http
from ringlet_mitm.addons.credentials.formats import complaint
from ringlet_mitm.addons.credentials.logins.exchanges import exchanges
from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient
from ringlet_mitm.addons.credentials.schemes import SCHEMES
from ringlet_mitm.addons.credentials.signing import Signer
from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.preparing import Preparer
from ringlet_mitm.addons.price_cache import price_book
from ringlet_mitm.addons.recorder import Sink
from ringlet_mitm.addons.resolving import resolved
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.profiles import Profile, load_profile, provider_texts
from ringlet_mitm.rules.provider_names import is_custom
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec, registry
from ringlet_mitm.rules.targets import ProfilePin

logger = logging.getLogger(__name__)

TIMEOUT_S = 120.0
# The variable that a key given in a call stands in, seen by its connection alone.
GIVEN_KEY = "CONNECTOR_API_KEY"


@dataclass(frozen=True, slots=True)
class Opener:
    """What all connections of one connector share; `sinks` get their rows."""

    home: Home
    environ: Mapping[str, str] = field(repr=False)
    profile: str
    store: LoginStore
    sinks: tuple[Sink, ...]
    detours: tuple[Detour, ...] = ()
    upstream_ca: Path | None = None

    def open(self, model_name: str, model_type: str | None, api_key: str | None, base_url: str | None) -> Connection:
        """A connection, nothing sent yet; raises ConfigError for an unknown provider and NoKey without a key."""
        found = load_installation(self.home, self.environ)
        settings, known = found.settings, found.registry
        named, model = resolved(known, model_name, model_type, base_url, settings)
        if base_url and not is_custom(named.provider_id):
            known = registry(
                provider_texts(self.home), self.environ, {**settings.base_urls, named.provider_id: base_url}
            )
        spec = known.require(named.provider_id)
        environ = {**self.environ, GIVEN_KEY: api_key} if api_key else self.environ
        keys = {**self._own_keys(known), **({spec.provider_id: GIVEN_KEY} if api_key else {})}
        vault = Vault(environ, self.store)
        variable = keys.get(spec.provider_id)
        _check_key(spec, known, vault, KeyRef((variable,)) if variable else settings.keys.get(spec.provider_id))
        signer = Signer(vault, lambda: known, exchanges=exchanges(VendorClient(self.detours, self.upstream_ca)))
        return Connection(
            spec,
            model,
            known,
            ProfilePin(keys=keys, shared_keys=settings.keys),
            Preparer(signer, lambda _: None),
            Bookkeeper(self.profile, price_book(self.home, known)),
            self.sinks,
            Http(timeout_of(spec, environ), self.detours, self.upstream_ca),
        )

    def _own_keys(self, known: ProviderRegistry) -> dict[str, str]:
        """The variables that the profile, where there is one of that name, has its own keys in, by provider id."""
        there = self.home.profile_file(self.profile).exists()
        profile = load_profile(self.home, self.profile) if there else Profile()
        return {known.require(name).provider_id: variable for name, variable in profile.key_env.items()}


def _check_key(spec: ProviderSpec, known: ProviderRegistry, vault: Vault, own: KeyRef | None) -> None:
    """Before anything is sent: NoKey where there is none, a warning where it looks like another vendor's."""
    ref = own or spec.key_ref
    if ref is None or spec.auth not in SCHEMES:
        return
    secret = vault.find(ref)
    if secret is None and spec.requires_api_key:
        secret = vault.get(ref, spec.provider_id)
    odd = complaint(spec, known, secret) if secret is not None else None
    if odd:
        logger.warning("%s", odd)


def timeout_of(spec: ProviderSpec, environ: Mapping[str, str]) -> float:
    """Seconds to wait for an answer: what the provider's variable says (`OLLAMA_HTTP_TIMEOUT`), else two minutes."""
    try:
        said = float(environ.get(spec.timeout_env or "", ""))
    except ValueError:
        return TIMEOUT_S
    return said if said > 0 else TIMEOUT_S
