"""Which of the calls in an agent's log went through the proxy, and which of its rows each of them is.

The two have no id in common. They are the same where the session is, the tokens are and the time is: a log has the
time at which an answer was there, or a little later, a row those at which it began and ended. Where an agent does not
say its session to its vendor (Gemini CLI), time and tokens tell. What is left is the same where session and time are:
then one of the two has other tokens than were used.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ringlet_mitm.addons.usage.imports.calls import LoggedCall
from ringlet_mitm.addons.usage.ledger import Connection
from ringlet_mitm.rules.pricing import Usage

SECOND_US = 1_000_000
# How far apart a row and what the log says may be.
SAME_TOKENS_US = 600 * SECOND_US
NO_SESSION_US = 120 * SECOND_US
# Of another session: a log that was copied may be all that is left.
OTHER_SESSION_US = 10 * SECOND_US
OTHER_TOKENS_US = 10 * SECOND_US

# Uncached input, cache reads, cache writes, output: what logs and rows tell apart alike.
Figures = tuple[int, ...]

SQL = """
    SELECT
        id, session, started_us, ended_us, coalesce(nullif(routed_model, ''), requested_model), cost_total,
        input_tokens + image_input_tokens + audio_input_tokens,
        cache_read_tokens,
        cache_write_5m_tokens + cache_write_1h_tokens,
        output_tokens + reasoning_tokens + image_output_tokens + audio_output_tokens,
    FROM requests
    WHERE origin = 'proxy' AND agent IN (?, '') AND ended_us >= ?
    ORDER BY started_us
"""


@dataclass(slots=True, eq=False)
class Passage:
    """A request that the proxy saw; `taken` once a call of the log was found to be it."""

    id: str
    session: str
    started_us: int
    ended_us: int
    model: str
    cost: Decimal | None
    figures: Figures
    taken: bool = False

    @property
    def used(self) -> bool:
        """Whether it used any tokens; logs have no others."""
        return any(self.figures)

    def gap_us(self, call: LoggedCall) -> int:
        """The time between the two, 0 where they overlap."""
        return max(0, self.started_us - call.ended_us, call.started_us - self.ended_us)


@dataclass(frozen=True, slots=True)
class Pair:
    """A call and its row, None where it went around the proxy."""

    call: LoggedCall
    passage: Passage | None

    @property
    def differs(self) -> bool:
        """Whether both are there and say different tokens."""
        return self.passage is not None and self.passage.figures != figures_of(self.call.usage)


class Passages:
    """What the proxy saw of an agent, each to be found once."""

    def __init__(self, found: Iterable[Passage]) -> None:
        self._sessions: dict[str, list[Passage]] = defaultdict(list)
        self._alike: dict[tuple[str, Figures], list[Passage]] = defaultdict(list)
        self._anywhere: dict[Figures, list[Passage]] = defaultdict(list)
        for passage in found:
            self._sessions[passage.session].append(passage)
            self._alike[passage.session, passage.figures].append(passage)
            self._anywhere[passage.figures].append(passage)

    def pairs(self, calls: Sequence[LoggedCall]) -> list[Pair]:
        """What became of these calls, in their order; first those are given out that are the surest."""
        found: list[Passage | None] = [None] * len(calls)
        for search in (self._alike_there, self._alike_anywhere, self._near):
            for place, call in enumerate(calls):
                found[place] = found[place] or search(call)
        return [Pair(call, passage) for call, passage in zip(calls, found, strict=True)]

    def left(self) -> Iterator[Passage]:
        """What no call of the log is."""
        return (passage for found in self._sessions.values() for passage in found if not passage.taken)

    def _alike_there(self, call: LoggedCall) -> Passage | None:
        return _taken(call, self._alike.get((call.session, figures_of(call.usage)), ()), SAME_TOKENS_US)

    def _alike_anywhere(self, call: LoggedCall) -> Passage | None:
        slack_us = OTHER_SESSION_US if call.session in self._sessions else NO_SESSION_US
        return _taken(call, self._anywhere.get(figures_of(call.usage), ()), slack_us)

    def _near(self, call: LoggedCall) -> Passage | None:
        """Of its session and of about its time; an answer takes no longer than an hour."""
        found = self._sessions.get(call.session, []) if call.session else []
        first = bisect_left(found, call.started_us - 3600 * SECOND_US, key=_started)
        last = bisect_right(found, call.ended_us + OTHER_TOKENS_US, key=_started)
        return _taken(call, found[first:last], OTHER_TOKENS_US)


def _taken(call: LoggedCall, found: Iterable[Passage], slack_us: int) -> Passage | None:
    """The nearest in time of those that are left, if it is near enough."""
    gaps = [(passage.gap_us(call), passage.started_us, passage) for passage in found if not passage.taken]
    gap_us, _, nearest = min(gaps, key=lambda one: one[:2], default=(0, 0, None))
    if nearest is None or gap_us > slack_us:
        return None
    nearest.taken = True
    return nearest


def _started(passage: Passage) -> int:
    return passage.started_us


def passages(connection: Connection, agent: str, since_us: int) -> Passages:
    """Those of an agent, and of nobody that was recognised, from then on."""
    rows = connection.execute(SQL, [agent, since_us - SAME_TOKENS_US]).fetchall()
    return Passages(
        Passage(row_id, session, started_us, ended_us, model, cost, tuple(figures))
        for row_id, session, started_us, ended_us, model, cost, *figures in rows
    )


def figures_of(usage: Usage) -> Figures:
    """What logs and rows are compared by."""
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    return (
        usage.input_tokens + usage.image_input_tokens + usage.audio_input_tokens,
        usage.cache_read_tokens,
        written,
        usage.total_output,
    )
