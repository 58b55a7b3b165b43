"""Keeps the snapshot of one proxy: sums in memory, fed by the recorder, and a file that a thread writes.

What the recorder hands over costs the event loop some microseconds. Once a second it is looked whether there is
anything to tell that was not told; an idle proxy writes nothing.

As in `budget.py` there are two sources, counted apart: this process from its start on, and all others of the profile
as the ledger has them. The second is read again while there is traffic, since another proxy may run beside this one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from ringlet_mitm.addons.books import Calendar
from ringlet_mitm.addons.usage.earlier import Earlier
from ringlet_mitm.addons.usage.rows import AttemptRow, RequestRow
from ringlet_mitm.addons.usage.snapshot import (
    MOST_SESSIONS,
    MOST_STREAMS,
    Session,
    Snapshot,
    Stream,
    Sums,
    clear,
    file_of,
    write,
)
from ringlet_mitm.addons.usage.turns import Pauses
from ringlet_mitm.rules.errors import LedgerError

logger = logging.getLogger(__name__)

PERIOD_S = 1.0
MINUTE_S = 60
# The ledger is read by a process with DuckDB in it: a proxy that has just started has other things to do.
FIRST_S = 2.0
# How often it is read again, and at most which part of the time.
AGAIN_S = 300.0
REST = 20
FAILED = Pauses(5.0, AGAIN_S, said_at=1)
# Of this process's own; more than one person has in a day.
REMEMBERED = 1024
SECOND_US = 1_000_000


class Snapshots:
    """`read` asks the ledger, as `EarlierApart.read` does; `streams` says what is under way; `now` is in seconds."""

    def __init__(
        self,
        profile: str,
        folder: Path,
        read: Callable[[int, int], Awaitable[Earlier]],
        streams: Callable[[], list[Stream]] = list,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._profile, self._folder, self._read, self._streams, self._now = profile, folder, read, streams, now
        self._path = file_of(folder, profile, os.getpid())
        self._address = ""
        self._started_us = round(now() * SECOND_US)
        self._calendar = Calendar()
        self._day_us = self._day_ends_us = 0
        self._own_today = self._own = Sums()
        self._minute: deque[tuple[int, Sums]] = deque()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._earlier: Earlier | None = None
        self._new_day, self._news = asyncio.Event(), asyncio.Event()
        self._told: Snapshot | None = None
        self._failing = False

    @property
    def since_start(self) -> Sums:
        """What this process answered."""
        return self._own

    def record(self, row: RequestRow, attempts: tuple[AttemptRow, ...]) -> None:
        """Count a request that is over. A sink of the recorder."""
        now = self._now()
        self._roll(now)
        sums = _sums(row)
        self._own += sums
        if row.started_us >= self._day_us:
            self._own_today += sums
        self._count(int(now), sums)
        if row.session:
            self._sessions[row.session] = _gone_on(self._sessions.get(row.session), row, sums)
            self._sessions.move_to_end(row.session)
            if len(self._sessions) > REMEMBERED:
                self._sessions.popitem(last=False)
        self._news.set()

    async def keep(self, address: str) -> None:
        """Write it as long as the proxy runs, which listens at `address`."""
        self._address = address
        await asyncio.to_thread(clear, self._folder, self._profile)
        reading = asyncio.create_task(self._follow())
        try:
            while True:
                await self.turn()
                await asyncio.sleep(PERIOD_S)
        finally:
            reading.cancel()

    async def turn(self) -> None:
        """Write it, if there is anything new."""
        found = self.snapshot()
        if self._told is None or found != replace(self._told, written_us=found.written_us):
            self._told = found
            await asyncio.to_thread(self._write, found)

    def close(self) -> None:
        """The last one: it does not run any more, and what it came to stays to be seen."""
        self._write(replace(self.snapshot(), running=False, streams=[], streams_in_all=0))

    def snapshot(self) -> Snapshot:
        """All that is known now."""
        now = self._now()
        self._roll(now)
        self._forget(int(now))
        streams = self._streams()
        return Snapshot(
            profile=self._profile,
            pid=os.getpid(),
            address=self._address,
            started_us=self._started_us,
            written_us=round(now * SECOND_US),
            day_us=self._day_us,
            day_ends_us=self._day_ends_us,
            complete=self._earlier is not None,
            today=self._own_today + (self._earlier.today if self._earlier is not None else Sums()),
            since_start=self._own,
            minute=sum((sums for _, sums in self._minute), Sums()),
            sessions=self._last_sessions(),
            streams=streams[:MOST_STREAMS],
            streams_in_all=len(streams),
        )

    async def follow(self) -> float:
        """Read the ledger once; gives the seconds to wait before the next time. Raises LedgerError."""
        self._new_day.clear()
        self._news.clear()
        begun = time.monotonic()
        self._roll(self._now())
        since = self._calendar.since(self._now())
        found = await self._read(since.day_us, since.month_us)
        if since.day_us == self._day_us:
            self._earlier = found
        return max(AGAIN_S, REST * (time.monotonic() - begun))

    async def _follow(self) -> None:
        await asyncio.sleep(FIRST_S)
        failures = 0
        while True:
            try:
                pause, failures = await self.follow(), 0
            except LedgerError as error:
                failures += 1
                pause = FAILED.after(failures)
                if failures == FAILED.said_at:
                    logger.warning("the status line does not count yet what was before: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._new_day.wait(), pause)
            if not failures:
                await self._news.wait()

    def _roll(self, now: float) -> None:
        """Begin a new day, where the calendar does."""
        day_us = self._calendar.since(now).day_us
        if day_us == self._day_us:
            return
        day = datetime.fromtimestamp(day_us / SECOND_US)
        self._day_us, self._day_ends_us = day_us, round((day + timedelta(days=1)).timestamp()) * SECOND_US
        self._own_today, self._earlier = Sums(), None
        self._new_day.set()
        self._news.set()

    def _count(self, second: int, sums: Sums) -> None:
        self._forget(second)
        if self._minute and self._minute[-1][0] == second:
            sums += self._minute.pop()[1]
        self._minute.append((second, sums))

    def _forget(self, second: int) -> None:
        while self._minute and not second - MINUTE_S < self._minute[0][0] <= second:
            self._minute.popleft()

    def _last_sessions(self) -> list[Session]:
        found = dict(self._sessions)
        for before in self._earlier.sessions if self._earlier is not None else ():
            own = found.get(before.session)
            found[before.session] = before if own is None else replace(own, sums=own.sums + before.sums)
        return sorted(found.values(), key=lambda one: one.last_us, reverse=True)[:MOST_SESSIONS]

    def _write(self, snapshot: Snapshot) -> None:
        try:
            write(self._path, snapshot)
        except OSError as error:
            if not self._failing:
                logger.warning("the status line is not up to date: %s: %s", self._path, error.strerror)
            self._failing = True
        else:
            self._failing = False


def _sums(row: RequestRow) -> Sums:
    usage = row.usage
    return Sums(
        requests=1,
        failed=int(row.failed),
        input=usage.total_input,
        output=usage.total_output,
        usd=row.cost_total or Decimal(0),
        unpriced=int(row.unpriced),
        estimated=int(row.usage_source == "estimated"),
    )


def _gone_on(before: Session | None, row: RequestRow, sums: Sums) -> Session:
    """The session with one request more; its last answer is that one's where it is of the conversation itself."""
    if before is not None:
        sums += before.sums
        if row.failed or row.shadow_of or (before.tools and not row.tools):
            return replace(before, sums=sums, last_us=row.ended_us)
    return Session(
        session=row.session,
        sums=sums,
        agent=row.agent,
        provider=row.provider,
        model=row.routed_model or row.requested_model,
        rule=row.rule,
        context=0 if row.failed else row.usage.total_input + row.usage.total_output,
        last_us=row.ended_us,
        tools=row.tools > 0 and not row.failed,
    )
