"""Brings the calls of an agent's log into the ledger, each once, beside proxies that write to it.

What went through the proxy is there already and is left out, so that no report counts it twice. What was imported
before is known by its id, which is made of the log's own; a call that was still growing then gets its final tokens.
A file at a time is in memory, and the database is held for a batch of rows at a time.

Agents log a part of an answer while it streams, and the proxy's row is there at its end. So of what is younger than an
hour it is not known that it went around the proxy (`around`): it counts up to the first that the proxy saw of its
session. A later import settles it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ringlet_mitm.addons.usage.imports.bills import ORIGIN, Bills
from ringlet_mitm.addons.usage.imports.calls import LoggedCall, Section
from ringlet_mitm.addons.usage.imports.imported import (
    WAIT_S,
    Known,
    known,
    refused,
    remove,
    remove_shared,
    store,
    store_shared,
)
from ringlet_mitm.addons.usage.imports.logs import AgentLog
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.rows import RequestRow
from ringlet_mitm.rules.ledger_target import LedgerTarget

BATCH_ROWS = 2000
SECOND_US = 1_000_000
# Between looking into the ledger and into the logs.
FRESH_US = 5 * SECOND_US
TOO_FRESH = "not 5 seconds old"

# Told each file that is done.
Progress = Callable[[Path], None]


@dataclass(slots=True)
class Summary:
    """What came of an import.

    `found` are calls, each counted once: `new`, `grown`, `known` (imported before) and `proxied` (the ledger has them
    from the proxy). `copies` are further places in the logs that say the same. `usd` is of the new ones whose price is
    known, `unpriced` counts the others by provider and model. `skipped` counts by reason.
    """

    files: int = 0
    found: int = 0
    new: int = 0
    grown: int = 0
    known: int = 0
    proxied: int = 0
    copies: int = 0
    early: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: Decimal = Decimal(0)
    first_us: int = 0
    last_us: int = 0
    unpriced: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, str] = field(default_factory=dict)

    def add_new(self, row: RequestRow) -> None:
        """Count a row that the ledger has not had."""
        self.new += 1
        self.tokens_in += row.usage.total_input
        self.tokens_out += row.usage.total_output
        self.first_us = min(self.first_us or row.started_us, row.started_us)
        self.last_us = max(self.last_us, row.started_us)
        if row.cost_total is None:
            self.unpriced[f"{row.provider or '?'}/{row.requested_model or '?'}"] += 1
        else:
            self.usd += row.cost_total


class Import:
    """One run. `since_us` is when the first call may have been made."""

    def __init__(self, bills: Bills, ledger: Known, since_us: int = 0) -> None:
        self.summary = Summary()
        self._bills = bills
        self._ledger = ledger
        self._since_us = since_us
        self._seen: set[int] = set()
        # Digests of what was imported, and is found with the proxy now.
        self.twice: list[int] = []

    def rows(self, section: Section) -> Iterator[RequestRow]:
        """What of a section is new to the ledger, has grown since, or is settled now."""
        self.summary.copies += section.copies
        self.summary.skipped += section.skipped
        fresh = [call for call in section.calls.values() if self._is_first(call) and self._is_fresh(call)]
        for pair in self._ledger.through.pairs(fresh):
            if pair.passage is None:
                yield self._bills.row(pair.call, around=self._ledger.tells(pair.call))
            elif pair.call.digest in self._ledger.imported:
                self.twice.append(pair.call.digest)
            else:
                self.summary.proxied += 1

    def count(self, batch: Iterable[RequestRow], refused: Collection[str]) -> None:
        """Count rows of which the ledger has now all but the refused ones, which it had before and pruned."""
        for row in batch:
            if row.id in refused:
                self.summary.known += 1
                continue
            before, *_ = self._ledger.imported.get(int(row.id[-16:], 16), (None, False, ""))
            if before is None:
                self.summary.add_new(row)
            elif row.usage.total_input + row.usage.total_output > before:
                self.summary.grown += 1
            else:
                self.summary.known += 1

    def _is_first(self, call: LoggedCall) -> bool:
        """Whether the logs have not said it before, and it may be looked at now."""
        digest = call.digest
        if digest in self._seen:
            self.summary.copies += 1
            return False
        self._seen.add(digest)
        if call.started_us < self._since_us:
            self.summary.early += 1
            return False
        if call.ended_us > self._ledger.now_us - FRESH_US:
            self.summary.skipped[TOO_FRESH] += 1
            return False
        return True

    def _is_fresh(self, call: LoggedCall) -> bool:
        """Whether the ledger does not have it as it is."""
        self.summary.found += 1
        tokens, settled, _ = self._ledger.imported.get(call.digest, (-1, False, ""))
        if call.tokens > tokens or (not settled and self._ledger.tells(call)):
            return True
        self.summary.known += 1
        return False


def run(
    source: AgentLog,
    files: Sequence[Path],
    bills: Bills,
    database: Path,
    spool: Path,
    *,
    now_us: int,
    since_us: int = 0,
    dry: bool = False,
    progress: Progress = lambda file: None,
    shared: LedgerTarget | None = None,
) -> Summary:
    """Import files of an agent, into the store `shared` where this machine has one with others.

    Raises LedgerError, LedgerBusy where the ledger belongs to others for over 30 s.
    """
    origin = f"{ORIGIN}{source.agent}"
    with reading(database, spool, wait_s=WAIT_S, shared=shared, views=()) as connection:
        ledger = known(connection, source.agent, since_us, now_us)
    importing = Import(bills, ledger, since_us)
    for batch in _batches(_rows(importing, source, files, since_us, progress)):
        if dry:
            kept_out = refused(database, spool, batch, shared)
        elif shared is not None:
            kept_out = store_shared(ledger, database, spool, batch, shared)
        else:
            kept_out = store(database, batch, origin)
        importing.count(batch, kept_out)
    if importing.twice and not dry and shared is not None:
        remove_shared(ledger, database, importing.twice, origin, shared)
    elif importing.twice and not dry:
        remove(database, importing.twice, origin)
    importing.summary.proxied += len(importing.twice)
    return importing.summary


def _rows(
    importing: Import, source: AgentLog, files: Sequence[Path], since_us: int, progress: Progress
) -> Iterator[RequestRow]:
    summary = importing.summary
    for file in files:
        try:
            for section in sections_since(source, file, since_us):
                yield from importing.rows(section)
            summary.files += 1
            progress(file)
        except OSError as error:
            summary.unreadable[str(file)] = error.strerror or str(error)


def sections_since(source: AgentLog, file: Path, since_us: int) -> Iterator[Section]:
    """What is in a file that was written to since then; raises OSError.

    A folder's time says nothing of its files, and a database's newest rows are in a file beside it.
    """
    if file.is_dir() or file.suffix == ".db" or file.stat().st_mtime_ns // 1000 >= since_us:
        yield from source.log.sections(file)


def _batches(rows: Iterable[RequestRow]) -> Iterator[list[RequestRow]]:
    batch: list[RequestRow] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
