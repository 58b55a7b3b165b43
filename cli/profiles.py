"""`ringlet-mitm profiles`: create, change, list, show and delete profiles."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.rules import profiles as store
from ringlet_mitm.rules.errors import ConfigError, UsageError, nearest
from ringlet_mitm.rules.home import Home, home_of
from ringlet_mitm.rules.installation import load_installation
from ringlet_mitm.rules.policies import MOST, POLICY_KEYS
from ringlet_mitm.rules.profiles import Profile
from ringlet_mitm.rules.providers import ProviderRegistry, registry
from ringlet_mitm.rules.routes import named_route

# A word for "no provider": calls pass through to where the agent sent them.
PASSTHROUGH = "passthrough"
PATIENCE = {
    "retries": "How often to try again at one provider",
    "backoff-ms": "Wait before the first retry, doubling with each",
    "timeout-connect-ms": "Time to connect, 0 for no limit",
    "timeout-first-byte-ms": "Time to the first byte, 0 for no limit",
    "timeout-idle-ms": "Time between two pieces, 0 for no limit",
    "timeout-total-ms": "Time for all attempts together, 0 for no limit",
}
AGENTS = Path(store.__file__).parent / "agents"

F = TypeVar("F", bound=Callable[..., Any])


def _settings(function: F) -> F:
    """The options that `create` and `set` share, one for each key of a profile."""
    for option in reversed(
        (
            click.option("--agent", help="Agent it is for, like claude, codex, opencode, gemini."),
            click.option("--provider", help="Provider of calls that no rule sends elsewhere; 'passthrough' for none."),
            click.option("--model", help="Model to ask that provider for, whatever the agent asks for."),
            click.option("--port", type=click.IntRange(1, 65535), help="Port of its proxy."),
            click.option("--host", help="Address of its proxy."),
            click.option("--proxy", type=click.Choice(["ultrallm", "none"]), help="Route by routing.toml, or not."),
            click.option(
                "--capture",
                type=click.Choice(["none", "metadata", "bodies"]),
                help="What may be kept: rows only, bodies only while mitmweb runs (metadata), bodies in dumps.",
            ),
            click.option("--proxyauth", metavar="VARIABLE", help="Variable with the USER:PASSWORD its clients need."),
            click.option("--intercept", multiple=True, metavar="HOST", help="Decrypt this host too; may be repeated."),
            click.option(
                "--key-env",
                multiple=True,
                metavar="[PROVIDER=]VARIABLE",
                help="Variable with this profile's own key at a provider; may be repeated.",
            ),
            click.option(
                "--fallback",
                multiple=True,
                metavar="PROVIDER[/MODEL]",
                help="What to try when a provider fails, for rules that do not say it; may be repeated.",
            ),
            *(
                click.option(
                    f"--{key}", type=click.IntRange(0, most), help=f"{PATIENCE[key]}, for rules that do not say it."
                )
                for key, most in zip(POLICY_KEYS, MOST.values(), strict=True)
            ),
        )
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Create, change, list, show and delete profiles.

    A profile is an agent, where its calls go, and a proxy with its own port. Rules are in the routing.toml beside it.
    """


@command.command()
@click.argument("name")
@_settings
def create(name: str, **given: Any) -> None:
    """Create a profile."""
    home = _home()
    store.check_name(name)
    if home.profile_file(name).exists():
        raise UsageError(f"profile '{name}' is there already; change it with: ringlet-mitm profiles set {name}")
    profile = _changed(Profile(name=name, port=store.free_port(home)), given, _registry(home))
    store.save_profile(home, profile)
    click.echo(f"created profile '{name}': {_sentence(profile, _shared(home, profile))}")
    click.echo(f"rules go into {home.routing_file(name)}")
    click.echo(f"start it:  ringlet-mitm --profile {name}")


