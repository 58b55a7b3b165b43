"""A `Table` as a person reads it (aligned and fitted to the terminal, or Markdown) and as a program does (JSON, CSV).

The layout is made here and not by rich, which would cut numbers off where a terminal is narrow: only words may be
shortened. rich puts the colours in, and is only imported for a terminal.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import click
import msgspec

from ringlet_mitm.addons.usage.reports import Row, Shown, Table, Unit
from ringlet_mitm.cli.amounts import compact, milliseconds, percent, usd
from ringlet_mitm.cli.columns import printable

GAP = "  "
LEAST_WORD = 12  # columns of words are not made narrower than this
TOTAL = "TOTAL"
NAMELESS = "(none)"
NOTHING = "–"
MINUTE = len("2026-11-21 14:30")
WORDS = (Unit.NAME, Unit.TEXT)
SIGNS = re.compile(r"[\\`*_|<>&#\[\]~]")


def _tokens(tokens_in: int, tokens_out: int, estimated: int) -> str:
    return f"{'~' if estimated else ''}{compact(tokens_in)} / {compact(tokens_out)}"


def _cost(amount: Decimal | None, known: Decimal, unpriced: int, estimated: int) -> str:
    """`?` where nothing is known, `≥` where something is not, `~` where tokens are estimated."""
    if amount is None and not known:
        return "?"
    return f"{'≥' if unpriced else ''}{'~' if estimated else ''}{usd(Decimal(known))}"


def _change(amount: Decimal | None, known: Decimal, unknown: int) -> str:
    """`?` where nothing is known, `+ ?` behind what is known where something is not."""
    if amount is None and not known:
        return "?"
    sign = "-" if known < 0 else "+" if known > 0 else ""
    return f"{sign}{usd(abs(Decimal(known)))}{' + ?' if unknown else ''}"


def _usd(amount: Decimal | None, estimated: int) -> str:
    return "?" if amount is None else f"{'~' if estimated else ''}{usd(Decimal(amount))}"


def _if_any(form: Callable[[Any], str]) -> Callable[[Any], str]:
    """Nothing was measured where the value is None."""
    return lambda value: NOTHING if value is None else form(value)


def _interval(share: float, low: float, high: float) -> str:
    return f"{percent(share)} ({percent(low)} to {percent(high)})"


def _speed(rate: float) -> str:
    return f"{rate:.0f}/s" if rate >= 9.95 else f"{rate:.1f}/s"


def _words(value: Any) -> str:
    """One line of what can be printed; an agent's words may hold anything, also what a terminal obeys."""
    if value is None:
        return "NULL"
    return printable(str(value))


def _name(value: Any) -> str:
    return NAMELESS if value is None else _words(value) or NAMELESS


def _number(value: Any) -> str:
    return str(_exact(value)) if isinstance(value, Decimal) else _words(value)


