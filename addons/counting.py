"""Counts tokens beside the event loop, and remembers what was counted for as long as the proxy runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from ringlet_mitm.rules.encoder import Encoder, load_encoder
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.tokens import Survey, TextParts, TokenMemo

# tiktoken does about 29 MB/s: this is half a millisecond, and handing over to a thread and back costs a fifth of that.
INLINE_BYTES = 16_384
# A new turn of a conversation is mostly shorter than this.
AT_ONCE_BYTES = 4_096


class Counter:
    """The tokenizer, its threads and its memory; the tokenizer is loaded by whoever first needs it, in a thread."""

    def __init__(self, load: Callable[[], Encoder] = load_encoder) -> None:
        self._load = load
        self._encoder: Encoder | None = None
        self._loading = Lock()
        self._memo = TokenMemo()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="tokens")

    def survey(self, parts: TextParts) -> Survey:
        """What is known of a request without counting."""
        return self._memo.survey(parts)

    def at_once(self, survey: Survey) -> int | None:
        """The exact count where that takes no longer than being asked for it would."""
        if survey.exact is None and self._encoder is not None and survey.missing_bytes <= AT_ONCE_BYTES:
            return self._memo.learn(survey, self._encoder)
        return survey.exact

    async def count(self, survey: Survey) -> int:
        """The exact count; long texts are counted in a thread, and other streams go on meanwhile.

        Raises RingletError where the tokenizer is damaged, or the proxy is stopping.
        """
        if self._encoder is not None and survey.missing_bytes <= INLINE_BYTES:
            return self._memo.learn(survey, self._encoder)
        try:
            counted = self._threads.submit(self._count, survey)
        except RuntimeError:
            raise RingletError("tokens cannot be counted any more: the proxy is stopping") from None
        return await asyncio.wrap_future(counted)

    def warm(self) -> None:
        """Load the tokenizer now, so that the first request that needs it does not wait for it."""
        self._loaded()

    def close(self) -> None:
        """Take no more work; what is being counted is finished, what waits for a thread is cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _count(self, survey: Survey) -> int:
        return self._memo.learn(survey, self._loaded())

    def _loaded(self) -> Encoder:
        with self._loading:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder
