"""What a profile came to, as a process: `… -m ringlet_mitm.addons.usage.earlier_sums [TARGET] DATABASE SPOOL PROFILE
ENDING DAY MONTH`, the last two in microseconds since the epoch. Requests whose id ends in ENDING are left out.

TARGET is a store that machines share, as `ledger_target.words_of` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ringlet_mitm.addons.usage.asked_apart import LedgerApart, tell
from ringlet_mitm.addons.usage.earlier import Earlier
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.reports import fetched
from ringlet_mitm.addons.usage.snapshot import MOST_SESSIONS, Session, Sums
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget

_SUMS = """
    coalesce(sum(requests), 0), coalesce(sum(failed), 0), coalesce(sum(input), 0), coalesce(sum(output), 0),
    coalesce(sum(known_cost), 0), coalesce(sum(unpriced), 0), coalesce(sum(estimated), 0)
"""
TODAY = f"""
    SELECT {_SUMS} FROM spend WHERE profile = $profile AND started_us >= $since AND NOT suffix(id, $ending)
"""
SESSIONS = f"""
    SELECT
        session, max(agent), arg_max(provider, started_us), arg_max(model, started_us), arg_max(rule, started_us),
        coalesce(arg_max(input + output, started_us) FILTER (failed = 0), 0), max(started_us), {_SUMS}
    FROM spend
    WHERE profile = $profile AND started_us >= $since AND NOT suffix(id, $ending) AND session <> '' AND id <> ''
    GROUP BY session ORDER BY max(started_us) DESC, session LIMIT {MOST_SESSIONS}
"""


def earlier(
    database: Path,
    spool_dir: Path,
    profile: str,
    ending: str,
    day_us: int,
    month_us: int,
    shared: LedgerTarget | None = None,
) -> Earlier:
    """What the ledger and the spool before it say; a failure is told, not raised."""
    same = {"profile": profile, "ending": ending}
    try:
        with reading(database, spool_dir, shared=shared, views=("spend",)) as connection:
            (today,) = fetched(connection, TODAY, {**same, "since": day_us})
            sessions = fetched(connection, SESSIONS, {**same, "since": month_us})
    except LedgerError as error:
        return Earlier(failure=str(error))
    return Earlier(Sums(*today), [_session(*row) for row in sessions])


def _session(
    session: str, agent: str, provider: str, model: str, rule: str, context: int, last_us: int, *sums: Any
) -> Session:
    return Session(
        session=session,
        sums=Sums(*sums),
        agent=agent,
        provider=provider,
        model=model,
        rule=rule,
        context=context,
        last_us=last_us,
    )


def _found(asked: LedgerApart, ending: str, times_us: Sequence[int]) -> Earlier:
    day_us, month_us = times_us
    return earlier(asked.database, asked.spool_dir, asked.profile, ending, day_us, month_us, asked.shared)


if __name__ == "__main__":
    tell(_found)
