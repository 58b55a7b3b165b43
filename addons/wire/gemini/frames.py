"""A stream as chunks of JSON: server-sent events with `alt=sse`, else one JSON array that grows.

Which of the two it is, the first byte says. Of the array only the outermost objects are told apart; the bytes between
quotation marks and braces are jumped over.
"""

from __future__ import annotations

import re

from ringlet_mitm.addons.wire.sse import LIMIT, SseParser

_SPACE = b" \t\r\n"
_OUTSIDE = re.compile(rb'["{}]')
_INSIDE = re.compile(rb'["\\]')


class ArrayParser:
    """The objects of a JSON array as they are completed, at any split; one longer than `limit` is thrown away."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._seen = 0  # how far `_rest` has been looked at
        self._depth = 0
        self._in_text = False
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that `data` completes."""
        self._rest += data
        found: list[bytes] = []
        while True:
            mark = (_INSIDE if self._in_text else _OUTSIDE).search(self._rest, self._seen)
            if mark is None:
                break
            at = mark.start()
            if self._in_text and self._rest[at] == ord("\\"):
                if at + 1 >= len(self._rest):
                    self._seen = at
                    return found + self._shortened(at)
                self._seen = at + 2
                continue
            self._seen = at + 1
            self._step(self._rest[at], at, found)
        self._seen = len(self._rest)
        return found + self._shortened(self._seen)

    def _step(self, byte: int, at: int, found: list[bytes]) -> None:
        if byte == ord('"'):
            self._in_text = not self._in_text
        elif byte == ord("{"):
            if self._depth == 0:
                del self._rest[:at]
                self._seen = 1
            self._depth += 1
        elif self._depth:
            self._depth -= 1
            if self._depth == 0:
                self._take(found)

    def _take(self, found: list[bytes]) -> None:
        if not self._skipping and self._seen <= self._limit:
            found.append(bytes(self._rest[: self._seen]))
        self._skipping = False
        del self._rest[: self._seen]
        self._seen = 0

    def _shortened(self, seen: int) -> list[bytes]:
        """Lets go of what will not be needed: between two objects, and of one that is too long."""
        if self._depth == 0 or self._skipping or len(self._rest) > self._limit:
            self._skipping = self._depth > 0
            del self._rest[:seen]
            self._seen = 0
        return []


class Frames:
    """The chunks of a stream of either kind."""

    def __init__(self) -> None:
        self._parser: SseParser | ArrayParser | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The chunks that `data` completes."""
        if self._parser is None:
            data = data.lstrip(_SPACE)
            if not data:
                return []
            self._parser = ArrayParser() if data[:1] in (b"[", b"{") else SseParser()
        if isinstance(self._parser, ArrayParser):
            return self._parser.feed(data)
        return [event.data for event in self._parser.feed(data)]

    def close(self) -> list[bytes]:
        """What is left at the end."""
        return [event.data for event in self._parser.close()] if isinstance(self._parser, SseParser) else []
