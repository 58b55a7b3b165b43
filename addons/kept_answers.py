"""The beginning of every streamed answer, kept for those who look at its flow: mitmproxy itself keeps nothing of what
streams, or (`store_streamed_bodies`, from 12 on) all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mitmproxy import http

# An answer of a hundred thousand tokens is half of it.
KEPT_BYTES = 2 * 1024 * 1024
Stream = Callable[[bytes], bytes | Iterable[bytes]]


class KeptAnswer:
    """Stands before a response's `stream` and keeps what goes to the agent, up to `limit` bytes."""

    def __init__(self, stream: Stream, limit: int = KEPT_BYTES) -> None:
        self._stream = stream
        self._limit = limit
        self._kept = bytearray()
        self.missed = 0

    def __call__(self, data: bytes) -> bytes | list[bytes]:
        """What the stream makes of `data`, as it is."""
        made = self._stream(data)
        pieces = [made] if isinstance(made, bytes) else list(made)
        for piece in pieces:
            room = self._limit - len(self._kept)
            self._kept += piece[:room] if len(piece) > room else piece
            self.missed += max(0, len(piece) - room)
        return made if isinstance(made, bytes) else pieces

    @property
    def body(self) -> bytes:
        """What was kept."""
        return bytes(self._kept)


def keep_answer(response: http.Response, limit: int = KEPT_BYTES) -> None:
    """From here on, what streams is kept."""
    if callable(response.stream):
        response.stream = KeptAnswer(response.stream, limit)


def show_answer(response: http.Response) -> int:
    """Put what was kept of a streamed answer where a flow's body is; gives how many bytes came after it.

    The data is set, not the content: headers stay as the agent got them.
    """
    kept = response.stream
    if not isinstance(kept, KeptAnswer):
        return 0
    response.data.content = kept.body
    response.stream = True
    return kept.missed
