"""`ringlet-mitm --profile NAME`: the proxy in the foreground."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringlet_mitm.addons.price_cache import read_ahead
from ringlet_mitm.rules.cautions import key_cautions
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.profiles import Profile, load_profile, save_profile
from ringlet_mitm.rules.redaction import masked

if TYPE_CHECKING:
    from mitmproxy.master import Master
    from mitmproxy.options import Options

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class MaskingFormatter(logging.Formatter):
    """Log lines without keys, whoever wrote them."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, masked."""
        return masked(super().format(record))


@click.command()
@click.option("--profile", "name", default="default", show_default=True, help="Profile to run.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--host", help="Address to listen on.")
@click.option("--web", is_flag=True, help="Run inside mitmweb, to see the traffic in a browser.")
@click.option("--web-port", type=click.IntRange(1, 65535), default=8485, show_default=True, help="Port of mitmweb.")
@click.option("--connect-to", multiple=True, metavar="HOST:PORT:TO:PORT", help="Connect elsewhere, as curl does.")
@click.option(
    "--upstream-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trust this CA upstream."
)
@click.option("--quiet", is_flag=True, help="Print warnings only.")
def command(
    name: str,
    port: int | None,
    host: str | None,
    web: bool,
    web_port: int,
    connect_to: tuple[str, ...],
    upstream_ca: Path | None,
    quiet: bool,
) -> None:
    """Run the proxy of a profile; the profile is created if there is none."""
    read_ahead(home_of(os.environ))  # while mitmproxy is imported
    from ringlet_mitm.addons.connect_to import parse_detour
    from ringlet_mitm.addons.lean import LeanMaster
    from ringlet_mitm.addons.master import Setup, run

    _log_to_stderr()
    profile = _profile(name)
    profile = replace(profile, host=host or profile.host, port=profile.port if port is None else port)
    detours = tuple(parse_detour(text) for text in connect_to)
    _check_address(profile.host, profile.port)
    home = home_of(os.environ)
    for caution in key_cautions(home.config_file, os.environ):
        click.echo(f"warning: {caution}", err=True)
    run(
        Setup(
            home=home,
            profile=profile,
            environ=dict(os.environ),
            detours=detours,
            upstream_ca=upstream_ca,
            make_master=_web(web_port) if web else LeanMaster,
            annotate=web,
            announce=partial(_announce, name, quiet),
        )
    )


def _profile(name: str) -> Profile:
    home = home_of(os.environ)
    if home.profile_file(name).exists():
        return load_profile(home, name)
    profile = Profile(name=name)
    save_profile(home, profile)
    shared = load_installation(home, os.environ).settings
    if shared.default_provider or shared.model_routes:
        click.echo(f"profile '{name}' is new: calls go where {home.config_file} says, and are recorded")
    else:
        click.echo(f"profile '{name}' is new: everything passes through and is recorded")
    click.echo(f"write rules into {home.routing_file(name)} and they are in force within a second")
    return profile


def _check_address(host: str, port: int) -> None:
    if host not in LOOPBACK:
        raise ConfigError(
            f"--host {host}: only loopback (127.0.0.1, ::1), since anyone who reaches the proxy could spend your keys"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = "is taken, perhaps by another ringlet-mitm" if error.errno == errno.EADDRINUSE else error.strerror
            raise ConfigError(f"{host}:{port} {reason}; choose another with --port") from None


def _announce(name: str, quiet: bool, ruling: str, address: str) -> None:
    if not quiet:
        click.echo(ruling)
        click.echo(f'point an agent at it:  eval "$(ringlet-mitm env --profile {name})"')
    click.echo(f"listening on http://{address}")


def _web(port: int) -> Callable[[Options], Master]:
    from ringlet_mitm.addons.web import web_master

    return partial(web_master, port, lambda url: click.echo(f"watch it at {url}"))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
