from __future__ import annotations

from datetime import datetime

import pytest
from ledgers import us

from ringlet_mitm.addons.dashboard.wishes import wish_of
from ringlet_mitm.addons.usage.reports import Ask
from ringlet_mitm.rules.errors import UsageError

NOW = datetime(2026, 11, 21, 14, 30)


@pytest.mark.parametrize(
    ("query", "ask"),
    [
        ("", Ask()),
        ("period=all", Ask()),
        ("model=&provider=groq", Ask(provider=("groq",))),
        ("model=a&model=b", Ask(model=("a", "b"))),
        ("rule=tool-use%20%E2%86%92%20groq", Ask(rule=("tool-use → groq",))),
        ("model=claude[1m]", Ask(model=("claude[[]1m]",))),
        ("model=a*b?", Ask(model=("a[*]b[?]",))),
        (
            "since=2026-11-20&until=2026-11-20&tz=UTC",
            Ask(since_us=us("2026-11-20T00:00+00:00"), until_us=us("2026-11-21T00:00+00:00"), tz="UTC"),
        ),
        (
            "period=yesterday&tz=Asia/Tokyo",
            Ask(since_us=us("2026-11-20T00:00+09:00"), until_us=us("2026-11-21T00:00+09:00"), tz="Asia/Tokyo"),
        ),
    ],
)
def test_what_is_asked(query: str, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wish_of(query, datetime.fromtimestamp(us("2026-11-21T12:00+00:00") / 1e6)).ask == ask


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("modle=x", "did you mean 'model'?"),
        ("period=fortnight", "there are today, yesterday"),
        ("period=7d&since=2d", "leave it out"),
        ("since=soon", "is not a time"),
        ("since=2026-11-20&until=2026-11-01", "is not before"),
        ("tz=Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("tz=../../etc/passwd", "no time zone"),
        ("model=%FF", "cannot be read"),
        ("&".join(["model=x"] * 65), "cannot be read"),
        ("model=" + "x" * 5000, "more than 4096"),
    ],
)
def test_what_is_not_understood(query: str, why: str) -> None:
    with pytest.raises(UsageError, match=why.replace("?", r"\?")):
        wish_of(query, NOW)


def test_words() -> None:
    assert wish_of("period=today", NOW).words == "today (2026-11-21)"
