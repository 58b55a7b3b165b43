"""How a proxy ends, as its loop is told."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass, field

import pytest

from ringlet_mitm.addons.ending import Ending


@dataclass
class Stage:
    """Notes what is done; `left` requests are under way."""

    left: int
    done: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def ending(self, patience_s: float = 20) -> Ending:
        def cut() -> None:
            self.done.append(f"cut {self.left}")

        def end() -> None:
            self.done.append("end")
            self.over.set()

        return Ending(lambda: self.left, lambda: self.done.append("close"), cut, end, patience_s)


def test_at_once_where_nothing_is_under_way() -> None:
    async def play() -> list[str]:
        stage = Stage(0)
        stage.ending().asked(signal.SIGTERM)
        return stage.done

    assert asyncio.run(play()) == ["end"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_may_end(number: int) -> None:
    async def play() -> tuple[list[str], list[str]]:
        stage = Stage(2)
        stage.ending().asked(number)
        before = list(stage.done)
        stage.left = 0
        await asyncio.wait_for(stage.over.wait(), 20)
        return before, stage.done

    assert asyncio.run(play()) == (["close"], ["close", "cut 0", "end"])


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, "2 requests in flight; Ctrl-C again to cut off"),
        (signal.SIGTERM, "2 requests in flight; waiting up to 20 s"),
    ],
    ids=["Ctrl-C", "a supervisor"],
)
def test_told_twice_it_waits_no_longer(number: int, words: str, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> list[str]:
        stage = Stage(2)
        ending = stage.ending()
        ending.asked(number)
        ending.asked(number)
        return stage.done

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(play()) == ["close", "cut 2", "end"]
    assert caplog.messages == [words, "2 requests cut off"]


def test_a_supervisor_is_not_kept_waiting_for_ever() -> None:
    async def play() -> list[str]:
        stage = Stage(1)
        stage.ending(patience_s=0.1).asked(signal.SIGTERM)
        await asyncio.wait_for(stage.over.wait(), 20)
        return stage.done

    assert asyncio.run(play()) == ["close", "cut 1", "end"]


def test_signals_reach_it_and_ignored_ones_do_not() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}

    async def play() -> list[str]:
        stage = Stage(0)
        stage.ending().listen()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        await asyncio.wait_for(stage.over.wait(), 20)
        return stage.done

    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert asyncio.run(play()) == ["end"]
        signal.raise_signal(signal.SIGTERM)  # behind the end of the loop
    finally:
        for number, act in before.items():
            signal.signal(number, act)
