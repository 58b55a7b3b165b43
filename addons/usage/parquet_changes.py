"""What was merged and what was pruned in a Parquet store, where files come and go but none is ever changed.

A change is one file, `changes/NAME.parquet`: it is there or it is not, and so is what it says. What it replaces stays
for GRACE_US longer, for those who had looked before. They look at changes first and at files then, so that

    a change comes in between       they read what it has replaced, and that is still there
    what it replaced is deleted     they have seen the change, or it was deleted before they saw any file

Two that merge at once harm nobody: rows that are in two files count once. Of two that prune at once and do not know of
each other only the one with the earlier name stands, or days would be summed up twice. Names go up with time, and with
what one has seen. The other withdraws, and whoever has the earlier name waits for that: where it does not come, the
other had looked before there was anything to see, and was told that it stands. A prune stands only with those whose
sums were read for it, so that a third that came while two had not settled it waits as well, to say what is true.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from ringlet_mitm.addons.usage.parquet_files import Connection, deleting, listed, scan, write
from ringlet_mitm.addons.usage.shared_tables import SUMS
from ringlet_mitm.rules.ledger_target import LedgerTarget

# No report takes as long; DuckLake's files are kept as long.
GRACE_US = 24 * 3600 * 1_000_000
MERGED, BEFORE, SAW, BUILT_ON, OUT, WITHDRAWN = "merged", "before", "saw", "built on", "out", "withdrawn"
# How long one waits for another to withdraw, and how often it looks.
YIELDS_S, LOOKS_S = 5.0, 0.2
# A change as rows: which, what about it, and one or two names.
ROWS = "SELECT " + ", ".join(f"unnest(?::VARCHAR[]) AS {name}" for name in ("change", "what", "name", "other"))


@dataclass(slots=True)
class Prune:
    """What is from before `before_us` and was there is summed up, and the files `out` had nothing else.

    Of the prunes that it `saw`, those that it is `built_on` stood then: what they had summed up it has not.
    """

    name: str
    before_us: int = 0
    saw: set[str] = field(default_factory=set)
    built_on: set[str] = field(default_factory=set)
    out: set[str] = field(default_factory=set)
    withdrawn: bool = False

    def knows(self, other: Prune) -> bool:
        """Whether one of the two was made by somebody who had seen the other."""
        return other.name in self.saw or self.name in other.saw


@dataclass(frozen=True, slots=True)
class Changes:
    """All that were made. `merged` says which files the rows of a file are in, `merges` the same by change.

    `withdrawals` are changes by the prune that each withdraws.
    """

    names: frozenset[str] = frozenset()
    merged: Mapping[str, set[str]] = field(default_factory=dict)
    merges: Mapping[str, set[str]] = field(default_factory=dict)
    standing: tuple[Prune, ...] = ()
    lost: tuple[Prune, ...] = ()
    withdrawals: Mapping[str, str] = field(default_factory=dict)

    @property
    def before_us(self) -> int:
        """What is from before then may be pruned."""
        return max((prune.before_us for prune in self.standing), default=0)

    @property
    def sums(self) -> list[str]:
        """Whose sums count."""
        return [prune.name for prune in self.standing]

    def visible(self, files: Collection[str]) -> list[str]:
        """Those of the files that count."""
        out = {file for prune in self.standing for file in prune.out}
        there = {*files, *out}
        return [file for file in files if file not in out and not self._is_elsewhere(file, there)]

    def _is_elsewhere(self, file: str, there: Collection[str]) -> bool:
        return any(other in there or self._is_elsewhere(other, there) for other in self.merged.get(file, ()))


def file_of(change: str) -> str:
    """Where a change is."""
    return f"changes/{change}.parquet"


def sums_of(change: str, table: str) -> str:
    """Where the sums of a prune are."""
    return f"{table}/{change}.parquet"


def changes(connection: Connection, target: LedgerTarget) -> Changes:
    """Those that there are now."""
    files = listed(connection, target, "changes/*.parquet")
    if not files:
        return Changes()
    rows = connection.execute(f"SELECT change, what, name, other FROM {scan(target, files)}").fetchall()
    merged, merges, prunes = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set), dict[str, Prune]()
    withdrawals = {name: change for change, what, name, _ in rows if what == WITHDRAWN}
    for change, what, name, other in rows:
        if what == MERGED:
            merged[name].add(other)
            merges[change].add(name)
            continue
        if what == WITHDRAWN:
            continue
        prune = prunes.setdefault(change, Prune(change, withdrawn=change in withdrawals))
        if what == BEFORE:
            prune.before_us = int(name)
        else:
            {SAW: prune.saw, BUILT_ON: prune.built_on, OUT: prune.out}[what].add(name)
    standing: list[Prune] = []
    kept: set[str] = set()
    for name, prune in sorted(prunes.items()):
        if not prune.withdrawn and prune.built_on <= kept <= prune.saw:
            standing.append(prune)
            kept.add(name)
    lost = tuple(prune for name, prune in prunes.items() if name not in kept)
    names = frozenset({*merges, *prunes, *withdrawals.values()})
    return Changes(names, dict(merged), dict(merges), tuple(standing), lost, withdrawals)


def new_name(seen: Changes) -> str:
    """Later than all that one has seen, and nobody else's."""
    last = max((int(name.partition("-")[0], 16) for name in seen.names), default=0)
    return f"{max(time.time_ns() // 1000, last + 1):016x}-{os.urandom(4).hex()}"


