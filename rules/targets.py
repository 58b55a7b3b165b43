"""From a route to the chain of targets to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ringlet_mitm.rules.demands import Demands
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.model_fallbacks import listed, places_of
from ringlet_mitm.rules.naming import PASSTHROUGH
from ringlet_mitm.rules.peek import AgentRequest, Headers, RequestFeatures
from ringlet_mitm.rules.provider_files import SHAPE_DEFAULTS
from ringlet_mitm.rules.providers import Endpoint, ProviderCapabilities, ProviderRegistry, ProviderSpec
from ringlet_mitm.rules.routes import Route
from ringlet_mitm.rules.shapes import WireFormat

# However many fallbacks and keys there are: an agent does not wait for more.
MOST_TARGETS = 16


@dataclass(frozen=True, slots=True)
class Target:
    """One place to send a request to.

    `as_asked` means the host that the agent itself asked for: its path, query and credentials stay.
    `model` is the name to ask for there; equal to the requested one where nothing changes.
    `headers` are the provider's, to be set where the agent did not send them. `streams` is false where it answers whole
    only, `whole` where it answers as a stream only. `demands` are its wishes about the body. `timeout_s` is how long
    the provider's own variable says to wait for it.
    """

    provider: str
    model: str
    format: WireFormat
    endpoint: Endpoint
    auth: str
    key_ref: KeyRef | None
    as_asked: bool = False
    headers: Headers = ()
    capabilities: ProviderCapabilities = field(default_factory=ProviderCapabilities)
    streams: bool = True
    whole: bool = True
    demands: Demands = field(default_factory=Demands)
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class ProfilePin:
    """What a profile fixes: the model of its provider, and the variables that hold its own keys, by provider.

    `provider` is None in a profile that passes everything through; its model then goes for the host that was asked.
    `shared_keys` are those of config.toml, by the id of their provider; the profile's own go first. So are
    `further_keys`, to take in turn, and what is tried when a provider fails, as far as the profile obeys it.
    """

    provider: str | None = None
    model: str | None = None
    keys: Mapping[str, str] = field(default_factory=dict)
    shared_keys: Mapping[str, KeyRef] = field(default_factory=dict)
    further_keys: Mapping[str, tuple[KeyRef, ...]] = field(default_factory=dict)
    model_fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fallback_providers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lineup:
    """A chain of targets, and why other fallbacks are not in it."""

    targets: tuple[Target, ...]
    skipped: tuple[str, ...] = ()


class Place(NamedTuple):
    """A provider, "" where a host is nobody's, and the model that it is asked for."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider or PASSTHROUGH}/{self.model}"


def line_up(
    route: Route,
    request: AgentRequest,
    features: RequestFeatures | None,
    registry: ProviderRegistry,
    pin: ProfilePin | None = None,
) -> tuple[Target, ...]:
    """The targets of a route, the first to be tried first; settings.py says in which order.

    A route without a provider, and one to the very provider that was asked in a format it speaks, stay at the host
    asked. Where a target speaks other formats only, its `format` differs from the request's, and the caller has to
    translate or refuse. Raises ConfigError where the first cannot be used.
    """
    return lined_up(route, request, features, registry, pin).targets


def lined_up(
    route: Route,
    request: AgentRequest,
    features: RequestFeatures | None,
    registry: ProviderRegistry,
    pin: ProfilePin | None = None,
) -> Lineup:
    """The same, with what was left out and why."""
    requested = features.model if features else ""
    pin = pin or ProfilePin()
    first = _target(route, request, requested, registry, pin)
    chain: list[Target] = []
    skipped: dict[str, None] = {}
    _append(chain, _with_further_keys(first, route, request, registry, pin))
    for step in _after(route, first, requested, registry, pin):
        if len(chain) == MOST_TARGETS:
            break
        if isinstance(step, str):
            skipped[step] = None
            continue
        try:
            target = _target(step, request, requested, registry, pin)
        except ConfigError as error:
            skipped[str(error)] = None
            continue
        _append(chain, _with_further_keys(target, step, request, registry, pin))
    return Lineup(tuple(_for_turn(target, features, registry) for target in chain), tuple(skipped))


