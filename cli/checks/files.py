"""Of what a person has written: profile, config.toml, rules, and the keys that these need."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from importlib.metadata import version
from urllib.parse import urlsplit

from ringlet_mitm.addons.credentials.store import store_of
from ringlet_mitm.cli import fallback_cautions
from ringlet_mitm.cli.checks.finding import Finding, broken, ok, warning
from ringlet_mitm.cli.checks.scene import CONFIG, PROFILE, RULES, Scene
from ringlet_mitm.cli.provider_keys import KeySource, is_configured, key_source
from ringlet_mitm.cli.provider_words import set_key, start_command
from ringlet_mitm.cli.rule_report import goes, provider_cautions
from ringlet_mitm.rules.cautions import key_cautions
from ringlet_mitm.rules.errors import ConfigError, RingletError
from ringlet_mitm.rules.interception import is_loopback
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.profiles import list_profiles
from ringlet_mitm.rules.providers import ProviderSpec
from ringlet_mitm.rules.reachability import warnings
from ringlet_mitm.rules.routes import Route

KNOCK_S = 0.5
EDITOR = "notepad" if sys.platform == "win32" else "${EDITOR:-vi}"


def program(_: Scene) -> Iterator[Finding]:
    """What is running; for those who are told of a fault."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield ok(f"ringlet-mitm {version('ringlet-mitm')}, mitmproxy {version('mitmproxy')}, Python {python}")


def profile(scene: Scene) -> Iterator[Finding]:
    """Whether it is there and can be read, and what it asks for is set."""
    problem = scene.problems.get(PROFILE)
    path, variable = scene.home.profile_file(scene.name), (scene.profile.proxyauth or "").strip("${}")
    if problem is None:
        yield ok(str(path))
    elif not list_profiles(scene.home):
        yield broken("there is no profile yet", "ringlet-mitm init")
    elif not isinstance(problem, ConfigError):
        yield broken(str(problem), "ringlet-mitm profiles list")
    else:
        yield broken(str(problem), f"export {variable}=USER:PASSWORD" if variable else f"{EDITOR} {path}")


def config(scene: Scene) -> Iterator[Finding]:
    """config.toml, and the person's own providers and models."""
    settings, setting = scene.setting.settings, scene.setting
    if problem := scene.problems.get(CONFIG):
        yield from _errors(problem, f"ringlet-mitm rules check --profile {scene.name}")
        return
    cautions = (
        *key_cautions(scene.home.config_file, scene.environ),
        *provider_cautions(settings, setting.registry),
        *(fallback_cautions.of_settings(settings, setting) if settings.digest else ()),
    )
    for caution in cautions:
        said, _, command = caution.partition("; run: ")
        yield warning(said, command)
    if not cautions:
        yield ok(settings.file if settings.digest else "no config.toml; none is needed")


def rules(scene: Scene) -> Iterator[Finding]:
    """As `rules check` sees them."""
    check = f"ringlet-mitm rules check --profile {scene.name}"
    if problem := scene.problems.get(RULES):
        yield from _errors(problem, check)
        return
    cautions = warnings(scene.book)
    for one in cautions:
        yield warning(f"{one.file}:{one.line}: {one.rule}: {one.message}", check)
    if not scene.setting.obeys_rules:
        command = f"ringlet-mitm profiles set {scene.name} --proxy ultrallm"
        if scene.routing_file.exists():
            yield warning(f'{scene.routing_file} is not used: the profile says proxy = "none"', command)
        return
    count = len(scene.book.rules)
    there = scene.routing_file if scene.routing_file.exists() else "no routing.toml"
    if not cautions:
        yield ok(f"{there}: {count} rule{'' if count == 1 else 's'}, {goes(scene.book)}")


def keys(scene: Scene) -> Iterator[Finding]:
    """Whether each provider that rules lead to could be asked: where its key is, and never the key."""
    used = _used(scene)
    if not used:
        yield ok("none needed: everything passes through with the agents' own keys")
    for name, roles in used.items():
        yield _provider(scene, name, roles)


def _used(scene: Scene) -> dict[str, dict[str, bool]]:
    """By provider the rules that lead there, and whether each has nowhere else to go."""
    used: dict[str, dict[str, bool]] = {}

    def note(route: Route, label: str, *, alone: bool) -> None:
        if route.provider is not None and route.key is None:
            roles = used.setdefault(route.provider, {})
            roles[label] = roles.get(label, False) or alone

    for one in scene.book.every:
        for way in one.ways:
            note(way, one.label, alone=not way.fallback)
            for other in way.fallback:
                note(other, f"fallback of {one.label}", alone=False)
        if one.shadow is not None:
            note(one.shadow, f"shadow of {one.label}", alone=False)
    return used


def _provider(scene: Scene, name: str, roles: dict[str, bool]) -> Finding:
    say = broken if any(roles.values()) else warning
    rule = next(label for label, alone in roles.items() if alone == any(roles.values()))
    try:
        spec = scene.setting.registry.require(name)
    except ConfigError as error:
        return say(f"{name}: {error} ({rule})")
    source = _source(scene, spec)
    if not is_configured(spec, source):
        return say(f"{name}: {source.words} ({rule})", set_key(spec))
    if not _listens(spec):
        return say(f"{name}: nothing listens at {spec.default_base_url} ({rule})", start_command(spec))
    return ok(f"{name}: {source.words}")


def _source(scene: Scene, spec: ProviderSpec) -> KeySource:
    """The place that a request's key would come from: the profile's own, config.toml's, then the provider's."""
    pin, store = scene.setting.pin, store_of(scene.home, scene.environ)
    own = (KeyRef((name,)) for provider, name in pin.keys.items() if scene.setting.registry.get(provider) is spec)
    ref = next(own, None) or pin.shared_keys.get(spec.provider_id)
    return key_source(spec, scene.environ, store, ref)


def _listens(spec: ProviderSpec) -> bool:
    """Whether somebody is there, for a server on this machine; nobody else is asked."""
    place = urlsplit(spec.default_base_url)
    if spec.connection_type != "local" or not is_loopback(place.hostname or ""):
        return True
    try:
        with socket.create_connection((place.hostname, place.port or 80), timeout=KNOCK_S):
            return True
    except OSError:
        return False


def _errors(problem: RingletError, check: str) -> Iterator[Finding]:
    """Each with its file, line and key."""
    for one in (problem, *(problem.others if isinstance(problem, ConfigError) else ())):
        yield broken(str(one), check)
