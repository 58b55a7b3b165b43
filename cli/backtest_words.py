"""What a backtest says: its tables, what in them is not certain, and the same for programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from ringlet_mitm.addons.usage.periods import iso
from ringlet_mitm.addons.usage.reports import Row, Shown, Table, Unit
from ringlet_mitm.cli.amounts import usd
from ringlet_mitm.cli.tables import as_records, total_record
from ringlet_mitm.rules.comparison import Comparison, Moved, Tally
from ringlet_mitm.rules.rulebook import RuleBook

RULES_NAMED = 3
SUMS = (
    "requests",
    "moved_requests",
    "cost_then_usd",
    "known_cost_then_usd",
    "unpriced_then",
    "estimated_then",
    "cost_now_usd",
    "known_cost_now_usd",
    "unpriced_now",
    "estimated_now",
    "change_usd",
    "known_change_usd",
    "change_unpriced",
)
THEN = ("cost_then_usd", "known_cost_then_usd", "unpriced_then", "estimated_then")
NOW = ("cost_now_usd", "known_cost_now_usd", "unpriced_now", "estimated_now")
COSTS = (
    Shown("COST THEN", Unit.COST, THEN),
    Shown("COST NOW", Unit.COST, NOW),
    Shown("CHANGE", Unit.CHANGE, ("change_usd", "known_change_usd", "change_unpriced")),
)


def sums(tally: Tally) -> Row:
    """A tally as SUMS: each amount once where all is known, None else, and once as far as it is known."""
    return (
        tally.requests,
        tally.moved,
        None if tally.was_unpriced else tally.was,
        tally.was,
        tally.was_unpriced,
        tally.was_estimated,
        None if tally.now_unpriced else tally.now,
        tally.now,
        tally.now_unpriced,
        tally.estimated,
        None if tally.change_unpriced else tally.change,
        tally.change,
        tally.change_unpriced,
    )


def rules_table(found: Comparison, book: RuleBook) -> Table:
    """By the rule that takes a request now, in the order of the book."""
    before = found.before
    rows = [(label, before.get(label, 0), *sums(tally)) for label, tally in found.rules(book.labels).items()]
    shown = (
        Shown("RULE", Unit.NAME, ("rule",)),
        Shown("REQUESTS", Unit.COUNT, ("requests",)),
        Shown("BEFORE", Unit.COUNT, ("requests_before",)),
        Shown("MOVED", Unit.COUNT, ("moved_requests",)),
        *COSTS,
    )
    total = ("", found.total.requests, *sums(found.total))
    return Table(("rule", "requests_before", *SUMS), shown, tuple(rows), total)


def moves_table(found: Comparison) -> Table:
    """By where they come from and where they go to."""
    rows = [(f"{was} → {now}", str(was), str(now), *sums(tally)) for (was, now), tally in found.moves.items()]
    shown = (Shown("FROM → TO", Unit.NAME, ("move",)), Shown("REQUESTS", Unit.COUNT, ("requests",)), *COSTS)
    return Table(("move", "from", "to", *SUMS), shown, tuple(rows))


def moved_table(moved: Iterable[Moved], now: datetime) -> Table:
    """One row a request that moves."""
    columns = ("started", "id", "agent", "session", "input_tokens", "from", "to", "rule", "doubts", *THEN, *NOW)
    shown = (
        Shown("WHEN", Unit.TIME, ("started",)),
        Shown("AGENT", Unit.NAME, ("agent",)),
        Shown("TOKENS", Unit.AMOUNT, ("input_tokens",)),
        Shown("FROM", Unit.NAME, ("from",)),
        Shown("TO", Unit.NAME, ("to",)),
        Shown("RULE", Unit.NAME, ("rule",)),
        *COSTS[:2],
    )
    return Table(columns, shown, tuple(_moved_row(one, now) for one in moved))


def _moved_row(one: Moved, now: datetime) -> Row:
    recorded, was, other = one
    started = (iso(recorded.started_us, now) or "").replace("T", " ", 1)
    tally = Tally()
    tally.add(was.cost, other.cost)
    tally.was_estimated, tally.estimated = int(was.estimated), int(other.estimated)
    amounts = dict(zip(SUMS, sums(tally), strict=True))
    return (
        started,
        recorded.id,
        recorded.agent,
        recorded.session,
        recorded.total_input,
        str(was.place),
        str(other.place),
        other.label,
        [doubt.name.lower() for doubt in other.doubts],
        *(amounts[name] for name in (*THEN, *NOW)),
    )


def uncertain(found: Comparison) -> list[str]:
    """What the numbers do not know, most of all first."""
    lines = []
    if found.undecided:
        rules = ", ".join(f"'{label}'" for label in list(found.undecided)[:RULES_NAMED])
        count = found.undecided.total()
        lines.append(
            f"left out: {_requests(count)} ({usd(found.undecided_usd)} then) that hang on headers or tokens "
            f"that were not recorded, at {rules}"
        )
    lines += [f"{_requests(count)}: {doubt}" for doubt, count in found.doubts.items()]
    if found.recached:
        lines.append(
            f"{_requests(found.recached)} stay where they were and cost otherwise: the prompt cache is another"
        )
    if found.total.estimated:
        lines.append(
            f"~ of what is worked out, {usd(found.total.output_usd)} is for answers, taken to be as long as they were; "
            "prompt caches are taken to hold what the conversation's last request there had"
        )
    if found.total.now_unpriced or found.total.was_unpriced:
        lines.append(
            f"? ≥ prices are unknown of {_requests(found.total.was_unpriced)} then and {found.total.now_unpriced} now; "
            "CHANGE is that of the others"
        )
    return lines


def document(found: Comparison, book: RuleBook) -> dict[str, Any]:
    """All of it for programs, but for the list of what moves."""
    rules = rules_table(found, book)
    return {
        "rules": as_records(rules),
        "total": total_record(rules, ("rule", "requests_before")),
        "moves": [{k: v for k, v in record.items() if k != "move"} for record in as_records(moves_table(found))],
        "uncertain": {
            "doubts": {doubt.name.lower(): count for doubt, count in found.doubts.items()},
            "recached_requests": found.recached,
            "estimated_output_usd": found.total.output_usd,
            "undecided_requests": found.undecided.total(),
            "undecided_cost_then_usd": found.undecided_usd,
            "undecided_at": dict(found.undecided),
        },
    }


def headline(found: Comparison) -> str:
    """The one line that matters."""
    total = found.total
    if not total.moved and not total.estimated:
        return "the same: every request goes where it went and costs what it cost"
    share = total.change / total.was if total.was else Decimal(0)
    more = "the same" if not total.change else f"{usd(abs(total.change))} {'less' if total.change < 0 else 'more'}"
    part = f" ({share:+.0%})" if total.was and total.change else ""
    unknown = (
        f", as far as prices are known (not of {_requests(total.change_unpriced)})" if total.change_unpriced else ""
    )
    return f"{_requests(total.moved)} of {total.requests:,} would have gone elsewhere; {more}{part}{unknown}"


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"
