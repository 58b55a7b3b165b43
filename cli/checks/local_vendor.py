"""A proxy of the doctor's own, in a home of its own, that leads to a stand-in for the vendors on this machine.

It signs with the person's certificate authority, which is the point, and knows none of the person's keys: nothing that
goes through it reaches a vendor or costs money. Connections to any host but an agent's end at a closed port.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ringlet_mitm.addons.authority import authority_in
from ringlet_mitm.cli.checks.scene import Scene
from ringlet_mitm.cli.demo.stage import RunningProxy
from ringlet_mitm.cli.demo.upstream import Vendor
from ringlet_mitm.rules.agents import all_hosts
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, save_profile
from ringlet_mitm.rules.variables import Point

PROFILE = "doctor"
# In place of what varies in a host's name or path.
ANY = "any"


@dataclass(frozen=True, slots=True)
class Stage:
    """The proxy and the stand-in; `point` is for agents."""

    proxy: RunningProxy
    vendor: Vendor
    point: Point


@contextmanager
def stage(scene: Scene, *, uses_authority: bool) -> Iterator[Stage]:
    """Both, while they run. Raises RingletError where the proxy does not start.

    Without `uses_authority` it makes one of its own: the person has none yet, or one that does not work.
    """
    hosts = sorted(all_hosts(one.preset for one in scene.agents))
    named = tuple(host.replace("*", ANY) for host in hosts)
    with (
        tempfile.TemporaryDirectory(prefix="ringlet-doctor-", ignore_cleanup_errors=True) as folder,
        Vendor(hosts=named) as vendor,
        _closed_port() as closed,
    ):
        home = home_of({"RINGLET_HOME": folder})
        _set_up(home, scene, uses_authority=uses_authority)
        options = ("--connect-to", f"::127.0.0.1:{closed}")
        with RunningProxy(Path(folder), vendor, profile=PROFILE, options=options) as proxy:
            files = authority_in(home.ca_dir)
            point = Point(proxy.url, files.certificate, files.bundle, tuple(scene.profile.intercept))
            yield Stage(proxy, vendor, point)


def _set_up(home: Home, scene: Scene, *, uses_authority: bool) -> None:
    save_profile(home, Profile(name=PROFILE, intercept=scene.profile.intercept))
    if uses_authority:
        _linked(home.ca_dir, scene.home.ca_dir)
    with suppress(OSError):  # it would be made anew, which takes half a second
        shutil.copytree(scene.home.price_cache, home.price_cache)


def _linked(place: Path, folder: Path) -> None:
    """Windows lets not everybody make links."""
    try:
        place.symlink_to(folder, target_is_directory=True)
    except OSError:
        shutil.copytree(folder, place)


@contextmanager
def _closed_port() -> Iterator[int]:
    """A port that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
