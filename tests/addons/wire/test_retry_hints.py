"""How long a provider says to wait."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.retry_hints import HEADERS, LONGEST_S, may_retry, retry_after_ms

NOW_S = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"


def waits(headers: dict[str, str] | None = None, body: Any = None) -> int | None:
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    return retry_after_ms([(k.encode(), v.encode()) for k, v in (headers or {}).items()], raw, NOW_S)


def google(*details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": 429, "message": "?", "status": "RESOURCE_EXHAUSTED", "details": list(details)}}


@pytest.mark.parametrize(
    ("headers", "ms"),
    [
        ({"Retry-After": "7"}, 7000),
        ({"retry-after": " 7 "}, 7000),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1.5"}, 1500),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30_000),
        ({"retry-after": "Friday, 15-Jan-27 08:00:30 GMT"}, 30_000),
        ({"retry-after": "Fri Jan 15 08:00:30 2027"}, 30_000),
        ({"retry-after-ms": "350", "retry-after": "1"}, 350),
        ({"x-ms-retry-after-ms": "350"}, 350),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1000),
    ],
    ids=lambda value: str(value)[:60],
)
def test_headers_made_for_it(headers: dict[str, str], ms: int) -> None:
    assert waits(headers) == ms


@pytest.mark.parametrize(
    "value",
    [
        *["", "-1", "soon", "nan", "inf", "1e3", "1_000", "٣", "99999999999", "9" * 400, "0x10", "1;2"],
        *["Fri, 15 Jan 2027 07:59:30 GMT", "Fri, 15 Jan 2077 08:00:00 GMT", "Fri, 99 Jan 2027 08:00:00 GMT"],
    ],
)
@pytest.mark.parametrize("name", list(HEADERS))
def test_nonsense_says_nothing(name: str, value: str) -> None:
    assert waits({name: value}) is None


@pytest.mark.parametrize(
    ("headers", "ms"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 1000),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360_000),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 120),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2m59.56s"}, 179_560),
        ({"x-ratelimit-remaining-tokens": "-27689", "x-ratelimit-reset-tokens": "64"}, 64_000),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000005000"}, 5000),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1800000005"}, 5000),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "2s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "9s",
            },
            9000,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2027-01-15T09:00:00Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2027-01-15T08:00:12Z",
            },
            12_000,
        ),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2027-01-15T07:59Z"}, None),
        (
            {
                "anthropic-ratelimit-unified-status": "rejected",
                "anthropic-ratelimit-unified-reset": "1800003600",
                "anthropic-ratelimit-unified-7d-status": "allowed",
                "anthropic-ratelimit-unified-7d-reset": "1800500000",
            },
            3_600_000,
        ),
        (
            {
                "anthropic-ratelimit-unified-status": "allowed",
                "anthropic-ratelimit-unified-reset": "1800003600",
                "anthropic-ratelimit-unified-overage-status": "rejected",
                "anthropic-ratelimit-unified-overage-reset": "1800500000",
            },
            None,
        ),
    ],
    ids=[
        "seconds",
        "minutes",
        "milliseconds",
        "Groq's fractions",
        "Azure below nothing",
        "something left",
        "nothing said of what is left",
        "OpenRouter's milliseconds",
        "seconds since the epoch",
        "the longer of two",
        "Anthropic's that is used up",
        "a reset that is past",
        "a plan's five hours",
        "a plan that still allows",
    ],
)
def test_limits_that_are_used_up(headers: dict[str, str], ms: int | None) -> None:
    assert waits(headers) == ms


def test_a_header_made_for_it_goes_before_limits() -> None:
    assert waits({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m", "retry-after": "2"}) == 2000


@pytest.mark.parametrize(
    ("body", "ms"),
    [
        (google({"@type": RETRY_INFO, "retryDelay": "38s"}), 38_000),
        ([google({"@type": RETRY_INFO, "retryDelay": "38.5s"})], 38_500),
        (google({"violations": [{"quotaId": PER_MINUTE}]}, {"@type": RETRY_INFO, "retryDelay": "38s"}), 38_000),
        (google({"violations": [{"quotaId": PER_DAY}]}, {"@type": RETRY_INFO, "retryDelay": "38s"}), 86_400_000),
        (google({"metadata": {"quota_limit": "Gemini25ProRequestsPerDay"}}), 86_400_000),
        (google({"reason": "QUOTA_EXHAUSTED", "metadata": {"quotaResetDelay": "135h9m46s"}}), 486_586_000),
        (google({"@type": RETRY_INFO, "retryDelay": "-3s"}), None),
        (google({"@type": RETRY_INFO, "retryDelay": {"seconds": "x"}}), None),
        ({"error": {"type": "usage_limit_reached", "resets_in_seconds": 123}}, 123_000),
        ({"error": {"type": "usage_limit_reached", "resets_at": 1_800_000_060}}, 60_000),
        ({"error": {"type": "usage_limit_reached", "resets_at": 1_700_000_000}}, None),
        ({"type": "response.failed", "response": {"error": {"message": "Please try again in 2s."}}}, 2000),
        ({"error": {"message": "slow", "retry_after": 3}}, 3000),
        (
            {
                "error": {
                    "message": "Rate limit exceeded: free-models-per-day.",
                    "code": 429,
                    "metadata": {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1800000009000"}},
                }
            },
            9000,
        ),
        (b'event: error\ndata: {"error": {"resets_in_seconds": 5}}\n\ndata: [DONE]\n\n', 5000),
    ],
    ids=[
        "Gemini",
        "Gemini streaming",
        "Gemini: a limit of a minute",
        "Gemini: a limit of a day",
        "Code Assist: a limit of a day",
        "Code Assist",
        "negative",
        "no string",
        "Codex: how long",
        "Codex: when",
        "Codex: past",
        "Responses: the event",
        "a gateway's field",
        "OpenRouter's headers in the body",
        "a stream's first event",
    ],
)
def test_bodies(body: Any, ms: int | None) -> None:
    assert waits(body=body) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("Rate limit reached for model `m` (TPM): Limit 6000. Please try again in 7.66s. Need more tokens?", 7660),
        ("Please try again in 1m26.4s. Visit https://console.groq.com/docs for more.", 86_400),
        ("Please try again in 1m2.639999999s", 62_640),
        ("Rate limit reached for gpt-5 (TPM): Limit 30000, Used 29000. Please try again in 350ms.", 350),
        ("Please try again in 2h3m.", 7_380_000),
        ("Please retry in 29.114197034s.", 29_114),
        ("Please retry after 26 seconds. To increase your limit, ask for it.", 26_000),
        ("You have exhausted your capacity. Your quota will reset after 2h52m39s.", 10_359_000),
        ("You've hit your limit. Try again in 5 days 3 hours.", 442_800_000),
        ("Try again in about 3 minutes", 180_000),
        ("Try again in 3 moments", None),
        ("Try again in a while", None),
        ("Try again in 99999 days", None),
        ("try again", None),
    ],
)
def test_texts(text: str, ms: int | None) -> None:
    assert waits(body={"error": {"message": text, "type": "tokens"}}) == ms
    assert waits(body={"error": text}) == ms
    assert waits(body=text.encode()) == ms


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"X-Should-Retry", b"true")], True),
        ([(b"x-should-retry", b"false")], False),
        ([(b"x-should-retry", b"perhaps")], None),
        ([], None),
    ],
)
def test_whether_to_try_again(headers: list[tuple[bytes, bytes]], expected: bool | None) -> None:
    assert may_retry(headers) is expected


SCRAPS = st.sampled_from(
    [b"-1", b"0", b"1e999", b"NaN", b"38s", b"1m", b"9" * 40, b"2027-01-15T08:00:12Z", b"\xff", b"rejected", b"ms"]
)
NAMES = st.sampled_from(
    [
        *(name.encode() for name in HEADERS),
        *(b"x-should-retry", b"x-ratelimit-remaining", b"x-ratelimit-reset"),
        *(b"anthropic-ratelimit-unified-status", b"anthropic-ratelimit-unified-reset"),
    ]
)
HEADER = st.tuples(
    NAMES | st.binary(max_size=12),
    SCRAPS | st.binary(max_size=40) | st.datetimes().map(lambda d: d.isoformat().encode()),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | SCRAPS.map(repr)
KEYS = st.sampled_from(
    [
        *("error", "response", "details", "metadata", "headers", "violations", "quotaId", "retryDelay"),
        *("quotaResetDelay", "resets_in_seconds", "resets_at", "retry_after", "retry_after_ms", "message", "x"),
    ]
)
BODIES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
).map(lambda said: json.dumps(said).encode())


@given(st.lists(HEADER, max_size=5), st.none() | BODIES | st.binary(max_size=60), st.floats(0, 4e9))
@example([], b"[" * 100_000, NOW_S)
@example([], b'{"error": {"resets_at": 1e400, "retry_after": ' + b"9" * 5000 + b"}}", NOW_S)
@example([], b"try again in " + b"1m " * 5000, NOW_S)
def test_no_answer_is_too_strange(headers: list[tuple[bytes, bytes]], body: bytes | None, now_s: float) -> None:
    found = retry_after_ms(headers, body, now_s)
    assert found is None or 0 <= found <= LONGEST_S * 1000
    assert may_retry(headers) in (True, False, None)
