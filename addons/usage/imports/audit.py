"""Compares an agent's own log with what the proxy recorded: what went around it, and where the two disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ringlet_mitm.addons.usage.imports.bills import Bills
from ringlet_mitm.addons.usage.imports.calls import LoggedCall, Section
from ringlet_mitm.addons.usage.imports.imported import WAIT_S
from ringlet_mitm.addons.usage.imports.importing import Progress, sections_since
from ringlet_mitm.addons.usage.imports.logs import AgentLog
from ringlet_mitm.addons.usage.imports.passages import Figures, Pair, Passage, Passages, figures_of, passages
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.reports import Row, Shown, Table, Unit
from ringlet_mitm.rules.ledger_target import LedgerTarget

# What the sums are of, by the word for it that programs read.
PARTS: Mapping[str, str] = {
    "around": "went around the proxy: only in the log",
    "equal": "in both, with the same tokens",
    "differing": "in both, with other tokens",
    "unlogged": "only in the ledger",
}
# Differences are kept one by one, as many as a person could ever look at.
MOST_DIFFERENCES = 1000


@dataclass(slots=True)
class Sum:
    """Calls of some kind added up; `usd` is of those whose price is known."""

    requests: int = 0
    sessions: set[str] = field(default_factory=set)
    tokens_in: int = 0
    tokens_out: int = 0
    usd: Decimal = Decimal(0)
    unpriced: int = 0

    def add(self, session: str, figures: Figures, cost: Decimal | None) -> None:
        """One more."""
        self.requests += 1
        self.sessions.add(session)
        self.tokens_in += sum(figures[:3])
        self.tokens_out += figures[3]
        self.usd += cost or 0
        self.unpriced += cost is None

    def row(self, *names: object) -> Row:
        """As a row of a table: the names, then COLUMNS."""
        cost = None if self.unpriced else self.usd
        return *names, self.requests, self.tokens_in, self.tokens_out, cost, self.usd, self.unpriced, 0


COLUMNS = (
    "requests",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "known_cost_usd",
    "unpriced_requests",
    "estimated_requests",
)
SHOWN = (
    Shown("REQUESTS", Unit.COUNT, ("requests",)),
    Shown("TOKENS", Unit.TOKENS, ("input_tokens", "output_tokens", "estimated_requests")),
    Shown("COST", Unit.COST, ("cost_usd", "known_cost_usd", "unpriced_requests", "estimated_requests")),
)


@dataclass(frozen=True, slots=True)
class Around:
    """A session of which calls went around the proxy."""

    session: str
    project: str
    model: str
    first_us: int
    last_us: int


@dataclass(slots=True)
class Audit:
    """What was found; `sums` by the names of PARTS, `around` by session and model."""

    sums: dict[str, Sum] = field(default_factory=lambda: {name: Sum() for name in PARTS})
    around: dict[tuple[str, str], tuple[Around, Sum]] = field(default_factory=dict)
    differences: list[Pair] = field(default_factory=list)
    files: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether all that is in the log is in the ledger, with the same tokens."""
        return not self.sums["around"].requests and not self.sums["differing"].requests

    def add(self, pair: Pair, cost: Decimal | None) -> None:
        """Count a call of the log; `cost` is what it comes to where the proxy has not seen it."""
        call, passage = pair.call, pair.passage
        if passage is None:
            self.sums["around"].add(call.session, figures_of(call.usage), cost)
            self._add_around(call, cost)
            return
        self.sums["differing" if pair.differs else "equal"].add(call.session, passage.figures, passage.cost)
        if pair.differs and len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(pair)

    def add_unlogged(self, left: Iterable[Passage]) -> None:
        """Count what the log has nothing of."""
        for passage in left:
            if passage.used:
                self.sums["unlogged"].add(passage.session, passage.figures, passage.cost)

    def _add_around(self, call: LoggedCall, cost: Decimal | None) -> None:
        key = call.session, call.model
        known, found = self.around.get(key, (None, Sum()))
        first_us = min(known.first_us, call.started_us) if known else call.started_us
        last_us = max(known.last_us, call.ended_us) if known else call.ended_us
        found.add(call.session, figures_of(call.usage), cost)
        self.around[key] = Around(call.session, call.project, call.model, first_us, last_us), found


def audit(
    source: AgentLog,
    files: Sequence[Path],
    bills: Bills,
    database: Path,
    spool: Path,
    *,
    since_us: int = 0,
    progress: Progress = lambda file: None,
    shared: LedgerTarget | None = None,
) -> Audit:
    """Compare; raises LedgerError where the ledger cannot be read. `shared` is the store that counts as well."""
    with reading(database, spool, wait_s=WAIT_S, shared=shared, views=()) as connection:
        through = passages(connection, source.agent, since_us)
    found, seen = Audit(), set[int]()
    for file in files:
        try:
            for section in sections_since(source, file, since_us):
                _compare(found, through, bills, _fresh(section, seen, since_us))
            found.files += 1
            progress(file)
        except OSError as error:
            found.unreadable[str(file)] = error.strerror or str(error)
    found.add_unlogged(passage for passage in through.left() if passage.started_us >= since_us)
    return found


def _fresh(section: Section, seen: set[int], since_us: int) -> list[LoggedCall]:
    """The calls of a section that were not in the log before."""
    fresh = []
    for call in section.calls.values():
        if call.started_us >= since_us and call.digest not in seen:
            seen.add(call.digest)
            fresh.append(call)
    return fresh


def _compare(found: Audit, through: Passages, bills: Bills, calls: list[LoggedCall]) -> None:
    for pair in through.pairs(calls):
        found.add(pair, None if pair.passage else bills.row(pair.call).cost_total)


def sums_table(found: Audit) -> Table:
    """One row for each of PARTS."""
    rows = tuple(one.row(name, PARTS[name], len(one.sessions)) for name, one in found.sums.items())
    shown = (Shown("WHAT", Unit.TEXT, ("what",)), Shown("SESSIONS", Unit.COUNT, ("sessions",)), *SHOWN)
    return Table(("part", "what", "sessions", *COLUMNS), shown, rows)


def around_table(found: Audit) -> Table:
    """One row for each session and model of which calls went around the proxy, the dearest first."""
    in_order = sorted(found.around.values(), key=lambda pair: (-pair[1].usd, -pair[1].requests, pair[0].first_us))
    rows = tuple(one.row(at.session, at.project, at.model, at.first_us, at.last_us) for at, one in in_order)
    names = ("session", "project", "model", "first_us", "last_us")
    shown = tuple(Shown(name.upper(), Unit.NAME, (name,)) for name in names[:3])
    return Table((*names, *COLUMNS), (*shown, *SHOWN), rows)


DIFFERENCE = ("input", "cache_read", "cache_write", "output")


def differences_table(found: Audit) -> Table:
    """One row for each call that the log and the ledger have other tokens of, and the id that the ledger has it by."""
    names = ("id", "session", "model", "started_us")
    columns = (*names, *(f"{side}_{part}_tokens" for side in ("log", "ledger") for part in DIFFERENCE))
    rows = tuple(
        (
            pair.passage.id,
            pair.call.session,
            pair.call.model,
            pair.call.started_us,
            *figures_of(pair.call.usage),
            *pair.passage.figures,
        )
        for pair in found.differences
        if pair.passage is not None
    )
    shown = (
        Shown("SESSION", Unit.NAME, ("session",)),
        Shown("MODEL", Unit.NAME, ("model",)),
        *(
            Shown(column.removesuffix("_tokens").replace("_", " ").upper(), Unit.NUMBER, (column,))
            for column in columns[4:]
        ),
    )
    return Table(columns, shown, rows)
