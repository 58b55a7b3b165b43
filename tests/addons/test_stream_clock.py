"""What is due in a stream, at which time."""

from __future__ import annotations

import pytest

from ringlet_mitm.addons.stream_clock import Due, Phase, StreamClock
from ringlet_mitm.addons.stream_port import Limits, Waiting

LIMITS = Limits(connect_s=10, first_byte_s=60, idle_s=30, total_s=0)


def clock(limits: Limits = LIMITS, entered: float = 1000, heard: float = 1000, told: float = 0) -> StreamClock:
    return StreamClock(limits, begun_at=1000, heard_at=heard, entered_at=entered, told_at=told)


def waiting(*, begun: bool = False) -> Waiting:
    return Waiting(15, 5, "text/event-stream", lambda: b"", begun)


@pytest.mark.parametrize(
    ("phase", "limit_s", "due"),
    [
        (Phase.CONNECTING, 10, Due.NO_CONNECTION),
        (Phase.IN_LINE, 60, Due.TURNED_AWAY),
        (Phase.ASKED, 60, Due.SILENCE),
        (Phase.COLLECTED, 30, Due.SILENCE),
        (Phase.HELD, 30, Due.SILENCE),
        (Phase.FLOWING, 30, Due.SILENCE),
    ],
    ids=str,
)
def test_each_phase_has_its_limit(phase: Phase, limit_s: float, due: Due) -> None:
    assert clock().due(1000 + limit_s, phase, None) is None
    assert clock().due(1000.1 + limit_s, phase, None) is due


@pytest.mark.parametrize("phase", [Phase.PAUSED, Phase.OVER])
def test_a_pause_has_no_limit(phase: Phase) -> None:
    assert clock().due(99_999, phase, None) is None


@pytest.mark.parametrize("phase", Phase)
def test_no_limit_is_no_limit(phase: Phase) -> None:
    assert clock(Limits()).due(99_999, phase, None) is None


def test_what_is_heard_begins_the_time_anew() -> None:
    assert clock(heard=1050).due(1079, Phase.FLOWING, None) is None
    assert clock(heard=1050).due(1081, Phase.FLOWING, None) is Due.SILENCE


@pytest.mark.parametrize(
    ("phase", "due"),
    [
        (Phase.IN_LINE, Due.TURNED_AWAY),
        (Phase.CONNECTING, Due.NO_CONNECTION),
        (Phase.ASKED, Due.SILENCE),
        (Phase.FLOWING, Due.SILENCE),
        (Phase.PAUSED, None),
    ],
    ids=str,
)
def test_all_attempts_together_have_a_limit(phase: Phase, due: Due | None) -> None:
    total = clock(Limits(total_s=20), entered=1019, heard=1019)
    assert total.due(1020, phase, None) is None
    assert total.due(1020.1, phase, None) is due


def test_what_is_held_back_is_released() -> None:
    assert clock().due(1002, Phase.HELD, None, 2) is None
    assert clock().due(1002.1, Phase.HELD, None, 2) is Due.RELEASE
    assert clock(Limits(idle_s=1)).due(1002.1, Phase.HELD, None, 2) is Due.SILENCE
    assert clock().due(1002.1, Phase.HELD, None, 0) is None


@pytest.mark.parametrize(
    ("phase", "begun", "now", "pings"),
    [
        (Phase.PAUSED, False, 1014, False),
        (Phase.PAUSED, False, 1015, True),
        (Phase.IN_LINE, False, 1015, True),
        (Phase.ASKED, False, 1015, True),
        (Phase.COLLECTED, False, 1015, True),
        (Phase.HELD, False, 1015, False),
        (Phase.HELD, True, 1015, True),
        (Phase.PAUSED, True, 1004, False),
        (Phase.PAUSED, True, 1005, True),
        (Phase.FLOWING, True, 1015, False),
        (Phase.OVER, True, 1015, False),
    ],
)
def test_pings_come_late_and_then_regularly(phase: Phase, begun: bool, now: float, pings: bool) -> None:
    found = clock(told=1000).due(now, phase, waiting(begun=begun))
    assert found is (Due.PING if pings else None)


def test_a_limit_goes_before_a_ping() -> None:
    assert clock().due(1061, Phase.ASKED, waiting()) is Due.SILENCE
