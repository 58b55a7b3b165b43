"""`application/vnd.amazon.eventstream`: bytes in, messages out, at any split of the bytes (Bedrock's streams).

A message is a prelude of twelve bytes, headers, a payload and a checksum, all numbers big-endian:

    total length u32 | headers' length u32 | CRC-32 of these eight bytes | headers | payload | CRC-32 of all before

    header: length of the name u8 | name | type u8 | value, by type:
    0 true, 1 false (no bytes) | 2 i8 | 3 i16 | 4 i32 | 5 i64 | 6 bytes, 7 text (u16 length first) | 8 time | 9 uuid

Where a checksum is off nothing after it can be trusted, not even the lengths: the parser stops and says so in `broken`.
botocore has a parser as well; it raises where this one tells, keeps what it holds without a bound, and would be a
dependency of 15 MB for a hundred lines.

Source: Amazon Transcribe and Bedrock developer guides, "Event stream encoding"; accessed 2026-11-21.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

LIMIT = 24 * 1024 * 1024  # what the encoding allows a payload
HEADERS_LIMIT = 128 * 1024  # and all headers together
PRELUDE = struct.Struct(">III")
CRC = struct.Struct(">I")
OVERHEAD = PRELUDE.size + CRC.size
TRUE, FALSE, BYTES, TEXT = 0, 1, 6, 7
NUMBERS = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q")}
FIXED = {8: 8, 9: 16}

Header = str | bytes | int | bool


@dataclass(frozen=True, slots=True)
class EventMessage:
    """One message: its headers by name, and its payload."""

    headers: Mapping[str, Header]
    payload: bytes

    def said(self, name: str) -> str:
        """A header that is text; "" where it is absent or something else."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class EventStreamParser:
    """Incremental; keeps at most one unfinished message of `limit` bytes.

    A longer one is thrown away up to its end, `overflowed` says that it happened. `broken` says what is wrong with the
    stream, "" while nothing is; nothing comes out any more then.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit + HEADERS_LIMIT + OVERHEAD
        self._rest = bytearray()
        self._need = PRELUDE.size
        self._skip = 0
        self.overflowed = False
        self.broken = ""

    def feed(self, data: bytes) -> list[EventMessage]:
        """The messages that `data` completes."""
        if self.broken:
            return []
        self._rest += data
        messages: list[EventMessage] = []
        while len(self._rest) >= self._need and not self.broken:
            self._step(messages)
        if self.broken:
            self._rest.clear()
        return messages

    def _step(self, messages: list[EventMessage]) -> None:
        if self._skip:
            dropped = min(self._skip, len(self._rest))
            del self._rest[:dropped]
            self._skip -= dropped
            self._need = 1 if self._skip else PRELUDE.size
        elif self._need == PRELUDE.size:
            self._begin()
        else:
            frame = bytes(memoryview(self._rest)[: self._need])
            del self._rest[: self._need]
            self._need = PRELUDE.size
            self._end(frame, messages)

    def _begin(self) -> None:
        """The lengths are there: wait for the rest, or skip it."""
        total, headers, checksum = PRELUDE.unpack_from(self._rest)
        if crc32(memoryview(self._rest)[: PRELUDE.size - CRC.size]) != checksum:
            self.broken = "the checksum of a message's lengths is wrong"
        elif headers > HEADERS_LIMIT or total < headers + OVERHEAD:
            self.broken = f"a message of {total} bytes cannot have {headers} bytes of headers"
        elif total > self._limit:
            self.overflowed = True
            self._skip, self._need = total, 1
        else:
            self._need = total

    def _end(self, frame: bytes, messages: list[EventMessage]) -> None:
        _, length, _ = PRELUDE.unpack_from(frame)
        body = memoryview(frame)[: -CRC.size]
        if crc32(body) != CRC.unpack_from(frame, len(body))[0]:
            self.broken = "the checksum of a message is wrong"
            return
        end = PRELUDE.size + length
        try:
            headers = _headers(frame[PRELUDE.size : end])
        except (IndexError, KeyError, struct.error):
            self.broken = "the headers of a message make no sense"
            return
        messages.append(EventMessage(headers, bytes(body[end:])))


def _headers(data: bytes) -> dict[str, Header]:
    """Raises IndexError, KeyError or struct.error where they make no sense."""
    headers: dict[str, Header] = {}
    at = 0
    while at < len(data):
        start, end = at + 1, at + 1 + data[at]
        name = data[start:end].decode("utf-8", "replace")
        headers[name], at = _value(data, data[end], end + 1)
        if at > len(data):
            raise IndexError
    return headers


def _value(data: bytes, kind: int, at: int) -> tuple[Header, int]:
    """The value that begins at `at`, and where it ends."""
    if kind in (TRUE, FALSE):
        return kind == TRUE, at
    if kind in NUMBERS:
        number: int = NUMBERS[kind].unpack_from(data, at)[0]
        return number, at + NUMBERS[kind].size
    if kind in (BYTES, TEXT):
        start = at + 2
        end = start + int.from_bytes(data[at:start], "big")
        value = data[start:end]
        return (value.decode("utf-8", "replace") if kind == TEXT else value), end
    end = at + FIXED[kind]
    return data[at:end], end


def render(message: EventMessage) -> bytes:
    """The bytes of a message; headers may be text, bytes, booleans and numbers of up to eight bytes."""
    headers = b"".join(_header(name, value) for name, value in message.headers.items())
    lengths = struct.pack(">II", OVERHEAD + len(headers) + len(message.payload), len(headers))
    frame = lengths + CRC.pack(crc32(lengths)) + headers + message.payload
    return frame + CRC.pack(crc32(frame))


def _header(name: str, value: Header) -> bytes:
    coded = name.encode()
    begin = bytes((len(coded),)) + coded
    if isinstance(value, bool):
        return begin + bytes((TRUE if value else FALSE,))
    if isinstance(value, int):
        return begin + struct.pack(">bq", 5, value)
    kind, text = (TEXT, value.encode()) if isinstance(value, str) else (BYTES, value)
    return begin + struct.pack(">bH", kind, len(text)) + text
