"""Counts tokens beside the event loop, and remembers what was counted for as long as the proxy runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from ringlet_mitm.rules.encoder import Encoder, load_encoder
from ringlet_mitm.rules.errors import RingletError
from ringlet_mitm.rules.tokens import TextParts, TokenMemo, count

# tiktoken does about 29 MB/s: this is half a millisecond, and handing over to a thread and back costs a fifth of that.
INLINE_BYTES = 16_384


class Counter:
    """The tokenizer, its threads and its memory; the tokenizer is loaded by whoever first needs it, in a thread."""

    def __init__(self, load: Callable[[], Encoder] = load_encoder) -> None:
        self._load = load
        self._encoder: Encoder | None = None
        self._loading = Lock()
        self._memo = TokenMemo()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="tokens")

    def known(self, parts: TextParts) -> int | None:
        """The exact count where all of it was counted before."""
        return self._memo.known(parts)

    async def count(self, parts: TextParts) -> int:
        """The exact count; long texts are counted in a thread, and other streams go on meanwhile.

        Raises RingletError where the tokenizer is damaged, or the proxy is stopping.
        """
        if self._encoder is not None and self._memo.missing_bytes(parts) <= INLINE_BYTES:
            return count(parts, self._memo, self._encoder)
        try:
            counted = self._threads.submit(self._count, parts)
        except RuntimeError:
            raise RingletError("tokens cannot be counted any more: the proxy is stopping") from None
        return await asyncio.wrap_future(counted)

    def warm(self) -> None:
        """Load the tokenizer now, so that the first request that needs it does not wait for it."""
        self._loaded()

    def close(self) -> None:
        """Take no more work; what is being counted is finished, what waits for a thread is cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _count(self, parts: TextParts) -> int:
        return count(parts, self._memo, self._loaded())

    def _loaded(self) -> Encoder:
        with self._loading:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder
