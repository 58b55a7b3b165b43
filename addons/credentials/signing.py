"""Every request that leaves with a credential of ours is signed here, and goes nowhere but to its own provider.

- A key of a provider goes into a header (`schemes.py`): no thread, no wait.
- A token of a login is renewed where it has ended, once for all who want it and over all proxies.
- AWS and Google have their own ways to credentials (`aws.py`, `google.py`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from ringlet_mitm.addons.credentials.aws import AwsSigner
from ringlet_mitm.addons.credentials.flights import Flights
from ringlet_mitm.addons.credentials.google import GoogleSigner
from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.exchanges import EXCHANGES, Exchange
from ringlet_mitm.addons.credentials.schemes import SCHEMES, header_value, sign, with_headers
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.addons.credentials.store import LoginStore
from ringlet_mitm.addons.credentials.vault import Vault
from ringlet_mitm.addons.outbound import Outbound
from ringlet_mitm.rules.errors import NoKey, RouteError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.shapes import Headers
from ringlet_mitm.rules.targets import Target

Signed = tuple[Outbound, str]

# A Copilot token names the host that serves its plan: api.individual, api.business, api.enterprise.
COPILOT_HOSTS = ".githubcopilot.com"


def _bearer(login: Login) -> Headers:
    return SCHEMES["bearer"](login.secret)


def _chatgpt(login: Login) -> Headers:
    """The account is one of perhaps several that the person has there."""
    account = login.extra.get("account_id", "")
    return _bearer(login) + (((b"chatgpt-account-id", header_value(Secret(account))),) if account else ())


# Schemes whose token is a login's, and the headers that carry it.
LOGIN_HEADERS: dict[str, Callable[[Login], Headers]] = {
    "copilot": _bearer,
    "chatgpt": _chatgpt,
    "minimax-oauth": _bearer,
}
NAMES = frozenset({*SCHEMES, *LOGIN_HEADERS, "none", "aws", "google-adc"})


class Signer:
    """Signs for any target. Give every proxy one: it remembers tokens until they end."""

    def __init__(
        self,
        vault: Vault,
        registry: Callable[[], ProviderRegistry],
        *,
        exchanges: Mapping[str, Exchange] = EXCHANGES,
        aws: AwsSigner | None = None,
        google: GoogleSigner | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._vault = vault
        self._registry = registry
        self._exchanges = exchanges
        self._aws = aws or AwsSigner(vault.environ)
        self._google = google or GoogleSigner()
        self._clock = clock
        self._refused: dict[str, Secret] = {}
        self._finding: Flights[Secret | None] = Flights()
        self._renewing: Flights[Login] = Flights()
        self._special: dict[str, Callable[[Outbound, Target, Secret | None], Awaitable[Signed]]] = {
            "aws": partial(self._by_bearer_or, self._aws),
            "google-adc": partial(self._by_bearer_or, self._google),
            **dict.fromkeys(LOGIN_HEADERS, self._by_login),
        }

    async def key(self, target: Target) -> Secret | None:
        """The key that we have for a target; None where there is none, and where its scheme makes its own."""
        ref = target.key_ref
        if ref is None:
            return None
        if self._vault.at_hand(ref):
            return self._vault.find(ref)
        return await self._finding.once(ref.login, lambda: self._vault.find(ref))

    async def signed(self, outbound: Outbound, target: Target, secret: Secret | None = None) -> Signed:
        """The request with the credentials of its target, and the label of them; `secret` is what `key` gave.

        Raises NoKey where there are none, and RouteError where they are not for that host.
        """
        special = self._special.get(target.auth)
        if special is not None:
            signed, label = await special(outbound, target, secret)
        elif target.auth == "none":
            return outbound, ""
        else:
            if secret is None and target.key_ref is not None and self._needs_key(target, target.key_ref):
                secret = self._vault.get(target.key_ref, target.provider)
            if secret is None:
                return outbound, ""
            signed, label = sign(outbound, target.auth, secret), secret.label
        self._check(target, signed)
        return signed, label

    def forget(self, target: Target) -> bool:
        """Its token was refused (401) although it should last: the next request gets a new one.

        False where there is no token that could be another.
        """
        if target.auth == "aws":
            self._aws.forget()
        elif target.auth == "google-adc":
            self._google.forget()
        elif target.auth in LOGIN_HEADERS and target.key_ref is not None:
            login = self._vault.login(target.key_ref) if self._vault.at_hand(target.key_ref) else None
            if login is None:
                return False
            self._refused[target.key_ref.login] = login.secret
        else:
            return False
        return True

    def _needs_key(self, target: Target, ref: KeyRef) -> bool:
        """Local servers may have a key, and some models are free; a place in a file is there to hold one."""
        spec = self._registry().get(target.provider)
        if ref.file or spec is None:
            return True
        return (spec.requires_api_key or bool(spec.free_models)) and not spec.is_free(target.model)

    async def _by_bearer_or(
        self, cloud: AwsSigner | GoogleSigner, outbound: Outbound, target: Target, secret: Secret | None
    ) -> Signed:
        """A key of Bedrock's own, or an access token that the person gives, is a bearer; without one, the cloud signs
        with what it finds.
        """
        if secret is None and target.key_ref is not None and target.key_ref.file:
            secret = self._vault.get(target.key_ref, target.provider)
        if secret is not None:
            return sign(outbound, "bearer", secret), secret.label
        return await cloud.signed(outbound)

    async def _by_login(self, outbound: Outbound, target: Target, secret: Secret | None) -> Signed:
        ref, store = target.key_ref, self._vault.store
        if ref is None or store is None:
            raise NoKey(
                f"provider '{target.provider}' needs a login; run: ringlet-mitm providers login {target.provider}"
            )
        if secret is None or not secret.label.startswith("login:"):
            secret = secret or self._vault.get(ref, target.provider)
            return sign(outbound, "bearer", secret), secret.label
        login = self._lasting(store, ref.login)
        if login is None:
            exchange = self._exchanges[target.auth]
            login = await self._renewing.once(ref.login, lambda: self._renewed(store, ref.login, exchange))
        if target.auth == "copilot":
            outbound = _served(outbound, login)
        return with_headers(outbound, LOGIN_HEADERS[target.auth](login)), login.secret.label

    def _lasting(self, store: LoginStore, provider_id: str) -> Login | None:
        """The stored login, where it is at hand and its token is good."""
        if not store.at_hand(provider_id):
            return None
        login = store.load(provider_id)
        if login is None or login.spent(self._clock()) or login.secret == self._refused.get(provider_id):
            return None
        return login

    def _renewed(self, store: LoginStore, provider_id: str, exchange: Exchange) -> Login:
        """In a thread. Another proxy may have renewed it while this one waited for the lock."""
        with store.locked(provider_id):
            login = store.load(provider_id)
            if login is None:
                raise NoKey(f"nobody is logged in; run: ringlet-mitm providers login {provider_id}")
            refused = self._refused.pop(provider_id, None)
            known = replace(login, expires_at=0.0) if login.secret == refused else login
            fresh = exchange.fresh(known, self._clock())
            if fresh is not known:
                store.save(provider_id, fresh)
            return fresh

    def _check(self, target: Target, outbound: Outbound) -> None:
        """A key goes nowhere but to its own provider, whatever a bug elsewhere makes of the address."""
        spec = self._registry().get(target.provider)
        if spec is None or not _may_receive(spec, target.auth, outbound):
            raise RouteError(f"the key of provider '{target.provider}' is not for {outbound.host}:{outbound.port}")


def _may_receive(spec: ProviderSpec, scheme: str, outbound: Outbound) -> bool:
    if spec.may_receive_key(outbound.scheme, outbound.host, outbound.port):
        return True
    return scheme == "copilot" and _is_copilots(outbound.scheme, outbound.host, outbound.port)


def _is_copilots(scheme: str, host: str, port: int | None) -> bool:
    return scheme == "https" and port in (None, 443) and host.lower().endswith(COPILOT_HOSTS)


def _served(outbound: Outbound, login: Login) -> Outbound:
    """To the host that serves this account; a base URL of the person's own stays, and so does a host of nobody's."""
    named = urlsplit(login.extra.get("api", ""))
    host = named.hostname or ""
    if not _is_copilots(outbound.scheme, outbound.host, outbound.port) or not _is_copilots(
        named.scheme, host, named.port
    ):
        return outbound
    return replace(outbound, host=host)
