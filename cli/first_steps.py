"""`ringlet-mitm init`: a profile and rules to begin with, made of the agents and keys that are here."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import click

from ringlet_mitm.addons.installed_agents import InstalledAgent, installed_agents
from ringlet_mitm.cli.known_providers import Known, known_providers
from ringlet_mitm.cli.proposed_files import ProposedFile, shown
from ringlet_mitm.cli.rule_presets import to_do
from ringlet_mitm.cli.rule_setting import text_of
from ringlet_mitm.rules.agents import presets
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.profiles import Profile, check_name, free_port, list_profiles, load_profile, profile_text
from ringlet_mitm.rules.rule_presets import RulePreset, rule_preset

USUAL = "work"
# The order in which a person would rather have them; the first whose keys are here is proposed.
PREFERRED = ("cheap-small", "local-first")
NO_RULES = RulePreset(
    "none",
    """\
# Everything goes where the agent sent it, with its own login or key, and is recorded.
#
# Rules come before this; the first that matches wins:  ringlet-mitm rules presets

[default]
to = "passthrough"
""",
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was found: agents, where keys are (by provider, in words), and servers that answer with a model of each."""

    agents: tuple[InstalledAgent, ...]
    keys: Mapping[str, str]
    servers: Mapping[str, str]
    known: Known = field(repr=False)

    def usable(self, provider: str) -> bool:
        """Whether a request could be sent there now."""
        spec = self.known.named(provider)
        if spec.connection_type == "local":
            return spec.provider_id in self.servers
        return self.known.is_configured(spec)


@click.command()
@click.option("--profile", "name", metavar="NAME", help=f"What to call the profile; `{USUAL}` where it is the first.")
@click.option("--preset", metavar="NAME", help="Rules to begin with (see `rules presets`), or `none`.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing and write.")
@click.option("--force", is_flag=True, help="Also over files that are there and say something else.")
def command(name: str | None, preset: str | None, yes: bool, force: bool) -> None:
    """Find agents and keys, propose a profile with rules, and write it on a yes.

    No other file is touched: neither the agents' own nor your shell's. Keys are looked for by name only, in the
    environment and in what `providers login` has stored; no file has them afterwards that had not before.
    """
    home = home_of(os.environ)
    name = name or _usual_name(home)
    check_name(name)
    here = surroundings(os.environ)
    click.echo("\n".join(_found(here)) + "\n")
    rules = None if preset is None and home.routing_file(name).exists() else proposed(here, preset)
    files = [_profile_file(home, name, here), _rules_file(home, name, rules)]
    click.echo(shown(files) + "\n")
    lost = [file for file in files if file.overwrites]
    wanted = [file for file in files if not file.is_there]
    if lost and not force:
        raise UsageError(f"{' and '.join(str(file.path) for file in lost)} would be written over; say --force for that")
    if wanted and not yes:
        if not is_interactive():
            click.echo("nothing is written yet; to write it, add  -y")
            return
        click.confirm("Write this?" if not lost else "Write this over what is there?", default=not lost, abort=True)
    for file in wanted:
        file.write()
    click.echo("\n".join(_next(name, here, rules)))


def is_interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def surroundings(environ: Mapping[str, str]) -> Surroundings:
    """Look around; local model servers are asked whether they are there, nobody else is."""
    from ringlet_mitm.addons.discovery import discover  # 0.1 s, for httpx

    known = known_providers(environ)
    specs = [spec for spec in known.registry.list_providers() if spec.connection_type != "local"]
    sources = {spec.provider_id: known.key(spec) for spec in specs}
    keys = {provider: source.words for provider, source in sources.items() if source.is_set}
    servers = {found.spec.provider_id: found.model for found in asyncio.run(discover(known.registry))}
    return Surroundings(tuple(installed_agents(environ)), keys, servers, known)


def proposed(here: Surroundings, name: str | None) -> RulePreset:
    """The rules to begin with, fitted to what is here. Raises UsageError for a name that nobody has."""
    if name == NO_RULES.name:
        return NO_RULES
    if name is not None:
        return rule_preset(name).fitted(here.usable)
    fitting = (rule_preset(one).fitted(here.usable) for one in PREFERRED if _fits(rule_preset(one), here))
    return next(fitting, NO_RULES)


def _fits(preset: RulePreset, here: Surroundings) -> bool:
    """Whether each of its rules has somewhere to go."""
    return all(any(here.usable(place.provider) for place in places) for places in preset.choices)


def _usual_name(home: Home) -> str:
    names = list_profiles(home)
    if len(names) > 1 and USUAL not in names:
        raise UsageError(f"say which profile with --profile; there are {', '.join(names)}, or give it a new name")
    return names[0] if len(names) == 1 else USUAL


def _profile_file(home: Home, name: str, here: Surroundings) -> ProposedFile:
    """It stays as it is where there is one: its port and what else it says are a person's choice."""
    path = home.profile_file(name)
    if path.exists():
        load_profile(home, name)
        return ProposedFile.at(path, text_of(path))
    agents = [one.preset.agent_id for one in here.agents if one.preset.hosts]
    profile = Profile(name=name, agent=agents[0] if len(agents) == 1 else None, port=free_port(home))
    return ProposedFile.at(path, profile_text(profile))


def _rules_file(home: Home, name: str, rules: RulePreset | None) -> ProposedFile:
    """The same: rules are only replaced by a preset that was asked for."""
    path = home.routing_file(name)
    return ProposedFile.at(path, rules.text if rules else text_of(path))


def _found(here: Surroundings) -> Iterator[str]:
    """What was found, a line each."""
    agents = [f"{one.preset.file.name} {one.version}".rstrip() for one in here.agents if one.preset.hosts]
    servers = [f"{name} ({model or 'no model'})" for name, model in here.servers.items()]
    yield f"agents   {', '.join(agents) or 'none that is known'}"
    yield f"keys     {', '.join(f'{provider} ({words})' for provider, words in here.keys.items()) or 'none'}"
    yield f"servers  {', '.join(servers) or 'none on this machine'}"


def _next(name: str, here: Surroundings, rules: RulePreset | None) -> Iterator[str]:
    """What to type now."""
    if rules is not None:
        yield f"rules: {rules.name}. {rules.summary}"
        yield from to_do(rules, here.known) if not _fits(rules, here) else ()
    agent = next((one for one in here.agents if one.preset.hosts), None)
    if agent is None:
        install = next(preset.file.install for preset in presets() if preset.agent_id == "claude")
        yield f"install an agent:  {install}"
    yield f"next:  ringlet-mitm run --profile {name} -- {agent.program.stem if agent else 'claude'}"
