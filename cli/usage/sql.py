"""`ringlet-mitm usage sql`: a person's own questions to the ledger, one or as they come to mind.

The ledger is opened for each question anew, and only read: whoever thinks about the next one keeps no proxy waiting.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from ringlet_mitm.addons.usage import documented
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.reports import selected
from ringlet_mitm.cli.columns import aligned
from ringlet_mitm.cli.usage.asked import Ledger
from ringlet_mitm.cli.usage.printing import Printing, printing
from ringlet_mitm.rules.errors import RingletError, UsageError
from ringlet_mitm.rules.home import Home, home_of

PROMPT, MORE = "usage> ", "  ...> "
HELP = """A SELECT ends with ; or an empty line.
.tables [NAME]  the tables, or the columns of one
.views [NAME]   the views, or all that is said of one
.path           where the database is
.quit           (or Ctrl-D)"""
HISTORY_LINES = 1000


@click.command()
@click.argument("select", nargs=-1)
@click.option("--views", "list_views", is_flag=True, help="Print all views and what their columns mean.")
@click.option("--path", "show_path", is_flag=True, help="Print where it is, and how DuckDB's own shell opens it.")
@click.option("--db", "database", type=click.Path(path_type=Path), help="Another database than this home's.")
@printing
def command(select: tuple[str, ...], list_views: bool, show_path: bool, database: Path | None, to: Printing) -> None:
    """Ask the ledger yourself, in SQL: tables requests and attempts, and a view for each report.

    Without a SELECT it asks for one after the other; or reads one from stdin, where that is no terminal.
    """
    home = home_of(os.environ)
    ledger = Ledger.at(home, database)
    if list_views:
        click.echo("\n\n".join(f"{view.name}\n{_indented(view.text)}" for view in documented.views()))
    elif show_path:
        click.echo(path_of(ledger))
    elif select:
        answer(ledger, " ".join(select), to)
    elif not sys.stdin.isatty():
        answer(ledger, _said_on_stdin(), to)
    else:
        with _history(home):
            Asking(ledger, to).run(input)


def answer(ledger: Ledger, sql: str, to: Printing) -> None:
    """Print what one SELECT gives; raises UsageError for anything else."""
    with reading(ledger.database, ledger.spool, shared=ledger.shared) as connection:
        table = selected(connection, sql)
    to.table(table)


def path_of(ledger: Ledger) -> str:
    """The file, and the commands that open it."""
    waiting = f"Rows of the last seconds wait in {ledger.spool}; usage sql reads them too."
    return f"{ledger.database}\nduckdb -readonly {shlex.quote(str(ledger.database))}\n{waiting}"


class Asking:
    """The prompt. Errors are said and forgotten, Ctrl-C forgets what was typed, Ctrl-D ends it."""

    def __init__(self, ledger: Ledger, to: Printing) -> None:
        self._ledger, self._to = ledger, to
        self._commands: dict[str, Callable[[str], str]] = {
            ".tables": _tables,
            ".views": _views,
            ".path": lambda _: path_of(ledger),
            ".help": lambda _: HELP,
        }

    def run(self, ask: Callable[[str], str]) -> None:
        """Ask until there is no more; `ask` shows a prompt and gives a line, or raises EOFError."""
        click.echo("SQL over the ledger, which is only read. .help says what else there is.")
        while True:
            try:
                said = self._statement(ask)
            except EOFError:
                click.echo()
                return
            except KeyboardInterrupt:
                click.echo()
                continue
            if said.split()[:1] in ([".quit"], [".exit"]):
                return
            try:
                self._done(said)
            except (RingletError, KeyboardInterrupt) as error:
                click.echo(str(error) or "interrupted", err=True)

    def _statement(self, ask: Callable[[str], str]) -> str:
        lines = [ask(PROMPT)]
        if lines[0].startswith(".") or not lines[0].strip():
            return lines[0].strip()
        while not lines[-1].rstrip().endswith(";") and lines[-1].strip():
            lines.append(ask(MORE))
        return "\n".join(lines).strip()

    def _done(self, said: str) -> None:
        if not said:
            return
        name, _, rest = said.partition(" ")
        if name in self._commands:
            click.echo(self._commands[name](rest.strip()))
        elif name.startswith("."):
            raise UsageError(f"{name}: there are {', '.join(self._commands)} and .quit")
        else:
            answer(self._ledger, said, self._to)


def _tables(name: str) -> str:
    found = documented.tables()
    if not name:
        return aligned(("TABLE", ""), [(table.name, table.summary) for table in found])
    for table in found:
        if table.name == name:
            return aligned(("COLUMN", "TYPE", ""), [(one.name, one.type, one.meaning) for one in table.columns])
    raise UsageError(f"no table '{name}'; there are {', '.join(table.name for table in found)}")


def _views(name: str) -> str:
    found = documented.views()
    if not name:
        return aligned(("VIEW", ""), [(view.name, view.summary) for view in found])
    for view in found:
        if view.name == name:
            return view.text
    raise UsageError(f"no view '{name}'; there are {', '.join(view.name for view in found)}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _said_on_stdin() -> str:
    said = sys.stdin.read().strip()
    if not said:
        example = "SELECT rule, sum(requests) FROM spend GROUP BY rule"
        raise UsageError(f'nothing to ask; type it:  ringlet-mitm usage sql "{example}"')
    return said


@contextmanager
def _history(home: Home) -> Iterator[None]:
    """The lines of last time, and the names of tables and columns on Tab; where this Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    file = home.state / "sql_history"
    names = sorted(
        {table.name for table in documented.tables()}
        | {column.name for table in documented.tables() for column in table.columns}
        | {view.name for view in documented.views()}
    )

    def completed(text: str, place: int) -> str | None:
        fitting = [name for name in names if name.startswith(text)]
        return fitting[place] if place < len(fitting) else None

    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    readline.set_completer(completed)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            readline.write_history_file(file)
            file.chmod(0o600)
