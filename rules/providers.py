"""Providers as data: where each lives, which formats it speaks, the *name* of its key and of its authentication."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.provider_files import SHAPE_DEFAULTS, ProviderFile, check_url, is_local, read_provider
from ringlet_mitm.rules.shapes import WireFormat

FOLDER = Path(__file__).parent / "providers"
DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of a model call; `path` may hold `{model}` and `{method}` (Gemini)."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port


def endpoint_of(url: str) -> Endpoint:
    """A URL taken apart."""
    parts = urlsplit(url)
    return Endpoint(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme], parts.path or "/")


@dataclass(frozen=True, slots=True)
class ProviderCapabilities:
    """What its models can do."""

    native_tool_calling: bool = True
    vision: bool = True


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One provider. `urls` holds the model call of each wire format it speaks, the preferred format first.

    `headers` are set where the agent did not send them. `library_id` is its name in the price library.
    `streams` is false where it answers whole only. `source` is the file that a person wrote it in, "" for a built-in
    one.
    """

    provider_id: str
    display_name: str
    adapter_type: str
    shape: str
    default_base_url: str
    urls: Mapping[WireFormat, str]
    auth: str
    auths: Mapping[WireFormat, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    api_key_env_vars: tuple[str, ...] = ()
    base_url_env_var: str | None = None
    docs_url: str | None = None
    requires_api_key: bool = True
    connection_type: str = "byok"
    category: str = "Custom"
    example_models: tuple[str, ...] = ()
    default_model: str | None = None
    models: tuple[str, ...] = ()
    slugs: Mapping[str, str] = field(default_factory=dict)
    prefixed_models: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    library_id: str = ""
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    capabilities: ProviderCapabilities = field(default_factory=ProviderCapabilities)
    streams: bool = True
    source: str = ""
    endpoints: Mapping[WireFormat, Endpoint] = field(init=False, repr=False, compare=False)
    origins: frozenset[tuple[str, str, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        endpoints = {wire_format: endpoint_of(url) for wire_format, url in self.urls.items()}
        object.__setattr__(self, "endpoints", endpoints)
        object.__setattr__(self, "origins", frozenset(endpoint.origin for endpoint in endpoints.values()))

    @property
    def formats(self) -> tuple[WireFormat, ...]:
        """The wire formats it speaks, the preferred one first."""
        return tuple(self.urls)

    @property
    def key_ref(self) -> KeyRef | None:
        """The name of its key; None where it takes none."""
        return KeyRef(self.api_key_env_vars, self.provider_id) if self.api_key_env_vars else None

    def auth_for(self, wire_format: WireFormat) -> str:
        """The authentication scheme of its calls in a format."""
        return self.auths.get(wire_format, self.auth)

    def may_receive_key(self, scheme: str, host: str, port: int) -> bool:
        """Whether its key may be sent there: only to where its own calls go."""
        return (scheme, host.lower(), port) in self.origins

    def has_model(self, model: str) -> bool:
        """Whether it serves a model by that name, as far as its globs tell.

        Without globs nobody knows: the name is taken for its own only where there is no default to fall back on.
        """
        if not self.models:
            return self.default_model is None
        name = model.lower()
        return any(fnmatchcase(name, glob.lower()) for glob in self.models)

    def own_name(self, model: str) -> str | None:
        """What a model asked for elsewhere is called here; None where it does not have it."""
        if self.has_model(model):
            return model
        name = model.lower()
        for glob, slug in self.slugs.items():
            if fnmatchcase(name, glob):
                return slug.format(model=model, dotted=dotted(name))
        return None


def dotted(model: str) -> str:
    """`claude-sonnet-4-5-20250929` as `claude-sonnet-4.5`: no date, and a dot between the numbers of a version."""
    return re.sub(r"(?<=\d)-(?=\d)", ".", re.sub(r"-(\d{8}|latest)$", "", model))


class ProviderRegistry:
    """All providers, found by id or alias (ids first), by host, or by the prefix of a model's name."""

    def __init__(self, specs: Iterable[ProviderSpec]) -> None:
        self._specs = {spec.provider_id: spec for spec in specs}
        self._names: dict[str, ProviderSpec] = {}
        self._hosts: dict[str, str] = {}
        for spec in self._specs.values():
            for alias in spec.aliases:
                self._names.setdefault(alias.lower(), spec)
            for host in spec.hosts:
                self._hosts.setdefault(host.lower(), spec.provider_id)
        self._names |= self._specs

    @classmethod
    def default(cls) -> ProviderRegistry:
        """The built-in providers only."""
        return registry({})

    def list_providers(self, connection_type: str | None = None) -> list[ProviderSpec]:
        """All of them, or those that are `local` or `byok`."""
        return [spec for spec in self._specs.values() if connection_type in (None, spec.connection_type)]

    def get(self, provider_name: str) -> ProviderSpec | None:
        """By id or alias, in any case."""
        return self._names.get(provider_name.lower())

    def require(self, provider_name: str) -> ProviderSpec:
        """Like `get`; raises ConfigError with the nearest name."""
        spec = self.get(provider_name)
        if spec is None:
            raise ConfigError(f"unknown provider '{provider_name}'", suggestion=nearest(provider_name, self.names()))
        return spec

    def names(self) -> tuple[str, ...]:
        """Every id and alias."""
        return tuple(self._names)

    def by_host(self, host: str) -> str:
        """The id of the provider that agents reach at a host, "" where it is nobody's."""
        return self._hosts.get(host) or self._hosts.get(host.lower(), "")

    def infer_provider_from_model(self, model_name: str) -> ProviderSpec | None:
        """The provider that `provider/model` names."""
        prefix, slash, _ = model_name.partition("/")
        return self.get(prefix) if slash else None

    def normalize_model_name(self, provider_name: str, model_name: str) -> str:
        """The name without a redundant `provider/` before it; names that are meant so (`groq/compound`) stay whole."""
        spec = self.get(provider_name)
        if spec is None or self.infer_provider_from_model(model_name) is not spec:
            return model_name
        if any(fnmatchcase(model_name.lower(), glob.lower()) for glob in spec.prefixed_models):
            return model_name
        return model_name.partition("/")[2] or model_name


def registry(user_texts: Mapping[str, str], environ: Mapping[str, str] | None = None) -> ProviderRegistry:
    """The built-in providers and a person's own, by file name and text; variables in `environ` override base URLs.

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
    return ProviderRegistry(_spec(file, sources.get(name, ""), environ or {}) for name, file in files.items())


@cache
def _built_in() -> dict[str, ProviderFile]:
    documents = (Document.parse(path.read_text(encoding="utf-8"), path.name) for path in sorted(FOLDER.glob("*.toml")))
    return {file.name: file for file in (read_provider(document, {}) for document in documents)}


def _spec(file: ProviderFile, source: str, environ: Mapping[str, str]) -> ProviderSpec:
    assert file.shape is not None
    shape = SHAPE_DEFAULTS[file.shape]
    base = _base_url(file, environ)
    paths = file.paths or {shape.format: shape.path}
    headers = {**shape.headers, **file.headers}
    variables = file.key_variables
    usual_host = endpoint_of(file.endpoint).host  # agents know this one, whatever a variable says
    local = is_local(endpoint_of(base).host)
    return ProviderSpec(
        provider_id=file.name,
        display_name=file.display_name or file.name,
        adapter_type=file.adapter_type or shape.adapter_type,
        shape=file.shape,
        default_base_url=base,
        urls={wire_format: _join(base, path) for wire_format, path in paths.items()},
        auth=file.auth or (shape.auth if variables else "none"),
        auths=file.auths,
        aliases=file.aliases,
        api_key_env_vars=variables,
        base_url_env_var=file.base_url_env,
        docs_url=file.docs_url,
        requires_api_key=bool(variables) if file.requires_key is None else file.requires_key,
        connection_type=file.connection_type or ("local" if local and not variables else "byok"),
        category=file.category,
        example_models=file.example_models,
        default_model=file.default_model,
        models=file.models,
        slugs=file.slugs,
        prefixed_models=file.prefixed_models,
        hosts=frozenset(file.hosts or (() if is_local(usual_host) else (usual_host,))),
        headers=tuple((name.encode(), value.encode()) for name, value in headers.items()),
        library_id=file.prices_of or file.name,
        prices=file.prices,
        capabilities=ProviderCapabilities(file.native_tool_calling, file.vision),
        streams=file.streaming,
        source=source,
    )


def _base_url(file: ProviderFile, environ: Mapping[str, str]) -> str:
    override = _with_scheme(environ.get(file.base_url_env or "", "").strip(), file.endpoint)
    if override:
        try:
            check_url(override, insecure=file.insecure)
        except ConfigError as error:
            raise ConfigError(error.message, key=file.base_url_env) from None
    return (override or file.endpoint).rstrip("/")


def _with_scheme(override: str, endpoint: str) -> str:
    """`override`, a server's own address made whole where `endpoint` is on this machine.

    Who runs Ollama says where it listens in the variable that says where to find it: `0.0.0.0`, `:11434`, `box:8080`.
    """
    usual = urlsplit(endpoint)
    if not override or "://" in override or not is_local(usual.hostname or ""):
        return override
    try:
        said = urlsplit(f"//{override}")
        port = said.port or usual.port
    except ValueError:
        return override
    host = said.hostname if said.hostname not in (None, "0.0.0.0", "::") else usual.hostname
    return f"{usual.scheme}://{f'[{host}]' if ':' in str(host) else host}:{port}{said.path}"


def _join(base: str, path: str) -> str:
    """`path` below `base`, without repeating what the base ends with (`…/v1` and `/v1/messages`). A whole URL stays."""
    if not path.startswith("/"):
        return path
    pieces = path.split("/")[1:]
    for count in range(len(pieces), 0, -1):
        overlap = "/" + "/".join(pieces[:count])
        if base.endswith(overlap):
            return base + path.removeprefix(overlap)
    return base + path
