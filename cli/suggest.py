"""`ringlet-mitm rules suggest`: which rules the history speaks for, and which of those there are it speaks against."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from ringlet_mitm.addons.usage.groups import added_up, spend_table
from ringlet_mitm.addons.usage.reports import Shown, Table, Unit
from ringlet_mitm.cli import tables
from ringlet_mitm.cli.backtest_words import document, headline, rules_table, uncertain
from ringlet_mitm.cli.past import Past, past
from ringlet_mitm.cli.rule_setting import Setting, setting_of, text_of
from ringlet_mitm.cli.usage.advice import Rules, advice
from ringlet_mitm.rules.backtest import replay
from ringlet_mitm.rules.comparison import Comparison
from ringlet_mitm.rules.errors import ConfigError, UsageError
from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.routes import Route, named_route
from ringlet_mitm.rules.rulebook import RuleBook
from ringlet_mitm.rules.suggestion import Curve, Suggestions, destinations, suggest

QUALITY = "how good the answers are is not measured: try it before you keep it"
ELSEWHERE = "the rules name no other place to go to; name one:  ringlet-mitm rules suggest --to PROVIDER/MODEL"


def suggestions(
    name: str | None, to: tuple[str, ...], since: str | None, until: str | None, database: Path | None, *, as_json: bool
) -> None:
    """Print what the history of a profile suggests."""
    setting = setting_of(name)
    book = setting.book_in_force()
    ways = tuple(_route(one, setting) for one in to) or destinations(book)
    with past(setting, since, until, database) as found:
        history = list(found.requests())
        if not any(recorded.within for recorded in history):
            click.echo("null" if as_json else found.nothing)
            return
        said = _advice(found, book)
    made = suggest(history, book, lambda rule: _with(rule, setting), found.ground, ways)
    best = _tried(made, history, book, setting, found)
    if as_json:
        click.echo(tables.json_text(_document(found, made, said, best)))
    else:
        _print(found, made, said, best, ways)


def _route(text: str, setting: Setting) -> Route:
    try:
        return named_route(text, setting.registry)
    except ConfigError as error:
        raise UsageError(f"--to: {error}") from None


def _with(rule: str, setting: Setting) -> RuleBook:
    """The rules in force with one more behind them; a file may have rules after its default."""
    path = setting.routing_file
    text = text_of(path) if setting.obeys_rules and path.exists() else ""
    return setting.book(f"{text}\n{rule}", str(path))


def _advice(found: Past, book: RuleBook) -> str:
    """What `usage` would say of the rules over the same time: which never fired, and what the default takes."""
    labels = book.labels if book.rules else ()
    groups = added_up(found.connection, replace(found.asked.ask, by=("rule",)))
    return advice(spend_table(("rule",), groups, labels), Rules(found.setting.profile.name, labels))


def _tried(
    made: Suggestions, history: list[Recorded], book: RuleBook, setting: Setting, found: Past
) -> tuple[str, Comparison, RuleBook] | None:
    """The best rule, and what it would have done to all of the history."""
    if not made.curves or made.curves[0].knee is None:
        return None
    rule = made.curves[0].rule(made.curves[0].knee)
    other = _with(rule, setting)
    return rule, replay(history, other, found.ground, against=book, in_force=book), other


def _curve_table(curve: Curve) -> Table:
    rows = tuple(
        (point.threshold, point.moved, point.share, point.saved_a_month, 0, "← knee" if point is curve.knee else "")
        for point in curve.points
    )
    shown = (
        Shown("THRESHOLD", Unit.COUNT, ("threshold",)),
        Shown("MOVED", Unit.COUNT, ("moved_requests",)),
        Shown("SHARE", Unit.SHARE, ("share",)),
        Shown("SAVED IN 30 DAYS", Unit.USD, ("saved_usd", "estimated")),
        Shown("", Unit.TEXT, ("knee",)),
    )
    return Table(("threshold", "moved_requests", "share", "saved_usd", "estimated", "knee"), shown, rows)


def _document(
    found: Past, made: Suggestions, said: str, best: tuple[str, Comparison, RuleBook] | None
) -> dict[str, Any]:
    return {
        "profile": found.setting.profile.name,
        "requests": made.requests,
        "open_requests": made.open_requests,
        "sampled_requests": made.sampled,
        "days": round(made.days, 3),
        "advice": said or None,
        "curves": [_curve(curve) for curve in made.curves],
        "rule": best[0] if best else None,
        "backtest": document(best[1], best[2]) if best else None,
        "quality": "not measured",
    }


def _curve(curve: Curve) -> dict[str, Any]:
    points = [
        {
            "threshold": point.threshold,
            "moved_requests": point.moved,
            "share": round(point.share, 6),
            "saved_in_30_days_usd": None if point.saved_a_month is None else _cents(point.saved_a_month),
            "knee": point is curve.knee,
        }
        for point in curve.points
    ]
    return {"lever": curve.lever.name, "to": str(curve.to), "points": points}


def _cents(usd: Decimal) -> Decimal:
    """An estimate has no more digits than these."""
    return usd.quantize(Decimal("0.0001"))


def _print(
    found: Past,
    made: Suggestions,
    said: str,
    best: tuple[str, Comparison, RuleBook] | None,
    ways: tuple[Route, ...],
) -> None:
    share = made.open_requests / made.requests
    click.echo(f"{found.words}: {made.requests:,} requests, {share:.0%} of them taken by no rule")
    if said:
        click.echo(f"advice: {said}")
    if best is None:
        click.echo(_no_rule(made, ways))
        return
    for curve in made.curves:
        click.echo(f"\nto {curve.to}, with {curve.lever.words} this:\n")
        tables.show(_curve_table(curve))
    sampled = f"on {made.sampled:,} of the requests, " if made.sampled < made.requests else ""
    click.echo(
        f"\nworked out {sampled}from {made.days:.0f} days; what saves most, to put before [default]:\n\n{best[0]}"
    )
    tables.show(
        rules_table(best[1], best[2]),
        "beside the rules in force, it would have come to this:",
        [headline(best[1]), *uncertain(best[1]), QUALITY],
    )


def _no_rule(made: Suggestions, ways: tuple[Route, ...]) -> str:
    if not ways:
        return ELSEWHERE
    where = " or ".join(map(str, ways))
    return f"no threshold would have saved money by going to {where}"
