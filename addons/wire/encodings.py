"""Content encodings undone piece by piece, and never beyond a limit: a kilobyte of brotli can hold a gigabyte of zeros."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import brotli
import zstandard

# How much input a decoder gets at once. Brotli and zstd give all output of it in one piece, so this bounds the overshoot.
SLICES = {"br": 64, "zstd": 1024}
SLICE = 64 * 1024
LIMIT = 64 * 1024 * 1024

Step = Callable[[bytes], bytes]


def _deflate() -> Step:
    """`deflate` means zlib's format, but some send it bare (RFC 9110, section 8.4.1.2)."""
    state: list[Any] = []

    def step(data: bytes) -> bytes:
        if not state:
            state.append(zlib.decompressobj(zlib.MAX_WBITS if data[:1] == b"\x78" else -zlib.MAX_WBITS))
        return bytes(state[0].decompress(data))

    return step


MAKERS: dict[str, Callable[[], Step]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress,
    "x-gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16).decompress,
    "deflate": _deflate,
    "br": lambda: brotli.Decompressor().process,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    "identity": lambda: lambda data: data,
}
BROKEN = (zlib.error, brotli.error, zstandard.ZstdError, EOFError)


class Decoder:
    """Undoes one content-encoding header, also of several codings. After an error or past the limit it gives nothing more."""

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
