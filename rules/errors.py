"""Every error a person can meet, as one tree.

    RingletError                what this program raises on purpose; its text is for the person who reads it
    ├── ConfigError             a file or option is wrong: file, line, key, nearest known spelling
    ├── RouteError              a request cannot go where its rule sends it
    │   ├── NoKey               the provider's key is not set
    │   ├── LimitReached        the person's own limit, of money or by the minute, is reached
    │   └── Untranslatable      the request makes no sense, or cannot be said in the provider's wire format
    ├── LedgerError             the usage database cannot be read or written
    └── UsageError              a command was called with words that do not fit

The command line prints `str(error)` on one line and exits with code 2.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class RingletError(Exception):
    """What this program raises on purpose."""


class ConfigError(RingletError):
    """A file that a person wrote says something that cannot be meant.

    Printed as `FILE:LINE: KEY: MESSAGE; did you mean 'SUGGESTION'?`, each part only where it is known.
    `others` are further problems of the same file, for who can show more than one line.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
        suggestion: str | None = None,
        others: tuple[ConfigError, ...] = (),
    ) -> None:
        self.message = message
        self.file = file
        self.line = line
        self.key = key
        self.suggestion = suggestion
        self.others = others
        place = ":".join(str(part) for part in (file, line) if part is not None)
        text = ": ".join(part for part in (place, key, message) if part)
        super().__init__(f"{text}; did you mean '{suggestion}'?" if suggestion else text)


class RouteError(RingletError):
    """A request cannot go where its rule sends it; the agent gets the text in its own error format."""


class NoKey(RouteError):
    """The provider needs a key and none is set."""


class LimitReached(RouteError):
    """A limit of the person's own is reached. `retry_after_s` is when there is room again, None where not soon."""

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class Untranslatable(RouteError):
    """A request makes no sense in its wire format, or cannot be said in the provider's."""


class LedgerError(RingletError):
    """The usage database cannot be read or written."""


class UsageError(RingletError):
    """A command was called with words that do not fit."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known spelling closest to `word`, or None where nothing is close."""
    found = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