@command.command("set")
@click.argument("name")
@_settings
@click.option("--unset", multiple=True, metavar="KEY", help="Put a key back to its default; may be repeated.")
def set_(name: str, unset: tuple[str, ...], **given: Any) -> None:
    """Change a profile."""
    home = _home()
    profile = store.load_profile(home, name)
    for key in unset:
        profile = _without(profile, key)
    changed = _changed(profile, given, _registry(home))
    if not unset and all(value in (None, ()) for value in given.values()):
        raise UsageError(f"nothing to change; the keys are {', '.join('--' + key for key in store.KEYS)}")
    store.save_profile(home, changed)
    click.echo(f"profile '{name}': {_sentence(changed, _shared(home, changed))}")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List all profiles."""
    home = _home()
    found = [store.load_profile(home, name) for name in store.list_profiles(home)]
    if as_json:
        click.echo(json.dumps([_as_json(home, profile) for profile in found], indent=2))
    elif not found:
        click.echo("no profiles yet; make one with: ringlet-mitm profiles create NAME")
    else:
        click.echo(aligned(("NAME", "AGENT", "PROVIDER", "MODEL", "PORT", "RULES"), [_row(home, one) for one in found]))


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(name: str, as_json: bool) -> None:
    """Show a profile and its files."""
    home = _home()
    shown = _as_json(home, store.load_profile(home, name))
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    width = max(map(len, shown))
    for key, value in shown.items():
        click.echo(f"{key:{width}}  {_in_words(value)}".rstrip())


@command.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a profile and its rules; what it used stays in the ledger."""
    home = _home()
    store.load_profile(home, name)
    if not yes:
        click.confirm(f"delete {home.profile_dir(name)} with its rules?", abort=True)
    store.delete_profile(home, name)
    click.echo(f"deleted profile '{name}'")


def _home() -> Home:
    return home_of(os.environ)


def _registry(home: Home) -> ProviderRegistry:
    return registry(store.provider_texts(home), os.environ)


def _changed(profile: Profile, given: dict[str, Any], providers: ProviderRegistry) -> Profile:
    """`profile` with the options that were given; names are checked, and providers written by their id."""
    values = {key: value for key, value in given.items() if value not in (None, ())}
    if "agent" in values:
        _check_agent(values["agent"])
    if "provider" in values:
        named = values["provider"]
        values["provider"] = None if named == PASSTHROUGH else providers.require(named).provider_id
    for name in values.get("fallback", ()):
        named_route(name, providers)
    variables = values.pop("key_env", ())
    profile = replace(profile, **values)
    return replace(
        profile, key_env={**profile.key_env, **dict(_key_env(text, profile, providers) for text in variables)}
    )


def _key_env(text: str, profile: Profile, providers: ProviderRegistry) -> tuple[str, str]:
    provider, equals, variable = text.rpartition("=")
    if equals:
        return providers.require(provider).provider_id, variable
    if profile.provider is None:
        raise UsageError(f"--key-env {text}: say for which provider, as in --key-env anthropic={text}")
    return profile.provider, text


def _check_agent(name: str) -> None:
    known = sorted(path.stem for path in AGENTS.glob("*.toml"))
    if name not in known:
        close = nearest(name, known)
        raise UsageError(
            f"unknown agent '{name}'; " + (f"did you mean '{close}'?" if close else f"there are {', '.join(known)}")
        )


def _without(profile: Profile, key: str) -> Profile:
    if key.replace("_", "-") not in store.KEYS:
        close = nearest(key, store.KEYS)
        raise UsageError(
            f"unknown key '{key}'; " + (f"did you mean '{close}'?" if close else f"there are {', '.join(store.KEYS)}")
        )
    name = key.replace("-", "_")
    return replace(profile, **{name: getattr(Profile(), name)})


def _shared(home: Home, profile: Profile) -> str | None:
    """The default provider of config.toml, where the profile has none of its own and obeys rules."""
    if profile.provider or profile.proxy == "none":
        return None
    try:
        return load_installation(home, os.environ).settings.default_provider
    except ConfigError:
        return None  # `rules check` and the proxy say what is wrong with it


def _sentence(profile: Profile, shared: str | None) -> str:
    by_config = f"to {shared}, as config.toml says" if shared else "to where they were sent"
    goes = f"to {profile.provider}" if profile.provider else by_config
    model = f", model {profile.model}" if profile.model else ""
    rules = ", by routing.toml first" if profile.proxy == "ultrallm" else ", rules ignored"
    return f"{profile.agent or 'any agent'}, calls go {goes}{model}{rules}, port {profile.port}"


def _row(home: Home, profile: Profile) -> tuple[str, ...]:
    rules = "off" if profile.proxy == "none" else "yes" if home.routing_file(profile.name).exists() else "none yet"
    return (
        profile.name,
        profile.agent or "any",
        profile.provider or _shared(home, profile) or PASSTHROUGH,
        profile.model or "as asked",
        str(profile.port),
        rules,
    )


def _as_json(home: Home, profile: Profile) -> dict[str, Any]:
    shown = {key.replace("_", "-"): value for key, value in asdict(profile).items()}
    routing = home.routing_file(profile.name)
    return {
        **shown,
        "file": str(home.profile_file(profile.name)),
        "rules": str(routing),
        "rules-exist": routing.exists(),
    }


def _in_words(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)
