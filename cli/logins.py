"""`providers login` and `providers logout`: keys and sign-ins, kept in the keyring or in files for their owner only."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringlet_mitm.addons.connect_to import parse_detour
from ringlet_mitm.addons.credentials.formats import complaint
from ringlet_mitm.addons.credentials.login import Login
from ringlet_mitm.addons.credentials.logins.asking import VendorTrouble
from ringlet_mitm.addons.credentials.logins.device_code import Clock, Code, DeviceFlow, log_in
from ringlet_mitm.addons.credentials.logins.flows import FLOWS
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.cli.known_providers import Known, known_providers
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.provider_files import LoginSpec
from ringlet_mitm.rules.providers import ProviderSpec

if TYPE_CHECKING:
    from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient

Command = Callable[..., None]


ELSEWHERE = (
    click.option("--connect-to", multiple=True, metavar="HOST:PORT:TO:PORT", help="Connect elsewhere, as curl does."),
    click.option(
        "--upstream-ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trust this CA upstream."
    ),
)


def _elsewhere(command: Command) -> Command:
    """The options that lead a command's connections elsewhere, as the proxy has them."""
    for option in reversed(ELSEWHERE):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
@click.option("--stdin", is_flag=True, help="Read the key from standard input.")
@_elsewhere
def login(name: str, no_browser: bool, stdin: bool, connect_to: tuple[str, ...], upstream_ca: Path | None) -> None:
    """Store a provider's key, or sign in where the provider has a sign-in.

    It goes into the keyring of this machine, or into a file that only you can read. A key in an environment variable
    or in a file of yours comes before a stored one.
    """
    known = known_providers(os.environ)
    spec = known.named(name)
    if spec.login is None:
        _store_key(known, spec, stdin)
    elif stdin:
        raise UsageError(f"'{spec.provider_id}' takes no key but a sign-in; leave out --stdin")
    else:
        _sign_in(known, spec, spec.login, _client(connect_to, upstream_ca), browser=not no_browser)
    _say_what_wins(known, spec.provider_id, "comes first while it is set")


@click.command()
@click.argument("name")
@_elsewhere
def logout(name: str, connect_to: tuple[str, ...], upstream_ca: Path | None) -> None:
    """Delete a provider's stored key or sign-in, and revoke it where the vendor has a way to."""
    known = known_providers(os.environ)
    # Also what was stored under a name that has no provider any more.
    provider_id = name if name in known.store.provider_ids() else known.named(name).provider_id
    with known.store.locked(provider_id):
        try:
            stored = known.store.load(provider_id)
        except ConfigError:
            stored = None  # damaged: all the more reason to delete it
        there = known.store.delete(provider_id)
    if there:
        click.echo(f"deleted the {'sign-in' if stored and stored.kind == 'oauth' else 'key'} of '{provider_id}'")
    else:
        click.echo(f"nothing is stored for '{provider_id}'")
    spec = known.registry.get(provider_id)
    if stored is not None and stored.kind == "oauth" and spec is not None and spec.login is not None:
        _revoke(spec, _flow(spec.login), stored, _client(connect_to, upstream_ca))
    _say_what_wins(known, provider_id, "is still set, and is used")


def _store_key(known: Known, spec: ProviderSpec, stdin: bool) -> None:
    if spec.key_ref is None:
        raise UsageError(f"'{spec.provider_id}' needs no key")
    text = _asked_for(spec, stdin)
    warning = complaint(spec, known.registry, Secret(text, "this key"))
    if warning:
        click.echo(f"warning: {warning}", err=True)
    place = _saved(known, spec, Login("key", Secret(text, f"login:{spec.provider_id}")))
    click.echo(f"stored the key of '{spec.provider_id}' in {place}")


def _asked_for(spec: ProviderSpec, stdin: bool) -> str:
    """The key, without what pasting adds; raises UsageError where it cannot be one."""
    if stdin:
        text = sys.stdin.readline()
    elif sys.stdin.isatty():
        text = click.prompt(f"key of {spec.display_name} (not shown)", hide_input=True, err=True)
    else:
        raise UsageError(f"no terminal to ask for the key; pipe it into:  providers login {spec.provider_id} --stdin")
    key = text.strip().strip("'\"")
    if not key:
        raise UsageError("no key was given; nothing is stored")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError("a key has ASCII letters, digits and signs, and no blanks; nothing is stored")
    return key


def _sign_in(known: Known, spec: ProviderSpec, table: LoginSpec, client: VendorClient, *, browser: bool) -> None:
    def show(code: Code) -> None:
        _show(code, browser=browser)

    try:
        login = log_in(_flow(table), table, spec.provider_id, client, show, Clock())
    except KeyboardInterrupt:
        click.echo("\ngiven up; nothing is stored", err=True)
        raise
    click.echo(f"signed in at {spec.display_name}; stored in {_saved(known, spec, login)}")


def _saved(known: Known, spec: ProviderSpec, login: Login) -> str:
    """Where it went. Under the lock, so that no proxy writes a renewed old one over it."""
    with known.store.locked(spec.provider_id):
        return known.store.save(spec.provider_id, login)


def _show(code: Code, *, browser: bool) -> None:
    """URL and code on lines of their own, so that three clicks take them whole."""
    click.echo("open this page and enter the code; give the code to nobody:")
    click.echo(code.url)
    click.echo(code.user_code)
    click.echo(f"waiting until {datetime.fromtimestamp(code.ends_at):%H:%M}; Ctrl-C gives up")
    if browser and has_browser():
        webbrowser.open(code.url)


def has_browser() -> bool:
    """Only for a person at a screen: else Python starts a text browser in the terminal, or one far off over SSH."""
    if not sys.stdout.isatty() or os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _revoke(spec: ProviderSpec, flow: DeviceFlow, stored: Login, client: VendorClient) -> None:
    """The copy here is gone already; what the vendor still takes is another matter."""
    ask = flow.ask_revoke(stored)
    if ask is None:
        click.echo(flow.afterwards)
        return
    try:
        answer = client.ask(ask)
        failed = "" if answer.ok else answer.words
    except VendorTrouble as error:
        failed = str(error)
    if failed:
        click.echo(f"warning: {spec.display_name} did not revoke it: {failed}", err=True)
    else:
        click.echo(f"{spec.display_name} has revoked it")


def _flow(table: LoginSpec) -> DeviceFlow:
    return FLOWS[table.flow]


def _client(connect_to: tuple[str, ...], upstream_ca: Path | None) -> VendorClient:
    from ringlet_mitm.addons.credentials.logins.vendor_client import VendorClient  # 0.1 s of httpx

    return VendorClient(tuple(parse_detour(text) for text in connect_to), upstream_ca)


def _say_what_wins(known: Known, provider_id: str, what: str) -> None:
    """A key elsewhere that requests carry instead."""
    spec = known.registry.get(provider_id)
    source = known.key(spec) if spec else None
    if source is not None and source.is_set and not source.label.startswith("login:"):
        click.echo(f"note: the key from {source.label} {what}")
