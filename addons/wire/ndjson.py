"""Lines of JSON: bytes in, lines out, at any split of the bytes (Ollama's streams).

Only new bytes are searched for the line's end, so that a line of many megabytes does not cost its square.
"""

from __future__ import annotations

LIMIT = 32 * 1024 * 1024


class NdjsonParser:
    """Incremental; keeps at most `limit` bytes of an unfinished line.

    A longer one is thrown away up to its end, `overflowed` says that it happened. Blank lines are read over.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._skipping = False
        self.overflowed = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends."""
        first, *others = data.split(b"\n")
        self._add(first)
        if not others:
            return []
        *whole, last = others
        lines = [self._end(), *(line for line in whole if self._fits(line))]
        self._add(last)
        return [stripped for line in lines if (stripped := line.strip())]

    def close(self) -> list[bytes]:
        """What is left at the end of the stream: a last line without its end."""
        last = self._end().strip()
        return [last] if last else []

    def _add(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._rest += piece
        if not self._fits(self._rest):
            self._skipping = True
            self._rest.clear()

    def _end(self) -> bytes:
        line = bytes(self._rest)
        self._rest.clear()
        self._skipping = False
        return line

    def _fits(self, line: bytes | bytearray) -> bool:
        self.overflowed = self.overflowed or len(line) > self._limit
        return len(line) <= self._limit


def render(line: bytes) -> bytes:
    """The bytes of a line; `line` is compact JSON, which has no line ends."""
    return line + b"\n"
