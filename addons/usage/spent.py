"""What a profile spent, as a process: `… -m ringlet_mitm.addons.usage.spent DATABASE SPOOL PROFILE ENDING DAY MONTH
MINUTE`, the last three in microseconds since the epoch. Requests whose id ends in ENDING are left out.

Before these, `--shared TARGET DATA` names a store that machines share, and its `data_path`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ringlet_mitm.addons.usage.asked_apart import LedgerApart, tell
from ringlet_mitm.addons.usage.ledger import reading
from ringlet_mitm.addons.usage.reports import fetched
from ringlet_mitm.addons.usage.spending import Moment, Purse, Since, Spent
from ringlet_mitm.rules.errors import LedgerError
from ringlet_mitm.rules.ledger_target import LedgerTarget

# Slices of a tenth of a second are all that limits by the minute tell apart; more would only be longer.
SLICE_US = 100_000
PURSES = """
    SELECT
        provider,
        coalesce(sum(known_cost) FILTER (started_us >= $day), 0),
        coalesce(sum(known_cost), 0),
        count(*) FILTER (unpriced = 1 AND started_us >= $day),
        count(*) FILTER (unpriced = 1)
    FROM spend
    WHERE profile = $profile AND started_us >= $month AND NOT suffix(id, $ending) AND NOT starts_with(origin, 'import:')
    GROUP BY provider ORDER BY provider
"""
# A request that had ended before has nothing in the last minute; by that alone a large table is mostly passed over.
MOMENTS = f"""
    SELECT at_us // {SLICE_US} * {SLICE_US} AS slice_us, provider, sum(requests), sum(tokens)
    FROM traffic
    WHERE profile = $profile AND ended_us >= $minute AND at_us >= $minute AND NOT suffix(id, $ending)
    GROUP BY slice_us, provider HAVING sum(requests) > 0 OR sum(tokens) > 0
    ORDER BY slice_us, provider
"""
SHADOWS = """
    SELECT coalesce(sum(cost_total), 0) FROM requests
    WHERE origin = 'shadow' AND profile = $profile AND started_us >= $day AND NOT suffix(id, $ending)
"""


def spent(
    database: Path, spool_dir: Path, profile: str, ending: str, since: Since, shared: LedgerTarget | None = None
) -> Spent:
    """What the ledger and the spool before it say; a failure is told, not raised."""
    same = {"profile": profile, "ending": ending}
    try:
        with reading(database, spool_dir, shared=shared, views=("spend", "traffic")) as connection:
            days = {"day": since.day_us, "month": min(since.month_us, since.day_us)}
            purses = [Purse(*row) for row in fetched(connection, PURSES, {**same, **days})]
            moments = [Moment(*row) for row in fetched(connection, MOMENTS, {**same, "minute": since.minute_us})]
            ((shadow_usd,),) = fetched(connection, SHADOWS, {**same, "day": since.day_us})
    except LedgerError as error:
        return Spent(failure=str(error))
    return Spent(purses, moments, shadow_usd)


def _found(asked: LedgerApart, ending: str, times_us: Sequence[int]) -> Spent:
    return spent(asked.database, asked.spool_dir, asked.profile, ending, Since(*times_us), asked.shared)


if __name__ == "__main__":
    tell(_found)
