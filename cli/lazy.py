"""Groups of commands that are imported when they are called.

Loading everything would cost each call what the heaviest command needs (mitmproxy alone takes 0.4 s); so names and
one-line helps stand in a table, and the module behind a name is imported on use. A test holds the helps here and there
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command lives, and the line that `--help` shows for it."""

    module: str
    help: str
    attribute: str = "command"


class LazyGroup(click.Group):
    """A group of the commands in `table`; options that are not among its `own` go to the `default` one.

    `alone` says that the default one is also meant where nothing is said at all.
    """

    def __init__(
        self,
        *args: Any,
        table: Mapping[str, Entry],
        default: str,
        own: tuple[str, ...] = (),
        alone: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._table = table
        self._default = default
        self._own = own
        self._alone = alone

    @property
    def default(self) -> str:
        """The command that is meant where none is said."""
        return self._default

    @property
    def own(self) -> tuple[str, ...]:
        """The group's own options."""
        return self._own

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        entry = self._table.get(cmd_name)
        if entry is None:
            return None
        found = getattr(import_module(entry.module), entry.attribute)
        assert isinstance(found, click.Command)
        return found

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command before options that are not the group's own."""
        if (args and args[0].startswith("-") and args[0] not in self._own) or (not args and self._alone):
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self._table.items()])
