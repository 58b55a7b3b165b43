"""`ringlet-mitm ca`: show the certificate authority, have it trusted beyond the agents, or give it a new key."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ringlet_mitm.addons.authority import Authority, authority_in, certificate_of, rotate
from ringlet_mitm.addons.authority import ensure as ensured
from ringlet_mitm.addons.ca_certificate import RENEWED_WITHIN, Permitted
from ringlet_mitm.addons.usage.snapshot import Snapshot, all_of
from ringlet_mitm.cli.trust_stores import Held, Step, TrustStore, trust_stores
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.errors import RingletError, UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.interception import HostPolicy
from ringlet_mitm.rules.profiles import list_profiles, load_profile

KINDS = ("system", "browsers")
WIDTH = 100
NOT_NEEDED = (
    "Agents need none of this: `ringlet-mitm run` and `ringlet-mitm env` tell them of the certificate by variables."
)


@click.group()
def command() -> None:
    """Show the certificate authority, install it, or give it a new key.

    It is ringlet-mitm's own, made at the first start, and can speak only for the hosts that are intercepted. Agents
    are told of it by variables (see `run` and `env`); nothing else trusts it unless you install it.
    """


@command.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(as_json: bool) -> None:
    """Show files, fingerprints, validity, hosts, and who trusts it."""
    home = home_of(os.environ)
    authority = ensured(home.ca_dir, _hosts(home))
    facts = _facts(home, authority)
    click.echo(json.dumps(facts, indent=2) if as_json else _as_text(facts))


def _arguments(function: Any) -> Any:
    for option in (
        click.argument("kinds", nargs=-1, type=click.Choice(KINDS), metavar="[system] [browsers]"),
        click.option("--print", "only_print", is_flag=True, help="Print the commands, and do nothing."),
        click.option("-y", "--yes", is_flag=True, help="Ask nothing."),
    ):
        function = option(function)
    return function


@command.command()
@_arguments
def install(kinds: tuple[str, ...], only_print: bool, yes: bool) -> None:
    """Have the system or browsers trust the certificate; asks first.

    Only for programs that take no variable, such as browsers and desktop applications.
    """
    home = home_of(os.environ)
    authority = ensured(home.ca_dir, _hosts(home))
    stores = _stores(authority, kinds)
    if only_print:
        _print_commands([step for store in stores for step in store.install])
        return
    click.echo(_explained(authority))
    for store in stores:
        if store.held(authority.certificate) is Held.THIS:
            click.echo(f"\n{store.name}: trusts it already")
        elif _agreed(store, store.install, "Let it trust ringlet-mitm?", yes):
            _run(store, store.install)
            click.echo("done; programs that run see it after a restart")
    ensured(home.ca_dir, _hosts(home))  # the bundle is made of the system's list


@command.command()
@_arguments
def uninstall(kinds: tuple[str, ...], only_print: bool, yes: bool) -> None:
    """Take back what `install` did; asks first."""
    home = home_of(os.environ)
    authority = ensured(home.ca_dir, _hosts(home))
    stores = _stores(authority, kinds)
    if only_print:
        _print_commands([step for store in stores for step in store.uninstall])
        return
    holding = [store for store in stores if store.held(authority.certificate) is not Held.NOTHING]
    if not holding:
        click.echo("nobody trusts it beside the agents; there is nothing to take away")
    for store in holding:
        if _agreed(store, store.uninstall, "Take it out?", yes):
            while store.held(authority.certificate) is not Held.NOTHING:  # some hold several, and give up one at a time
                before = store.listed()
                _run(store, store.uninstall)
                if store.listed() == before:
                    raise RingletError(f"{store.name} still has it; try it yourself: ringlet-mitm ca uninstall --print")
            click.echo("done")
    ensured(home.ca_dir, _hosts(home))


@command.command("rotate")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
def rotate_key(yes: bool) -> None:
    """Make a new key, which nobody trusts yet; asks first.

    What trusts the old certificate trusts nothing of ours any more. For when somebody may have read the key, or to
    take hosts off the list, which is then what all profiles intercept now.
    """
    home = home_of(os.environ)
    authority = authority_in(home.ca_dir)
    running = [found for found in all_of(home.snapshots_dir) if found.running]
    holding = [store for store in _stores(authority, KINDS, needed=False) if _holds(store, authority)]
    click.echo("A new key and certificate replace the old ones. Afterwards:\n" + _to_do(running, holding))
    if not yes:
        click.confirm("Make a new key?", abort=True)
    rotate(home.ca_dir, _hosts(home))
    click.echo(f"done: {_fingerprint(_certificate(authority), hashes.SHA256())}")


def _to_do(running: list[Snapshot], holding: list[TrustStore]) -> str:
    proxies = [
        f"restart the proxy of profile '{one.profile}' (process {one.pid}, {one.address}): it goes on with the old key"
        for one in running
    ]
    agents = "restart every agent that runs; open shells need a new `ringlet-mitm env`, and `ringlet-mitm run` does it"
    stores = [f"{store.name} trusts the old one: ringlet-mitm ca install {store.kind}" for store in holding]
    return "\n".join(f"  - {line}" for line in (*proxies, agents, *stores))


def _holds(store: TrustStore, authority: Authority) -> bool:
    return authority.certificate.is_file() and store.held(authority.certificate) is not Held.NOTHING


def _hosts(home: Home) -> frozenset[str]:
    """What the proxies of all profiles decrypt."""
    named = [host for name in list_profiles(home) for host in load_profile(home, name).intercept]
    return HostPolicy.of(presets(), named).hosts


def _stores(authority: Authority, kinds: tuple[str, ...], *, needed: bool = True) -> list[TrustStore]:
    found = [store for store in trust_stores(authority.certificate, Path.home()) if store.kind in (kinds or KINDS)]
    if needed and not found:
        hint = "; browsers need NSS's certutil (libnss3-tools, nss-tools)" if "system" not in kinds else ""
        raise UsageError(f"found no list to install into{hint}. The certificate is {authority.certificate}")
    return found


def _explained(authority: Authority) -> str:
    number = len((Permitted.by(_certificate(authority)) or Permitted.of(())).hosts())
    said = (
        f"The certificate lets the proxy on this machine speak for {number} hosts and what is below them "
        "(`ringlet-mitm ca show` lists them), and for nobody else. Whoever gets its key could do the same to what "
        "trusts it. Java does not look at that limit: where it takes the system's list (on Debian it does), whoever "
        f"gets the key could speak for any host to Java programs. {NOT_NEEDED}"
    )
    return textwrap.fill(said, WIDTH, break_on_hyphens=False)


def _agreed(store: TrustStore, steps: tuple[Step, ...], question: str, yes: bool) -> bool:
    click.echo(f"\n{store.name}:")
    _print_commands(list(steps), "  ")
    return yes or click.confirm(question)


def _print_commands(steps: list[Step], indent: str = "") -> None:
    for step in steps:
        click.echo(f"{indent}{step}")


def _run(store: TrustStore, steps: tuple[Step, ...]) -> None:
    for step in steps:
        try:
            code = subprocess.run(step.words, stderr=subprocess.DEVNULL if step.may_fail else None).returncode
        except OSError as error:
            raise RingletError(f"{step.words[0]}: {error.strerror}; do it yourself: {step}") from None
        if code != 0 and not step.may_fail:
            raise RingletError(f"{store.name}: `{step}` failed with code {code}")


def _certificate(authority: Authority) -> x509.Certificate:
    found = certificate_of(authority)
    assert found is not None  # it has just been made if it was not there
    return found


def _facts(home: Home, authority: Authority) -> dict[str, Any]:
    found = _certificate(authority)
    permitted, asked = Permitted.by(found) or Permitted.of(()), Permitted.of(_hosts(home))
    stores = trust_stores(authority.certificate, Path.home())
    return {
        "certificate": str(authority.certificate),
        "bundle": str(authority.bundle),
        "key": str(authority.key),
        "subject": found.subject.rfc4514_string(),
        "sha256": _fingerprint(found, hashes.SHA256()),
        "sha1": _fingerprint(found, hashes.SHA1()),
        "not_before": f"{found.not_valid_before_utc:%Y-%m-%d}",
        "not_after": f"{found.not_valid_after_utc:%Y-%m-%d}",
        "renewed_from": f"{found.not_valid_after_utc - RENEWED_WITHIN:%Y-%m-%d}",
        "hosts": list(permitted.hosts()),
        "no_longer_intercepted": [host for host in permitted.hosts() if host not in asked.hosts()],
        "trusted_by": {store.name: store.held(authority.certificate).value for store in stores},
    }


def _as_text(facts: Mapping[str, Any]) -> str:
    trusted = [f"{name}: {held}" for name, held in facts["trusted_by"].items() if held != Held.NOTHING.value]
    gone = facts["no_longer_intercepted"]
    rows = {
        "certificate": facts["certificate"],
        "bundle": f"{facts['bundle']}  (the system's list and ours)",
        "key": f"{facts['key']}  (keep it to yourself)",
        "subject": facts["subject"],
        "SHA-256": facts["sha256"],
        "SHA-1": facts["sha1"],
        "valid": f"{facts['not_before']} to {facts['not_after']}, renewed by starts after {facts['renewed_from']}",
        "speaks for": ", ".join(facts["hosts"]) + "; nobody else",
        "no longer": f"{', '.join(gone)}: not intercepted any more; take off with: ringlet-mitm ca rotate",
        "trusted by": "; ".join(trusted) or "programs that are told of it by variables; no list has it",
    }
    return "\n".join(_row(name, text) for name, text in rows.items() if name != "no longer" or gone)


def _row(name: str, text: str) -> str:
    lead = f"{name:<12}"
    if not text.count(", ") > 1:
        return lead + text  # paths stay on one line, to be copied
    return textwrap.fill(text, WIDTH, initial_indent=lead, subsequent_indent=" " * 12, break_on_hyphens=False)


def _fingerprint(certificate: x509.Certificate, kind: hashes.HashAlgorithm) -> str:
    return certificate.fingerprint(kind).hex(":").upper()
