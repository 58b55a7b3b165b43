"""`ringlet-mitm --profile NAME`: the proxy in the foreground."""

from __future__ import annotations

import gc
import logging
import os
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from ringlet_mitm.addons.leases import Leases
from ringlet_mitm.addons.price_cache import read_ahead
from ringlet_mitm.cli.exposure import Looking, check_free, login_for, master_for, watchers_for
from ringlet_mitm.cli.profile_choice import loaded_or_made
from ringlet_mitm.cli.proxy_log import BoundedLog
from ringlet_mitm.cli.while_used import end_when_unused
from ringlet_mitm.rules.cautions import key_cautions
from ringlet_mitm.rules.errors import ConfigError
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.redaction import masked


class MaskingFormatter(logging.Formatter):
    """Log lines without keys, whoever wrote them."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, masked."""
        return masked(super().format(record))


@click.command()
@click.option("--profile", "name", default="default", show_default=True, help="Profile to run.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--host", help="Address to listen on; outside of loopback only with --proxyauth.")
@click.option("--proxyauth", metavar="USER:PASSWORD", help="What clients have to say; '${VARIABLE}' holds it as well.")
@click.option("--web", is_flag=True, help="Run inside mitmweb, to see the traffic in a browser.")
@click.option("--web-port", type=click.IntRange(0, 65535), default=8485, show_default=True, help="Its port.")
@click.option("--dump", type=click.Path(dir_okay=False, path_type=Path), help="Append flows to this mitmproxy file.")
@click.option("--connect-to", multiple=True, metavar="HOST:PORT:TO:PORT", help="Connect elsewhere, as curl does.")
@click.option(
    "--upstream-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trust this CA upstream."
)
@click.option("--quiet", is_flag=True, help="Print warnings only.")
@click.option("--log", type=click.Path(path_type=Path), hidden=True, help="The file that stderr is, kept bounded.")
@click.option("--while-used", is_flag=True, hidden=True, help="End with the last agent that `run` has started.")
def command(
    name: str,
    port: int | None,
    host: str | None,
    proxyauth: str | None,
    web: bool,
    web_port: int,
    dump: Path | None,
    connect_to: tuple[str, ...],
    upstream_ca: Path | None,
    quiet: bool,
    log: Path | None,
    while_used: bool,
) -> None:
    """Run the proxy of a profile; the profile is created if there is none."""
    read_ahead(home_of(os.environ))  # while mitmproxy is imported
    gc.disable()  # until it listens: there is no garbage among what is imported, and looking takes a tenth of the time
    from ringlet_mitm.addons.connect_to import parse_detour
    from ringlet_mitm.addons.master import Setup, run

    _log_to_stderr(log)
    home = home_of(os.environ)
    profile = loaded_or_made(home, name, os.environ, click.echo)
    profile = replace(profile, host=host or profile.host)
    profile = replace(profile, port=_port(profile, port, or_free=while_used))
    detours = tuple(parse_detour(text) for text in connect_to)
    login = login_for(profile, proxyauth)
    check_free(profile.host, profile.port, "--port")
    looking = Looking(web_port if web else None, dump)
    leases = Leases(home, name) if while_used else None
    for caution in key_cautions(home.config_file, os.environ):
        click.echo(f"warning: {caution}", err=True)

    run(
        Setup(
            home=home,
            profile=profile,
            environ=dict(os.environ),
            detours=detours,
            upstream_ca=upstream_ca,
            make_master=master_for(looking, into_log=log is not None),
            watchers=watchers_for(profile, looking),
            announce=partial(_announce, name, quiet, leases),
            login=login,
        )
    )


def _announce(name: str, quiet: bool, leases: Leases | None, ruling: str, address: str) -> None:
    gc.enable()
    if leases:
        end_when_unused(leases, lambda: _is_needed(f"http://{address}"))
    if not quiet:
        click.echo(ruling)
        click.echo(f'point an agent at it:  eval "$(ringlet-mitm env --profile {name})"')
    click.echo(f"listening on http://{address}")


def _port(profile: Profile, said: int | None, *, or_free: bool) -> int:
    """The one that is said, else the profile's own; a free one where that is taken, if it may be."""
    if said is not None or not or_free:
        return profile.port if said is None else said
    with suppress(ConfigError):
        return check_free(profile.host, profile.port, "--port")
    return 0


def _is_needed(url: str) -> bool:
    """Whether agents have left programs running that are led to us."""
    from ringlet_mitm.cli.left_running import left_running  # psutil, where nobody holds a lease

    return bool(left_running(os.environ, url))


def _log_to_stderr(file: Path | None) -> None:
    handler = BoundedLog(file) if file else logging.StreamHandler()
    times = "%Y-%m-%d %H:%M:%S" if file else "%H:%M:%S"
    handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(message)s", times))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
