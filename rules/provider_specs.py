"""A provider as the rest of the program sees it: a file's keys, with the person's variables filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf
from typing import Any
from urllib.parse import urlsplit

from ringlet_mitm.rules.demands import Demands
from ringlet_mitm.rules.endpoint_urls import Endpoint, endpoint_of, is_local
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.provider_files import SHAPE_DEFAULTS, Fingerprint, LoginSpec, ProviderFile
from ringlet_mitm.rules.provider_places import Places, places_of
from ringlet_mitm.rules.shapes import Headers, WireFormat

NO_DEMANDS = Demands()
KEYLESS = frozenset({"none", "google-adc"})  # the second finds its own credentials


@dataclass(frozen=True, slots=True)
class ProviderCapabilities:
    """What its models can do."""

    native_tool_calling: bool = True
    vision: bool = True


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """One provider. `urls` holds the model call of each wire format it speaks, the preferred format first.

    `headers` are set where the agent did not send them, `headers_when` as the turn is. `library_id` is its name in the
    price library. `streams` is false where it answers whole only, `whole` where it answers as a stream only.
    `timeout_s` is how long the variable `timeout_env` says to wait for it, None where it says nothing. `lacking` are
    the variables that its URLs need and that are not set, `problem` says what is wrong with one that is set; with
    either, the URLs lead nowhere and there are no `endpoints`. `source` is the file that a person wrote it in, "" for a
    built-in one.
    """

    provider_id: str
    display_name: str
    adapter_type: str
    shape: str
    default_base_url: str
    urls: Mapping[WireFormat, str]
    auth: str
    auths: Mapping[WireFormat, str] = field(default_factory=dict)
    formats_by_model: Mapping[str, tuple[WireFormat, ...]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    api_key_env_vars: tuple[str, ...] = ()
    key_prefixes: tuple[str, ...] = ()
    base_url_env_var: str | None = None
    timeout_env: str | None = None
    timeout_s: float | None = None
    docs_url: str | None = None
    requires_api_key: bool = True
    connection_type: str = "byok"
    category: str = "Custom"
    example_models: tuple[str, ...] = ()
    default_model: str | None = None
    models: tuple[str, ...] = ()
    free_models: tuple[str, ...] = ()
    slugs: Mapping[str, str] = field(default_factory=dict)
    prefixed_models: tuple[str, ...] = ()
    hosts: frozenset[str] = frozenset()
    headers: Headers = ()
    headers_when: Mapping[str, Headers] = field(default_factory=dict)
    login: LoginSpec | None = None
    library_id: str = ""
    prices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    discovery: str = ""
    fingerprints: tuple[Fingerprint, ...] = ()
    capabilities: ProviderCapabilities = field(default_factory=ProviderCapabilities)
    streams: bool = True
    whole: bool = True
    demands: Mapping[WireFormat, Demands] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    problem: str = ""
    source: str = ""
    endpoints: Mapping[WireFormat, Endpoint] = field(init=False, repr=False, compare=False)
    origins: frozenset[tuple[str, str, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lead = {} if self.lacking or self.problem else self.urls
        endpoints = {wire_format: endpoint_of(url) for wire_format, url in lead.items()}
        object.__setattr__(self, "endpoints", endpoints)
        object.__setattr__(self, "origins", frozenset(endpoint.origin for endpoint in endpoints.values()))

    @property
    def formats(self) -> tuple[WireFormat, ...]:
        """The wire formats it speaks, the preferred one first."""
        return tuple(self.urls)

    def formats_for(self, model: str) -> tuple[WireFormat, ...]:
        """The wire formats that one of its models is served in, the preferred one first."""
        name = model.lower()
        for glob, formats in self.formats_by_model.items():
            if fnmatchcase(name, glob.lower()):
                return formats
        return self.formats

    @property
    def key_ref(self) -> KeyRef | None:
        """The name of its key; None where it takes none."""
        if not self.api_key_env_vars and self.auth in KEYLESS:
            return None
        return KeyRef(self.api_key_env_vars, login=self.provider_id)

    def auth_for(self, wire_format: WireFormat) -> str:
        """The authentication scheme of its calls in a format."""
        return self.auths.get(wire_format, self.auth)

    def demands_for(self, wire_format: WireFormat) -> Demands:
        """What it wants of a body in a format beyond the format itself."""
        return self.demands.get(wire_format, NO_DEMANDS)

    def may_receive_key(self, scheme: str, host: str, port: int) -> bool:
        """Whether its key may be sent there: only to where its own calls go."""
        return (scheme, host.lower(), port) in self.origins

    def has_model(self, model: str) -> bool:
        """Whether it serves a model by that name, as far as its globs tell.

        Without globs nobody knows: the name is taken for its own only where there is no default to fall back on.
        """
        if not self.models:
            return self.default_model is None
        return _any_glob(self.models, model)

    def is_free(self, model: str) -> bool:
        """Whether it serves a model without a key."""
        return _any_glob(self.free_models, model)

    def own_name(self, model: str) -> str | None:
        """What a model asked for elsewhere is called here; None where it does not have it."""
        name = model.lower()
        for glob, slug in self.slugs.items():
            if fnmatchcase(name, glob):
                return slug.format(model=model, dotted=dotted(name), dashed=dashed(name))
        return model if self.has_model(model) else None


def _any_glob(globs: tuple[str, ...], model: str) -> bool:
    name = model.lower()
    return any(fnmatchcase(name, glob.lower()) for glob in globs)


def dotted(model: str) -> str:
    """`claude-sonnet-4-5-20250929` as `claude-sonnet-4.5`: no date, and a dot between the numbers of a version."""
    return re.sub(r"(?<=\d)-(?=\d)", ".", re.sub(r"-(\d{8}|latest)$", "", model))


def dashed(model: str) -> str:
    """`claude-sonnet-4.6` as `claude-sonnet-4-6`."""
    return re.sub(r"(?<=\d)\.(?=\d)", "-", model)


# What a provider has just as its file says it.
AS_WRITTEN = (
    "aliases",
    "auths",
    "category",
    "default_model",
    "demands",
    "docs_url",
    "example_models",
    "families",
    "fingerprints",
    "formats_by_model",
    "free_models",
    "key_prefixes",
    "login",
    "models",
    "prefixed_models",
    "prices",
    "slugs",
    "timeout_env",
    "whole",
)


def spec_of(file: ProviderFile, source: str, environ: Mapping[str, str], base_url: str = "") -> ProviderSpec:
    """The provider that a file describes, where `base_url` puts it, else `environ`, else the file.

    Raises ConfigError for a variable with a base URL that is none.
    """
    assert file.shape is not None
    shape = SHAPE_DEFAULTS[file.shape]
    places = places_of(file, environ, base_url)
    variables = file.key_variables
    auth = file.auth or (shape.auth if variables else "none")
    keyless = auth in KEYLESS
    local = is_local(urlsplit(places.base).hostname or "")
    return ProviderSpec(
        provider_id=file.name,
        display_name=file.display_name or file.name,
        adapter_type=file.adapter_type or shape.adapter_type,
        shape=file.shape,
        default_base_url=places.base,
        urls=places.urls,
        auth=auth,
        api_key_env_vars=variables,
        base_url_env_var=file.base_url_env,
        timeout_s=_seconds(environ.get(file.timeout_env or "", "")),
        requires_api_key=not keyless if file.requires_key is None else file.requires_key,
        connection_type=file.connection_type or ("local" if local and keyless else "byok"),
        hosts=_hosts(file, places),
        headers=_headers(file, places),
        headers_when={occasion: _encoded(headers) for occasion, headers in file.headers_when.items()},
        library_id=file.prices_of or file.name,
        discovery=shape.discovery if file.discovery is None else file.discovery,
        capabilities=ProviderCapabilities(file.native_tool_calling, file.vision),
        streams=file.streaming,
        lacking=places.lacking,
        problem=places.problem,
        source=source,
        **{name: getattr(file, name) for name in AS_WRITTEN},
    )


def _seconds(said: str) -> float | None:
    """More than none, and some; whatever else stands there says nothing."""
    try:
        seconds = float(said)
    except ValueError:
        return None
    return seconds if 0 < seconds < inf else None


def _headers(file: ProviderFile, places: Places) -> Headers:
    """Its own, and what a format wants that it speaks."""
    usual: dict[str, str] = {}
    for shape in SHAPE_DEFAULTS.values():
        if shape.format in places.urls:
            usual |= shape.headers
    return _encoded({**usual, **file.headers})


def _encoded(headers: Mapping[str, str]) -> Headers:
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


def _hosts(file: ProviderFile, places: Places) -> frozenset[str]:
    if file.hosts is not None:
        return frozenset(file.hosts)
    nobodys = not places.usual_host or is_local(places.usual_host)
    return frozenset(() if nobodys else (places.usual_host,))
