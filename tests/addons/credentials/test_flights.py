from __future__ import annotations

import asyncio
from threading import Event

import pytest

from ringlet_mitm.addons.credentials.flights import Flights


def test_many_who_ask_at_once_get_one_answer() -> None:
    runs: list[int] = []

    async def all_ask() -> list[int]:
        flights: Flights[int] = Flights()
        return await asyncio.gather(*(flights.once("a", lambda: runs.append(1) or len(runs)) for _ in range(5)))

    assert asyncio.run(all_ask()) == [1] * 5 and runs == [1]


def test_another_name_is_other_work_and_later_is_again() -> None:
    async def ask() -> tuple[int, int, int]:
        flights: Flights[int] = Flights()
        return (
            await flights.once("a", lambda: 1),
            await flights.once("b", lambda: 2),
            await flights.once("a", lambda: 3),
        )

    assert asyncio.run(ask()) == (1, 2, 3)


def test_all_get_the_same_error_and_the_next_tries_again() -> None:
    def fail() -> int:
        raise ValueError("no")

    async def ask() -> int:
        flights: Flights[int] = Flights()
        found = await asyncio.gather(flights.once("a", fail), flights.once("a", fail), return_exceptions=True)
        assert [str(error) for error in found] == ["no", "no"]
        return await flights.once("a", lambda: 7)

    assert asyncio.run(ask()) == 7


def test_who_hangs_up_takes_nothing_from_the_others() -> None:
    gate = Event()

    async def ask() -> int:
        flights: Flights[int] = Flights()
        first = asyncio.create_task(flights.once("a", lambda: int(gate.wait(10))))
        second = asyncio.create_task(flights.once("a", lambda: 2))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        gate.set()
        return await second

    assert asyncio.run(ask()) == 1
