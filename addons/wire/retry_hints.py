"""How long a provider says to wait before the next try, and whether there is to be one.

The first source with a plausible value wins, the most exact first: headers made for it, the error's own fields, its
text, and last those limits that are used up. What is negative, no number or longer than a year says nothing.

Sources: RFC 9110, 10.2.3; OpenAI, "Rate limits"; Anthropic, "Rate limits"; Groq, "Rate limits"; Gemini, "Rate limits"
(google.rpc.RetryInfo, QuotaFailure); the retry code of OpenAI's and Anthropic's SDKs; accessed 2026-11-21. Codex's and
Code Assist's fields, and OpenRouter's headers in the body, as people logged them in 2025 and 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ringlet_mitm.addons.wire.faults import BODY_LIMIT

LONGEST_S = 366 * 86_400.0
DAY_S = 86_400.0
# Where in an error the words stand that a person reads.
TEXT_LIMIT = 8192

NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,12})?")
# Go's way of writing durations, which OpenAI, Groq and Google keep to: 6m0s, 1h2m, 2m59.56s, 120ms.
PIECE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s*(ms|milliseconds?|d|days?|h|hours?|m|minutes?|s|seconds?)(?![a-z])")
IN_TEXT = re.compile(
    r"\b(?:again|retry|reset|resets)\s+(?:in|after)\s+(?:about\s+)?((?:\d{1,12}(?:\.\d{1,12})?\s{0,2}[a-z]{1,12}[\s,]{0,2}){1,4})",
    re.IGNORECASE,
)
UNIT_S = {"ms": 0.001, "milli": 0.001, "d": DAY_S, "h": 3600.0, "m": 60.0, "s": 1.0}

Fields = Mapping[str, Any]
# A value as it stands there, and the time now -> seconds to wait.
Reading = Callable[[Any, float], float | None]


def may_retry(headers: Iterable[tuple[bytes, bytes]]) -> bool | None:
    """Whether the provider says that the same again may work; None where it says nothing."""
    return {"true": True, "false": False}.get(_by_name(headers).get("x-should-retry", "").lower())


def retry_after_ms(headers: Iterable[tuple[bytes, bytes]], body: bytes | None, now_s: float) -> int | None:
    """How long to wait, in milliseconds; None where nothing is said. `body` is an error's, or begins with its event."""
    named = _by_name(headers)
    found = next((waits for waits in _waits(named, body, now_s) if waits is not None), None)
    return None if found is None else round(found * 1000)


