"""What time does to a stream: which limit it has run into, and when its agent should hear something."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum

from ringlet_mitm.addons.stream_port import NO_LIMITS, Limits, Waiting


class Phase(StrEnum):
    """How far an attempt has come."""

    IN_LINE = "in line for a place at the provider"
    CONNECTING = "connecting"
    ASKED = "nothing of an answer has come"
    COLLECTED = "an answer that goes out whole has begun"
    HELD = "the answer has begun and is held back"
    FLOWING = "the agent gets the answer"
    PAUSED = "between two attempts"
    OVER = "over"


class Due(StrEnum):
    """What is to be done now."""

    PLACE = "the line has moved on"
    TURNED_AWAY = "too long in line"
    NO_CONNECTION = "no connection in time"
    SILENCE = "no answer, or no more of it, in time"
    RELEASE = "held back for long enough"
    PING = "the agent should hear something"


@dataclass(slots=True)
class StreamClock:
    """Of one stream. Times are `time.monotonic()`.

    `begun_at` is when the agent had asked, `heard_at` when the provider last said something, `entered_at` when the
    phase began, `told_at` when the agent last heard something from us.
    """

    limits: Limits = NO_LIMITS
    begun_at: float = field(default_factory=time.monotonic)
    heard_at: float = 0.0
    entered_at: float = 0.0
    told_at: float = 0.0

    def enter(self) -> None:
        """Another phase begins."""
        self.entered_at = self.heard_at = time.monotonic()

    def due(self, now: float, phase: Phase, waiting: Waiting | None, held_patience_s: float = 0.0) -> Due | None:
        """What is due in `phase`; `held_patience_s` is how long an answer may be held back, 0 for any time."""
        limit, since, due = self._limit(phase)
        if limit and due is not None and now - since > limit:
            return due
        if 0 < self.limits.total_s < now - self.begun_at and due is not None:
            return due
        # After the others: where both are due, an answer that has fallen silent is still asked for again.
        if 0 < held_patience_s < now - self.entered_at and phase is Phase.HELD:
            return Due.RELEASE
        return Due.PING if waiting is not None and self._pings(now, phase, waiting) else None

    def _limit(self, phase: Phase) -> tuple[float, float, Due | None]:
        match phase:
            case Phase.IN_LINE:
                return self.limits.first_byte_s, self.entered_at, Due.TURNED_AWAY
            case Phase.CONNECTING:
                return self.limits.connect_s, self.entered_at, Due.NO_CONNECTION
            case Phase.ASKED:
                return self.limits.first_byte_s, self.heard_at, Due.SILENCE
            case Phase.COLLECTED | Phase.HELD | Phase.FLOWING:
                return self.limits.idle_s, self.heard_at, Due.SILENCE
        return 0.0, 0.0, None

    def _pings(self, now: float, phase: Phase, waiting: Waiting) -> bool:
        if phase in (Phase.FLOWING, Phase.OVER) or (phase is Phase.HELD and not waiting.begun):
            return False
        if waiting.begun:
            return now - self.told_at >= waiting.every_s
        return now - self.begun_at >= waiting.after_s
