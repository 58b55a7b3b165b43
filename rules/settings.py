"""What `config.toml` says for all profiles: the default provider and its key, routes by model name, reliability.

Who decides, for each request: the profile's rules (routing.toml), then `[[model_routes]]`, then routing.toml's
`[default]`, then the profile's provider, then `default_provider`; without any of these the host that the agent asked
for. A profile with `proxy = "none"` obeys no rules of either file, and where it names no provider itself everything
passes through: it is how a profile stays out of what is set for all. Keys and `api_url` hold for it too, since they
say how a provider is reached and not what is sent there.

Which key: the profile's `key-env`, then the route's `api_key` (on that route only), then `api_key` (at
`default_provider` only), then the provider's own variables and login. A key from this file, like a profile's own,
takes the place of the agent's also at the host that the agent asked for; only what passes through keeps the agent's.

What is tried, in this order, until something answers:
1. where the rule, route or default sends the request;
2. the rule's own `fallback`, else the profile's;
3. the `model_fallbacks` of the model that was asked for, else of the model that was sent. A name that the provider in
   1 serves is asked for there, with the key of 1; one that begins with another provider's name and a slash then also
   at that provider;
4. `fallback_providers`, less the provider in 1, and only where nobody has a `fallback` in 2.
Each target of `default_provider` is followed by the same target with each of `api_keys`, except where the profile has
its own key there: that is another account. A rule with `fallback = []` tries nothing after 1, not even 3. A profile
with `proxy = "none"` has only its own `fallback`. Nothing is tried twice, and of a longer chain the first 16 targets
are tried. A fallback that cannot be used, because its URL needs a variable that is not set, is left out.

How patiently: each of a rule's `retries`, `backoff-ms` and `timeout-…-ms`, else the profile's, else
`provider_retries`, `provider_backoff_ms` and `timeout_…_ms` of `[reliability]`, else the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.ledger_target import LedgerTarget
from ringlet_mitm.rules.policies import PolicyKeys, TimeoutKeys
from ringlet_mitm.rules.reliability import Policy


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """A `[[model_routes]]`: requests whose model begins with `hint` go to `provider`, with `key` where it has its own.

    `provider` is an id. Without a `model` it is asked for the one that the agent asked for, if it serves it.
    """

    hint: str
    provider: str
    model: str | None = None
    key: KeyRef | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Reliability(TimeoutKeys):
    """`[reliability]`: what shall happen when a provider fails.

    provider_retries: how often a request is tried again at the same provider before the next one.
    provider_backoff_ms: the wait before the first retry; it doubles with each, up to 10 s.
    fallback_providers: ids, in the order in which they are tried when the first provider gives up.
    api_keys: further keys of the default provider, taken in turn when one is over its limit (429).
    timeout_…_ms: how long an attempt may take.
    model_fallbacks: by the model asked for, the models to ask for instead, in order; names as written, and one that
        begins with a provider's name and a slash (`openai/gpt-4o`) may lead to that provider.
    """

    provider_retries: int = Policy().retries
    provider_backoff_ms: int = Policy().backoff_ms
    fallback_providers: tuple[str, ...] = ()
    api_keys: tuple[KeyRef, ...] = ()
    model_fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def policy_keys(self) -> PolicyKeys:
        """What it says of patience, by the names that rules have for it."""
        return PolicyKeys(
            retries=self.provider_retries,
            backoff_ms=self.provider_backoff_ms,
            timeout_connect_ms=self.timeout_connect_ms,
            timeout_first_byte_ms=self.timeout_first_byte_ms,
            timeout_idle_ms=self.timeout_idle_ms,
            timeout_total_ms=self.timeout_total_ms,
        )


@dataclass(frozen=True, slots=True)
class Telemetry:
    """`[telemetry]`: the OTLP endpoint that metrics and spans go to, in place of OTEL_EXPORTER_OTLP_ENDPOINT.

    `enabled` is for where that variable is there for other programs.
    """

    endpoint: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Settings:
    """A `config.toml`, read: providers by their ids, keys by where they are. Empty where there is no file.

    `ledger` is the store that several machines share, None where rows stay in this machine's database.
    `default_line` and `reliability_line` are None where the file does not have them. `digest` tells one file's routing
    from another's.
    """

    default_provider: str | None = None
    default_model: str | None = None
    api_key: KeyRef | None = None
    api_url: str | None = None
    model_routes: tuple[ModelRoute, ...] = ()
    reliability: Reliability = field(default_factory=Reliability)
    ledger: LedgerTarget | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    file: str = ""
    default_line: int | None = None
    reliability_line: int | None = None
    digest: str = ""

    @property
    def keys(self) -> dict[str, KeyRef]:
        """Keys that hold wherever their provider is used, by its id."""
        if self.default_provider is None or self.api_key is None:
            return {}
        return {self.default_provider: self.api_key}

    @property
    def further_keys(self) -> dict[str, tuple[KeyRef, ...]]:
        """Those to take in turn where a provider's usual one is over its limit, by its id."""
        if self.default_provider is None or not self.reliability.api_keys:
            return {}
        return {self.default_provider: self.reliability.api_keys}

    @property
    def base_urls(self) -> dict[str, str]:
        """Endpoints in place of a provider's usual one, by its id."""
        if self.default_provider is None or self.api_url is None:
            return {}
        return {self.default_provider: self.api_url}


NO_SETTINGS = Settings()
