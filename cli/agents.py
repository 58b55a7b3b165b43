"""`ringlet-mitm agents`: which coding agents are on this machine, and whether they would come through the proxy."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import click

from ringlet_mitm.addons.acp_agents import FoundAgent
from ringlet_mitm.addons.acp_agents import installed as installed_acp_agents
from ringlet_mitm.addons.installed_agents import InstalledAgent, installed_agents
from ringlet_mitm.cli.aliases import aliased
from ringlet_mitm.cli.background import running
from ringlet_mitm.cli.columns import aligned, printable
from ringlet_mitm.cli.shell import named_agent, point_of, proxy_url
from ringlet_mitm.rules.agents import AgentPreset, presets
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, list_profiles, load_profile
from ringlet_mitm.rules.variables import BEFORE, Gap, Point, gaps, variables_of

HEAD = ("AGENT", "VERSION", "PROGRAM", "THIS SHELL", "ALIAS", "ACP")


@click.group()
def command() -> None:
    """Find coding agents, and show what each needs to come through the proxy."""


@command.command("list")
@click.option("--profile", "name", help="Profile whose proxy is meant; without it, any of them.")
@click.option("--all", "everything", is_flag=True, help="Also those that are not installed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(name: str | None, everything: bool, as_json: bool) -> None:
    """List the agents that are installed, and what is set up for them.

    THIS SHELL says whether one that is started here would come through the proxy, ALIAS whether its name alone
    starts it through the proxy, in new shells.
    """
    home = home_of(os.environ)
    points = {profile.name: _expected(home, profile) for profile in _profiles(home, name)}
    found = installed_agents(os.environ)
    records = [_record(one, points, aliased(home, os.environ)) for one in found]
    others = _only_acp(found)
    missing = [preset for preset in presets() if preset not in [one.preset for one in found] and preset.file.programs]
    if as_json:
        record = {"agents": records, "acp": [_acp_record(one) for one in others]}
        rest = {"not_installed": [_missing_record(preset) for preset in missing]} if everything else {}
        click.echo(json.dumps(record | rest, indent=2))
        return
    if found:
        click.echo(aligned(HEAD, [_row(record) for record in records]))
    else:
        click.echo("no agent that is known is on PATH or in the usual folders")
    for one in others:
        click.echo(f"also {one.name}, over ACP: {' '.join(one.command)}")
    _suggest(records)
    if everything:
        _print_missing(missing)


@command.command()
@click.argument("agent")
@click.option("--profile", "name", help="Profile whose proxy is meant; without it, the only one there is.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(agent: str, name: str | None, as_json: bool) -> None:
    """Show where an agent sends, what it needs, and how to start it through the proxy."""
    home = home_of(os.environ)
    preset = named_agent(agent)
    points = {one.name: point_of(home, one, os.environ, _port(home, one)) for one in _profiles(home, name)}
    record = _preset_record(preset, next(iter(points.items()), None), os.environ)
    found = installed_agents(os.environ, [preset])
    record |= {"installed": _record(found[0], points, aliased(home, os.environ)) if found else None}
    click.echo(json.dumps(record, indent=2) if as_json else _described(preset, record))


def _profiles(home: Home, name: str | None) -> list[Profile]:
    return [load_profile(home, one) for one in (list_profiles(home) if name is None else [name])]


def _port(home: Home, profile: Profile) -> int | None:
    """Of its proxy, where one runs; None for the profile's own."""
    found = running(home, profile)
    return None if found is None else found.port


def _expected(home: Home, profile: Profile) -> Point:
    """Where its proxy and its certificates are; a list makes none."""
    url = proxy_url(profile, _port(home, profile))
    return Point(url, home.ca_dir / "mitmproxy-ca-cert.pem", home.ca_dir / "bundle.pem", tuple(profile.intercept))


def _gaps(preset: AgentPreset, points: Mapping[str, Point]) -> tuple[str, tuple[Gap, ...]]:
    """The profile that an agent started here would come through; "" and what is missing for the nearest if none."""
    by_profile = {profile: gaps(preset, point, os.environ) for profile, point in points.items()}
    through = next((profile for profile, found in by_profile.items() if not found), "")
    return through, min(by_profile.values(), key=len, default=(Gap("HTTPS_PROXY", "is not set"),))


def _record(one: InstalledAgent, points: Mapping[str, Point], aliases: Mapping[str, str]) -> dict[str, Any]:
    through, found = _gaps(one.preset, points)
    return {
        "agent": one.preset.agent_id,
        "name": one.preset.file.name,
        "version": one.version or None,
        "program": str(one.program),
        "on_path": one.named,
        "routable": bool(one.preset.hosts),
        "through": through or None,
        "missing": [f"{gap.variable} {gap.why}" for gap in found],
        "alias": aliases.get(one.program.stem),
        "acp": list(one.acp) or None,
    }


