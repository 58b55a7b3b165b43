"""From the name of a model to a connection that can be asked: provider, endpoint, key and time-out as they are now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ringlet_mitm.addons.bookkeeping import Bookkeeper
from ringlet_mitm.addons.connect_to import Detour
from ringlet_mitm.addons.connection import Connection, Patience
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
from ringlet_mitm.addons.sending import Http
from ringlet_mitm.addons.windows import Windows
from ringlet_mitm.rules.home import Home
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.policies import policy_of
from ringlet_mitm.rules.profiles import Profile, load_profile, own_models, provider_texts
from ringlet_mitm.rules.provider_names import is_custom
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec, registry
from ringlet_mitm.rules.reliability import silent_for
from ringlet_mitm.rules.routes import Route, with_fallback

logger = logging.getLogger(__name__)

# How long an answer may take where neither the provider's variable nor the person says it.
TIMEOUT_MS = 120_000
# The variable that a key given in a call stands in, seen by its connection alone.
GIVEN_KEY = "CONNECTOR_API_KEY"


@dataclass(frozen=True, slots=True)
class Opener:
    """What all connections of one connector share; `sinks` get their rows, `sleep` waits between attempts."""

    home: Home
    environ: Mapping[str, str] = field(repr=False)
    profile: str
    store: LoginStore
    sinks: tuple[Sink, ...]
    detours: tuple[Detour, ...] = ()
    upstream_ca: Path | None = None
    sleep: Callable[[float], None] = time.sleep

    def open(self, model_name: str, model_type: str | None, api_key: str | None, base_url: str | None) -> Connection:
        """A connection, nothing sent yet; raises ConfigError for an unknown provider and NoKey without a key."""
        found, profile = load_installation(self.home, self.environ), self._profile()
        settings, known = found.settings, found.registry
        named, model = resolved(known, model_name, model_type, base_url, settings)
        if base_url and not is_custom(named.provider_id):
            known = registry(
                provider_texts(self.home), self.environ, {**settings.base_urls, named.provider_id: base_url}
            )
        spec = known.require(named.provider_id)
        environ = {**self.environ, GIVEN_KEY: api_key} if api_key else self.environ
        own = {known.require(name).provider_id: variable for name, variable in profile.key_env.items()}
        keys = {**own, **({spec.provider_id: GIVEN_KEY} if api_key else {})}
        vault = Vault(environ, self.store)
        variable = keys.get(spec.provider_id)
        _check_key(spec, known, vault, KeyRef((variable,)) if variable else settings.keys.get(spec.provider_id))
        signer = Signer(vault, lambda: known, exchanges=exchanges(VendorClient(self.detours, self.upstream_ca)))
        prices, usual = price_book(self.home, known), found.usual_for(profile)
        policy = policy_of(usual.patience, settings.reliability.policy_keys)
        return Connection(
            spec,
            with_fallback(Route(spec.provider_id, model), None, usual.fallback),
            known,
            replace(found.pin_for(profile), keys=keys),
            Preparer(signer, lambda _: None),
            Bookkeeper(self.profile, prices),
            self.sinks,
            Http(self.detours, self.upstream_ca),
            Patience(silent_for(policy, TIMEOUT_MS), Windows(prices, lambda: own_models(self.home)), self.sleep),
        )

    def _profile(self) -> Profile:
        """The profile of that name where there is one: whose keys, fallbacks and patience hold here too."""
        there = self.home.profile_file(self.profile).exists()
        return load_profile(self.home, self.profile) if there else Profile()


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