def places(route: Route, asked: str, requested: str, registry: ProviderRegistry, pin: ProfilePin) -> tuple[Place, ...]:
    """Where the targets of a route are, without the request: by the provider and the model that it asks for.

    For what was, and what might have been: providers count here that cannot be reached now for want of a variable.
    """
    first = _place(route, asked, requested, registry, pin)
    steps = (step for step in _after(route, first, requested, registry, pin) if not isinstance(step, str))
    return tuple(dict.fromkeys((first, *(_place(step, asked, requested, registry, pin) for step in steps))))


def _place(route: Route, asked: str, requested: str, registry: ProviderRegistry, pin: ProfilePin) -> Place:
    spec = registry.get(asked if route.provider is None else route.provider)
    if route.provider is None:
        return Place(spec.provider_id if spec else "", _passed_model(route, requested, spec, registry, pin))
    if spec is None:
        return Place(route.provider, route.model or requested)
    return Place(spec.provider_id, _model(route, requested, spec, registry, pin))


def _append(chain: list[Target], targets: Iterable[Target]) -> None:
    """Each that is not in the chain yet, as long as there is room."""
    for target in targets:
        if target not in chain and len(chain) < MOST_TARGETS:
            chain.append(target)


def _after(
    route: Route, first: Target | Place, requested: str, registry: ProviderRegistry, pin: ProfilePin
) -> Iterator[Route | str]:
    """What is tried when `first`, which `route` leads to, and its keys have failed; words for what cannot be."""
    yield from _steps(route.fallback)
    if route.alone:
        return
    spec = registry.get(first.provider)
    for model in listed(pin.model_fallbacks, requested, first.model, first.provider):
        places = tuple(places_of(model, route, spec, registry))
        yield from places or (f"provider '{first.provider}' has no model '{model}'; write it as PROVIDER/{model}",)
    if not route.fallback:
        yield from (Route(name) for name in pin.fallback_providers if name != first.provider)


def _steps(routes: Iterable[Route]) -> Iterator[Route]:
    for route in routes:
        yield route
        yield from _steps(route.fallback)


def _with_further_keys(
    target: Target, route: Route, request: AgentRequest, registry: ProviderRegistry, pin: ProfilePin
) -> Iterator[Target]:
    """`target`, and the same with each further key of its provider.

    Not where the profile has a key of its own, which is another account, nor for what passes through on the agent's.
    """
    yield target
    spec = registry.get(target.provider)
    if spec is None or _profiles_key(spec, registry, pin) or (route.provider is None and not request.direct):
        return
    for key in pin.further_keys.get(spec.provider_id, ()):
        yield _elsewhere(request, spec, target.model, key)


def _target(route: Route, request: AgentRequest, requested: str, registry: ProviderRegistry, pin: ProfilePin) -> Target:
    asked = registry.get(registry.by_host(request.host))
    if route.provider is None:
        spec, model = asked, _passed_model(route, requested, asked, registry, pin)
    else:
        spec = registry.require(route.provider)
        model = _model(route, requested, spec, registry, pin)
    if spec is None:
        return _as_asked(request, None, model, pin)
    own_key = _own_key(route, spec, registry, pin)
    spoken = request.format in spec.endpoints
    if route.provider is None:
        stays = own_key is None or not spoken
    else:
        stays = own_key is None and spec is asked and spoken and _is_at_home(spec, request.format)
    return _as_asked(request, spec, model, pin) if stays else _elsewhere(request, spec, model, own_key)


def _for_turn(target: Target, features: RequestFeatures | None, registry: ProviderRegistry) -> Target:
    """With the headers that the provider wants for such a turn."""
    spec = None if target.as_asked else registry.get(target.provider)
    if spec is None or not spec.headers_when or features is None:
        return target
    occasions = ("tool-result" if features.tool_result else "own-words", *(("images",) if features.images else ()))
    found = (header for occasion in occasions for header in spec.headers_when.get(occasion, ()))
    return replace(target, headers=(*target.headers, *found))


