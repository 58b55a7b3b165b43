"""`ringlet-mitm status`: which proxies run, and what each is doing.

A proxy is found by its profile's address, or by its snapshot where it listens elsewhere, and asked for `/health`; so it
makes no difference who started it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import click

from ringlet_mitm.cli.background import proxies
from ringlet_mitm.cli.columns import aligned, printable
from ringlet_mitm.cli.exposure import login_header
from ringlet_mitm.cli.proxy_health import PATIENCE_S, Instead, ask, reachable
from ringlet_mitm.cli.shell import named_or_only, proxy_url
from ringlet_mitm.cli.status_words import in_words, remarks_of, requests_of, uptime_of
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, free_port, list_profiles, load_profile

NOT_RUNNING = 1
WRONG = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """How it is with a profile's proxy: what it says where it runs, else why there is nothing to say and what to do.

    `wrong` is for a profile that cannot be read at all.
    """

    profile: str
    url: str = ""
    health: Mapping[str, Any] | None = None
    state: str = "running"
    hint: str = ""
    wrong: bool = False


@click.command()
@click.option("--profile", "name", help="Profile; without it, all of them.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port, where the proxy was started with another.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: what each proxy's /health says, and 'running'.")
@click.pass_context
def command(context: click.Context, name: str | None, port: int | None, as_json: bool) -> None:
    """Show what the proxy of a profile is doing: requests, resting providers, queues, limits.

    Ends with 0 where a proxy runs, with 1 where none does (or not that of --profile), with 2 on errors.
    """
    home = home_of(os.environ)
    if name is not None or port is not None:
        profile = named_or_only(home, name)
        standings = [_standing(home, profile, port)] if port else _everywhere(home, profile)
    else:
        standings = _all(home)
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in standings], indent=2))
    else:
        click.echo(_as_text(standings))
    context.exit(_code(standings))


def _all(home: Home) -> list[Standing]:
    """Every profile, in the order of their names; all are asked at once, for each may take its two seconds."""
    names = list_profiles(home)
    with ThreadPoolExecutor(max(len(names), 1)) as asking:
        return [one for found in asking.map(lambda name: _named(home, name), names) for one in found]


def _named(home: Home, name: str) -> list[Standing]:
    try:
        profile = load_profile(home, name)
    except (ConfigError, UsageError) as error:
        return [Standing(name, state="not readable", hint=str(error), wrong=True)]
    return _everywhere(home, profile)


def _everywhere(home: Home, profile: Profile) -> list[Standing]:
    """At the profile's own address, and wherever `run` or `--port 0` had one listen."""
    own = _standing(home, profile)
    at = [one.port for one in proxies(home, profile.name) if one.port != profile.port]
    others = [found for port in at if (found := _standing(home, profile, port)).health is not None]
    return [*([own] if own.health is not None or not others else []), *others]


def _standing(home: Home, profile: Profile, port: int | None = None) -> Standing:
    name, port = profile.name, port or profile.port
    own_port = f"ringlet-mitm profiles set {name} --port {free_port(home)}"
    if not port:
        hint = f"its port is 0, a free one at each start; say which with --port, or give it one:  {own_port}"
        return Standing(name, state="cannot be found", hint=hint)
    url = proxy_url(profile, port)
    said = ask(reachable(profile.host), port, login=login_header(home, name))
    if said is Instead.NOBODY:
        return Standing(name, url, state="not running", hint=f"start it:  ringlet-mitm --profile {name}")
    if said is Instead.SILENT:
        hint = f"what listens at {url} does not answer within {PATIENCE_S:.0f} s"
        return Standing(name, url, state="no answer", hint=hint)
    if said is Instead.LOCKED:
        variable = (profile.proxyauth or "").strip("${}")
        named = f"name its variable:  ringlet-mitm profiles set {name} --proxyauth VARIABLE"
        hint = f"set ${variable} in this shell" if variable else named
        return Standing(name, url, state="asks for a login", hint=hint)
    if said is Instead.STRANGER:
        hint = f"what listens at {url} is not ringlet-mitm; give the profile another port:  {own_port}"
        return Standing(name, url, state="not running", hint=hint)
    other = printable(str(said["profile"]))
    if other != name:
        hint = f"the proxy of profile '{other}' is at {url}; give this one another port:  {own_port}"
        return Standing(name, url, state="not running", hint=hint)
    return Standing(name, url, said)


def _code(standings: Iterable[Standing]) -> int:
    if any(one.wrong for one in standings):
        return WRONG
    return 0 if any(one.health is not None for one in standings) else NOT_RUNNING


def _as_json(one: Standing) -> dict[str, Any]:
    if one.health is None:
        return {"profile": one.profile, "running": False, "state": one.state, "hint": one.hint}
    return {**one.health, "running": True}


def _as_text(standings: list[Standing]) -> str:
    if not standings:
        return "no profiles yet; start one with:  ringlet-mitm --profile NAME"
    running = [in_words(one.health, one.url) for one in standings if one.health is not None]
    if len(standings) == 1:
        (one,) = standings
        return running[0] if running else f"{one.profile}: {one.state}\n{one.hint}"
    head = ("PROFILE", "PROXY", "ADDRESS", "UP", "REQUESTS", "REMARKS")
    hints = [f"{one.profile}: {one.hint}" for one in standings if one.hint]
    return "\n\n".join(
        [aligned(head, [_row(one) for one in standings]), *running, *(["\n".join(hints)] if hints else [])]
    )


def _row(one: Standing) -> tuple[str, ...]:
    if one.health is None:
        return (one.profile, one.state, one.url or "-", "", "", "")
    return (one.profile, one.state, one.url, uptime_of(one.health), requests_of(one.health), remarks_of(one.health))