def record(connection: Connection, target: LedgerTarget, change: str, rows: Iterable[tuple[str, str, str]]) -> None:
    """Make a change: from here on it is one."""
    what, names, others = (list(column) for column in zip(*rows, strict=True))
    write(connection, target, ROWS, [[change] * len(what), what, names, others], file_of(change))


def stands(connection: Connection, target: LedgerTarget, change: str) -> bool:
    """Whether the prune that was just recorded is one; where it is not, it is withdrawn."""
    begun = time.monotonic()
    while True:
        found = changes(connection, target)
        own = next((prune for prune in found.standing if prune.name == change), None)
        if own is None:
            break
        others = [prune for prune in (*found.standing, *found.lost) if prune is not own and not prune.withdrawn]
        has_rivals = not all(map(own.knows, others))
        waited_s = time.monotonic() - begun
        if has_rivals and waited_s > YIELDS_S:
            break
        # Rivals of each other began before this one, and have come to an end when it has waited for twice as long.
        settled = all(one.knows(other) for one, other in combinations(others, 2))
        if not has_rivals and (settled or waited_s > 2 * YIELDS_S):
            return True
        time.sleep(LOOKS_S)
    record(connection, target, new_name(found), [(WITHDRAWN, change, "")])
    return False


def age_us(change: str) -> int:
    """How long ago it was made."""
    return time.time_ns() // 1000 - int(change.partition("-")[0], 16)


def is_over(change: str) -> bool:
    """Whether nobody reads any more what it has replaced."""
    return age_us(change) > GRACE_US


def sweep(connection: Connection, target: LedgerTarget) -> int:
    """Delete what was replaced long enough ago; gives how many files of rows that were."""
    found = changes(connection, target)
    over = {change for change in found.names if is_over(change)}
    if not over:
        return 0
    there = {file for table in ("requests", "attempts") for file in listed(connection, target, f"{table}/*/*.parquet")}
    kept = set(found.visible(there))
    replaced = {file for change in over for file in found.merges.get(change, ())}
    replaced |= {file for prune in found.standing if prune.name in over for file in prune.out}
    gone = sorted((replaced & there) - kept)
    lost = [prune.name for prune in found.lost if prune.name in over]
    # A merge is to be known for as long as what it replaced is there. What is left of a prune is its sums.
    done = [change for change in over if change in found.merges and not found.merges[change] & kept]
    known = {prune.name for prune in (*found.standing, *found.lost)}
    done += [change for prune, change in found.withdrawals.items() if change in over and prune not in known]
    if not gone and not lost and not done:
        return 0
    delete = deleting(target)
    for file in gone:
        delete(file)
    for change in (*done, *lost):
        delete(file_of(change))
    for change in lost:
        for table in SUMS:
            delete(sums_of(change, table))
    return len(gone)
