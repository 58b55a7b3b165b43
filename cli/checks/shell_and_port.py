"""Of the proxy's address, and of the shell that agents would be started from."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from ringlet_mitm.cli.checks.finding import Finding, broken, ok, warning
from ringlet_mitm.cli.checks.listeners import listener
from ringlet_mitm.cli.checks.scene import Scene
from ringlet_mitm.cli.left_running import ending, led_elsewhere, named
from ringlet_mitm.cli.proxy_health import Instead, ask, reachable
from ringlet_mitm.cli.shell import proxy_url
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.interception import is_loopback
from ringlet_mitm.rules.profiles import free_port, list_profiles, load_profile
from ringlet_mitm.rules.variables import BEFORE, PROXIES, Gap, gaps

NO_PROXY = "NO_PROXY"
KNOCK_S = 1.0


def port(scene: Scene) -> Iterator[Finding]:
    """Whether the proxy runs, and whether it could where it does not."""
    found, own = scene.running, scene.profile.port
    if found is not None:
        where = "" if found.port == own else f", and not at its own port {own}"
        yield ok(f"the proxy runs at {found.url} (process {found.pid}){where}")
    elif not own:
        yield ok("the proxy does not run; it takes a free port when it starts")
    elif reason := _taken(scene.profile.host, own):
        command = f"ringlet-mitm profiles set {scene.name} --port {_free(scene)}"
        yield broken(f"{scene.profile.host}:{own} {reason}", command)
    else:
        yield ok(f"the proxy does not run; {scene.profile.host}:{own} is free")


def _taken(host: str, number: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            return _whose(host, number) if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
    return ""


def _whose(host: str, number: int) -> str:
    said = ask(reachable(host), number, KNOCK_S)
    if not isinstance(said, Instead):
        return f"is taken by the proxy of profile '{said['profile']}' (process {said.get('pid', '?')})"
    name = listener(number)
    return f"is taken by {name}" if name else "is taken by a program of somebody else"


def _free(scene: Scene) -> int:
    """A port that no profile has and nobody listens on."""
    numbers = range(max(free_port(scene.home), scene.profile.port + 1), 65536)
    taken = {number for name in list_profiles(scene.home) if (number := _port_of(scene, name))}
    return next(number for number in numbers if number not in taken and not _taken(scene.profile.host, number))


def _port_of(scene: Scene, name: str) -> int:
    with suppress(ConfigError, UsageError):
        return load_profile(scene.home, name).port
    return 0


def shell(scene: Scene) -> Iterator[Finding]:
    """Whether agents that are started in this shell come through the proxy."""
    run = f"ringlet-mitm run --profile {scene.name} -- {_program(scene)}"
    found, base_urls = _gaps(scene), {name for one in scene.agents for name in one.preset.file.base_urls}
    for gap in found:
        if gap.variable in base_urls:
            yield warning(f"{gap.variable} {gap.why}", f"unset {gap.variable}")
    own = [gap for gap in found if gap.variable not in (NO_PROXY, *base_urls)]
    if BEFORE in scene.environ:
        yield from [broken(f"{gap.variable} {gap.why}", _env(scene)) for gap in own] or _leads(scene)
    elif not any(scene.environ.get(name) for name in (*PROXIES, *map(str.lower, PROXIES))):
        yield ok(f"nothing is set in this shell; an agent gets it by:  {run}")
    elif own:
        worst = min(own, key=lambda gap: gap.variable.upper() not in PROXIES)
        yield warning(f"{worst.variable} {worst.why}: agents started here do not come through", run)
    else:
        yield from _leads(scene)


def no_proxy(scene: Scene) -> Iterator[Finding]:
    """What leads agents past the proxy though its variables are set."""
    passing = [gap for gap in _gaps(scene) if gap.variable == NO_PROXY]
    # `env` and `run` take such an entry out, so that it matters only where the variables are set already.
    say = broken if BEFORE in scene.environ else warning
    yield from [say(gap.why, _env(scene)) for gap in passing] or [ok("leads no agent past the proxy")]


def daemons(scene: Scene) -> Iterator[Finding]:
    """What agents have left running that leads later ones to another proxy, or to one that is gone."""
    url = scene.running.url if scene.running else ""
    astray = [left for one in scene.agents for left in led_elsewhere(scene.environ, one.preset, url)]
    # Without a proxy of ours, only one that goes to this machine was led there by us.
    found = [left for left in astray if scene.running or is_loopback(urlsplit(left.url).hostname or "")]
    if not found:
        yield ok("no agent has left a program running that goes another way")
        return
    for left in found:
        where = f"goes to {left.url}" if left.url else "goes past the proxy"
        yield warning(f"{named([left])} of an earlier run {where}, and agents started now use it", ending([left]))


def _leads(scene: Scene) -> Iterator[Finding]:
    where = proxy_url(scene.profile, scene.running.port if scene.running else None)
    if scene.running is None:
        yield broken(
            f"its variables lead to {where}, where no proxy runs", f"ringlet-mitm start --profile {scene.name}"
        )
    else:
        yield ok(f"its variables lead to {where}, with our certificates")


def _gaps(scene: Scene) -> list[Gap]:
    """What is wrong with the variables for the agents of this machine, each thing once."""
    agents = [one.preset for one in scene.agents if one.preset.hosts]
    return list(dict.fromkeys(gap for preset in agents for gap in gaps(preset, scene.point, scene.environ)))


def _env(scene: Scene) -> str:
    return f'eval "$(ringlet-mitm env --profile {scene.name})"'


def _program(scene: Scene) -> str:
    return next((one.program.stem for one in scene.agents if one.preset.hosts), "claude")
