"""When to leave a provider alone for a while: a circuit breaker as a table.

A provider is `sound` until it fails `STRIKES` times in a row, or says itself when to come back, or will have no more of
our key. Then it is `resting`: whoever has somewhere else to go goes there. When the rest is over one request is the
probe (`probing`), and all others see it resting until that is decided. A failed probe doubles the rest.

What an attempt tells is a `Sign`. Two things are looked at apart, because limits are a model's and all else is not: the
health of a key at its provider (`sign_for_key`), and that of one model behind this key (`sign_for_model`).

What does not work: to take whatever comes in for the probe's outcome. Answers are minutes long, so attempts from before
the breaker opened end at any time after it. They tell of then, and count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from ringlet_mitm.rules.failures import Failure, FailureKind


class State(StrEnum):
    """What a breaker is in."""

    SOUND = "sound"
    RESTING = "resting"
    PROBING = "probing"


class Sign(StrEnum):
    """What an attempt tells of a provider."""

    GOOD = "good"
    UP = "up"  # it answered, if not what was wanted
    NOTHING = "nothing"
    STRIKE = "strike"
    LAST_STRIKE = "last-strike"  # the one too many
    LIMITED = "limited"  # it says itself when to come back
    SHUT_OUT = "shut-out"  # it will have no more of this key


# (state, sign) -> state. What is not here stays where it is.
MOVES: dict[tuple[State, Sign], State] = {
    (State.SOUND, Sign.LAST_STRIKE): State.RESTING,
    (State.SOUND, Sign.LIMITED): State.RESTING,
    (State.SOUND, Sign.SHUT_OUT): State.RESTING,
    (State.RESTING, Sign.GOOD): State.SOUND,  # asked all the same, because there was nobody else
    (State.PROBING, Sign.GOOD): State.SOUND,
    (State.PROBING, Sign.UP): State.SOUND,
    (State.PROBING, Sign.NOTHING): State.RESTING,  # the next request is the probe
    (State.PROBING, Sign.STRIKE): State.RESTING,
    (State.PROBING, Sign.LAST_STRIKE): State.RESTING,
    (State.PROBING, Sign.LIMITED): State.RESTING,
    (State.PROBING, Sign.SHUT_OUT): State.RESTING,
}

# What each failure tells of a key at its provider. A limit is a model's: Anthropic, OpenAI, Gemini and Groq count
# requests and tokens for each model (accessed 2026-11-21).
SIGNS: dict[FailureKind, Sign] = {
    FailureKind.UNREACHABLE: Sign.STRIKE,
    FailureKind.TIMED_OUT: Sign.STRIKE,
    FailureKind.OVERLOADED: Sign.STRIKE,
    FailureKind.SERVER_ERROR: Sign.STRIKE,
    FailureKind.BROKEN_STREAM: Sign.STRIKE,
    FailureKind.AUTH: Sign.SHUT_OUT,
    FailureKind.QUOTA: Sign.SHUT_OUT,
    FailureKind.RATE_LIMITED: Sign.UP,
    FailureKind.REFUSED_REQUEST: Sign.UP,
    FailureKind.NO_SUCH_MODEL: Sign.UP,
    FailureKind.CONTEXT_WINDOW: Sign.UP,
    FailureKind.CLIENT_GONE: Sign.NOTHING,
    FailureKind.PROXY_STOPPED: Sign.NOTHING,
    FailureKind.NOT_SENT: Sign.NOTHING,
}

STRIKES = 5
# How long the first rest is, and how long it gets by doubling.
RESTS_MS: dict[Sign, tuple[int, int]] = {
    Sign.STRIKE: (10_000, 300_000),
    Sign.LAST_STRIKE: (10_000, 300_000),
    Sign.SHUT_OUT: (60_000, 3_600_000),
}
# Whatever a provider says: a day's limit may be lifted by a payment, and a probe costs one request an hour.
LONGEST_REST_MS = 3_600_000
# A probe that is not heard of for so long leaves its place to another.
PROBE_MS = 600_000


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one provider and key. Times are milliseconds of any one clock that does not go back.

    failures: in a row; `reason` is the kind of the last.
    since_ms: when it last began to rest or was found sound again.
    until_ms: the end of the rest, or of the probe's time.
    rest_ms: the last rest of our own choosing, what the next is twice of.
    """

    state: State = State.SOUND
    failures: int = 0
    since_ms: int = 0
    until_ms: int = 0
    rest_ms: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of an attempt: its sign, the failure if it was one, and how long it took from being sent."""

    sign: Sign
    failure: Failure | None = None
    lasted_ms: int = 0


def sign_for_key(failure: Failure | None, *, agents_own: bool = False) -> Sign:
    """What the end of an attempt tells of its provider and key; `failure` is None where all was well.

    An agent has several accounts and renews its logins by itself: a refusal of the agent's own credential is no reason
    to go elsewhere with the next.
    """
    if failure is None:
        return Sign.GOOD
    sign = SIGNS[failure.kind]
    if sign is Sign.SHUT_OUT and agents_own:
        return Sign.UP
    # Forbidden may be only the model, see failures.py; five in a row are the key.
    return Sign.STRIKE if failure.kind is FailureKind.AUTH and failure.status == 403 else sign


def sign_for_model(failure: Failure | None, *, agents_own: bool = False) -> Sign:
    """What it tells of the limit of this key for this one model."""
    if failure is None:
        return Sign.GOOD
    if failure.kind is FailureKind.RATE_LIMITED and not agents_own:
        return Sign.LIMITED if _said_ms(failure) else Sign.STRIKE
    return Sign.UP if SIGNS[failure.kind] is Sign.UP else Sign.NOTHING


def rests(health: Health, now_ms: int) -> bool:
    """Whether to go elsewhere; False also where the next request may be the probe."""
    return health.state is not State.SOUND and now_ms < health.until_ms


def sent(health: Health, now_ms: int) -> Health:
    """After an attempt has left: it is the probe where there was to be one."""
    if health.state is State.SOUND or rests(health, now_ms):
        return health
    return replace(health, state=State.PROBING, until_ms=now_ms + PROBE_MS)


def observe(health: Health, outcome: Outcome, now_ms: int) -> Health:
    """After an attempt has ended."""
    if now_ms - outcome.lasted_ms < health.since_ms:
        return health
    sign = outcome.sign
    if sign is Sign.STRIKE and health.failures + 1 >= STRIKES:
        sign = Sign.LAST_STRIKE
    state = MOVES.get((health.state, sign), health.state)
    moves = state is not health.state
    match sign:
        case Sign.GOOD:
            return Health(since_ms=now_ms if moves else health.since_ms)
        case Sign.UP:
            # Its strikes and its rest are remembered until an answer was good from beginning to end.
            return replace(health, state=state, since_ms=now_ms) if moves else health
        case Sign.NOTHING:
            return replace(health, state=state, until_ms=now_ms) if moves else health
        case _:
            return _after_failure(health, state, sign, outcome.failure, now_ms)


def _after_failure(health: Health, state: State, sign: Sign, failure: Failure | None, now_ms: int) -> Health:
    reason = failure.kind.value if failure else ""
    counted = replace(health, state=state, failures=health.failures + 1, reason=reason)
    if state is State.SOUND:
        return counted
    said_ms = min(_said_ms(failure), LONGEST_REST_MS)
    first_ms, most_ms = RESTS_MS.get(sign, (0, 0))
    if health.state is State.RESTING:
        # No probe: it was asked for want of another. What it says, and a key that it refuses, hold all the same.
        least_ms = first_ms if sign is Sign.SHUT_OUT else 0
        return replace(counted, until_ms=max(health.until_ms, now_ms + max(said_ms, least_ms)))
    rest_ms = min(max(first_ms, 2 * health.rest_ms), most_ms)
    return replace(counted, since_ms=now_ms, until_ms=now_ms + max(rest_ms, said_ms), rest_ms=rest_ms or health.rest_ms)


def _said_ms(failure: Failure | None) -> int:
    return max(failure.retry_after_ms or 0, 0) if failure else 0
