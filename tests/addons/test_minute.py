"""Sixty seconds, sliding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.minute import SPAN, Minute, by_age, leaves_in_s

START = 1_800_000_000.0
EVENTS = st.lists(st.tuples(st.floats(0, 20), st.integers(0, 3), st.integers(0, 1000)), max_size=30)


@given(EVENTS, st.floats(0, 100))
def test_it_counts_the_last_minute_and_at_most_a_tenth_of_a_second_more(
    events: list[tuple[float, int, int]], later: float
) -> None:
    minute, now, seen = Minute(), START, []
    for pause, requests, tokens in events:
        now += pause
        minute.add(now, requests, tokens)
        seen.append((now, requests, tokens))
    now += later
    minute.prune(now)
    least = [one for one in seen if one[0] > now - 60]
    most = [one for one in seen if one[0] > now - 60.2]
    assert sum(one[1] for one in least) <= minute.requests <= sum(one[1] for one in most)
    assert sum(one[2] for one in least) <= minute.tokens <= sum(one[2] for one in most)
    assert minute.tokens == sum(one.tokens for one in minute.slices())


def test_however_much_comes_it_stays_small() -> None:
    minute = Minute()
    for number in range(20_000):
        minute.add(START + number / 100, 1, 10)
    assert len(list(minute.slices())) <= SPAN + 1
    assert 6000 <= minute.requests <= 6010


def test_a_slice_is_gone_when_it_says_so() -> None:
    minute = Minute()
    where = minute.add(START + 0.05, 1, 5)
    gone = START + 0.05 + leaves_in_s(where.number, START + 0.05)
    assert START + 60.05 <= gone <= START + 60.2
    minute.prune(gone - 0.01)
    assert minute.tokens == 5
    minute.prune(gone + 0.01)
    assert minute.empty


def test_a_correction_counts_as_long_as_its_slice_does() -> None:
    minute = Minute()
    where = minute.add(START, 1, 100)
    minute.correct(where, -70)
    assert (minute.requests, minute.tokens) == (1, 30)
    minute.add(START + 61, 1, 1)
    minute.correct(where, 1000)
    assert (minute.requests, minute.tokens) == (1, 1)


def test_a_clock_that_was_set_back_holds_nothing_for_longer() -> None:
    minute = Minute()
    minute.add(START, 1, 100)
    minute.prune(START - 3600)
    assert minute.empty
    minute.add(START - 3600, 1, 1)
    assert minute.tokens == 1


def test_slices_of_two_are_put_in_order() -> None:
    one, other = Minute(), Minute()
    for minute, times in ((one, (0, 2)), (other, (1, 3))):
        for at in times:
            minute.add(START + at, 1, at)
    assert [found.tokens for found in by_age(one.slices(), other.slices())] == [0, 1, 2, 3]
