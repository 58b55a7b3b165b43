"""Who can reach a proxy that is about to start, and what of its traffic is kept: addresses, login, mitmweb, dumps."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringlet_mitm.addons.credentials.proxy_login import ProxyLogin, login_of, read_login
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.home import Home

if TYPE_CHECKING:
    from mitmproxy.master import Master
    from mitmproxy.options import Options

    from ringlet_mitm.rules.profiles import Profile

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Looking:
    """How people look at the traffic: mitmweb's port or None, and the file of `--dump`."""

    web_port: int | None = None
    dump: Path | None = None


def login_for(profile: Profile, said: str | None) -> ProxyLogin | None:
    """What clients have to say: that of `--proxyauth`, or the profile's; None for nothing.

    Raises ConfigError where others could reach the proxy and there is none.
    """
    login = read_login(said, os.environ) if said else login_of(profile, os.environ)
    if profile.host not in LOOPBACK and login is None:
        raise ConfigError(
            f"--host {profile.host}: whoever reaches the proxy spends your keys, so outside of loopback (127.0.0.1, "
            "::1) it has to ask for a login: --proxyauth USER:PASSWORD, or --proxyauth '${VARIABLE}'"
        )
    return login


def login_header(home: Home, name: str) -> str:
    """What our own programs say to the profile's proxy; "" where it asks for nothing, or nobody here knows it."""
    try:
        if b"proxyauth" not in home.profile_file(name).read_bytes():
            return ""
    except OSError:
        return ""
    from ringlet_mitm.rules.profiles import load_profile

    with suppress(ConfigError, UsageError):
        login = login_of(load_profile(home, name), os.environ)
        return login.header if login else ""
    return ""


def check_free(host: str, port: int, option: str) -> int:
    """The port, or a free one where it is 0; raises ConfigError where nobody can listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken, perhaps by another ringlet-mitm" if error.errno == errno.EADDRINUSE else error.strerror
            raise ConfigError(f"{host}:{port} {reason}; choose another with {option}") from None
        return int(probe.getsockname()[1])


def master_for(looking: Looking, *, into_log: bool) -> Callable[[Options], Master]:
    """What the addons run in. The address of mitmweb's page has its token: it is for a terminal, not for a log."""
    if looking.web_port is None:
        from ringlet_mitm.addons.lean import LeanMaster

        return LeanMaster
    from ringlet_mitm.addons.web import web_master

    def say(url: str) -> None:
        click.echo(f"watch it at {url.partition('?')[0] + ' (no token in a log)' if into_log else url}")

    return partial(web_master, check_free("127.0.0.1", looking.web_port, "--web-port"), say)


def watchers_for(profile: Profile, looking: Looking) -> tuple[Any, ...]:
    """The addons for people who look: as much of a request as the profile's `capture` lets them keep."""
    if looking.dump is None and looking.web_port is None:
        return ()
    in_memory, in_files = profile.capture != "none", profile.capture == "bodies"
    found: tuple[Any, ...] = ()
    if looking.web_port is not None:
        from ringlet_mitm.addons.watching import watchers

        found = watchers(keeps_bodies=in_memory)
    if looking.dump is not None:
        from ringlet_mitm.addons.annotations import Annotations
        from ringlet_mitm.addons.dump import Dump

        if not in_memory:
            raise UsageError(f"--dump: profile '{profile.name}' keeps nothing (capture = \"none\")")
        found = (*(found or (Annotations(keeps_bodies=in_files),)), Dump(looking.dump, bodies=in_files))
    return found
