"""Two ways to send the same requests, side by side: how many move, from where to where, and what that changes.

Requests are added up by all that a question could be about (both rules, both places, what is doubtful) at once, in some
ten cells whatever the history; rules, moves and totals are sums over cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, TypeVar

from ringlet_mitm.rules.recorded import Recorded
from ringlet_mitm.rules.redeciding import Doubt
from ringlet_mitm.rules.targets import Place

NOTHING = Decimal(0)
Key = TypeVar("Key", bound=Hashable)


class Outcome(NamedTuple):
    """Where a request went and what it cost there, None where that is unknown.

    `estimated` says that it was not recorded so but worked out; `output_usd` is then the part of it for tokens out.
    """

    label: str
    place: Place
    cost: Decimal | None
    doubts: tuple[Doubt, ...] = ()
    estimated: bool = False
    output_usd: Decimal | None = NOTHING


class Undecided(NamedTuple):
    """The rule of this label asks for something that was not recorded."""

    label: str


class Moved(NamedTuple):
    """A request that goes elsewhere."""

    request: Recorded
    was: Outcome
    now: Outcome


class Cell(NamedTuple):
    """What the requests of one sum have in common."""

    rule_was: str
    rule_now: str
    was: Place
    now: Place
    doubts: tuple[Doubt, ...]


@dataclass(slots=True)
class Tally:
    """Sums over requests. `was` and `now` are the known USD, `change` that of requests known in both.

    `moved` are those that went elsewhere, `estimated` (and `was_estimated`) those whose cost was worked out,
    `output_usd` the part of that for tokens out.
    """

    requests: int = 0
    moved: int = 0
    was_estimated: int = 0
    estimated: int = 0
    was: Decimal = NOTHING
    was_unpriced: int = 0
    now: Decimal = NOTHING
    now_unpriced: int = 0
    change: Decimal = NOTHING
    change_unpriced: int = 0
    output_usd: Decimal = NOTHING

    def add(self, was: Decimal | None, now: Decimal | None) -> None:
        """One request's costs."""
        self.requests += 1
        if was is None:
            self.was_unpriced += 1
        else:
            self.was += was
        if now is None:
            self.now_unpriced += 1
        else:
            self.now += now
        if was is None or now is None:
            self.change_unpriced += 1
        else:
            self.change += now - was

    def take_in(self, other: Tally) -> None:
        """All of another."""
        for name in Tally.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class Comparison:
    """All that differs. `moved` is filled where it was asked for.

    `undecided` are requests left out, by the rule that they hang on, and `undecided_usd` is what they had cost.
    """

    cells: dict[Cell, Tally] = field(default_factory=dict)
    undecided: Counter[str] = field(default_factory=Counter)
    undecided_usd: Decimal = NOTHING
    moved: list[Moved] = field(default_factory=list)
    first_us: int | None = None
    last_us: int | None = None
    _tallies: dict[tuple[str, str, Place, Place, tuple[Doubt, ...]], Tally] = field(default_factory=dict)

    def add(self, recorded: Recorded, was: Outcome | Undecided, now: Outcome | Undecided, *, keep: bool) -> None:
        """The next request."""
        self.last_us = recorded.started_us
        if self.first_us is None:
            self.first_us = recorded.started_us
        if isinstance(now, Undecided) or isinstance(was, Undecided):
            self.undecided[now.label if isinstance(now, Undecided) else was.label] += 1
            self.undecided_usd += recorded.cost or NOTHING
            return
        # A plain tuple finds what a named one would, and is made in a sixth of the time.
        alike = (was.label, now.label, was.place, now.place, now.doubts)
        tally = self._tallies.get(alike)
        if tally is None:
            tally = self._tallies[alike] = self.cells[Cell(*alike)] = Tally()
        tally.add(was.cost, now.cost)
        tally.was_estimated += was.estimated
        if now.estimated:
            tally.estimated += 1
            tally.output_usd += now.output_usd or NOTHING
        if was.place != now.place:
            tally.moved += 1
            if keep:
                self.moved.append(Moved(recorded, was, now))

    @property
    def total(self) -> Tally:
        """Over all that was decided."""
        return self._by(lambda cell: "").get("", Tally())

    @property
    def before(self) -> dict[str, int]:
        """How many requests each label had."""
        return {label: tally.requests for label, tally in self._by(lambda cell: cell.rule_was).items()}

    @property
    def moves(self) -> dict[tuple[Place, Place], Tally]:
        """What goes elsewhere, by from and to, the most first."""
        found = self._by(lambda cell: (cell.was, cell.now))
        some = ((pair, tally) for pair, tally in found.items() if pair[0] != pair[1])
        return dict(sorted(some, key=lambda item: -item[1].requests))

    @property
    def recached(self) -> int:
        """How many stay and cost otherwise, since the prompt cache there holds something else."""
        return sum(tally.estimated for cell, tally in self.cells.items() if cell.was == cell.now)

    @property
    def doubts(self) -> dict[Doubt, int]:
        """How many requests each applies to."""
        found = {
            doubt: sum(tally.requests for cell, tally in self.cells.items() if doubt in cell.doubts) for doubt in Doubt
        }
        return {doubt: count for doubt, count in found.items() if count}

    def rules(self, labels: Iterable[str]) -> dict[str, Tally]:
        """By rule, in the order of a book's `labels`, also those that take nothing; at last labels of before."""
        found = self._by(lambda cell: cell.rule_now)
        order = dict.fromkeys((*labels, *found, *self.before))
        return {label: found.get(label) or Tally() for label in order}

    def _by(self, key: Callable[[Cell], Key]) -> dict[Key, Tally]:
        found: dict[Key, Tally] = {}
        for cell, tally in self.cells.items():
            found.setdefault(key(cell), Tally()).take_in(tally)
        return found
