"""Places in line, for plans with few requests at a time.

Each provider with such a limit is a lane. Who comes when all places are taken waits; a place that falls free goes to
the agents' sessions in turn, and within one to the first that came. All of it on the event loop.

What does not work: to call who is next from within the call that freed the place. It may leave at once or enter again,
in the middle of our counting, and a line of those that do makes the stack as deep as it is long. So first everything is
counted, then the callbacks are called, one after the other, by the outermost call only.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_WAITING = 64

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Lane:
    """One line: `most` as it was said last, how many have a place, and who waits, by session, the next one first."""

    name: str
    most: int = 1
    running: int = 0
    waiting: int = 0
    turns: OrderedDict[str, deque[Ticket]] = field(default_factory=OrderedDict)

    def join(self, ticket: Ticket) -> None:
        """At the end of the session's own line."""
        self.turns.setdefault(ticket.who, deque()).append(ticket)
        self.waiting += 1

    def drop(self, ticket: Ticket) -> None:
        """Out of the line, wherever it stands."""
        own = self.turns[ticket.who]
        own.remove(ticket)
        self.waiting -= 1
        if not own:
            del self.turns[ticket.who]

    def admit(self) -> list[Ticket]:
        """Give away what places there are; the session that gets one has its next turn after all others."""
        admitted: list[Ticket] = []
        while self.waiting and self.running < self.most:
            ticket = next(iter(self.turns.values()))[0]
            self.turns.move_to_end(ticket.who)
            self.drop(ticket)
            self.running += 1
            ticket.ready = True
            admitted.append(ticket)
        return admitted


@dataclass(slots=True, eq=False)
class Ticket:
    """A place, or a turn to come. Give it back with `leave`, whatever came of it."""

    who: str
    lane: Lane = field(repr=False)
    lanes: Lanes = field(repr=False)
    ready: bool = False
    left: bool = False
    granted: Callable[[], None] | None = field(default=None, repr=False)

    def leave(self) -> None:
        """Give place or turn back; the second time nothing happens."""
        if self.left:
            return
        self.left, self.granted = True, None
        if self.ready:
            self.lane.running -= 1
        else:
            self.lane.drop(self)
        self.lanes.settle(self.lane)


class Lanes:
    """All lines of a proxy."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._lanes: dict[str, Lane] = {}
        self._to_call: deque[Ticket] = deque()
        self._calling = False

    def enter(self, lane: str, most: int, who: str, granted: Callable[[], None]) -> Ticket | None:
        """A place among `most` (1 at least), or a turn in line; None where the line is full.

        Where the ticket is not `ready`, `granted` is called once when it is, unless it is given back before that.
        """
        here = self._lanes.setdefault(lane, Lane(lane))
        here.most = max(most, 1)
        admitted = here.admit()
        ticket, full = Ticket(who, here, self), here.running >= here.most and here.waiting >= self._most_waiting
        if not full:
            here.join(ticket)
            here.admit()
        self._call(admitted)
        if full:
            return None
        if not ticket.ready:
            ticket.granted = granted
        return ticket

    def settle(self, lane: Lane) -> None:
        """Give away what fell free in a lane, and forget a lane that nobody is in."""
        self._call(lane.admit())
        if not lane.running and not lane.waiting and self._lanes.get(lane.name) is lane:
            del self._lanes[lane.name]

    def report(self) -> list[dict[str, object]]:
        """The lanes that somebody is in, for `/health`."""
        return [
            {"lane": lane.name, "running": lane.running, "waiting": lane.waiting, "most": lane.most}
            for lane in sorted(self._lanes.values(), key=lambda lane: lane.name)
        ]

    def _call(self, admitted: list[Ticket]) -> None:
        self._to_call.extend(admitted)
        if self._calling:
            return
        self._calling = True
        try:
            while self._to_call:
                _tell(self._to_call.popleft())
        finally:
            self._calling = False


def _tell(ticket: Ticket) -> None:
    """That its turn has come; once, and not who is gone by now, or has not been told yet to wait."""
    granted, ticket.granted = ticket.granted, None
    if granted is None:
        return
    try:
        granted()
    except Exception:  # one stream's trouble must not keep those behind it waiting for ever
        logger.exception("a request whose turn had come could not go on")
