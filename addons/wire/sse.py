"""Server-sent events: bytes in, events out, at any split of the bytes (WHATWG HTML, "Event stream interpretation").

`id` and `retry` are read over: no vendor's format gives them a meaning.

Line ends become LF as they come, so that an event's end is always two of them, and only new bytes are searched for it:
looking at all that waits with each new piece would make an event of many megabytes (a picture, in base64) cost its
square.
"""

from __future__ import annotations

from typing import NamedTuple

LIMIT = 32 * 1024 * 1024
BOM = b"\xef\xbb\xbf"


class SseEvent(NamedTuple):
    """One event: its name, "" where it has none, and its data lines joined by LF."""

    name: str
    data: bytes


class SseParser:
    """Incremental; keeps at most `limit` bytes of an unfinished event.

    A longer one is thrown away up to its end, `overflowed` says that it happened.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._begun = False
        self._after_cr = False
        self._skipping = False
        self.overflowed = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes."""
        if not self._begun:
            data = self._without_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._with_lf(data)
        return self._take(data) if data else []

    def close(self) -> list[SseEvent]:
        """What is left at the end of the stream; vendors end without the last blank line now and then."""
        left = bytes(self._rest)
        self._rest.clear()
        return [] if self._skipping else _events([left])

    def _without_bom(self, data: bytes) -> bytes:
        data = bytes(self._rest) + data
        self._rest.clear()
        if len(data) < len(BOM) and BOM.startswith(data):
            self._rest += data
            return b""
        self._begun = True
        return data.removeprefix(BOM)

    def _with_lf(self, data: bytes) -> bytes:
        """CRLF and CR as LF; a CR counts at once, and an LF that follows it in the next piece is left out."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        self._after_cr = self._after_cr or data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, text: bytes) -> list[SseEvent]:
        if not self._rest and text.endswith(b"\n\n") and len(text) <= self._limit:
            return _events(text.split(b"\n\n"))  # whole events, as nearly always
        ended: list[bytes] = []
        if text.startswith(b"\n") and self._rest.endswith(b"\n"):
            del self._rest[-1:]
            self._end(ended)
            text = text[1:]
        first, *others = text.split(b"\n\n")
        self._rest += first
        if others:
            self._end(ended)
            *whole, last = others
            ended += (frame for frame in whole if self._fits(frame))
            self._rest += last
        if self._skipping or not self._fits(self._rest):
            self._skipping = True
            del self._rest[:-1]
        return _events(ended) if ended else []

    def _end(self, ended: list[bytes]) -> None:
        """The event that was unfinished is complete."""
        if not self._skipping and self._fits(self._rest):
            ended.append(bytes(self._rest))
        self._skipping = False
        self._rest.clear()

    def _fits(self, frame: bytes | bytearray) -> bool:
        """Whether it is short enough; of three line ends in a row the odd one may stand on either side."""
        size = len(frame) - frame.startswith(b"\n") - frame.endswith(b"\n")
        self.overflowed = self.overflowed or size > self._limit
        return size <= self._limit


def render(event: SseEvent) -> bytes:
    """The bytes of an event."""
    name = f"event: {event.name}\n".encode() if event.name else b""
    lines = b"".join(b"data: " + line + b"\n" for line in event.data.split(b"\n"))
    return name + lines + b"\n"


def _events(frames: list[bytes]) -> list[SseEvent]:
    return [event for frame in frames if (event := _event(frame)) is not None]


def _event(frame: bytes) -> SseEvent | None:
    name = b""
    data: list[bytes] = []
    for line in frame.split(b"\n"):
        if line.startswith(b"data:"):
            data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            name = line[6:].strip()
        elif line == b"data":
            data.append(b"")
    return SseEvent(name.decode("utf-8", "replace"), data[0] if len(data) == 1 else b"\n".join(data)) if data else None
