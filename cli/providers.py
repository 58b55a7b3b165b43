"""`ringlet-mitm providers`: what there is, where it is, and whether its key is set."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.rules.home import home_of
from ringlet_mitm.rules.profiles import provider_texts
from ringlet_mitm.rules.providers import ProviderRegistry, ProviderSpec, registry


@click.group()
def command() -> None:
    """List and show providers, built in and your own.

    Your own are TOML files in the folder `providers` of the configuration: name, shape, endpoint, key-env,
    default-model.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List all providers; keys are never shown, only whether they are set."""
    specs = sorted(_registry().list_providers(), key=lambda spec: spec.provider_id)
    if as_json:
        click.echo(json.dumps([_as_json(spec) for spec in specs], indent=2))
        return
    rows = [
        (
            spec.provider_id,
            spec.shape,
            ", ".join(spec.formats),
            spec.default_base_url,
            _key_in_words(spec),
            _origin(spec),
        )
        for spec in specs
    ]
    click.echo(aligned(("NAME", "SHAPE", "FORMATS", "ENDPOINT", "KEY", "FROM"), rows))


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Show one provider, by its name or an alias."""
    spec = _registry().require(name)
    shown = _as_json(spec)
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    shown |= {"key": _key_in_words(spec), "urls": ""}
    width = max(map(len, shown))
    for key, value in shown.items():
        click.echo(f"{key:{width}}  {', '.join(value) if isinstance(value, list) else value or ''}".rstrip())
        if key == "urls":
            for wire_format, url in spec.urls.items():
                click.echo(f"{'':{width}}  {wire_format}  {url}")


def _registry() -> ProviderRegistry:
    return registry(provider_texts(home_of(os.environ)), os.environ)


def _as_json(spec: ProviderSpec) -> dict[str, Any]:
    return {
        "name": spec.provider_id,
        "display-name": spec.display_name,
        "aliases": list(spec.aliases),
        "category": spec.category,
        "shape": spec.shape,
        "endpoint": spec.default_base_url,
        "urls": dict(spec.urls),
        "auth": spec.auth,
        "key-env": list(spec.api_key_env_vars),
        "key-set": _set_variable(spec) is not None,
        "default-model": spec.default_model,
        "models": list(spec.models),
        "example-models": list(spec.example_models),
        "docs-url": spec.docs_url,
        "from": _origin(spec),
    }


def _set_variable(spec: ProviderSpec) -> str | None:
    return next((name for name in spec.api_key_env_vars if os.environ.get(name, "").strip()), None)


def _key_in_words(spec: ProviderSpec) -> str:
    if not spec.api_key_env_vars:
        return "none needed"
    found = _set_variable(spec)
    return f"{found} (set)" if found else f"{' or '.join(spec.api_key_env_vars)} (not set)"


def _origin(spec: ProviderSpec) -> str:
    return spec.source or "built in"
