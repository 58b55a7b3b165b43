"""Providers as data: where each lives, which formats it speaks, the *name* of its key and of its authentication."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.endpoint_urls import Endpoint
from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.provider_files import Fingerprint, LoginSpec, ProviderFile, read_provider
from ringlet_mitm.rules.provider_names import ProviderNames, is_custom
from ringlet_mitm.rules.provider_specs import ProviderCapabilities, ProviderSpec, spec_of

__all__ = [
    "Endpoint",
    "Fingerprint",
    "LoginSpec",
    "ProviderCapabilities",
    "ProviderRegistry",
    "ProviderSpec",
    "registry",
]

FOLDER = Path(__file__).parent / "providers"


class ProviderRegistry:
    """All providers, found by any of their names, by host, or by the prefix of a model's name."""

    def __init__(self, specs: Iterable[ProviderSpec]) -> None:
        self._specs = {spec.provider_id: spec for spec in specs}
        self._names = ProviderNames(self._specs.values())
        self._hosts: dict[str, str] = {}
        for spec in self._specs.values():
            for host in spec.hosts:
                self._hosts.setdefault(host.lower(), spec.provider_id)

    @classmethod
    def default(cls) -> ProviderRegistry:
        """The built-in providers only."""
        return registry({})

    def list_providers(self, connection_type: str | None = None) -> list[ProviderSpec]:
        """All of them, or those that are `local` or `byok`."""
        return [spec for spec in self._specs.values() if connection_type in (None, spec.connection_type)]

    def get(self, provider_name: str) -> ProviderSpec | None:
        """By id, alias or family, in any case, or `custom:URL` and `anthropic-custom:URL`.

        Raises ConfigError where the URL is none to send a key to.
        """
        return self._names.find(provider_name) if provider_name else None

    def require(self, provider_name: str) -> ProviderSpec:
        """Like `get`, and ready to be used.

        Raises ConfigError with the nearest name, or with the variables that its URL needs.
        """
        spec = self.get(provider_name)
        if spec is None:
            raise ConfigError(f"unknown provider '{provider_name}'", suggestion=nearest(provider_name, self.names()))
        if spec.problem:
            raise ConfigError(f"provider '{spec.provider_id}' cannot be used: {spec.problem}")
        if spec.lacking:
            raise ConfigError(f"provider '{spec.provider_id}' needs {' and '.join(spec.lacking)} in the environment")
        return spec

    def names(self) -> tuple[str, ...]:
        """Every id and alias."""
        return self._names.known()

    def by_host(self, host: str) -> str:
        """The id of the provider that agents reach at a host, "" where it is nobody's."""
        return self._hosts.get(host) or self._hosts.get(host.lower(), "")

    def infer_provider_from_model(self, model_name: str) -> ProviderSpec | None:
        """The provider that `provider/model` names."""
        prefix, slash, _ = model_name.partition("/")
        return self.get(prefix) if slash and not is_custom(prefix) else None

    def normalize_model_name(self, provider_name: str, model_name: str) -> str:
        """The name without a redundant `provider/` before it; names that are meant so (`groq/compound`) stay whole."""
        spec = self.get(provider_name)
        if spec is None or self.infer_provider_from_model(model_name) is not spec:
            return model_name
        if any(fnmatchcase(model_name.lower(), glob.lower()) for glob in spec.prefixed_models):
            return model_name
        return model_name.partition("/")[2] or model_name


def registry(
    user_texts: Mapping[str, str],
    environ: Mapping[str, str] | None = None,
    base_urls: Mapping[str, str] | None = None,
) -> ProviderRegistry:
    """The built-in providers and a person's own, by file name and text.

    Variables in `environ` override base URLs, and `base_urls`, by the provider's id, override both.
    Raises ConfigError with file, line and key.
    """
    files = dict(_built_in())
    sources: dict[str, str] = {}
    for file_name, text in user_texts.items():
        document = Document.parse(text, file_name)
        file = read_provider(document, _built_in())
        if file.name in sources:
            raise document.error(("name",), f"'{file.name}' is already the name in {sources[file.name]}")
        files[file.name], sources[file.name] = file, file_name
    moved = base_urls or {}
    return ProviderRegistry(
        spec_of(file, sources.get(name, ""), environ or {}, moved.get(name, "")) for name, file in files.items()
    )


@cache
def _built_in() -> Mapping[str, ProviderFile]:
    """By name, in the order of their names; a provider is read after the one that it is like.

    Without the line of each key, which takes as long again as reading: a test reads them with it.
    """
    documents = {path.stem: _document(path) for path in FOLDER.glob("*.toml")}
    files: dict[str, ProviderFile] = {}

    def read(name: str) -> None:
        model = documents[name].data.get("like")
        if model in documents and model not in files:
            read(model)
        files[name] = read_provider(documents[name], {file: files[file] for file in files if file == model})

    for name in documents:
        if name not in files:
            read(name)
    return dict(sorted(files.items()))


def _document(path: Path) -> Document:
    return Document(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