def _waits(named: Fields, body: bytes | None, now_s: float) -> Iterator[float | None]:
    for name, read in HEADERS.items():
        yield read(named.get(name), now_s)
    errors = tuple(_errors(body)) if body else ()
    for error in errors:
        for name, read in FIELDS.items():
            yield read(error.get(name), now_s)
        yield from _googles(tuple(_dicts(error.get("details"))), now_s)
        told = _dict(_dict(error.get("metadata")).get("headers"))
        carried = {name.lower(): value for name, value in told.items()}
        for name, read in HEADERS.items():
            yield read(carried.get(name), now_s)
        yield _used_up(carried, now_s)
    yield _in_text(errors, body)
    yield _used_up(named, now_s)


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The first of each name counts."""
    named: dict[str, str] = {}
    for name, value in headers:
        named.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())
    return named


# ---- readings: each of one way to write a time


def _plausible(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_S else None


def _seconds(said: Any, now_s: float = 0.0) -> float | None:
    if isinstance(said, str):
        return _plausible(float(said)) if NUMBER.fullmatch(said) and said.isascii() else None
    return _plausible(float(said)) if _is_number(said) and abs(said) <= LONGEST_S else None


def _milliseconds(said: Any, now_s: float = 0.0) -> float | None:
    if isinstance(said, str):
        found = float(said) if NUMBER.fullmatch(said) and said.isascii() else None
    else:
        found = said if _is_number(said) else None
    return None if found is None or found > LONGEST_S * 1000 else _plausible(found / 1000)


def _is_number(said: Any) -> bool:
    """NaN is none: it is not equal to itself."""
    return isinstance(said, int | float) and not isinstance(said, bool) and said == said


def _seconds_or_date(said: Any, now_s: float) -> float | None:
    """Retry-After. A date that is past says as little as a negative number."""
    found = _seconds(said)
    if found is not None or not isinstance(said, str):
        return found
    try:
        then = parsedate_to_datetime(said)
        return _plausible(then.replace(tzinfo=then.tzinfo or UTC).timestamp() - now_s)
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def _duration(said: Any, now_s: float = 0.0) -> float | None:
    """6m0s, 38s, 120ms; a number alone is seconds, as Azure writes it."""
    found = _seconds(said)
    if found is not None or not isinstance(said, str) or len(said) > 64:
        return found
    pieces = list(PIECE.finditer(said.lower()))
    rest = PIECE.sub("", said.lower())
    return _plausible(sum(map(_piece_s, pieces))) if pieces and not rest.strip(" ,") else None


def _piece_s(piece: re.Match[str]) -> float:
    unit = piece[2]
    return float(piece[1]) * UNIT_S["milli" if unit.startswith("milli") else unit if unit == "ms" else unit[0]]


def _moment(said: Any, now_s: float) -> float | None:
    """A time of day: RFC 3339, or seconds or milliseconds since the epoch. Below a year it is a duration after all."""
    number = float(said) if isinstance(said, str) and NUMBER.fullmatch(said) and said.isascii() else said
    if _is_number(number):
        if abs(number) > 1e15:
            return None
        epoch_s = number / 1000 if number > 1e11 else number
        return _plausible(epoch_s if epoch_s <= LONGEST_S else epoch_s - now_s)
    if not isinstance(said, str):
        return None
    try:
        then = datetime.fromisoformat(said)
        return _plausible(then.replace(tzinfo=then.tzinfo or UTC).timestamp() - now_s)
    except (ValueError, OverflowError, OSError):
        return _duration(said)


HEADERS: dict[str, Reading] = {
    "retry-after-ms": _milliseconds,
    "x-ms-retry-after-ms": _milliseconds,
    "retry-after": _seconds_or_date,
}
FIELDS: dict[str, Reading] = {
    "resets_in_seconds": _seconds,
    "resets_at": _moment,
    "retry_after_ms": _milliseconds,
    "retry_after_seconds": _seconds,
    "retry_after": _seconds,
}

# ---- limits: what is left of each, and when it is whole again

LEFT = re.compile(r"(anthropic-ratelimit(?:-[a-z]+)*|x-ratelimit|ratelimit)-remaining(-.+)?")
# A plan's limits of hours and days, by the one of them that counts; those of `overage` are about money instead.
UNIFIED = "anthropic-ratelimit-unified"


def _used_up(named: Fields, now_s: float) -> float | None:
    """The longest of the limits that are used up: all of them have to be whole again.

    One with something left is not what stopped the request, however long it runs.
    """
    found = (_moment(named.get(reset), now_s) for reset in _resets(named))
    return max((wait for wait in found if wait is not None), default=None)


def _resets(named: Fields) -> Iterator[str]:
    """The names of the headers that say when. OpenAI and Groq say how long, Anthropic and OpenRouter a time."""
    if named.get(f"{UNIFIED}-status") == "rejected":
        yield f"{UNIFIED}-reset"
    for name, value in named.items():
        match = LEFT.fullmatch(name)
        left = str(value).strip()
        if match and (left.startswith("-") or _seconds(left) == 0):  # Azure counts on below nothing
            yield f"{match[1]}-reset{match[2] or ''}"


# ---- bodies


def _errors(body: bytes) -> Iterator[Fields]:
    """The objects in which an error may say it: the error itself first, then what it stands in."""
    said = _parsed(body)
    whole = _dict(said[0] if isinstance(said, list) and said else said)
    response = _dict(whole.get("response"))  # Responses: the event response.failed
    yield from (found for found in (_dict(whole.get("error")), _dict(response.get("error")), whole) if found)


def _parsed(body: bytes) -> Any:
    """JSON, or what the first event of a stream has for data."""
    text = body[:BODY_LIMIT]
    if not text.lstrip().startswith((b"{", b"[")):
        lines = (line[5:] for line in text.splitlines() if line.startswith(b"data:"))
        text = next(lines, b"")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _dict(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _dicts(said: Any) -> Iterator[dict[str, Any]]:
    yield from (one for one in said if isinstance(one, dict)) if isinstance(said, list) else ()


def _googles(details: tuple[dict[str, Any], ...], now_s: float) -> Iterator[float | None]:
    """Google's ErrorInfo, QuotaFailure and RetryInfo, the last of which says seconds also for limits of a day."""
    metadata = [_dict(detail.get("metadata")) for detail in details]
    violations = [violation for detail in details for violation in _dicts(detail.get("violations"))]
    limits = [said.get("quota_limit") for said in metadata] + [said.get("quotaId") for said in violations]
    yield from (_duration(said.get("quotaResetDelay"), now_s) for said in metadata)
    if any("PerDay" in str(limit) for limit in limits):
        # They end at midnight Pacific time, 8:00 UTC, in summer an hour earlier.
        yield DAY_S - (now_s - DAY_S / 3) % DAY_S
    yield from (_duration(detail.get("retryDelay"), now_s) for detail in details)


def _in_text(errors: tuple[Fields, ...], body: bytes | None) -> float | None:
    """Groq and OpenAI: "try again in 7.66s"; Gemini: "Please retry in 29.1s"; Azure: "retry after 26 seconds"."""
    texts = [text for error in errors if isinstance(text := error.get("message") or error.get("error"), str)]
    if not texts and body:
        texts = [body[:TEXT_LIMIT].decode("utf-8", "replace")]
    for text in texts:
        for match in IN_TEXT.finditer(text[:TEXT_LIMIT]):
            pieces = list(PIECE.finditer(match[1].lower()))
            found = _plausible(sum(map(_piece_s, pieces))) if pieces else None
            if found is not None:
                return found
    return None