def _own_key(route: Route, spec: ProviderSpec, registry: ProviderRegistry, pin: ProfilePin) -> KeyRef | None:
    """A key that somebody chose in place of the agent's; None where the provider's usual one will do.

    One account a profile goes before one a route, and that before one for all. What passes through was sent to nobody:
    only the profile's own key takes the place of the agent's there.
    """
    own = _profiles_key(spec, registry, pin)
    if own is not None:
        return own
    return None if route.provider is None else route.key or pin.shared_keys.get(spec.provider_id)


def _profiles_key(spec: ProviderSpec, registry: ProviderRegistry, pin: ProfilePin) -> KeyRef | None:
    variables = (name for provider, name in pin.keys.items() if _is(spec, registry.get(provider)))
    return next((KeyRef((name,)) for name in variables), None)


def _is(spec: ProviderSpec, other: ProviderSpec | None) -> bool:
    return other is not None and other.provider_id == spec.provider_id


def _elsewhere(request: AgentRequest, spec: ProviderSpec, model: str, own_key: KeyRef | None) -> Target:
    """The provider's own URL, with a key of ours; in the request's format where it speaks that."""
    formats = spec.formats_for(model)
    wire_format = request.format if request.format in formats else formats[0]
    auth = spec.auth_for(wire_format)
    return Target(
        provider=spec.provider_id,
        model=model,
        format=wire_format,
        endpoint=spec.endpoints[wire_format],
        auth=_keyed(spec) if own_key and auth == "none" else auth,
        key_ref=own_key or spec.key_ref,
        headers=spec.headers,
        capabilities=spec.capabilities,
        streams=spec.streams,
        whole=spec.whole,
        demands=spec.demands_for(wire_format),
        timeout_s=spec.timeout_s,
    )


def _keyed(spec: ProviderSpec) -> str:
    """How a provider that asks for no key takes one all the same: a server of the person's own, behind a lock."""
    usual = SHAPE_DEFAULTS[spec.shape].auth
    return "bearer" if usual == "none" else usual


def _is_at_home(spec: ProviderSpec, wire_format: WireFormat) -> bool:
    """Whether a provider's calls go to where agents find it, and not elsewhere by a base URL of the person's."""
    return spec.endpoints[wire_format].host in spec.hosts


def _as_asked(request: AgentRequest, asked: ProviderSpec | None, model: str, pin: ProfilePin) -> Target:
    """The host that the agent asked for. Asked of the proxy itself, it is the vendor's own URL, with a key of ours."""
    endpoint = Endpoint(request.scheme, request.host, request.port, request.path.partition("?")[0])
    if request.direct and asked and request.format in asked.endpoints:
        endpoint = asked.endpoints[request.format]
    return Target(
        provider=asked.provider_id if asked else "",
        model=model,
        format=request.format,
        endpoint=endpoint,
        auth=asked.auth_for(request.format) if asked else "none",
        key_ref=pin.shared_keys.get(asked.provider_id, asked.key_ref) if asked else None,
        as_asked=True,
        demands=asked.demands_for(request.format) if asked else Demands(),
        timeout_s=asked.timeout_s if asked else None,
    )


def _passed_model(
    route: Route, requested: str, asked: ProviderSpec | None, registry: ProviderRegistry, pin: ProfilePin
) -> str:
    model = route.model or (pin.model if pin.provider is None else None)
    return registry.normalize_model_name(asked.provider_id if asked else "", model) if model else requested


def _model(route: Route, requested: str, spec: ProviderSpec, registry: ProviderRegistry, pin: ProfilePin) -> str:
    """The rule's model; else the profile's pin; else the requested one if it is served there; else the default."""
    pinned = pin.model if pin.provider is not None and registry.get(pin.provider) is spec else None
    chosen = route.model or pinned
    if chosen:
        return registry.normalize_model_name(spec.provider_id, chosen)
    own = spec.own_name(registry.normalize_model_name(spec.provider_id, requested)) if requested else None
    return own or spec.default_model or requested
