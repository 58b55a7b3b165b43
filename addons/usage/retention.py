"""Old requests become sums by day.

It is one transaction, under the lock that anybody takes who writes: a proxy's rows wait in its spool meanwhile, and who
is killed in the middle has done nothing. What is summed up is what the view `spend` counts, so that reports over old
times come to the same as before, to the last digit; sessions, and times below a day, are gone.

A store that machines share has no such lock: there it is done or not as well, and of two that prune at the same time
one is told that it came too late.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ringlet_mitm.addons.usage import stores
from ringlet_mitm.addons.usage.ledger import Connection, reading, transaction, writing
from ringlet_mitm.addons.usage.shared_tables import OLD
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.ledger_target import Kind, LedgerTarget
from ringlet_mitm.rules.pricing import TOKEN_KINDS

# Limits by the month are counted from the requests themselves, and no month is longer.
LEAST_DAYS = 32
SECOND_US = 1_000_000
DAY_US = 24 * 3600 * SECOND_US
# No database and no spool: then what `reading` has is in the store alone.
NOWHERE = Path("/nowhere/at/all")

GROUPS = ("profile", "rule", "provider", "model", "agent", "project", "status", "origin", "arm", "switch")
COUNTS = ("requests", "failed")
TALLIES = ("unpriced", "estimated", "switches", "switch_unpriced")


@dataclass(frozen=True, slots=True)
class Old:
    """What is older than `before_us`: requests (also ones that no report counts), their days, and tries upstream."""

    before_us: int
    requests: int = 0
    attempts: int = 0
    days: int = 0
    first_us: int | None = None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken out, and how many rows of sums it became."""

    old: Old
    sums: int


def before(days: int, now: datetime) -> int:
    """Where the day begins that was so many days ago, so that none is cut in two; raises UsageError below 32."""
    if days < LEAST_DAYS:
        raise UsageError(
            f"--older-than {days}d: the last {LEAST_DAYS} days stay as they are, limits by the month count them; "
            f"{LEAST_DAYS}d is the least"
        )
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return max(0, round((today - timedelta(days=days)).timestamp()) * SECOND_US)
    except (OverflowError, ValueError, OSError):
        return 0


def old_in(connection: Connection, before_us: int) -> Old:
    """What pruning would take out."""
    ((requests, attempts, days, first_us),) = connection.execute(
        "SELECT count(*), coalesce(sum(attempts), 0), "
        "count(DISTINCT CAST(make_timestamptz(started_us) AS DATE)), min(started_us) "
        "FROM requests WHERE started_us < ?",
        [before_us],
    ).fetchall()
    return Old(before_us, requests, attempts, days, first_us)


def would_prune(database: Path, spool_dir: Path, before_us: int) -> Old:
    """The same, of the ledger as reports see it."""
    with reading(database, spool_dir, views=()) as connection:
        return old_in(connection, before_us)


def prune(database: Path, before_us: int) -> Pruned:
    """Sum up and take out; raises LedgerBusy where somebody else has the database."""
    with writing(database) as connection, transaction(connection):
        old = old_in(connection, before_us)
        if not old.requests:
            return Pruned(old, 0)
        ((sums_before,),) = connection.execute("SELECT count(*) FROM daily").fetchall()
        for table, select in _SUMS.items():
            connection.execute(f"INSERT INTO {table} BY NAME {select}", {"before": before_us})
        connection.execute(_ATTEMPTS, {"before": before_us})
        _take_out(connection, before_us)
        ((sums,),) = connection.execute("SELECT count(*) FROM daily").fetchall()
        return Pruned(old, sums - sums_before)


def would_prune_shared(target: LedgerTarget, before_us: int) -> Old:
    """What pruning would take out of a store that machines share."""
    with reading(NOWHERE, NOWHERE, shared=target, views=()) as connection:
        return old_in(connection, _whole(target, before_us))


def prune_shared(target: LedgerTarget, before_us: int) -> Pruned:
    """Sum up and take out; raises LedgerError, and nothing is done, where another machine prunes it just now."""
    before_us = _whole(target, before_us)
    with reading(NOWHERE, NOWHERE, shared=target, views=("spend",)) as connection:
        # One state of the store for all of it.
        with transaction(connection):
            old = old_in(connection, before_us)
            for table, select in {**_SUMS, "ids": _OLD_IDS}.items():
                connection.execute(f"CREATE TEMP TABLE {OLD}{table} AS {select}", {"before": before_us})
        if not old.requests:
            return Pruned(old, 0)
        ((sums,),) = connection.execute(f"SELECT count(*) FROM {OLD}daily").fetchall()
        stores.prune(connection, target, before_us)
        return Pruned(old, sums)


def _whole(target: LedgerTarget, before_us: int) -> int:
    """Files of a Parquet store are of days in UTC, and go as they are."""
    return before_us - before_us % DAY_US if target.kind is Kind.PARQUET else before_us


def _take_out(connection: Connection, before_us: int) -> None:
    """By a table of all others in its place.

    DELETE looks each id up again to take it out of the key's index: 500,000 of a million took 17 s, this takes 3 s
    (2026-11).
    """
    ((made,),) = connection.execute("SELECT sql FROM duckdb_tables() WHERE table_name = 'requests'").fetchall()
    connection.execute(made.replace("CREATE TABLE requests", "CREATE TABLE requests_kept", 1))
    connection.execute("INSERT INTO requests_kept SELECT * FROM requests WHERE started_us >= ?", [before_us])
    connection.execute("DROP TABLE requests")
    connection.execute("ALTER TABLE requests_kept RENAME TO requests")


_DAILY = f"""
    SELECT
        s.day,
        CAST(epoch_us(CAST(s.day AS TIMESTAMPTZ)) AS BIGINT) AS started_us,
        {", ".join(f"s.{name}" for name in GROUPS)},
        {", ".join(f"sum(s.{name}) AS {name}" for name in (*COUNTS, *TALLIES))},
        {", ".join(f"sum(r.{kind}) AS {kind}" for kind in TOKEN_KINDS)},
        sum(s.known_cost) AS known_cost,
        sum(s.switch_cost) AS switch_cost
    FROM spend s JOIN requests r ON r.id = s.id
    WHERE s.started_us < $before
    GROUP BY ALL
"""
_IDS = """
    SELECT md5_number_lower(id) AS id_hash, CAST($before AS BIGINT) AS before_us
    FROM requests WHERE started_us < $before
"""
# From then on the proxy's word counts for a session, and no longer that of its agent's log.
_SESSIONS = """
    SELECT md5_number_lower(session) AS session_hash, min(started_us) AS first_us FROM requests
    WHERE started_us < $before AND origin = 'proxy' AND session <> ''
        AND md5_number_lower(session) NOT IN (SELECT session_hash FROM pruned_sessions)
    GROUP BY session
"""
_SUMS = {"daily": _DAILY, "pruned": _IDS, "pruned_sessions": _SESSIONS}
_OLD_IDS = "SELECT id FROM requests WHERE started_us < $before"
_ATTEMPTS = "DELETE FROM attempts WHERE request_id IN (SELECT id FROM requests WHERE started_us < $before)"
