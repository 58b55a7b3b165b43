"""What a TAB asks: names that are in files (profiles, agents, providers, models, rules), and click's own machinery.

It has 150 ms, so nothing here imports pydantic, and files are read for their names only: what is wrong in one is said
by the command, not by a TAB.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import shell_complete

from ringlet_mitm.cli.command_tree import Found, command_tree, stand_in
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.home import Home, home_of

PROGRAM = "ringlet-mitm"
VARIABLE = "_RINGLET_MITM_COMPLETE"
RULES = Path(__file__).parents[1] / "rules"
Names = Callable[[Home, click.Context], Iterable[str] | None]


def complete(instruction: str) -> NoReturn:
    """Answer a shell, and end."""
    home = home_of(os.environ)
    tree = command_tree(home.cache / "completion.json", _real)
    sys.exit(shell_complete(stand_in(PROGRAM, tree, values_of), {}, PROGRAM, VARIABLE, instruction))


def values_of(path: Sequence[str], name: str) -> Found | None:
    """What gives the values of a parameter, by the command that it is of and its name."""
    keys = ((" ".join(path), name), (path[0] if path else "", name))
    names = next((OF_COMMANDS[key] for key in keys if key in OF_COMMANDS), ANYWHERE.get(name))
    if names is None:
        return None

    def found(context: click.Context) -> list[str] | None:
        try:
            values = names(home_of(os.environ), context)
            return None if values is None else sorted(set(values))
        except (OSError, RingletError):
            return []

    return found


def profiles(home: Home, context: click.Context) -> Iterable[str]:
    """Of folders with a profile.toml."""
    return (file.parent.name for file in home.profiles_dir.glob("*/profile.toml"))


def agents(home: Home, context: click.Context) -> Iterable[str]:
    """Of the files of agents."""
    return _stems(RULES / "agents")


def providers(home: Home, context: click.Context) -> Iterable[str]:
    """Ours and the person's own."""
    return (*_stems(RULES / "providers"), *_stems(home.providers_dir))


def models(home: Home, context: click.Context) -> Iterable[str]:
    """Those that are listed by name, and the person's own."""
    for file in (RULES / "models").glob("*.toml"):
        yield from (name for name in _table(_read(file), "models") if "*" not in name and "[" not in name)
    yield from _named(_read(home.models_file), "model", "id")


def rules(home: Home, context: click.Context) -> Iterable[str]:
    """Names of rules, of the profile that the line says or of all."""
    said = context.params.get("profile") or ()
    for profile in ((said,) if isinstance(said, str) else said) or profiles(home, context):
        yield from _named(_read(home.routing_file(profile)), "rule", "name")
    yield "default"


def rule_presets(home: Home, context: click.Context) -> Iterable[str]:
    """Routing files to begin with."""
    return _stems(RULES / "presets")


def programs(home: Home, context: click.Context) -> Iterable[str] | None:
    """Of the agents that are installed; what comes after one is the agent's own, most often files."""
    if context.params.get("words"):
        return None
    here = {entry for folder in os.environ.get("PATH", "").split(os.pathsep) for entry in _entries(folder)}
    said = (_read(file).get("programs", ()) for file in (RULES / "agents").glob("*.toml"))
    return {name for names in said for name in names if name in here}


def none(home: Home, context: click.Context) -> Iterable[str]:
    """For names that are yet to be given."""
    return ()


# By the command's path, or its first word, and the name of the parameter.
OF_COMMANDS: Mapping[tuple[str, str], Names] = {
    ("agents show", "agent"): agents,
    ("aliases", "profile"): profiles,
    ("models", "name"): models,
    ("models list", "match"): models,
    ("profiles create", "name"): none,
    ("profiles", "name"): profiles,
    ("profiles", "fallback"): providers,
    ("providers", "name"): providers,
    ("providers", "names"): providers,
    ("rules suggest", "to"): providers,
    ("run", "words"): programs,
}
ANYWHERE: Mapping[str, Names] = {
    "agent": agents,
    "model": models,
    "name": profiles,  # what --profile is called inside
    "preset": rule_presets,
    "profile": profiles,
    "provider": providers,
    "rule": rules,
}


def _real() -> click.Command:
    from ringlet_mitm.cli.main import group  # all commands: once, until one of them changes

    return group


def _stems(folder: Path) -> list[str]:
    return [file.stem for file in folder.glob("*.toml")]


def _read(file: Path) -> dict[str, Any]:
    import tomllib  # 6 ms that most TABs do without

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _table(said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = said.get(key)
    return found if isinstance(found, dict) else {}


def _named(said: Mapping[str, Any], key: str, name: str) -> list[str]:
    """`name` of each table under `[[key]]`."""
    found = said.get(key)
    tables = found if isinstance(found, list) else []
    return [str(one[name]) for one in tables if isinstance(one, dict) and name in one]


def _entries(folder: str) -> list[str]:
    try:
        return [entry.name.removesuffix(".exe").removesuffix(".cmd") for entry in os.scandir(folder)] if folder else []
    except OSError:
        return []
