"""Short texts are counted where they are asked for, long ones in a thread while the loop goes on."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec import Raw

from ringlet_mitm.addons.counting import INLINE_BYTES, Counter
from ringlet_mitm.rules.encoder import Encoder, load_encoder
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.tokens import TextParts

PATIENCE_S = 20


class Words(Encoder):
    """A token is a word; counting waits for `may_go_on`, and says when and in which thread it began."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.began = threading.Semaphore(0)
        self.threads: list[str] = []

    def count(self, text: str) -> int:
        self.threads.append(threading.current_thread().name)
        self.began.release()
        assert self.may_go_on.wait(PATIENCE_S)
        return len(text.split())


def parts(*texts: str) -> TextParts:
    return TextParts(tuple(Raw(json.dumps(text).encode()) for text in texts))


SHORT = parts("three short words")
LONG = parts("word " * INLINE_BYTES)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))


async def begun(words: Words) -> None:
    """Until a thread has begun to count."""
    assert await asyncio.to_thread(words.began.acquire, timeout=PATIENCE_S)


async def turn_of_the_loop() -> None:
    """Let everything that is ready run once."""
    loop = asyncio.get_running_loop()
    turned = loop.create_future()
    loop.call_soon(turned.set_result, None)
    await turned


def test_the_tokenizer_is_loaded_when_it_is_first_needed_and_in_a_thread() -> None:
    loaded: list[str] = []

    def load() -> Encoder:
        loaded.append(threading.current_thread().name)
        return Words()

    async def main() -> None:
        counter = Counter(load)
        assert (counter.survey(SHORT).exact, loaded) == (None, [])
        assert await asyncio.gather(*(counter.count(counter.survey(SHORT)) for _ in range(5))) == [3] * 5
        assert len(loaded) == 1
        assert loaded[0].startswith("tokens")

    run(main)


def test_short_texts_are_counted_at_once() -> None:
    async def main() -> None:
        counter = Counter(lambda: words)
        counter.warm()
        assert await counter.count(counter.survey(SHORT)) == 3
        assert words.threads == ["MainThread"]

    words = Words()
    run(main)


def test_long_texts_are_counted_in_a_thread_and_the_loop_goes_on() -> None:
    async def main() -> None:
        counter = Counter(lambda: words)
        counter.warm()
        words.may_go_on.clear()
        long = asyncio.create_task(counter.count(counter.survey(LONG)))
        await begun(words)
        for _ in range(100):
            await turn_of_the_loop()
        assert not long.done()
        words.may_go_on.set()
        assert await long == INLINE_BYTES
        assert words.threads[0].startswith("tokens")

    words = Words()
    run(main)


def test_a_short_text_does_not_wait_for_a_long_one() -> None:
    async def main() -> None:
        counter = Counter(lambda: words)
        counter.warm()
        assert await counter.count(counter.survey(SHORT)) == 3
        words.may_go_on.clear()
        long = asyncio.create_task(counter.count(counter.survey(LONG)))
        await begun(words)
        await begun(words)
        assert await counter.count(counter.survey(SHORT)) == 3
        assert counter.survey(SHORT).exact == 3
        assert not long.done()
        words.may_go_on.set()
        await long

    words = Words()
    run(main)


def test_what_was_counted_before_is_known() -> None:
    async def main() -> None:
        counter = Counter(lambda: words)
        await counter.count(counter.survey(LONG))
        assert counter.survey(LONG).exact == INLINE_BYTES
        both = TextParts((*LONG.segments, *SHORT.segments), 10)
        assert counter.survey(both).exact is None
        assert await counter.count(counter.survey(both)) == INLINE_BYTES + 3 + 10
        assert words.threads[1:] == ["MainThread"]

    words = Words()
    run(main)


def test_the_same_text_at_the_same_time() -> None:
    async def main() -> None:
        counter = Counter(lambda: words)
        counter.warm()
        words.may_go_on.clear()
        several = [asyncio.create_task(counter.count(counter.survey(LONG))) for _ in range(4)]
        await begun(words)
        words.may_go_on.set()
        assert await asyncio.gather(*several) == [INLINE_BYTES] * 4
        assert len(words.threads) <= 2

    words = Words()
    run(main)


def test_closing_lets_what_is_being_counted_finish() -> None:
    async def main() -> None:
        counter = Counter(lambda: words)
        counter.warm()
        words.may_go_on.clear()
        running = [asyncio.create_task(counter.count(counter.survey(parts("x " * INLINE_BYTES + end)))) for end in "ab"]
        await begun(words)
        await begun(words)
        waiting = asyncio.create_task(counter.count(counter.survey(LONG)))
        await turn_of_the_loop()
        counter.close()
        words.may_go_on.set()
        assert await asyncio.gather(*running) == [INLINE_BYTES + 1] * 2
        with pytest.raises(asyncio.CancelledError):
            await waiting

    words = Words()
    run(main)


def test_after_closing_there_is_one_clear_error() -> None:
    async def main() -> None:
        counter = Counter(Words)
        counter.close()
        with pytest.raises(RingletError, match="the proxy is stopping"):
            await counter.count(counter.survey(LONG))

    run(main)


def test_a_damaged_tokenizer_is_an_error_of_the_request_that_needs_it() -> None:
    def load() -> Encoder:
        raise RingletError("damaged")

    async def main() -> None:
        counter = Counter(load)
        for _ in range(2):
            with pytest.raises(RingletError, match="damaged"):
                await counter.count(counter.survey(SHORT))

    run(main)


def test_an_agent_that_goes_away_disturbs_nobody() -> None:
    async def main() -> None:
        counter = Counter(lambda: words)
        counter.warm()
        words.may_go_on.clear()
        gone = asyncio.create_task(counter.count(counter.survey(LONG)))
        await begun(words)
        gone.cancel()
        words.may_go_on.set()
        assert await counter.count(counter.survey(LONG)) == INLINE_BYTES

    words = Words()
    run(main)


def test_with_the_real_tokenizer() -> None:
    async def main() -> None:
        counter = Counter(load_encoder)
        assert await counter.count(counter.survey(parts("hello world"))) == 2
        assert await counter.count(counter.survey(parts("hello world " * 20_000))) > 40_000

    run(main)
