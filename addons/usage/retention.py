"""Old requests become sums by day.

It is one transaction, under the lock that anybody takes who writes: a proxy's rows wait in its spool meanwhile, and who
is killed in the middle has done nothing. What is summed up is what the view `spend` counts, so that reports over old
times come to the same as before, to the last digit; sessions, and times below a day, are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ringlet_mitm.addons.usage.ledger import Connection, reading, transaction, writing
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.pricing import TOKEN_KINDS

# Limits by the month are counted from the requests themselves, and no month is longer.
LEAST_DAYS = 32
SECOND_US = 1_000_000

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
    with reading(database, spool_dir) as connection:
        return old_in(connection, before_us)


def prune(database: Path, before_us: int) -> Pruned:
    """Sum up and take out; raises LedgerBusy where somebody else has the database."""
    with writing(database) as connection, transaction(connection):
        old = old_in(connection, before_us)
        if not old.requests:
            return Pruned(old, 0)
        ((sums_before,),) = connection.execute("SELECT count(*) FROM daily").fetchall()
        for statement in (_DAILY, _IDS, _SESSIONS, _ATTEMPTS):
            connection.execute(statement, {"before": before_us})
        _take_out(connection, before_us)
        ((sums,),) = connection.execute("SELECT count(*) FROM daily").fetchall()
        return Pruned(old, sums - sums_before)


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
    INSERT INTO daily BY NAME
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
_IDS = "INSERT INTO pruned SELECT md5_number_lower(id), $before FROM requests WHERE started_us < $before"
# From then on the proxy's word counts for a session, and no longer that of its agent's log.
_SESSIONS = """
    INSERT INTO pruned_sessions
    SELECT md5_number_lower(session), min(started_us) FROM requests
    WHERE started_us < $before AND origin = 'proxy' AND session <> ''
        AND md5_number_lower(session) NOT IN (SELECT session_hash FROM pruned_sessions)
    GROUP BY session
"""
_ATTEMPTS = "DELETE FROM attempts WHERE request_id IN (SELECT id FROM requests WHERE started_us < $before)"
