"""A bounded memory: what is asked for stays, what is not goes, and threads do not disturb it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.remembering import Remembered


def key(number: int) -> bytes:
    return number.to_bytes(4, "big")


def filled(max_entries: int, numbers: range) -> Remembered[int]:
    memory: Remembered[int] = Remembered(max_entries)
    for number in numbers:
        memory.put(key(number), number)
    return memory


def test_what_was_put_is_there() -> None:
    memory = filled(10, range(3))
    assert [memory.get(key(number)) for number in range(4)] == [0, 1, 2, None]
    assert memory.get_all(map(key, range(4))) == [0, 1, 2, None]


def test_the_newest_value_counts() -> None:
    memory = filled(4, range(4))
    memory.put(key(0), 100)
    assert (memory.get(key(0)), memory.get_all([key(0)])) == (100, [100])


@pytest.mark.parametrize("max_entries", [2, 3, 10, 1000])
def test_it_never_grows_beyond_its_size(max_entries: int) -> None:
    memory = filled(max_entries, range(5 * max_entries + 5))
    assert len(memory) <= max_entries


@pytest.mark.parametrize("max_entries", [2, 3, 10, 1000])
def test_the_last_half_is_always_there(max_entries: int) -> None:
    last = range(3 * max_entries)[-(max_entries // 2) :]
    memory = filled(max_entries, range(3 * max_entries))
    assert memory.get_all(map(key, last)) == list(last)


def test_asking_keeps() -> None:
    memory = filled(4, range(2))
    for number in range(10, 30):
        memory.put(key(number), number)
        assert memory.get(key(0)) == 0
    assert memory.get(key(1)) is None


def test_asking_for_all_keeps_as_well() -> None:
    memory = filled(8, range(2))
    for number in range(10, 40):
        memory.put(key(number), number)
        assert memory.get_all([key(0), key(1)]) == [0, 1]


def test_keys_from_a_generator() -> None:
    assert filled(4, range(4)).get_all(key(number) for number in range(4)) == [0, 1, 2, 3]


@given(st.integers(2, 20), st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=200))
def test_it_forgets_but_never_invents(max_entries: int, steps: list[tuple[bool, int]]) -> None:
    memory: Remembered[int] = Remembered(max_entries)
    truth: dict[bytes, int] = {}
    for time, (writes, number) in enumerate(steps):
        if writes:
            memory.put(key(number), time)
            truth[key(number)] = time
            assert memory.get(key(number)) == time
        else:
            assert memory.get(key(number)) in (None, truth.get(key(number)))
        assert len(memory) <= max_entries
    assert all(found in (None, truth[one]) for one, found in zip(truth, memory.get_all(truth), strict=True))


def test_threads() -> None:
    memory: Remembered[int] = Remembered(50)

    def work(seed: int) -> bool:
        for step in range(500):
            number = (seed * 31 + step * 7) % 80
            memory.put(key(number), number)
            if not all(found in (None, one) for one, found in enumerate(memory.get_all(map(key, range(80))))):
                return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))
    assert len(memory) <= 50
