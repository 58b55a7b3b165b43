"""`ringlet-mitm providers`: what there is, where it is, where its key comes from, and whether it works."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from ringlet_mitm.addons.credentials.formats import complaint
from ringlet_mitm.addons.credentials.secret import Secret
from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.cli.known_providers import Known, known_providers
from ringlet_mitm.cli.logins import login, logout
from ringlet_mitm.cli.provider_discovery import discover
from ringlet_mitm.cli.provider_keys import KeySource
from ringlet_mitm.cli.provider_tests import test
from ringlet_mitm.cli.provider_words import AUTHS, missing_variables, start_command
from ringlet_mitm.rules.providers import ProviderSpec


@click.group()
def command() -> None:
    """List, show, test and find providers, and store their keys.

    Your own are TOML files in the folder `providers` of the configuration: name, shape, endpoint, key-env,
    default-model.
    """


command.add_command(test)
command.add_command(discover)
command.add_command(login)
command.add_command(logout)


@dataclass(frozen=True, slots=True)
class Listed:
    """A provider and what is known of it here."""

    spec: ProviderSpec
    key: KeySource
    configured: bool
    note: str

    @property
    def section(self) -> str:
        """Where it stands in the list."""
        if self.configured and self.spec.connection_type != "local":
            return "configured"
        return "local" if self.spec.connection_type == "local" else "not configured"


SECTIONS = {
    "configured": "CONFIGURED",
    "local": "LOCAL (see which run: ringlet-mitm providers discover)",
    "not configured": "NOT CONFIGURED",
}


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--local", is_flag=True, help="Only those on this machine.")
@click.option("--configured", is_flag=True, help="Only those that a request could be sent to.")
def list_(as_json: bool, local: bool, configured: bool) -> None:
    """List all providers, configured ones first; keys are never shown, only where they come from."""
    known = known_providers(os.environ)
    specs = sorted(known.registry.list_providers("local" if local else None), key=lambda spec: spec.provider_id)
    found = [one for one in (_listed(spec, known) for spec in specs) if one.configured or not configured]
    if as_json:
        click.echo(json.dumps([_as_json(one) for one in found], indent=2))
    else:
        click.echo(_as_text(found))


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Show one provider, by its name, an alias, or custom:URL."""
    known = known_providers(os.environ)
    one = _listed(known.named(name), known)
    if as_json:
        click.echo(json.dumps(_as_json(one), indent=2))
        return
    rows = [(key, value) for key, value in _facts(one) if value]
    width = max(len(key) for key, _ in rows)
    last = ""
    for key, value in rows:
        click.echo(f"{'' if key == last else key:{width}}  {value}".rstrip())
        last = key


def _listed(spec: ProviderSpec, known: Known) -> Listed:
    key = known.key(spec)
    text = os.environ.get(key.variable, "").strip() if key.variable else ""
    odd = complaint(spec, known.registry, Secret(text, key.label)) if text else None
    return Listed(spec, key, known.is_configured(spec), missing_variables(spec) or odd or "")


def _as_text(found: list[Listed]) -> str:
    """One table, so that its columns are the same in all sections."""
    head = ("NAME", "KEY", "SPEAKS", "ENDPOINT")
    rows: list[tuple[str, ...]] = []
    places: dict[int, str] = {}
    for section, title in SECTIONS.items():
        ones = [one for one in found if one.section == section]
        if ones:
            places[len(rows)] = f"{title}: {len(ones)}" if section == "configured" else title
        rows += [_row(one) for one in ones]
    first, *lines = aligned(head, rows).splitlines() if rows else ["nothing is configured yet; set a key, or:"]
    shown = [first]
    for number, line in enumerate(lines):
        if number in places:
            shown += ["", places[number]] if number else [places[number]]
        shown.append(line)
    notes = [f"note: {one.spec.provider_id}: {one.note}" for one in found if one.note and one.key.is_set]
    hint = "test one with:  ringlet-mitm providers test NAME   set a key with:  ringlet-mitm providers login NAME"
    return "\n".join((*shown, "", *notes, hint))


def _row(one: Listed) -> tuple[str, ...]:
    spec = one.spec
    own = f"  ({spec.source})" if spec.source else ""
    return (
        spec.provider_id,
        one.key.words,
        ", ".join(map(short, spec.formats)),
        spec.default_base_url.removeprefix("https://") + own,
    )


def short(wire_format: str) -> str:
    """A format without its vendor: `openai-chat` is `chat`."""
    return wire_format.rpartition("-")[2]


def _facts(one: Listed) -> Iterable[tuple[str, str]]:
    """What `show` prints, line by line; a key that is repeated is printed once."""
    spec = one.spec
    yield "name", f"{spec.provider_id}  ({spec.display_name}, {spec.category})"
    yield "aliases", ", ".join((*spec.aliases, *spec.families))
    yield "endpoint", spec.default_base_url
    yield "set it with", _variable(spec.base_url_env_var)
    for wire_format, url in spec.urls.items():
        yield "urls", f"{wire_format:18}  {url}"
    yield "lacking", missing_variables(spec)
    yield "shape", spec.shape
    yield "auth", AUTHS.get(spec.auth, spec.auth)
    for wire_format, auth in spec.auths.items():
        yield "auth", f"{wire_format}: {AUTHS.get(auth, auth)}"
    yield "key", one.key.words
    for variable in spec.api_key_env_vars:
        yield "key variable", _variable(variable)
    yield "note", one.note if one.note != missing_variables(spec) else ""
    yield "time-out", _variable(spec.timeout_env)
    yield "start", start_command(spec) if spec.connection_type == "local" else ""
    yield "default model", spec.default_model or ""
    yield "models", ", ".join(spec.example_models)
    yield "without a key", ", ".join(spec.free_models)
    yield "can", ", ".join(_abilities(spec))
    yield "docs", spec.docs_url or ""
    yield "from", _origin(spec)


def _variable(name: str | None) -> str:
    if not name:
        return ""
    return f"{name} ({'set' if os.environ.get(name, '').strip() else 'not set'})"


def _abilities(spec: ProviderSpec) -> list[str]:
    able = {
        "tools": spec.capabilities.native_tool_calling,
        "pictures": spec.capabilities.vision,
        "streams": spec.streams,
        "whole answers": spec.whole,
    }
    return [name if there else f"no {name}" for name, there in able.items()]


def _as_json(one: Listed) -> dict[str, Any]:
    spec = one.spec
    return {
        "name": spec.provider_id,
        "display-name": spec.display_name,
        "aliases": list(spec.aliases),
        "families": list(spec.families),
        "category": spec.category,
        "connection": spec.connection_type,
        "shape": spec.shape,
        "endpoint": spec.default_base_url,
        "urls": dict(spec.urls),
        "auth": spec.auth,
        "auths": dict(spec.auths),
        "key-env": list(spec.api_key_env_vars),
        "key-set": one.key.is_set,
        "key-from": one.key.words,
        "configured": one.configured,
        "note": one.note,
        "lacking": list(spec.lacking),
        "base-url-env": spec.base_url_env_var,
        "timeout-env": spec.timeout_env,
        "default-model": spec.default_model,
        "models": list(spec.models),
        "example-models": list(spec.example_models),
        "free-models": list(spec.free_models),
        "native-tool-calling": spec.capabilities.native_tool_calling,
        "vision": spec.capabilities.vision,
        "streaming": spec.streams,
        "whole": spec.whole,
        "docs-url": spec.docs_url,
        "from": _origin(spec),
    }


def _origin(spec: ProviderSpec) -> str:
    return spec.source or "built in"
