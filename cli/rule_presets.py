"""`ringlet-mitm rules presets`: routing files to begin with, for the keys that are here."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.cli.known_providers import Known, known_providers
from ringlet_mitm.cli.proposed_files import ProposedFile
from ringlet_mitm.cli.provider_words import set_key, start_command
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.profiles import load_profile
from ringlet_mitm.rules.rule_presets import RulePreset, rule_preset, rule_presets

EXAMPLE = "ringlet-mitm rules presets cheap-small --write --profile work"


@click.command()
@click.argument("preset", required=False)
@click.option("--write", is_flag=True, help="Write it as the routing.toml of --profile.")
@click.option("--profile", "name", metavar="NAME", help="Profile to write it for.")
@click.option("--force", is_flag=True, help="Also over other rules that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(preset: str | None, write: bool, name: str | None, force: bool, as_json: bool) -> None:
    """List routing files to begin with, print one, or write it for a profile.

    \b
    ringlet-mitm rules presets                                     what there is
    ringlet-mitm rules presets cheap-small                         its text, with comments
    ringlet-mitm rules presets cheap-small --write --profile work

    Where several providers would do, the first one whose key is here is taken; the others stay as comments.
    """
    known = known_providers(os.environ)
    if write:
        if preset is None or name is None:
            raise UsageError(f"say which preset, and for which profile:  {EXAMPLE}")
        _write(fitted(rule_preset(preset), known), name, known, force=force)
    elif preset is not None:
        found = fitted(rule_preset(preset), known)
        click.echo(
            json.dumps(_record(found, known) | {"text": found.text}, indent=2) if as_json else found.text.rstrip()
        )
    elif as_json:
        click.echo(json.dumps([_record(fitted(one, known), known) for one in rule_presets()], indent=2))
    else:
        rows = [(one.name, one.summary.removesuffix("."), _here(fitted(one, known), known)) for one in rule_presets()]
        click.echo(aligned(("PRESET", "WHAT IT DOES", "GOES TO"), rows))
        click.echo("\nlook at one:  ringlet-mitm rules presets cheap-small")


def fitted(preset: RulePreset, known: Known) -> RulePreset:
    """The preset with the places whose keys are here; whether a local server runs is not asked."""
    return preset.fitted(lambda provider: known.is_configured(known.named(provider)))


def to_do(preset: RulePreset, known: Known) -> list[str]:
    """What has to be done before its rules can do anything: a key to set, a server to start."""
    specs = {
        place.provider: known.named(place.provider) for places in preset.choices for place in places if place.taken
    }
    keys = [f"set its key:  {set_key(spec)}" for spec in specs.values() if not known.is_configured(spec)]
    servers = [spec for spec in specs.values() if spec.connection_type == "local"]
    return keys + [f"start it:  {start_command(spec)}" for spec in servers]


def _here(preset: RulePreset, known: Known) -> str:
    """Where it goes; with the variables, one of which it needs, where it could not go there yet."""
    goals = ", ".join(preset.goals)
    specs = [[known.named(place.provider) for place in places] for places in preset.choices]
    missing = [places for places in specs if not any(map(known.is_configured, places))]
    variables = list(dict.fromkeys(spec.api_key_env_vars[0] for places in missing for spec in places))
    return f"needs {variables[0]}, or one of {len(variables) - 1} others" if variables else goals


def _record(preset: RulePreset, known: Known) -> dict[str, Any]:
    return {
        "preset": preset.name,
        "summary": preset.summary,
        "goes_to": list(preset.goals),
        "to_do": to_do(preset, known),
        "choices": [
            [{"to": place.to, "key": known.key(known.named(place.provider)).words} for place in places]
            for places in preset.choices
        ],
    }


def _write(preset: RulePreset, name: str, known: Known, *, force: bool) -> None:
    load_profile(known.home, name)
    file = ProposedFile.at(known.home.routing_file(name), preset.text)
    if file.overwrites and not force:
        click.echo("\n".join(file.lines()))
        raise UsageError(f"{file.path} has other rules; write over them with --force")
    file.write()
    click.echo(f"{file.path}: {preset.summary}")
    for line in to_do(preset, known):
        click.echo(line)
    click.echo(f"check it:  ringlet-mitm rules check --profile {name}")