def _row(record: Mapping[str, Any]) -> tuple[str, ...]:
    shell = record["through"] or "no: " + record["missing"][0]
    return (
        printable(record["agent"]),
        printable(record["version"] or "?"),
        printable(record["program"]) + ("" if record["on_path"] else " (not on PATH)"),
        printable(shell if record["routable"] else "cannot be routed"),
        record["alias"] or "-",
        "yes" if record["acp"] else "-",
    )


def _suggest(records: list[dict[str, Any]]) -> None:
    """How to come through, where some would not."""
    outside = [record for record in records if record["routable"] and not record["through"] and not record["alias"]]
    if outside:
        click.echo(f"\nstart one through the proxy:  ringlet-mitm run --profile work -- {outside[0]['agent']}")
        click.echo("or always, by their names:    ringlet-mitm aliases install work")


def _only_acp(found: list[InstalledAgent]) -> list[FoundAgent]:
    """Agents that are known only as speakers of ACP."""
    listed = {one.preset.agent_id for one in found}
    return [agent for agent in installed_acp_agents(os.environ) if agent.agent_id not in listed]


def _acp_record(one: FoundAgent) -> dict[str, Any]:
    return {"agent": one.agent_id, "name": one.name, "program": one.program, "command": list(one.command)}


def _missing_record(preset: AgentPreset) -> dict[str, Any]:
    return {"agent": preset.agent_id, "name": preset.file.name, "install": preset.file.install}


def _print_missing(missing: list[AgentPreset]) -> None:
    click.echo()
    rows = [(preset.agent_id, preset.file.name, preset.file.install or "-") for preset in missing]
    click.echo(aligned(("NOT INSTALLED", "NAME", "INSTALL IT"), rows))


def _preset_record(preset: AgentPreset, at: tuple[str, Point] | None, around: Mapping[str, str]) -> dict[str, Any]:
    values = {} if at is None else variables_of(preset, at[1], around)
    names = [name for name in values or preset.file.variables if name != BEFORE]
    return {
        "agent": preset.agent_id,
        "name": preset.file.name,
        "hosts": list(preset.hosts),
        "paths": list(preset.file.paths),
        "formats": [str(one) for one in preset.file.formats],
        "provider": preset.file.provider or None,
        "profile": None if at is None else at[0],
        "variables": {name: values.get(name) for name in names},
        "base_urls": list(preset.file.base_urls),
        "recognised_by": {"user_agents": list(preset.file.user_agents), "headers": list(preset.file.headers)},
        "quirks": list(preset.file.quirks),
        "install": preset.file.install or None,
    }


def _described(preset: AgentPreset, record: Mapping[str, Any]) -> str:
    found = record["installed"]
    marks = [f"{mark}…" for mark in preset.file.user_agents] + list(preset.file.headers)
    lines = [
        ("program", f"{found['program']} {found['version'] or ''}".rstrip() if found else _absent(preset)),
        ("sends to", ", ".join(preset.hosts) or "hosts that are not decrypted"),
        ("paths", ", ".join(preset.file.paths)),
        ("speaks", ", ".join(record["formats"])),
        ("provider", record["provider"] or ""),
        ("known by", ", ".join(marks)),
        ("this shell", _here(record)),
    ]
    program = preset.file.programs[0] if preset.file.programs else "PROGRAM"
    profile = record["profile"] or "work"
    text = [f"{preset.agent_id}: {preset.file.name}", *(f"  {key:<11}{value}" for key, value in lines if value)]
    text += ["", "start it:", f"  ringlet-mitm run --profile {profile} -- {program}"]
    text += ["or:", f'  eval "$(ringlet-mitm env --profile {profile} --agent {preset.agent_id})"', f"  {program}"]
    text += ["", "which sets:", *(f"  {name}={value or ''}".rstrip("=") for name, value in record["variables"].items())]
    text += ["", "good to know:", *(f"  {quirk}" for quirk in preset.file.quirks)] if preset.file.quirks else []
    return "\n".join(text)


def _absent(preset: AgentPreset) -> str:
    return f"not here; install it:  {preset.file.install}" if preset.file.install else ""


def _here(record: Mapping[str, Any]) -> str:
    found = record["installed"]
    if found is None or not record["hosts"]:
        return ""
    return f"comes through '{found['through']}'" if found["through"] else "passes by: " + "; ".join(found["missing"])
