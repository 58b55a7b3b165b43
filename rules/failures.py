"""What can go wrong upstream, as values: the provider's own words, our name for them, and what each calls for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Our names for upstream failures; the values are what rows say in `error_class`."""

    RATE_LIMITED = "rate-limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server-error"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed-out"
    BROKEN_STREAM = "broken-stream"
    AUTH = "auth"
    QUOTA = "quota"
    NO_SUCH_MODEL = "no-such-model"
    CONTEXT_WINDOW = "context-window"
    REFUSED_REQUEST = "refused-request"
    CLIENT_GONE = "client-gone"
    PROXY_STOPPED = "proxy-stopped"  # in the middle, by a person
    NOT_SENT = "not-sent"  # we refused: no key, no translation


@dataclass(frozen=True, slots=True)
class ProviderError:
    """A provider's error object: its `type`, its `code` where it has one, its text."""

    type: str
    message: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt.

    `retry_after_ms` is how long the provider says to wait, `may_retry` whether it says that the same again may work;
    both are None where it says nothing.
    """

    kind: FailureKind
    status: int | None = None
    error: ProviderError | None = None
    retry_after_ms: int | None = None
    may_retry: bool | None = None


class Spoils(StrEnum):
    """How much of the chain a failure makes useless, besides the target that failed."""

    TARGET = "target"  # nothing else
    KEY = "key"  # every model behind this key
    MODEL = "model"  # this model at this host, whatever the key
    HOST = "host"  # all there is at this host


@dataclass(frozen=True, slots=True)
class Course:
    """What a kind of failure calls for, in this order; where nothing of it can be done, the agent gets what came.

    `rotates`: another key of the same provider, at once. `waits`: the same target again, later. `moves`: the next
    target that the failure has not spoiled. `ours_only`: none of it where the agent's own credential failed.
    """

    rotates: bool = False
    waits: bool = False
    moves: bool = True
    spoils: Spoils = Spoils.TARGET
    ours_only: bool = False


_PASSING = Course(waits=True, spoils=Spoils.MODEL)
_NO_ANSWER = Course(waits=True, spoils=Spoils.HOST)
_NO_USE = Course(moves=False)
# A key may be good for other models all the same: Bedrock and Vertex AI grant access by the model.
_FORBIDDEN = Course(rotates=True, ours_only=True)

COURSES: dict[FailureKind, Course] = {
    FailureKind.RATE_LIMITED: Course(rotates=True, waits=True),
    FailureKind.OVERLOADED: _PASSING,
    FailureKind.SERVER_ERROR: _PASSING,
    FailureKind.BROKEN_STREAM: _PASSING,
    FailureKind.UNREACHABLE: _NO_ANSWER,
    FailureKind.TIMED_OUT: _NO_ANSWER,
    # An agent renews its own login when it is told 401; a fallback that answered for it would keep it from that.
    FailureKind.AUTH: Course(rotates=True, spoils=Spoils.KEY, ours_only=True),
    FailureKind.QUOTA: Course(rotates=True, spoils=Spoils.KEY),
    FailureKind.NO_SUCH_MODEL: Course(spoils=Spoils.MODEL),
    FailureKind.CONTEXT_WINDOW: Course(spoils=Spoils.MODEL),
    FailureKind.REFUSED_REQUEST: _NO_USE,
    FailureKind.CLIENT_GONE: _NO_USE,
    FailureKind.PROXY_STOPPED: _NO_USE,
    FailureKind.NOT_SENT: Course(),
}


def course_of(failure: Failure) -> Course:
    """What this failure calls for: its status, and what the provider says of trying again, tell more than its kind.

    OpenAI and Anthropic say it in `x-should-retry`, among others of a 409 that another request was in the way of.
    """
    course = COURSES[failure.kind]
    if failure.may_retry is False and course.waits:
        return Course(rotates=course.rotates, spoils=course.spoils)
    if failure.may_retry and failure.kind is FailureKind.REFUSED_REQUEST:
        return _PASSING
    if failure.kind is FailureKind.AUTH and failure.status == 403:
        return _FORBIDDEN
    return course
