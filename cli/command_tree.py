"""All commands and their options as data, kept in a file: what a shell's completion needs, without importing them.

Designs that do not work: let click complete with the real commands (half a second to a second a TAB, for pydantic and
mitmproxy), or keep a table of options by hand (wrong after the next change). So the real commands are described once,
and stand-ins are made of the description. It is made anew when a file of the commands or of the models is another.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ringlet_mitm.cli.lazy import LazyGroup

Description = dict[str, Any]
# What a parameter may be, for a line as far as it is typed; None for files.
Found = Callable[[click.Context], list[str] | None]
# Gives that for a parameter of the command at a path; None where nothing is known.
Values = Callable[[Sequence[str], str], Found | None]
SETTINGS = ("allow_interspersed_args", "ignore_unknown_options", "allow_extra_args")
CODE = Path(__file__).parent


def command_tree(file: Path, make: Callable[[], click.Command]) -> Description:
    """The description in `file`, made of what `make` gives where it is missing or of other code."""
    stamp = code_stamp(CODE)
    try:
        kept = json.loads(file.read_bytes())
        if kept["stamp"] == stamp:
            return dict(kept["tree"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    from ringlet_mitm.rules.whole_files import write_whole  # tempfile takes 10 ms, and this is done once

    tree = described(make())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps({"stamp": stamp, "tree": tree}, separators=(",", ":")).encode())
    except OSError:
        return tree  # slower, but as good
    return tree


def code_stamp(folder: Path) -> str:
    """Changes when a file of the commands does; 1 ms."""
    return "|".join(f"{name}:{size}:{changed}" for name, size, changed in sorted(_files(folder)))


def described(command: click.Command) -> Description:
    """A command, its parameters and those below it, as JSON can hold them."""
    said: Description = {
        "help": command.get_short_help_str(60),
        "hidden": command.hidden,
        "params": [_parameter(one) for one in command.params],
        "settings": {key: value for key, value in command.context_settings.items() if key in SETTINGS},
    }
    if isinstance(command, click.Group):
        context = click.Context(command)
        below = ((name, command.get_command(context, name)) for name in command.list_commands(context))
        said["commands"] = {name: described(one) for name, one in below if one is not None}
        said["default"], said["own"] = (command.default, command.own) if isinstance(command, LazyGroup) else ("", ())
    return said


def stand_in(name: str, said: Description, values: Values, path: tuple[str, ...] = ()) -> click.Command:
    """A command that does nothing but be completed."""
    params = [_made(one, values(path, one["name"])) for one in said["params"]]
    if "commands" in said:
        return _Group(name, said, params, values, path)
    settings = said["settings"]
    return click.Command(name, params=params, help=said["help"], hidden=said["hidden"], context_settings=settings)


class _Group(LazyGroup):
    """Makes the commands below it when they are asked for. It is never told that words are missing."""

    def __init__(
        self, name: str, said: Description, params: list[click.Parameter], values: Values, path: tuple[str, ...]
    ) -> None:
        super().__init__(
            name, params=params, help=said["help"], table={}, default=said["default"], own=tuple(said["own"])
        )
        self._said, self._values, self._path = said, values, path

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As the real one lists them."""
        return list(self._said["commands"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make one."""
        said = self._said["commands"].get(cmd_name)
        return None if said is None else stand_in(cmd_name, said, self._values, (*self._path, cmd_name))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As the real one, where it has a default."""
        return super().parse_args(ctx, args) if self.default else click.Group.parse_args(self, ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
        """Also the options of the command that is meant where none is said."""
        found = super().shell_complete(ctx, incomplete)
        meant = self.get_command(ctx, self.default)
        if meant is None or not incomplete.startswith("-"):
            return found
        known = {item.value for item in found}
        more = meant.shell_complete(click.Context(meant, parent=ctx, info_name=self.default), incomplete)
        return found + [item for item in more if item.value not in known]


def _parameter(param: click.Parameter) -> Description:
    said: Description = {"name": param.name, "opts": param.opts, "other": param.secondary_opts, "nargs": param.nargs}
    said["multiple"] = param.multiple
    if isinstance(param, click.Option):
        said |= {"flag": param.is_flag, "count": param.count, "help": param.help, "hidden": param.hidden}
    if isinstance(param.type, click.Choice):
        said["choices"] = [str(one) for one in param.type.choices]
    elif isinstance(param.type, click.Path):
        said["files"] = True
    return said


def _made(said: Description, values: Found | None) -> click.Parameter:
    kind: Any = None
    if "choices" in said:
        kind = click.Choice(said["choices"])
    elif "files" in said:
        kind = click.Path()
    more: Description = {"nargs": said["nargs"]} if said["nargs"] != 1 else {}
    if values is not None:
        more["shell_complete"] = lambda context, param, incomplete: _begun(values(context), incomplete)
    if "flag" not in said:
        return click.Argument([said["name"]], type=kind, required=False, **more)
    if said["flag"]:
        both = [f"{one}/{other}" for one, other in zip(said["opts"], said["other"], strict=False)] or said["opts"]
        return click.Option([said["name"], *both], is_flag=True, help=said["help"], hidden=said["hidden"])
    if said["count"]:
        return click.Option([said["name"], *said["opts"]], count=True, help=said["help"], hidden=said["hidden"])
    multiple = said["multiple"]
    declared = [said["name"], *said["opts"]]
    return click.Option(declared, type=kind, multiple=multiple, help=said["help"], hidden=said["hidden"], **more)


def _begun(values: list[str] | None, incomplete: str) -> list[CompletionItem[Any]]:
    if values is None:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(value) for value in values if value.startswith(incomplete)]


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith("_"):
                yield from _files(Path(entry.path))
            elif entry.name.endswith(".py"):
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns
