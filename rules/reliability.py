"""Attempts as values, and what may follow a failed one.

What each kind of failure calls for is a table in failures.py; here it meets the chain of targets, what was tried of it
already and how patient the person is. Nothing waits here, and clock and chance are given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from operator import eq

from ringlet_mitm.rules.failures import Course, Failure, FailureKind, Spoils, course_of
from ringlet_mitm.rules.targets import Target

# However long the chain and however many the retries.
MOST_ATTEMPTS = 16
# An agent shows the limits of its own account itself, and better than by silence.
AGENTS_PATIENCE_MS = 10_000
# What `Attempt.key_label` says of a credential that the agent sent.
AGENTS_OWN = "agent"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one attempt may take to connect, to its first byte, between two pieces; and all attempts together.

    0 is no limit. Models think for minutes without a byte, so the defaults end only what hangs.
    """

    connect_ms: int = 10_000
    first_byte_ms: int = 300_000
    idle_ms: int = 300_000
    total_ms: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is done before an agent learns of a failure.

    `retries` are per target, after the first try there. The wait before each doubles from `backoff_ms` up to
    `backoff_cap_ms`, and is drawn from nothing to that. A provider's own word goes before it, up to `longest_wait_ms`.
    `chosen` are the fields of `timeouts` that somebody said something of.
    """

    retries: int = 2
    backoff_ms: int = 500
    backoff_cap_ms: int = 10_000
    longest_wait_ms: int = 30_000
    timeouts: Timeouts = field(default_factory=Timeouts)
    chosen: frozenset[str] = frozenset()


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

# How many tokens a target takes in at most; None where nobody knows.
Windows = Callable[[Target], int | None]


# What the variable of a provider says something of (`OLLAMA_HTTP_TIMEOUT`): how long it may be silent.
SILENCES = ("first_byte_ms", "idle_ms")


def timeouts_at(policy: Policy, target: Target) -> Timeouts:
    """The time-outs of an attempt there: the provider's own variable goes before defaults, not before a choice."""
    said_s = target.timeout_s
    return policy.timeouts if said_s is None else silent_for(policy, max(1, round(said_s * 1000))).timeouts


def silent_for(policy: Policy, ms: int) -> Policy:
    """The same, with this as the longest silence wherever nobody chose another."""
    unsaid = {name: ms for name in SILENCES if name not in policy.chosen}
    return replace(policy, timeouts=replace(policy.timeouts, **unsaid))


def next_step(
    policy: Policy,
    chain: tuple[Target, ...],
    attempts: tuple[Attempt, ...],
    failure: Failure,
    now_ms: int,
    jitter: float,
    windows: Windows | None = None,
    rests: Callable[[Target], bool] | None = None,
) -> Step:
    """What follows a failed attempt.

    The last of `attempts` is the one that `failure` ended, also where it was never sent; the others tell of their own.
    `now_ms` is since the epoch, `jitter` 0 to 1. What `rests` is asked only when nothing else is left.
    """
    course = course_of(failure)
    here = attempts[-1]
    if not _goes_on(policy, course, failure, attempts, now_ms):
        return GiveBack()
    left = _unspoiled(chain, (*attempts[:-1], replace(here, failure=failure)), windows)
    awake = tuple(target for target in left if rests is None or not rests(target))
    keys = tuple(target for target in awake if _another_key(here.target, target))
    if course.rotates and keys:
        return Next(keys[0])
    wait = _wait(policy, attempts, failure, now_ms, jitter) if course.waits else None
    if wait and not (awake and rests and rests(here.target) and not _limited_until(failure)):
        return wait
    return Next((awake or left)[0]) if left else GiveBack()


def _limited_until(failure: Failure) -> bool:
    """Whether the provider rests for no other reason than that it said when to come back: so the wait is the rest."""
    return failure.kind is FailureKind.RATE_LIMITED and (failure.retry_after_ms or 0) > 0


def _goes_on(policy: Policy, course: Course, failure: Failure, attempts: tuple[Attempt, ...], now_ms: int) -> bool:
    """Whether anything may follow at all."""
    here, total_ms = attempts[-1], policy.timeouts.total_ms
    if not course.moves or len(attempts) >= MOST_ATTEMPTS:
        return False
    if course.ours_only and here.key_label == AGENTS_OWN:
        return False
    if failure.kind is FailureKind.NOT_SENT and len(attempts) == 1:
        return False  # nobody was asked yet: what is missing is for the person to know
    return not total_ms or _spent_ms(attempts, now_ms) < total_ms


def _spent_ms(attempts: tuple[Attempt, ...], now_ms: int) -> int:
    return now_ms - attempts[0].started_us // 1000


def _wait(policy: Policy, attempts: tuple[Attempt, ...], failure: Failure, now_ms: int, jitter: float) -> Wait | None:
    """How long until the next try at the same target; None where there is to be none."""
    here = attempts[-1]
    tries = sum(attempt.target == here.target for attempt in attempts)
    if tries > policy.retries:
        return None
    window_ms = min(policy.backoff_ms << (tries - 1), policy.backoff_cap_ms, policy.longest_wait_ms)
    said_ms = failure.retry_after_ms or 0
    # Chance decides how long, not whether: whatever may be drawn has to be short enough.
    most_ms = said_ms if said_ms > 0 else window_ms
    if most_ms > _patience_ms(policy, here, failure):
        return None
    total_ms = policy.timeouts.total_ms
    if total_ms and _spent_ms(attempts, now_ms) + most_ms >= total_ms:
        return None
    return Wait(said_ms if said_ms > 0 else int(window_ms * min(max(jitter, 0.0), 1.0)))


def _patience_ms(policy: Policy, here: Attempt, failure: Failure) -> int:
    own_limit = failure.kind is FailureKind.RATE_LIMITED and here.key_label == AGENTS_OWN
    return min(policy.longest_wait_ms, AGENTS_PATIENCE_MS) if own_limit else policy.longest_wait_ms


def _unspoiled(chain: tuple[Target, ...], tried: tuple[Attempt, ...], windows: Windows | None) -> tuple[Target, ...]:
    """What of the chain was not tried, would not fail the same way, and is large enough."""
    failed = [(attempt.target, attempt.failure) for attempt in tried if attempt.failure is not None]
    spoiling = [(SPOILED[course_of(failure).spoils], target) for target, failure in failed]
    been = [attempt.target for attempt in tried]
    fresh = (
        target
        for target in chain
        if target not in been and not any(spoiled(target, other) for spoiled, other in spoiling)
    )
    if windows is None:
        return tuple(fresh)
    too_small = [windows(target) for target, failure in failed if failure.kind is FailureKind.CONTEXT_WINDOW]
    return tuple(target for target in fresh if _larger(windows(target), too_small))


def _larger(window: int | None, others: list[int | None]) -> bool:
    """Than all that were too small; one that nobody knows may be."""
    return window is None or all(other is None or window > other for other in others)


def _place(target: Target) -> tuple[str, int]:
    return target.endpoint.host, target.endpoint.port


def _same_provider(one: Target, other: Target) -> bool:
    """A host that is no provider's is one by itself."""
    return (bool(one.provider) and one.provider == other.provider) or _place(one) == _place(other)


def _same_key(one: Target, other: Target) -> bool:
    return _same_provider(one, other) and (one.key_ref, one.as_asked) == (other.key_ref, other.as_asked)


def _same_model(one: Target, other: Target) -> bool:
    """At the same host: the same model may well be up in another region."""
    return _place(one) == _place(other) and one.model == other.model


def _another_key(one: Target, other: Target) -> bool:
    return _same_provider(one, other) and one.model == other.model and not _same_key(one, other)


SPOILED: dict[Spoils, Callable[[Target, Target], bool]] = {
    Spoils.TARGET: eq,
    Spoils.KEY: _same_key,
    Spoils.MODEL: _same_model,
    Spoils.HOST: lambda one, other: _place(one) == _place(other),
}
