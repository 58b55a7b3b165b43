"""Content encodings undone piece by piece, and never beyond a limit: a kilobyte of brotli can hold a gigabyte."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli
import zstandard

# How much input a decoder gets at once. All give the whole output of it in one piece, so this bounds the overshoot.
SLICES = {"br": 64, "zstd": 1024}
SLICE = 16 * 1024
LIMIT = 64 * 1024 * 1024

Step = Callable[[bytes], bytes]


class _Inflater:
    """gzip or zlib. A body may be several gzip members in a row (RFC 1952, section 2.2); what follows is padding."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._state = zlib.decompressobj(window)

    def __call__(self, data: bytes) -> bytes:
        pieces = [self._state.decompress(data)]
        while self._state.eof and self._state.unused_data[:1] == b"\x1f":
            rest = self._state.unused_data
            self._state = zlib.decompressobj(self._window)
            pieces.append(self._state.decompress(rest))
        return b"".join(pieces)


def _deflate() -> Step:
    """`deflate` means zlib's format, but some send it bare (RFC 9110, section 8.4.1.2)."""
    state: list[Step] = []

    def step(data: bytes) -> bytes:
        if not state:
            state.append(_Inflater(zlib.MAX_WBITS if data[:1] == b"\x78" else -zlib.MAX_WBITS))
        return state[0](data)

    return step


def _zstd() -> Step:
    return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress


MAKERS: dict[str, Callable[[], Step]] = {
    "gzip": lambda: _Inflater(zlib.MAX_WBITS | 16),
    "x-gzip": lambda: _Inflater(zlib.MAX_WBITS | 16),
    "deflate": _deflate,
    "br": lambda: brotli.Decompressor().process,
    "zstd": _zstd,
    "identity": lambda: lambda data: data,
}
BROKEN = (zlib.error, brotli.error, zstandard.ZstdError, EOFError)


class Decoder:
    """Undoes a content-encoding header, also of several codings. After an error or past the limit it gives nothing."""

    def __init__(self, encoding: str, limit: int = LIMIT) -> None:
        names = [name.strip().lower() for name in encoding.split(",") if name.strip()]
        self.failed = any(name not in MAKERS for name in names)
        self._steps = [] if self.failed else [(SLICES.get(name, SLICE), MAKERS[name]()) for name in reversed(names)]
        self._left = limit

    def feed(self, data: bytes) -> bytes:
        """The decoded bytes of `data`; b"" once `failed` is set."""
        for size, step in self._steps:
            data = self._run(step, size, data)
        return data if not self.failed else b""

    def _run(self, step: Step, size: int, data: bytes) -> bytes:
        pieces: list[bytes] = []
        for start in range(0, len(data), size):
            if self.failed:
                break
            try:
                piece = step(data[start : start + size])
            except BROKEN:
                self.failed = True
                break
            self._left -= len(piece)
            self.failed = self._left < 0
            pieces.append(piece)
        return b"".join(pieces)


def decode_whole(body: bytes, encoding: str, limit: int = LIMIT) -> bytes | None:
    """A whole body without its content encoding; None where that cannot be undone or is larger than `limit`."""
    decoder = Decoder(encoding, limit)
    decoded = decoder.feed(body)
    return None if decoder.failed else decoded
