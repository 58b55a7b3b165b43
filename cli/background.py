"""Proxies in the background: which one runs for a profile, and how one is started and stopped.

A proxy is known by its snapshot file in our home (so it is not one of another home, with other certificates) and is
believed only when it answers itself, as that profile and that process. It makes no difference who started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ringlet_mitm.addons.leases import Leases
from ringlet_mitm.addons.usage.running import is_running
from ringlet_mitm.addons.usage.snapshot import Snapshot, all_of, file_of, read
from ringlet_mitm.cli.exposure import login_header
from ringlet_mitm.cli.proxy_health import Instead, ask, reachable
from ringlet_mitm.cli.proxy_log import log_file, open_log, text_from
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.home import Home, home_of

if TYPE_CHECKING:
    from ringlet_mitm.rules.profiles import Profile  # pydantic; `run` starts a proxy without

MODULE = "ringlet_mitm.cli.main"
START_S = 30.0
PERIOD_S = 0.02
# How long requests under way may take to end, and a proxy without any.
DRAIN_S = 30.0
GRACE_S = 15.0
AGAIN_S = 0.5
SHOWN_LINES = 8
# Neither Ctrl-C nor the end of the terminal is for the proxy: elsewhere it has a session of its own.
if sys.platform == "win32":
    APART = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
else:
    APART = 0


class NotStarted(RingletError):
    """A proxy did not come up; the text has its last words."""


class NotStopped(RingletError):
    """A proxy goes on running."""


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy that runs: whose, and where. `url` is for agents, without the login that it may ask for.

    `snapshot` is the file that it keeps, for where it does not say anything without a login that is not known.
    """

    profile: str
    url: str
    port: int
    pid: int
    login: str = field(default="", repr=False, compare=False)
    snapshot: Path | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Launch:
    """How a proxy is started. `port` is the profile's where it is None, and 0 a free one.

    `options` are words for `ringlet-mitm serve`. `borrowed` says that it ends with the last agent that holds a lease.
    """

    port: int | None = None
    options: tuple[str, ...] = ()
    borrowed: bool = False


def running(home: Home, profile: Profile) -> Running | None:
    """The profile's proxy: the one at the profile's own port if there are several, else the last one started."""
    found = proxies(home, profile.name)
    return next((one for one in found if one.port == profile.port), found[0] if found else None)


def proxies(home: Home, name: str) -> list[Running]:
    """All that run for a profile, the last one started first."""
    said = [one for one in all_of(home.snapshots_dir) if one.profile == name and one.running and one.address]
    login = login_header(home, name) if said else ""
    answered = (_answered(home, one, login) for one in sorted(said, key=lambda one: -one.started_us))
    return [one for one in answered if one is not None]


def start(
    home: Home, profile: Profile, launch: Launch | None = None, environ: Mapping[str, str] | None = None
) -> tuple[Running, bool]:
    """The proxy that runs, or one that is started now and stays; the second value says whether it was started.

    Raises NotStarted, and Busy while another process starts or stops it for too long.
    """
    leases = Leases(home, profile.name)
    with leases.locked():
        leases.keep()
        if found := running(home, profile):
            return found, False
        return launched(home, profile.name, launch or Launch(), environ or os.environ), True


def launched(home: Home, name: str, launch: Launch, environ: Mapping[str, str]) -> Running:
    """A new proxy, once it answers; the profile's lock must be held. Raises NotStarted."""
    path = log_file(home, name)
    log, begin = open_log(path)
    try:
        process = subprocess.Popen(
            _words(name, launch, path),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(home, environ),
            cwd=path.parent,
            creationflags=APART,
            start_new_session=sys.platform != "win32",
        )
    except OSError as error:
        raise NotStarted(f"the proxy of '{name}' cannot be started: {error.strerror}") from None
    finally:
        os.close(log)
    found = None
    try:
        found = _awaited(home, name, process)
    finally:  # Ctrl-C as well
        if found is None:
            process.kill()
            process.wait()
    if found is None:
        raise NotStarted(_last_words(name, path, begin))
    _CHILDREN[found.pid] = process
    return found


def is_alive(proxy: Running) -> bool:
    """Whether its process is there. One that this process started is not, once it has ended."""
    child = _CHILDREN.get(proxy.pid)
    return child.poll() is None if child else is_running(proxy.pid)


