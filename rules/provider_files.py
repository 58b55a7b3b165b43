"""Provider files: the keys of `providers/*.toml`, ours and a person's alike.

A person's file needs `name`, `shape` and `endpoint`; `key-env` and `default-model` are usual, the rest is for whoever
needs it. Keys are never in here, only the names of the variables that hold them.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from ringlet_mitm.rules.document import Document
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.pricetables import read_prices
from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.validated import validated

Auth = Literal["bearer", "x-api-key", "x-goog-api-key", "none"]
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ShapeDefaults:
    """What a shape means where a file says nothing: the format, its path, how the key is sent, headers to add."""

    format: WireFormat
    path: str
    auth: Auth
    adapter_type: str
    headers: dict[str, str] = field(default_factory=dict)


SHAPE_DEFAULTS: dict[str, ShapeDefaults] = {
    "anthropic": ShapeDefaults(
        WireFormat.MESSAGES, "/v1/messages", "x-api-key", "anthropic", {"anthropic-version": "2023-06-01"}
    ),
    "openai": ShapeDefaults(WireFormat.CHAT, "/chat/completions", "bearer", "openai_compatible"),
    "gemini": ShapeDefaults(WireFormat.GEMINI, "/v1beta/models/{model}:{method}", "x-goog-api-key", "gemini"),
    "ollama": ShapeDefaults(WireFormat.OLLAMA, "/api/chat", "none", "ollama"),
    # Bedrock's API keys are bearer tokens; requests signed with IAM credentials are another matter.
    "converse": ShapeDefaults(WireFormat.CONVERSE, "/model/{model}/{method}", "bearer", "converse"),
}


@dataclass(frozen=True, slots=True)
class ProviderFile:
    """The keys of a provider file (in the file with dashes).

    paths: wire format to path below the endpoint, or to a whole URL; without it, the shape's one format.
    auth, auths: how the key is sent, and where a format has another way.
    models: globs of model names that it has; without them it has any, unless there is a default model.
    slugs: globs of names elsewhere to its own: `{model}` the name itself, `{dotted}` with dots in the version and no
    date.
    prefixed_models: names that look like `PROVIDER/model` but are whole.
    hosts: where agents reach it by themselves; without them, the endpoint's host.
    prices_of: the provider of the price library whose prices hold here. prices: own ones, by model name or glob.
    native_tool_calling: false where its models cannot call tools; they are then described in the prompt.
    vision: false where it takes no pictures. streaming: false where it answers whole only.
    insecure: allow `http://` to a host that is not on this machine or its private network.
    """

    name: str = ""
    shape: Literal["anthropic", "openai", "gemini", "ollama", "converse"] | None = None
    endpoint: str = ""
    key_env: str | tuple[str, ...] = ()
    default_model: str | None = None
    display_name: str = ""
    adapter_type: str = ""
    aliases: tuple[str, ...] = ()
    base_url_env: str | None = None
    docs_url: str | None = None
    requires_key: bool | None = None
    connection_type: Literal["byok", "local"] | None = None
    category: str = "Custom"
    example_models: tuple[str, ...] = ()
    paths: dict[WireFormat, str] = field(default_factory=dict)
    auth: Auth | None = None
    auths: dict[WireFormat, Auth] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    slugs: dict[str, str] = field(default_factory=dict)
    prefixed_models: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    prices_of: str | None = None
    prices: dict[str, dict[str, Any]] = field(default_factory=dict)
    native_tool_calling: bool = True
    vision: bool = True
    streaming: bool = True
    insecure: bool = False

    @property
    def key_variables(self) -> tuple[str, ...]:
        """The variables that may hold the key, the first that is set wins."""
        return (self.key_env,) if isinstance(self.key_env, str) else self.key_env


_ADAPTER: TypeAdapter[ProviderFile] = TypeAdapter(ProviderFile)

# What follows from these two is worked out anew when a person's file changes them.
_FOLLOWS = ("paths", "auth", "auths", "headers", "adapter_type")


def read_provider(document: Document, built_in: dict[str, ProviderFile]) -> ProviderFile:
    """A provider file, checked. One with the name of a built-in provider changes what it says and keeps the rest.

    Raises ConfigError with file, line, key and the nearest spelling.
    """
    file, given = validated(ProviderFile, _ADAPTER, document)
    file = replace(file, name=file.name.lower())
    if not NAME.fullmatch(file.name):
        raise document.error(("name",), "has to be a word of a-z, 0-9, '.', '_' and '-'" if file.name else "is missing")
    base = built_in.get(file.name)
    if base is not None:
        file = _changed(base, file, given)
    for key in ("shape", "endpoint"):
        if not getattr(file, key):
            raise document.error((key,), "is missing")
    if not all(VARIABLE.fullmatch(name) for name in file.key_variables):
        raise document.error(("key-env",), "has to be the name of a variable; keys are never in this file")
    _check_endpoint(file, document)
    _check_prices(file, document)
    return file


def _changed(base: ProviderFile, file: ProviderFile, given: frozenset[str]) -> ProviderFile:
    kept = base
    if given & {"shape", "endpoint"}:
        fresh = {key: getattr(ProviderFile(), key) for key in _FOLLOWS}
        kept = replace(base, hosts=base.hosts or (urlsplit(base.endpoint).hostname or "",), **fresh)
    return replace(kept, **{key: getattr(file, key) for key in given})


def _check_endpoint(file: ProviderFile, document: Document) -> None:
    try:
        check_url(file.endpoint, insecure=file.insecure)
    except ConfigError as error:
        raise document.error(("endpoint",), error.message) from None
    for wire_format, path in file.paths.items():
        if path.startswith("/"):
            continue
        try:
            check_url(path, insecure=file.insecure)
        except ConfigError as error:
            raise document.error(
                ("paths", str(wire_format)), f"{error.message}, or a path that begins with /"
            ) from None


def _check_prices(file: ProviderFile, document: Document) -> None:
    for model, row in file.prices.items():
        try:
            read_prices(row)
        except ConfigError as error:
            raise document.error(("prices", model, str(error.key)), error.message, error.suggestion) from None


def check_url(url: str, *, insecure: bool = False) -> None:
    """Raises ConfigError unless `url` is one that a key may be sent to."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError(f"is not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("has to be a URL like https://host/v1")
    if parts.username or parts.password:
        raise ConfigError("must not hold a password; name the variable with the key in 'key-env'")
    if parts.query or parts.fragment:
        raise ConfigError("must not have a query or fragment")
    if parts.scheme == "http" and not (insecure or is_local(host)):
        raise ConfigError(f"would send the key unencrypted to {host}; use https://, or say 'insecure = true'")


def is_local(host: str) -> bool:
    """Whether a host is this machine or on its private network: by address, or by a name that no public server has."""
    host = host.lower().strip("[]").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".internal", ".lan", ".home.arpa"))
    return address.is_loopback or address.is_private or address.is_link_local
