"""How a provider is called: its id, its aliases, its family (`moonshot*`), or a URL that is written in place of it.

Ids come first, then aliases, then the family with the longest fixed beginning. So `kimi-code` is itself and
`moonshot-cn` the Chinese site, while `kimi-k3` is what the family `kimi*` belongs to. Among aliases a person's own
comes first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from ringlet_mitm.rules.endpoint_urls import check_url
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.provider_files import ProviderFile
from ringlet_mitm.rules.provider_specs import ProviderSpec, spec_of

# What stands before the URL, and the shape that is meant.
CUSTOM: dict[str, ProviderFile] = {
    "custom:": ProviderFile(shape="openai", auth="bearer", requires_key=False),
    "anthropic-custom:": ProviderFile(shape="anthropic", auth="x-api-key", requires_key=False),
}
NOT_IN_FAMILIES = "/:"  # `moonshotai/kimi-k3` is a model, not a provider


class ProviderNames:
    """Finds a provider by any of its names, case ignored."""

    def __init__(self, specs: Iterable[ProviderSpec]) -> None:
        in_order = sorted(specs, key=lambda spec: not spec.source)
        self._names: dict[str, ProviderSpec] = {}
        for spec in in_order:
            for alias in spec.aliases:
                self._names.setdefault(alias.lower(), spec)
        self._names |= {spec.provider_id: spec for spec in in_order}
        families = [(family.lower(), spec) for spec in in_order for family in spec.families]
        self._families = sorted(families, key=lambda row: -_certainty(row[0]))
        self._custom: dict[str, ProviderSpec] = {}

    def known(self) -> tuple[str, ...]:
        """Every id and alias."""
        return tuple(self._names)

    def find(self, name: str) -> ProviderSpec | None:
        """The provider of that name; raises ConfigError for `custom:` with what is no URL to send a key to."""
        found = self._names.get(name) or self._names.get(name.lower())
        if found is not None:
            return found
        if is_custom(name):
            return self._of_url(name)
        return self._of_family(name.lower())

    def _of_family(self, name: str) -> ProviderSpec | None:
        if any(mark in name for mark in NOT_IN_FAMILIES):
            return None
        return next((spec for family, spec in self._families if fnmatchcase(name, family)), None)

    def _of_url(self, name: str) -> ProviderSpec:
        if name not in self._custom:
            spec = _custom_spec(name)
            self._custom[name] = self._custom.setdefault(spec.provider_id, spec)
        return self._custom[name]


def is_custom(name: str) -> bool:
    """Whether a name is a URL with the shape before it."""
    return name.lower().startswith(tuple(CUSTOM))


def _custom_spec(name: str) -> ProviderSpec:
    """Its id is the URL in one spelling, so that the same place is the same provider.

    Without a variable: its key is in config.toml, or stored by `providers login`.
    """
    kind, _, url = name.partition(":")
    prefix, url = f"{kind.lower()}:", url.strip().rstrip("/")
    try:
        check_url(url)
    except ConfigError as error:
        words = error.message.replace("; name the variable with the key in 'key-env'", "").replace(
            "say 'insecure = true'", "say 'insecure = true' in a provider file of your own"
        )
        raise ConfigError(f"the URL of '{prefix}{_shown(url)}' {words}") from None
    parts = urlsplit(url)
    url = parts._replace(netloc=parts.netloc.lower()).geturl()
    host = parts.hostname or ""
    return spec_of(replace(CUSTOM[prefix], name=f"{prefix}{url}", display_name=host, endpoint=url), "", {})


def _shown(url: str) -> str:
    """Without what may be a password or a key."""
    return "…" if "@" in url else url.partition("?")[0]


def _certainty(family: str) -> int:
    """How much of a glob is fixed: its length up to the first wildcard, a whole word above all."""
    return min((family.index(mark) for mark in "*?[" if mark in family), default=len(family) + 1)
