"""Periods, each with a `now` and a time zone of its own."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.usage.periods import PERIODS, Period, between, day_of, iso, named
from ringlet_mitm.rules.errors import UsageError

BERLIN, KOLKATA, AUCKLAND = (ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland"))
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
# A Saturday, half past midnight in Berlin and still Friday in London.
NOW = datetime(2026, 11, 21, 0, 30, tzinfo=BERLIN)


def spoken(us: int | None, now: datetime = NOW) -> str | None:
    return iso(us, now)


@pytest.mark.parametrize(
    ("name", "words", "since", "until"),
    [
        ("today", "today (2026-11-21)", "2026-11-21T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
        ("yesterday", "yesterday (2026-11-20)", "2026-11-20T00:00:00+01:00", "2026-11-21T00:00:00+01:00"),
        ("week", "this week (2026-11-16 to 2026-11-21)", "2026-11-16T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
        ("month", "this month (2026-11-01 to 2026-11-21)", "2026-11-01T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
        ("7d", "the last 7 days (2026-11-15 to 2026-11-21)", "2026-11-15T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
        # 30 days before, Berlin had summer time.
        (
            "30d",
            "the last 30 days (2026-10-23 to 2026-11-21)",
            "2026-10-23T00:00:00+02:00",
            "2026-11-22T00:00:00+01:00",
        ),
        ("all", "all time", None, None),
    ],
    ids=list(PERIODS),
)
def test_each_period(name: str, words: str, since: str | None, until: str | None) -> None:
    period = named(name, NOW)
    assert (period.words, spoken(period.since_us), spoken(period.until_us)) == (words, since, until)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 3, 29, 12, tzinfo=BERLIN), 23),
        (datetime(2026, 10, 25, 12, tzinfo=BERLIN), 25),
        (datetime(2026, 11, 21, 12, tzinfo=KOLKATA), 24),
        (datetime(2026, 9, 27, 12, tzinfo=AUCKLAND), 23),
        (datetime(2026, 11, 1, 12, tzinfo=LOS_ANGELES), 25),
    ],
    ids=["spring in Berlin", "autumn in Berlin", "Kolkata", "spring in Auckland", "autumn in Los Angeles"],
)
def test_a_day_is_as_long_as_it_is_there(now: datetime, hours: int) -> None:
    today = named("today", now)
    assert today.since_us is not None
    assert today.until_us is not None
    assert today.until_us - today.since_us == hours * 3600 * 1_000_000
    assert datetime.fromtimestamp(today.since_us / 1e6, now.tzinfo).time().isoformat() == "00:00:00"


@pytest.mark.parametrize(
    ("since", "until", "words", "bounds"),
    [
        pytest.param(
            "2026-11-01",
            None,
            "since 2026-11-01",
            ("2026-11-01T00:00:00+01:00", None),
            id="a day on",
        ),
        pytest.param(
            None, "2026-11-20", "until 2026-11-20", (None, "2026-11-21T00:00:00+01:00"), id="to the end of a day"
        ),
        pytest.param(
            "2026-11-20",
            "2026-11-20",
            "2026-11-20 to 2026-11-20",
            ("2026-11-20T00:00:00+01:00", "2026-11-21T00:00:00+01:00"),
            id="one day",
        ),
        pytest.param(
            "yesterday",
            "today",
            "2026-11-20 to 2026-11-21",
            ("2026-11-20T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
            id="by name",
        ),
        pytest.param("2h", None, "since 2026-11-20 22:30", ("2026-11-20T22:30:00+01:00", None), id="hours ago"),
        pytest.param("90m", None, "since 2026-11-20 23:00", ("2026-11-20T23:00:00+01:00", None), id="minutes ago"),
        pytest.param("3d ago", None, "since 2026-11-18 00:30", ("2026-11-18T00:30:00+01:00", None), id="days ago"),
        # 24 hours each, not what clocks showed: the summer time in between is an hour.
        pytest.param("4w", None, "since 2026-10-24 01:30", ("2026-10-24T01:30:00+02:00", None), id="weeks ago"),
        pytest.param(
            "2d",
            "1 d ago",
            "2026-11-19 00:30 to 2026-11-20 00:30",
            ("2026-11-19T00:30:00+01:00", "2026-11-20T00:30:00+01:00"),
            id="a span ago",
        ),
        pytest.param(
            "2026-11-20T14:30",
            "2026-11-20 15:00:30",
            "2026-11-20 14:30 to 2026-11-20 15:00",
            ("2026-11-20T14:30:00+01:00", "2026-11-20T15:00:30+01:00"),
            id="times",
        ),
        pytest.param(
            "2026-11-20T14:30Z",
            None,
            "since 2026-11-20 15:30",
            ("2026-11-20T15:30:00+01:00", None),
            id="in another time zone",
        ),
        pytest.param(None, None, "all time", (None, None), id="nothing"),
    ],
)
def test_since_and_until(
    since: str | None, until: str | None, words: str, bounds: tuple[str | None, str | None]
) -> None:
    period = between(since, until, NOW)
    assert (period.words, (spoken(period.since_us), spoken(period.until_us))) == (words, bounds)


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("tomorow", None, "--since: 'tomorow' is not a time; write it like 2026-11-21, 2026-11-21T14:30, today,"),
        (None, "2026-13-01", "--until: '2026-13-01' is not a time"),
        ("3y", None, "--since: '3y' is not a time"),
        ("99999d", None, "--since: '99999d' is not a time"),
        ("٣d", None, "--since: '٣d' is not a time"),
        ("0001-01-01T00:00+23:00", None, "--since: '0001-01-01T00:00+23:00' is not a time"),
        (None, "9999-12-31", "--until: '9999-12-31' is not a time"),
        ("2026-11-02", "2026-11-01", "--since 2026-11-02 is not before --until 2026-11-01"),
        ("1h", "1h", "--since 1h is not before --until 1h"),
    ],
    ids=[
        "a slip",
        "no month",
        "no unit",
        "too long ago",
        "other digits",
        "before all",
        "after all",
        "backwards",
        "empty",
    ],
)
def test_what_is_not_a_time(since: str | None, until: str | None, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        between(since, until, NOW)
    assert str(refused.value).startswith(message)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from([UTC, BERLIN, KOLKATA, AUCKLAND, LOS_ANGELES]),
)
def test_today_holds_now_and_follows_yesterday(moment: datetime, zone: ZoneInfo) -> None:
    now = moment.replace(tzinfo=zone)
    today, yesterday, week, month = (named(name, now) for name in ("today", "yesterday", "week", "month"))
    now_us = now.timestamp() * 1_000_000
    for period in (today, week, month, named("7d", now), named("30d", now)):
        assert period.since_us is not None
        assert period.until_us is not None
        assert period.since_us <= now_us < period.until_us
        assert period.until_us == today.until_us
    assert yesterday.until_us == today.since_us
    assert day_of(today.since_us or 0, now) == now.date()
    assert day_of((today.until_us or 0) - 1, now) == now.date()
    assert day_of((today.until_us or 0), now) == now.date() + timedelta(days=1)


def test_a_period_is_only_its_bounds_and_words() -> None:
    assert named("all", NOW) == Period("all time", None, None)
    assert day_of(0, datetime(2026, 1, 1, tzinfo=LOS_ANGELES)) == date(1969, 12, 31)


LOCAL = """
from datetime import datetime
from ringlet_mitm.addons.usage.periods import iso, named
now = datetime(2026, 7, 21, 0, 30)
print(iso(named("today", now).since_us, now), iso(named("30d", now).until_us, now))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not read TZ this way")
@pytest.mark.parametrize(
    ("zone", "printed"),
    [
        ("Europe/Berlin", "2026-07-21T00:00:00+02:00 2026-07-22T00:00:00+02:00"),
        ("NZST-12", "2026-07-21T00:00:00+12:00 2026-07-22T00:00:00+12:00"),
    ],
    ids=["a name", "a rule"],
)
def test_without_a_time_zone_it_is_the_machines(zone: str, printed: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOCAL], env={"TZ": zone}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == printed.split()
