"""`ringlet-mitm rules backtest`: what other rules would have cost, by the requests that were recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.usage.periods import iso
from ringlet_mitm.cli import tables
from ringlet_mitm.cli.backtest_words import document, headline, moved_table, moves_table, rules_table, uncertain
from ringlet_mitm.cli.past import Past, past
from ringlet_mitm.cli.rule_setting import setting_of
from ringlet_mitm.rules.backtest import replay
from ringlet_mitm.rules.comparison import Comparison
from ringlet_mitm.rules.rulebook import RuleBook


def backtest(
    file: Path,
    name: str | None,
    against: Path | None,
    since: str | None,
    until: str | None,
    database: Path | None,
    *,
    moved: bool,
    as_json: bool,
) -> None:
    """Print what the rules in `file` would have made of the profile's requests."""
    setting = setting_of(name)
    book = setting.book_in_force(file)
    other = setting.book_in_force(against) if against else None
    with past(setting, since, until, database) as found:
        requests, in_force = found.requests(), setting.book_in_force()
        comparison = replay(requests, book, found.ground, against=other, in_force=in_force, keep=moved)
        nothing = "" if comparison.first_us is not None else found.nothing
    if as_json:
        click.echo(tables.json_text(_document(found, comparison, book, against, moved=moved)))
    elif nothing:
        click.echo(nothing)
    else:
        _print(found, comparison, book, against, moved=moved)


def _document(
    found: Past, comparison: Comparison, book: RuleBook, against: Path | None, *, moved: bool
) -> dict[str, Any]:
    asked = found.asked
    said = {
        "profile": found.setting.profile.name,
        "file": book.file,
        "against": str(against) if against else None,
        "since": iso(asked.ask.since_us, asked.now),
        "until": iso(asked.ask.until_us, asked.now),
        **document(comparison, book),
    }
    return {**said, "moved": tables.as_records(moved_table(comparison.moved, asked.now))} if moved else said


def _print(found: Past, comparison: Comparison, book: RuleBook, against: Path | None, *, moved: bool) -> None:
    beside = f"beside {against}" if against else "beside what happened"
    lines = [headline(comparison), *uncertain(comparison)]
    moves = moves_table(comparison)
    heading = f"{book.file} {beside}: {found.words}"
    tables.show(rules_table(comparison, book), heading, () if moves.rows else lines)
    if moves.rows:
        click.echo("")
        tables.show(moves, notes=() if moved else lines)
    if moved and moves.rows:
        click.echo("")
        tables.show(moved_table(comparison.moved, found.asked.now), notes=lines)
