"""The keys of `config.toml`, section by section, as they are validated before anything is made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ringlet_mitm.rules.conditions import Text
from ringlet_mitm.rules.policies import TimeoutKeys, Whole
from ringlet_mitm.rules.settings import Reliability


@dataclass(frozen=True, slots=True)
class TopKeys:
    """The keys at the top of the file; in it with `_` or `-`."""

    default_provider: Text | None = None
    default_model: Text | None = None
    api_key: Text | None = None
    api_url: Text | None = None
    model_routes: tuple[dict[str, Any], ...] = ()
    reliability: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, Any] = field(default_factory=dict)
    telemetry: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteKeys:
    """The keys of a `[[model_routes]]`."""

    hint: Text
    provider: Text
    model: Text | None = None
    api_key: Text | None = None


@dataclass(frozen=True, slots=True)
class ReliabilityKeys(TimeoutKeys):
    """The keys of `[reliability]`."""

    provider_retries: Whole = Reliability().provider_retries
    provider_backoff_ms: Whole = Reliability().provider_backoff_ms
    fallback_providers: tuple[Text, ...] = ()
    api_keys: tuple[Text, ...] = ()
    model_fallbacks: dict[Text, tuple[Text, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The keys of `[ledger]`."""

    target: Text | None = None
    data_path: Text | None = None


@dataclass(frozen=True, slots=True)
class TelemetryKeys:
    """The keys of `[telemetry]`."""

    endpoint: Text | None = None
    enabled: bool = True


SECTIONS: dict[str, type[Any]] = {
    "": TopKeys,
    "model_routes": RouteKeys,
    "reliability": ReliabilityKeys,
    "ledger": LedgerKeys,
    "telemetry": TelemetryKeys,
}