FORMATS: Mapping[Unit, Callable[..., str]] = {
    Unit.NAME: _name,
    Unit.TEXT: _words,
    Unit.NUMBER: _number,
    Unit.COUNT: str,
    Unit.SHARE: percent,
    Unit.TOKENS: _tokens,
    Unit.COST: _cost,
    Unit.CHANGE: _change,
    Unit.USD: _usd,
    Unit.USD_IF_ANY: _if_any(usd),
    Unit.AMOUNT: compact,
    Unit.AMOUNT_IF_ANY: _if_any(compact),
    Unit.PART: _if_any(percent),
    Unit.INTERVAL: _interval,
    Unit.RATIO: _if_any("{:.2f}".format),
    Unit.MS: _if_any(milliseconds),
    Unit.SPEED: _if_any(_speed),
    Unit.TIME: _if_any(lambda moment: moment[:MINUTE]),
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a laid out table, and what it is: head, row, idle (a row of nothing), rule or total."""

    text: str
    role: str


STYLES: Mapping[str, str] = {"head": "bold", "row": "", "idle": "dim", "rule": "dim", "total": "bold"}


def laid_out(table: Table, width: int | None = None) -> list[Line]:
    """The lines of `table`, with words shortened to fit `width`; numbers never are, lines rather run over."""
    columns = _seen(table)
    grid = [[shown.title for shown in columns], *(_cells(table, columns, row) for row in table.rows)]
    roles = ["head", *(_role(table, row) for row in table.rows)]
    if table.total is not None:
        grid.append(_total(_cells(table, columns, table.total), columns))
        roles.append("total")
    widths = [max(columns_of(row[place]) for row in grid) for place in range(len(columns))]
    if width is not None:
        widths = _fitted(widths, [shown.unit in WORDS for shown in columns], width)
    lines = [Line(_aligned(row, columns, widths), role) for row, role in zip(grid, roles, strict=True)]
    if table.total is not None:
        lines.insert(-1, Line("─" * (sum(widths) + len(GAP) * (len(widths) - 1)), "rule"))
    return lines


def show(table: Table, heading: str = "", notes: Sequence[str] = ()) -> None:
    """Print to stdout: in colours and fitted where that is a terminal, whole and plain where it is not."""
    terminal = sys.stdout.isatty()
    lines = [Line(heading, "row"), Line("", "row")] if heading else []
    if not terminal:
        lines += laid_out(table)
        click.echo("\n".join([*(line.text for line in lines), *_below(notes)]))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    lines += laid_out(table, shutil.get_terminal_size().columns)
    for line in [*lines, *(Line(note, "row") for note in _below(notes))]:
        console.print(line.text, style=STYLES[line.role] or None, soft_wrap=True)


def markdown_text(table: Table, heading: str = "", notes: Sequence[str] = ()) -> str:
    """The same cells as a table of GitHub's Markdown, whole; the total is its last row."""
    columns = _seen(table)
    grid = [_cells(table, columns, row) for row in table.rows]
    if table.total is not None:
        grid.append(_total(_cells(table, columns, table.total), columns))
    marks = ["---" if shown.unit in WORDS else "---:" for shown in columns]
    lines = [f"| {' | '.join(map(_in_markdown, cells))} |" for cells in ([shown.title for shown in columns], *grid)]
    lines.insert(1, f"| {' | '.join(marks)} |")
    below = "  \n".join(map(_in_markdown, notes))
    return "\n\n".join(filter(None, [_in_markdown(heading), "\n".join(lines), below]))


def as_records(table: Table) -> list[dict[str, Any]]:
    """One mapping a row, numbers exact."""
    return [_record(table, row) for row in table.rows]


def total_record(table: Table, without: Sequence[str]) -> dict[str, Any]:
    """The total as a mapping, `without` what the rows are grouped by."""
    record = _record(table, table.total or ())
    return {name: value for name, value in record.items() if name not in without}


def json_text(value: Any) -> str:
    """Indented JSON. Money is a plain number with every digit that it has, unknown is null."""
    return msgspec.json.format(_encoded(value), indent=2).decode()


def csv_text(table: Table) -> str:
    """A head line with the raw column names and the rows, without a total; unknown is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_field(value) for value in row] for row in table.rows)
    return text.getvalue().removesuffix("\n")


def columns_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_columns_of_letter, text))


def shortened(text: str, width: int) -> str:
    """`text` in `width` columns. Its end stays: there a label says where it leads, and a model its version."""
    if columns_of(text) <= width:
        return text
    head, tail = list(text), ""
    while len(head) > 1 and columns_of(head[-1] + tail) <= (width - 1) // 2:
        tail = head.pop() + tail
    while head and columns_of("".join(head)) + columns_of(tail) + 1 > width:
        head.pop()
    return "".join(head) + "…" + tail


@cache
def _columns_of_letter(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1


def _seen(table: Table) -> list[Shown]:
    return [shown for shown in table.shown if not shown.if_any or any(table.values(shown.if_any))]


def _in_markdown(cell: str) -> str:
    """What Markdown would take for its own signs is said to be meant as it is."""
    return SIGNS.sub(r"\\\g<0>", cell)


def _below(notes: Sequence[str]) -> list[str]:
    return ["", *notes] if notes else []


def _cells(table: Table, columns: Iterable[Shown], row: Row) -> list[str]:
    values = dict(zip(table.columns, row, strict=True))
    return [FORMATS[shown.unit](*(values[name] for name in shown.of)) for shown in columns]


def _total(cells: list[str], columns: Sequence[Shown]) -> list[str]:
    """Nothing in place of the names, but for the word itself in the first."""
    numbers = ["" if shown.unit in WORDS else cell for cell, shown in zip(cells, columns, strict=True)]
    return [TOTAL, *numbers[1:]]


def _role(table: Table, row: Row) -> str:
    counted = [shown.of[0] for shown in table.shown if shown.unit is Unit.COUNT]
    return "idle" if counted and not row[table.columns.index(counted[0])] else "row"


def _fitted(widths: list[int], words: list[bool], width: int) -> list[int]:
    """The widest column of words gives way first, down to LEAST_WORD."""
    fitted = list(widths)
    while sum(fitted) + len(GAP) * (len(fitted) - 1) > width:
        giving = [place for place, is_words in enumerate(words) if is_words and fitted[place] > LEAST_WORD]
        if not giving:
            break
        fitted[max(giving, key=lambda place: fitted[place])] -= 1
    return fitted


def _aligned(cells: Sequence[str], columns: Sequence[Shown], widths: Sequence[int]) -> str:
    padded = []
    for cell, shown, width in zip(cells, columns, widths, strict=True):
        text = shortened(cell, width)
        space = " " * (width - columns_of(text))
        padded.append(text + space if shown.unit in WORDS else space + text)
    return GAP.join(padded).rstrip()


def _record(table: Table, row: Row) -> dict[str, Any]:
    return {name: _exact(value) for name, value in zip(table.columns, row, strict=True)}


def _exact(value: Any) -> Any:
    """A decimal without the zeros that its column's type adds."""
    if isinstance(value, Decimal) and value.is_finite():
        text = f"{value:f}"
        return Decimal(text.rstrip("0").rstrip(".")) if "." in text else value
    return value


def _field(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return _encoded(value).decode()
    return f"{_exact(value):f}" if isinstance(value, Decimal) else value


def _encoded(value: Any) -> bytes:
    return msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode(value)
