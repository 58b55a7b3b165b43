"""Provider files: the keys of `providers/*.toml`, ours and a person's alike.

A person's file needs `name`, `shape` and `endpoint`; `key-env` and `default-model` are usual, the rest is for whoever
needs it. Keys are never in here, only the names of the variables that hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from re import compile as pattern
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, TypeAdapter

from ringlet_mitm.rules.demands import Demands
from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.endpoint_urls import ORIGIN, VARIABLE, check_url, sample
from ringlet_mitm.rules.errors import ConfigError, nearest
from ringlet_mitm.rules.pricetables import read_prices
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.validated import validated

__all__ = ["VARIABLE", "Fingerprint", "LoginSpec", "ProviderFile", "read_provider"]

Auth = Literal[
    "bearer",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "none",
    "aws",
    "google-adc",
    "copilot",
    "chatgpt",
    "minimax-oauth",
]
Occasion = Literal["tool-result", "own-words", "images"]
NAME = pattern(r"[a-z0-9][a-z0-9._-]*")

_DASHES = ConfigDict(extra="forbid", populate_by_name=True, alias_generator=lambda name: name.replace("_", "-"))


@dataclass(frozen=True, slots=True)
class ShapeDefaults:
    """What a shape means where a file says nothing: the format, its path, how the key is sent, headers to add."""

    format: WireFormat
    path: str
    auth: Auth
    adapter_type: str
    headers: dict[str, str] = field(default_factory=dict)
    discovery: str = ""


SHAPE_DEFAULTS: dict[str, ShapeDefaults] = {
    "anthropic": ShapeDefaults(
        WireFormat.MESSAGES, "/v1/messages", "x-api-key", "anthropic", {"anthropic-version": "2023-06-01"}
    ),
    "openai": ShapeDefaults(WireFormat.CHAT, "/chat/completions", "bearer", "openai_compatible", discovery="openai"),
    "gemini": ShapeDefaults(WireFormat.GEMINI, "/v1beta/models/{model}:{method}", "x-goog-api-key", "gemini"),
    "ollama": ShapeDefaults(WireFormat.OLLAMA, "/api/chat", "none", "ollama", discovery="ollama"),
    # Bedrock's API keys are bearer tokens; requests signed with IAM credentials are another matter.
    "converse": ShapeDefaults(WireFormat.CONVERSE, "/model/{model}/{method}", "bearer", "converse"),
}


@dataclass(frozen=True, slots=True)
class LoginSpec:
    """How `providers login` gets a token: which dance, and the vendor's own numbers for it.

    `urls` has the addresses by name: `code` asks for a code, `token` gives tokens, and renews them; `exchange` (GitHub)
    gives Copilot tokens for one; `poll`, `callback` and `revoke` are OpenAI's, and `verify`, the page that a person
    opens where the vendor does not say it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _DASHES

    flow: Literal["github-device", "openai-device", "minimax-device"]
    client_id: str
    scope: str = ""
    urls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What tells a local server from others on its port: GET `path`, at the root of its host, answers JSON.

    `has` is a key in it, dotted where it is deeper (`data.0.owned_by`), "" for any JSON object; `value`, where given,
    is what stands there, or a glob for it; `lacks` is a key that may not be in it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _DASHES

    path: str
    has: str = ""
    value: str = ""
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """The keys of a provider file (in the file with dashes).

    like: another provider, built in, that this one is like; what is not said here is as there, but for name, aliases,
    key, login and base-url-env, which are never taken over: the key of one place does not go to another.
    endpoint: the base URL. Like the paths it may hold `${NAME}` and `${NAME:-default}`.
    key_env: the variables that may hold the key, the first that is set wins.
    key_prefixes: how the vendor's own keys begin.
    families: globs of names that mean this provider too (`moonshot*`).
    base_url_env: a variable with another base URL. timeout_env: one with how many seconds to wait for an answer.
    formats_by_model: globs of its models to the formats that they are served in, the first glob that fits; without it,
    every model in all.
    paths: wire format to path below the endpoint; `{origin}/…` begins at the root of its host, a whole URL is one
    elsewhere. Without it, the shape's one format.
    host_names: what a host that the variables make up is really called.
    auth, auths: how the key is sent, and where a format has another way. login: how `providers login` gets a token.
    models: globs of model names that it has; without them it has any, unless there is a default model.
    free_models: globs of those that it serves without a key.
    slugs: globs of names elsewhere to its own: `{model}` the name itself, `{dotted}` with dots in the version and no
    date, `{dashed}` with dashes in it. They go before `models`.
    prefixed_models: names that look like `PROVIDER/model` but are whole.
    hosts: where agents reach it by themselves; without them, the endpoint's host.
    headers: those to add; headers_when: more of them, for a turn that hands back a tool's answer, for one of the
    person's own words, and for one with pictures.
    prices_of: the provider of the price library whose prices hold here. prices: own ones, by model name or glob.
    discovery: how its models are listed: "openai" (GET models below the base URL), "ollama" (/api/tags), "" not at all.
    fingerprints: how it answers as no other server does, for local ones that share a port.
    native_tool_calling: false where its models cannot call tools; they are then described in the prompt.
    vision: false where it takes no pictures. streaming: false where it answers whole only. whole: false where it
    answers as a stream only.
    demands: what it wants of a body beyond the format: keys that it refuses, renames, forces.
    insecure: allow `http://` to a host that is not on this machine or its private network.
    """

    name: str = ""
    like: str = ""
    shape: Literal["anthropic", "openai", "gemini", "ollama", "converse"] | None = None
    endpoint: str = ""
    key_env: str | tuple[str, ...] = ()
    key_prefixes: tuple[str, ...] = ()
    default_model: str | None = None
    display_name: str = ""
    adapter_type: str = ""
    aliases: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    base_url_env: str | None = None
    timeout_env: str | None = None
    docs_url: str | None = None
    requires_key: bool | None = None
    connection_type: Literal["byok", "local"] | None = None
    category: str = "Custom"
    example_models: tuple[str, ...] = ()
    paths: dict[WireFormat, str] = field(default_factory=dict)
    formats_by_model: dict[str, tuple[WireFormat, ...]] = field(default_factory=dict)
    host_names: dict[str, str] = field(default_factory=dict)
    auth: Auth | None = None
    auths: dict[WireFormat, Auth] = field(default_factory=dict)
    login: LoginSpec | None = None
    models: tuple[str, ...] = ()
    free_models: tuple[str, ...] = ()
    slugs: dict[str, str] = field(default_factory=dict)
    prefixed_models: tuple[str, ...] = ()
    hosts: tuple[str, ...] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    headers_when: dict[Occasion, dict[str, str]] = field(default_factory=dict)
    prices_of: str | None = None
    prices: dict[str, dict[str, Any]] = field(default_factory=dict)
    discovery: Literal["openai", "ollama", ""] | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    native_tool_calling: bool = True
    vision: bool = True
    streaming: bool = True
    whole: bool = True
    demands: dict[WireFormat, Demands] = field(default_factory=dict)
    insecure: bool = False

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The variables that may hold the key, the first that is set wins."""
        return (self.key_env,) if isinstance(self.key_env, str) else self.key_env


_ADAPTER: TypeAdapter[ProviderFile] = TypeAdapter(ProviderFile)
_EMPTY = ProviderFile()

# What follows from shape and endpoint is worked out anew when a person's file changes them.
_FOLLOWS = ("paths", "formats_by_model", "auth", "auths", "headers", "headers_when", "adapter_type", "demands")
# What a provider that is like another never takes over: who it is, and whose key goes where.
_OWN = ("aliases", "families", "display_name", "key_env", "base_url_env", "hosts", "login", "host_names")


def read_provider(document: Document, built_in: Mapping[str, ProviderFile]) -> ProviderFile:
    """A provider file, checked. One with the name of a built-in provider changes what it says and keeps the rest.

    Raises ConfigError with file, line, key and the nearest spelling.
    """
    file, given = validated(ProviderFile, _ADAPTER, document)
    file = replace(file, name=file.name.lower())
    if not NAME.fullmatch(file.name):
        raise document.error(("name",), "has to be a word of a-z, 0-9, '.', '_' and '-'" if file.name else "is missing")
    if file.like:
        file = _alike(_model_of(file.like, built_in, document), file, given)
    elif file.name in built_in:
        file = _changed(built_in[file.name], file, given)
    for key in ("shape", "endpoint"):
        if not getattr(file, key):
            raise document.error((key,), "is missing")
    if not all(VARIABLE.fullmatch(name) for name in file.key_variables):
        raise document.error(("key-env",), "has to be the name of a variable; keys are never in this file")
    _check_urls(file, document)
    _check_prices(file, document)
    return file


def _model_of(name: str, built_in: Mapping[str, ProviderFile], document: Document) -> ProviderFile:
    found = built_in.get(name.lower())
    if found is None:
        raise document.error(("like",), f"there is no built-in provider '{name}'", nearest(name, built_in))
    return found


def _changed(base: ProviderFile, file: ProviderFile, given: frozenset[str]) -> ProviderFile:
    kept = base
    if given & {"shape", "endpoint"}:
        hosts = base.hosts if base.hosts is not None else (urlsplit(base.endpoint).hostname or "",)
        kept = replace(_without(base, _FOLLOWS), hosts=hosts)
    return _with_given(kept, file, given)


def _alike(base: ProviderFile, file: ProviderFile, given: frozenset[str]) -> ProviderFile:
    usual = SHAPE_DEFAULTS[base.shape or "openai"].auth if base.key_variables else None
    kept = replace(_without(base, _OWN), prices_of=base.prices_of or base.name, auth=base.auth or usual)
    if "shape" in given:
        kept = _without(kept, _FOLLOWS)
    elif "endpoint" in given:  # a whole URL would take the key of this one to a host of the other
        kept = replace(kept, paths={form: path for form, path in base.paths.items() if path.startswith(("/", ORIGIN))})
    return _with_given(kept, file, given)


def _without(file: ProviderFile, keys: tuple[str, ...]) -> ProviderFile:
    return replace(file, **{key: getattr(_EMPTY, key) for key in keys})


def _with_given(kept: ProviderFile, file: ProviderFile, given: frozenset[str]) -> ProviderFile:
    return replace(kept, **{key: getattr(file, key) for key in given | {"name"}})


def _check_urls(file: ProviderFile, document: Document) -> None:
    try:
        check_url(sample(file.endpoint), insecure=file.insecure)
    except ConfigError as error:
        raise document.error(("endpoint",), error.message) from None
    for wire_format, path in file.paths.items():
        try:
            if path.startswith(("/", ORIGIN + "/")):
                sample(path)
            else:
                check_url(sample(path), insecure=file.insecure, query=True)
        except ConfigError as error:
            raise document.error(
                ("paths", str(wire_format)), f"{error.message}, or a path that begins with /"
            ) from None
    for glob, formats in file.formats_by_model.items():
        if not formats or not set(formats) <= set(file.paths):
            raise document.error(("formats-by-model", glob), "has to name formats that stand in 'paths'")
    for name, url in (file.login.urls if file.login else {}).items():
        try:
            check_url(url, query=True)
        except ConfigError as error:
            raise document.error(("login", "urls", name), error.message) from None


def _check_prices(file: ProviderFile, document: Document) -> None:
    for model, row in file.prices.items():
        try:
            read_prices(row)
        except ConfigError as error:
            raise document.error(("prices", model, str(error.key)), error.message, error.suggestion) from None
