"""Attempts as values, and what may follow a failed one."""

from __future__ import annotations

from dataclasses import dataclass

from ringlet_mitm.rules.failures import Failure
from ringlet_mitm.rules.targets import Target


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one target. Times are microseconds since the epoch; `wait_ms` is what was waited before it."""

    number: int
    target: Target
    key_label: str
    started_us: int
    first_byte_us: int | None = None
    ended_us: int | None = None
    wait_ms: int = 0
    status: int | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Try the same target again after `ms`."""

    ms: int


@dataclass(frozen=True, slots=True)
class Next:
    """Go on to another target at once."""

    target: Target


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Hand the agent what came."""


Step = Wait | Next | GiveBack
