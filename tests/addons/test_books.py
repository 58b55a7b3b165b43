"""Days and months by the calendar of this machine, in all and by provider."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ringlet_mitm.addons.books import Books, Calendar, books_of
from ringlet_mitm.addons.usage.spending import Moment, Purse, Since, Spent
from ringlet_mitm.rules.limits import LimitKind

DAY, MONTH = LimitKind.USD_PER_DAY, LimitKind.USD_PER_MONTH
TOKENS, REQUESTS = LimitKind.TOKENS_PER_MINUTE, LimitKind.REQUESTS_PER_MINUTE


@pytest.fixture(params=["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ZoneInfo]:
    with monkeypatch.context() as there:
        there.setenv("TZ", request.param)
        time.tzset()
        yield ZoneInfo(request.param)
    time.tzset()


def us(zone: ZoneInfo, *moment: int) -> int:
    return round(datetime(*moment, tzinfo=zone).timestamp() * 1_000_000)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone of a process can be set on Unix only")
@pytest.mark.parametrize(
    ("now", "day", "month"),
    [
        ((2026, 11, 21, 12), (2026, 11, 21), (2026, 11, 1)),
        ((2026, 11, 1, 0), (2026, 11, 1), (2026, 11, 1)),
        ((2026, 11, 30, 23, 59, 59), (2026, 11, 30), (2026, 11, 1)),
        ((2026, 3, 29, 12), (2026, 3, 29), (2026, 3, 1)),  # the day on which Berlin's summer time begins
        ((2026, 10, 25, 23), (2026, 10, 25), (2026, 10, 1)),  # and ends
    ],
)
def test_where_day_and_month_begin(
    zone: ZoneInfo, now: tuple[int, ...], day: tuple[int, ...], month: tuple[int, ...]
) -> None:
    calendar, at = Calendar(), us(zone, *now) / 1e6
    wanted = Since(us(zone, *day), us(zone, *month), round(at * 1e6) - 60_000_000)
    assert [calendar.since(at), calendar.since(at)] == [wanted, wanted]


def test_midnight_is_seen() -> None:
    calendar, midnight = Calendar(), datetime(2026, 12, 1).timestamp()
    before, after = calendar.since(midnight - 1), calendar.since(midnight)
    assert after.day_us - before.day_us == 86_400_000_000
    assert after.month_us == after.day_us
    assert calendar.since(midnight - 1) == before


def books(*rows: tuple[str, int, str]) -> Books:
    found = Books(day_us=1000, month_us=100)
    for provider, started_us, usd in rows:
        found.spend(provider, started_us, Decimal(usd), 0)
    return found


def test_a_request_belongs_to_where_it_began() -> None:
    found = books(("zai", 1500, "1"), ("zai", 999, "2"), ("groq", 1000, "4"), ("zai", 99, "8"))
    assert [found.used(DAY, name, 0) for name in (None, "zai", "groq", "other")] == [5, 1, 4, 0]
    assert [found.used(MONTH, name, 0) for name in (None, "zai", "groq")] == [7, 3, 4]


def test_a_new_day_begins_at_nothing_and_the_month_goes_on() -> None:
    found = books(("zai", 1500, "1"))
    found.roll(Since(2000, 100, 0))
    found.spend("zai", 1900, Decimal(2), 0)
    found.spend("zai", 2000, Decimal(4), 0)
    assert (found.used(DAY, None, 0), found.used(MONTH, None, 0)) == (4, 7)
    found.roll(Since(3000, 3000, 0))
    assert (found.used(DAY, "zai", 0), found.used(MONTH, "zai", 0)) == (0, 0)


def test_a_clock_that_is_set_back_forgets_nothing() -> None:
    found = books(("zai", 1500, "1"))
    found.roll(Since(500, 50, 0))
    assert (found.used(DAY, None, 0), found.used(MONTH, None, 0)) == (1, 1)


def test_what_others_spent_is_counted_the_same() -> None:
    spent = Spent(
        [Purse("zai", Decimal(1), Decimal(3), 1, 2), Purse("groq", Decimal(2), Decimal(2))],
        [Moment(1_000_000_000, "zai", 1, 70), Moment(1_020_000_000, "groq", 2, 0)],
    )
    found = books_of(spent, Since(1000, 100, 0))
    assert [found.used(DAY, name, 0) for name in (None, "zai")] == [3, 1]
    assert [found.used(MONTH, name, 0) for name in (None, "zai")] == [5, 3]
    assert (found.money(DAY, None).unpriced, found.money(MONTH, "zai").unpriced) == (1, 2)
    assert [found.used(REQUESTS, name, 1030) for name in (None, "groq", "zai")] == [3, 2, 1]
    assert [found.used(TOKENS, "zai", at) for at in (1030, 1059, 1061)] == [70, 70, 0]
