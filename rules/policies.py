"""What people say of patience, in three files, and the one `Policy` that comes of it for each rule.

Every key may be missing everywhere: what a rule says goes before what the profile says, that before `[reliability]` of
config.toml, and that before the defaults, each key for itself. A `retries` in a rule does not undo the time-outs of the
profile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated

from pydantic import Strict

from ringlet_mitm.rules.reliability import Policy, Timeouts
from ringlet_mitm.rules.routes import Route

Whole = Annotated[int, Strict()]
# More than anybody waits for: the wait doubles up to 10 s, so twenty retries take three minutes.
MOST_RETRIES = 20
MOST_BACKOFF_MS = 10_000
# A day: a number beyond it is a slip of the pen. 0 is no limit.
MOST_TIMEOUT_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutKeys:
    """The time-outs as files say them, 0 for none; None is what is not said."""

    timeout_connect_ms: Whole | None = None
    timeout_first_byte_ms: Whole | None = None
    timeout_idle_ms: Whole | None = None
    timeout_total_ms: Whole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKeys(TimeoutKeys):
    """All keys of patience, as rules and profiles say them."""

    retries: Whole | None = None
    backoff_ms: Whole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What a profile says for every rule that does not say it."""

    patience: PolicyKeys = PolicyKeys()
    fallback: tuple[Route, ...] = ()


NOTHING_USUAL = Usual()
MOST: dict[str, int] = {
    "retries": MOST_RETRIES,
    "backoff_ms": MOST_BACKOFF_MS,
    **{item.name: MOST_TIMEOUT_MS for item in fields(TimeoutKeys)},
}
# As people write them.
POLICY_KEYS = tuple(name.replace("_", "-") for name in MOST)


def out_of_range(keys: TimeoutKeys) -> Iterator[tuple[str, str]]:
    """The fields of `keys` that nobody can mean, each with what would be right."""
    for item in fields(keys):
        most, value = MOST.get(item.name), getattr(keys, item.name)
        if most is not None and value is not None and not 0 <= value <= most:
            yield item.name, f"has to be 0 to {most:,}"


def merged(*said: PolicyKeys) -> PolicyKeys:
    """For each key what the first says that says anything."""
    values = {name: next((value for one in said if (value := getattr(one, name)) is not None), None) for name in MOST}
    return PolicyKeys(**values)


def policy_of(*said: PolicyKeys) -> Policy:
    """The same as a policy: where nobody says anything, the defaults."""
    found, usual = merged(*said), Policy()
    spoken = {item.name: getattr(found, f"timeout_{item.name}") for item in fields(Timeouts)}
    chosen = {name: ms for name, ms in spoken.items() if ms is not None}
    return Policy(
        retries=_or(found.retries, usual.retries),
        backoff_ms=_or(found.backoff_ms, usual.backoff_ms),
        timeouts=Timeouts(**chosen),
        chosen=frozenset(chosen),
    )


def _or(said: int | None, usual: int) -> int:
    return usual if said is None else said
