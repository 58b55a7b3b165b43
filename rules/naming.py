"""Providers by the names that files call them by; all that reading a file needs to know of a registry."""

from __future__ import annotations

from typing import Protocol

from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.redaction import masked

PASSTHROUGH = "passthrough"


class Named(Protocol):
    """What a provider's name leads to."""

    @property
    def provider_id(self) -> str:
        """The canonical name."""


class ProviderNames(Protocol):
    """Knows providers by id or alias; a ProviderRegistry does."""

    def get(self, provider_name: str, /) -> Named | None:
        """The provider, None for an unknown name."""

    def names(self) -> tuple[str, ...]:
        """Every id and alias, to suggest one."""


def canonical(name: str, providers: ProviderNames) -> str:
    """The id of the provider that `name` means; raises ConfigError with the nearest name where there is none."""
    found = providers.get(name)
    if found is not None:
        return found.provider_id
    closest = nearest(name, providers.names())
    raise ConfigError(unknown(name, closest), suggestion=closest)


def unknown(name: str, closest: str | None) -> str:
    """What is said of a name that leads to no provider.

    A key that was pasted into the wrong line is not repeated on a screen or in a log.
    """
    said = f"unknown provider '{masked(name)}'"
    return said if closest else f"{said}; `ringlet-mitm providers list` names them"
