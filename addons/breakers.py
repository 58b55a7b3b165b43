"""The health of the providers and keys in use, shared by all streams of a proxy.

A door is a provider and a key, what a breaker opens and closes; a second one stands behind it for a model whose limit
is reached. Doors nobody has come to for long are forgotten, and what is forgotten counts as sound.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ringlet_mitm.rules.health import (
    Health,
    Outcome,
    Sign,
    State,
    observe,
    rests,
    sent,
    sign_for_key,
    sign_for_model,
)
from ringlet_mitm.rules.keys import KeyRef
from ringlet_mitm.rules.reliability import AGENTS_OWN, Attempt
from ringlet_mitm.rules.targets import Target

MOST_DOORS = 256

logger = logging.getLogger(__name__)


class DoorId(NamedTuple):
    """Which provider (where there is none, which host), which key, and which model if it is about one only."""

    place: str
    key_ref: KeyRef | None
    as_asked: bool
    model: str = ""


@dataclass(slots=True)
class Door:
    """One of them as it is; `key_label` is what rows say of the key."""

    id: DoorId
    key_label: str = ""
    health: Health = field(default_factory=Health)

    @property
    def name(self) -> str:
        """For a log: no key."""
        key = f" ({self.key_label})" if self.key_label else ""
        return f"{self.id.place}{key}" + (f", {self.id.model}" if self.id.model else "")


class Breakers:
    """`now_ms` is any clock that does not go back, in milliseconds."""

    def __init__(self, now_ms: Callable[[], int], most_doors: int = MOST_DOORS) -> None:
        self._now_ms = now_ms
        self._most_doors = most_doors
        self._doors: OrderedDict[DoorId, Door] = OrderedDict()
        self._amiss: set[DoorId] = set()  # mostly none, and then a good request has little to look up

    def rests(self, target: Target) -> bool:
        """Whether to go elsewhere; changes nothing."""
        now_ms = self._now_ms()
        return any(rests(door.health, now_ms) for door in self._at(target))

    def first(self, targets: tuple[Target, ...]) -> Target:
        """Where to begin: with the first that does not rest.

        Where all rest, the first: a breaker never turns down what might work.
        """
        return next((target for target in targets if not self.rests(target)), targets[0])

    def sent(self, target: Target) -> None:
        """An attempt leaves. To be called as soon as it is chosen, before anything is awaited: two probes otherwise."""
        now_ms = self._now_ms()
        for door in self._at(target):
            door.health = sent(door.health, now_ms)

    def answers(self, target: Target) -> None:
        """A good answer has begun: a probe need not wait for its end, which may be minutes away."""
        for door in tuple(self._at(target)):
            self._learn(door.id, Outcome(Sign.UP), door.key_label)

    def ended(self, attempt: Attempt) -> None:
        """An attempt is over, well where it has no failure."""
        target, failure = attempt.target, attempt.failure
        own = attempt.key_label == AGENTS_OWN
        lasted_ms = max((attempt.ended_us or attempt.started_us) - attempt.started_us, 0) // 1000
        of_key, of_model = sign_for_key(failure, agents_own=own), sign_for_model(failure, agents_own=own)
        self._learn(_door_id(target), Outcome(of_key, failure, lasted_ms), attempt.key_label)
        if failure is not None or self._amiss:
            self._learn(_door_id(target, target.model), Outcome(of_model, failure, lasted_ms), attempt.key_label)

    def why(self, target: Target) -> str:
        """`rests for 12 s after 5 failures (overloaded)`; "" where it does not rest."""
        now_ms = self._now_ms()
        resting = [door.health for door in self._at(target) if rests(door.health, now_ms)]
        return _words(max(resting, key=lambda health: health.until_ms), now_ms) if resting else ""

    def report(self) -> list[dict[str, object]]:
        """All doors, for `/health`; `model` is "" where it is about all models behind a key."""
        now_ms = self._now_ms()
        doors = sorted(self._doors.values(), key=lambda door: (door.id.place, door.key_label, door.id.model))
        return [
            {
                "provider": door.id.place,
                "key": door.key_label,
                "model": door.id.model,
                "state": door.health.state.value,
                "failures": door.health.failures,
                "rests_for_s": _left_s(door.health, now_ms) if door.health.state is State.RESTING else 0,
                "reason": door.health.reason,
            }
            for door in doors
        ]

    def _at(self, target: Target) -> Iterator[Door]:
        """The doors before a target that not all is well with."""
        if self._amiss:
            for door_id in (_door_id(target), _door_id(target, target.model)):
                if door_id in self._amiss:
                    yield self._doors[door_id]

    def _learn(self, door_id: DoorId, outcome: Outcome, key_label: str) -> None:
        door = self._doors.pop(door_id, None) or Door(door_id)
        door.key_label = key_label or door.key_label
        before, now_ms = door.health, self._now_ms()
        door.health = after = observe(before, outcome, now_ms)
        # Agents name models as they like: of those only what is amiss is kept.
        if not door_id.model or after.failures:
            self._doors[door_id] = door
        (self._amiss.add if after.failures else self._amiss.discard)(door_id)
        while len(self._doors) > self._most_doors:
            self._amiss.discard(self._doors.popitem(last=False)[0])
        if before.state is State.SOUND and after.state is State.RESTING:
            logger.warning("%s %s", door.name, _words(after, now_ms))
        elif before.state is not State.SOUND and after.state is State.SOUND:
            logger.warning("%s answers again", door.name)


def _door_id(target: Target, model: str = "") -> DoorId:
    place = target.provider or f"{target.endpoint.host}:{target.endpoint.port}"
    return DoorId(place, target.key_ref, target.as_asked, model)


def _left_s(health: Health, now_ms: int) -> int:
    """Rounded up: what is over says 0 and nothing else does."""
    return max(-((now_ms - health.until_ms) // 1000), 0)


def _words(health: Health, now_ms: int) -> str:
    failures = f"{health.failures} failure{'' if health.failures == 1 else 's'} ({health.reason})"
    if health.state is State.PROBING:
        return f"is being tried again after {failures}"
    return f"rests for {_left_s(health, now_ms)} s after {failures}"
