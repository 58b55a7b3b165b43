"""What can go wrong upstream, as values: the provider's own words and our name for them."""

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
    NOT_SENT = "not-sent"  # we refused: no key, no translation


@dataclass(frozen=True, slots=True)
class ProviderError:
    """A provider's error object: its `type`, its `code` where it has one, its text."""

    type: str
    message: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt."""

    kind: FailureKind
    status: int | None = None
    error: ProviderError | None = None
    retry_after_ms: int | None = None