def in_flight(proxy: Running) -> int:
    """How many requests are under way, a second ago where only its snapshot says; 0 where nothing does."""
    said = ask(*_place(proxy.url), patience_s=1.0, login=proxy.login)
    if not isinstance(said, Instead):
        return int(said.get("in_flight", 0))
    told = read(proxy.snapshot) if proxy.snapshot else None
    return told.streams_in_all if told else 0


def stop(
    proxy: Running,
    *,
    drain_s: float = DRAIN_S,
    waiting: Callable[[int], None] = lambda count: None,
) -> int:
    """End it, once no request is under way or `drain_s` have passed; how many were cut off then.

    `waiting` is told once how many requests are waited for. Raises NotStopped.
    """
    end = time.monotonic() + drain_s
    left = in_flight(proxy)
    if left and drain_s:
        waiting(left)
    while left and time.monotonic() < end and is_alive(proxy):
        time.sleep(5 * PERIOD_S)
        left = in_flight(proxy)
    # Told once it lets end what has come meanwhile; told again it does not.
    _end(proxy, signal.SIGTERM, AGAIN_S if left else max(end - time.monotonic(), AGAIN_S))
    cut = time.monotonic() + GRACE_S
    while is_alive(proxy) and time.monotonic() < cut:
        _end(proxy, signal.SIGTERM, AGAIN_S)
    if is_alive(proxy) and sys.platform != "win32":
        _end(proxy, signal.SIGKILL, GRACE_S)
    if is_alive(proxy) and sys.platform != "win32":
        raise NotStopped(f"process {proxy.pid}, the proxy of '{proxy.profile}', does not end")
    _CHILDREN.pop(proxy.pid, None)
    return left


# Proxies that this process started: the system keeps them, dead, until they are asked how they ended.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def _end(proxy: Running, number: int, patience_s: float) -> None:
    try:
        os.kill(proxy.pid, number)
    except ProcessLookupError:
        return
    except OSError as error:
        raise NotStopped(f"process {proxy.pid}, the proxy of '{proxy.profile}': {error.strerror}") from None
    end = time.monotonic() + patience_s
    while is_alive(proxy) and time.monotonic() < end:
        time.sleep(PERIOD_S)


def _answered(home: Home, said: Snapshot, login: str) -> Running | None:
    """The proxy of a snapshot, if it is there: it says so itself, or at least somebody listens and does not answer."""
    host, port = _place(said.address)
    found = ask(host, port, login=login)
    if found is Instead.NOBODY or found is Instead.STRANGER:
        return None
    if not isinstance(found, Instead) and (found["profile"], found.get("pid")) != (said.profile, said.pid):
        return None
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return Running(said.profile, url, port, said.pid, login, file_of(home.snapshots_dir, said.profile, said.pid))


def _place(address: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8484`, `http://127.0.0.1:8484` or `[::1]:8484`."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    return reachable(host.removeprefix("[").removesuffix("]")), int(port)


def _words(name: str, launch: Launch, log: Path) -> list[str]:
    own = ["serve", "--profile", name, "--log", str(log)]
    port = [] if launch.port is None else ["--port", str(launch.port)]
    # Safe path: a folder with a `click.py` in it is nothing to import from.
    python = [sys.executable, "-P", "-m", MODULE]
    return [*python, *own, *port, *launch.options, *(["--while-used"] if launch.borrowed else [])]


def _environment(home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    """As it is; a home that is said from this folder on is said in full, since the proxy works in another."""
    one = {"RINGLET_HOME": str(home.config)} if environ.get("RINGLET_HOME") or home_of(environ) != home else {}
    return {**environ, **one, "PYTHONUNBUFFERED": "1"}


def _awaited(home: Home, name: str, process: subprocess.Popen[bytes]) -> Running | None:
    end, login = time.monotonic() + START_S, login_header(home, name)
    while time.monotonic() < end:
        for one in all_of(home.snapshots_dir):
            # The launcher of a virtual environment on Windows has another process do the work.
            ours = one.pid == process.pid or (sys.platform == "win32" and one.profile == name)
            found = _answered(home, one, login) if ours and one.running and one.address else None
            if found is not None:
                return found
        if process.poll() is not None:
            return None
        time.sleep(PERIOD_S)
    return None


def _last_words(name: str, path: Path, begin: int) -> str:
    lines = text_from(path, begin).splitlines()[-SHOWN_LINES:]
    said = [line.removeprefix("ringlet-mitm: ") for line in lines if line.strip()]
    if len(said) == 1:
        return f"the proxy of '{name}' did not start: {said[0]}"
    return "\n  ".join((f"the proxy of '{name}' did not start; {path} ends with:", *said))
