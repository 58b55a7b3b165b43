"""Server-sent events: bytes in, events out, at any split of the bytes (WHATWG HTML, "Event stream interpretation").

`id` and `retry` are read over: no vendor's format gives them a meaning.
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
        self._rest = b""
        self._begun = False
        self._skipping = False
        self.overflowed = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes."""
        text = self._rest + data if self._rest else data
        if not self._begun:
            if len(text) < len(BOM) and BOM.startswith(text):
                self._rest = text
                return []
            self._begun = True
            text = text.removeprefix(BOM)
        if b"\r" in text:
            text = self._with_lf(text)
        return self._take(text)

    def close(self) -> list[SseEvent]:
        """What is left at the end of the stream; vendors end without the last blank line now and then."""
        text = self._rest.replace(b"\r", b"\n")
        self._rest = b""
        return [] if self._skipping else _events(text.split(b"\n\n"))

    def _with_lf(self, text: bytes) -> bytes:
        """CRLF and CR as LF. A CR at the very end stays, since its LF may follow."""
        held = b"\r" if text.endswith(b"\r") else b""
        return text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held

    def _take(self, text: bytes) -> list[SseEvent]:
        frames = text.split(b"\n\n")
        self._rest = frames.pop()
        if self._skipping and frames:
            frames.pop(0)
            self._skipping = False
        if len(self._rest) > self._limit:
            self._rest = self._rest[-1:]
            self._skipping = self.overflowed = True
        return _events(frames) if frames else []


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
