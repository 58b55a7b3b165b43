"""Imported calls in the ledger: which there are, and how they come in, grow and go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from ringlet_mitm.addons.usage.imports.bills import ORIGIN, RULE
from ringlet_mitm.addons.usage.imports.calls import LoggedCall
from ringlet_mitm.addons.usage.imports.passages import Passages, passages
from ringlet_mitm.addons.usage.ledger import (
    POLL_S,
    Connection,
    LedgerBusy,
    insert,
    reading,
    transaction,
    writing,
)
from ringlet_mitm.addons.usage.pruned import pruned
from ringlet_mitm.addons.usage.rows import RequestRow, columns
from ringlet_mitm.addons.usage.sharing import bring, take_out
from ringlet_mitm.rules.ledger_target import LedgerTarget
from ringlet_mitm.rules.pricing import TOKEN_KINDS

WAIT_S = 30.0
# An answer takes no longer.
SETTLED_US = 3600 * 1_000_000
# What a call that has grown changes in its row.
GROWING = (
    *TOKEN_KINDS,
    "usage_source",
    "cost_input",
    "cost_cache_read",
    "cost_cache_write",
    "cost_output",
    "cost_total",
    "cost_as_asked",
    "cost_uncached",
    "price_source",
    "ended_us",
    "around",
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger had of an agent at `now_us`.

    `imported` are calls by digest, with their tokens, whether they are settled, and their id; `through` is what the
    proxy saw. Of what it saw before `whole_since_us`, some may be pruned.
    """

    imported: dict[int, tuple[int, bool, str]]
    through: Passages
    now_us: int
    whole_since_us: int = 0

    def as_there(self, row: RequestRow) -> RequestRow:
        """With the id and the time that the ledger has it by, where it has."""
        _, _, known_id = self.imported.get(int(row.id[-16:], 16), (0, False, row.id))
        return row if known_id == row.id else replace(row, id=known_id, started_us=int(known_id[:16], 16) // 1000)

    def tells(self, call: LoggedCall) -> bool:
        """Whether a call that the proxy has not seen will never be found with it."""
        return self.whole_since_us <= call.started_us and call.ended_us < self.now_us - SETTLED_US


def known(connection: Connection, agent: str, since_us: int, now_us: int) -> Known:
    """Of an agent, from `since_us` on."""
    tokens = " + ".join(TOKEN_KINDS)
    sql = f"SELECT coalesce({tokens}, 0), around, id FROM requests WHERE origin = ?"
    found = connection.execute(sql, [f"{ORIGIN}{agent}"]).fetchall()
    imported = {int(id_[-16:], 16): (tokens, around, id_) for tokens, around, id_ in found}
    ((whole_since_us,),) = connection.execute("SELECT coalesce(max(before_us), 0) FROM pruned").fetchall()
    return Known(imported, passages(connection, agent, since_us), now_us, whole_since_us)


def refused(database: Path, spool: Path, rows: list[RequestRow], shared: LedgerTarget | None = None) -> set[str]:
    """The ids of those that the ledger has had and pruned since."""
    with reading(database, spool, wait_s=WAIT_S, shared=shared, views=()) as connection:
        return pruned(connection, rows)


def store_shared(ledger: Known, database: Path, spool: Path, rows: list[RequestRow], target: LedgerTarget) -> set[str]:
    """Store them where machines share them, but for what grows here; likewise."""
    here = _here(database, [row.id[-16:] for row in rows])
    kept_out = refused(database, spool, rows, target)
    if grown := [row for row in rows if row.id[-16:] in here]:
        with _patiently(database) as connection, transaction(connection):
            _grow(connection, grown)
    fresh = [ledger.as_there(row) for row in rows if row.id[-16:] not in here and row.id not in kept_out]
    if fresh:
        bring(target, fresh)
    return kept_out


def remove_shared(ledger: Known, database: Path, digests: list[int], origin: str, target: LedgerTarget) -> None:
    """Take calls out again, wherever they are."""
    here = _here(database, [f"{digest:016x}" for digest in digests])
    if here:
        remove(database, digests, origin)
    away = [ledger.imported[digest][2] for digest in digests if f"{digest:016x}" not in here]
    if away:
        take_out(target, [_placeholder(one, origin) for one in away])


def _placeholder(request_id: str, origin: str) -> RequestRow:
    """A row of which no more is asked than which it is; its id has its time in nanoseconds."""
    started_us = int(request_id[:16], 16) // 1000
    return RequestRow(
        id=request_id,
        started_us=started_us,
        ended_us=started_us,
        profile="",
        agent_format="",
        asked_host="",
        path="",
        rule=RULE,
        origin=origin,
    )


def _here(database: Path, digests: list[str]) -> set[str]:
    """Which of the calls are in this machine's own database, where they were imported before it shared one."""
    if not database.exists():
        return set()
    with _patiently(database) as connection:
        found = connection.execute(
            "SELECT right(id, 16) FROM requests WHERE starts_with(origin, ?) "
            "AND right(id, 16) IN (SELECT unnest(?::VARCHAR[]))",
            [ORIGIN, digests],
        ).fetchall()
    return {digest for (digest,) in found}


def store(database: Path, rows: list[RequestRow], origin: str) -> set[str]:
    """Store them; the ids of those that the ledger has had and pruned since."""
    with _patiently(database) as connection, transaction(connection):
        digests = [row.id[-16:] for row in rows]
        stored = connection.execute(
            "SELECT right(id, 16) FROM requests WHERE origin = ? AND right(id, 16) IN (SELECT unnest(?::VARCHAR[]))",
            [origin, digests],
        ).fetchall()
        there = {digest for (digest,) in stored}
        fresh = [row for row in rows if row.id[-16:] not in there]
        kept = {row.id for row in insert(connection, [(row, ()) for row in fresh])}
        _grow(connection, [row for row in rows if row.id[-16:] in there])
    return {row.id for row in fresh} - kept


def _grow(connection: Connection, rows: list[RequestRow]) -> None:
    if not rows:
        return
    kinds = columns(RequestRow)
    shape = msgspec.json.encode([{name: kinds[name].split()[0] for name in ("id", "origin", *GROWING)}]).decode()
    changes = ", ".join(f"{name} = fresh.{name}" for name in GROWING)
    connection.execute(
        f"UPDATE requests SET {changes} FROM (SELECT unnest(from_json(?, '{shape}'), recursive := true)) AS fresh "
        "WHERE requests.origin = fresh.origin AND right(requests.id, 16) = right(fresh.id, 16)",
        [msgspec.json.encode(rows).decode()],
    )


def remove(database: Path, digests: list[int], origin: str) -> None:
    """Take calls out again."""
    with _patiently(database) as connection, transaction(connection):
        connection.execute(
            "DELETE FROM requests WHERE origin = ? AND right(id, 16) IN (SELECT unnest(?::VARCHAR[]))",
            [origin, [f"{digest:016x}" for digest in digests]],
        )


@contextmanager
def _patiently(database: Path) -> Iterator[Connection]:
    """The database to be written, once whoever has it is done."""
    end = time.monotonic() + WAIT_S
    with ExitStack() as stack:
        while (connection := _opened(database, stack, last=time.monotonic() > end)) is None:
            time.sleep(POLL_S)
        yield connection


def _opened(database: Path, stack: ExitStack, *, last: bool) -> Connection | None:
    """None where somebody else has it, unless this was to be the last time: then it raises LedgerBusy."""
    try:
        return stack.enter_context(writing(database))
    except LedgerBusy:
        if last:
            raise
        return None
