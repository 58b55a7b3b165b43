"""How many tokens an image is: its size from the first bytes of its base64, then the vendor's formula.

Formulas (accessed 2026-11):
- Messages: width x height / 750 after scaling down to a long edge of 1568 px, at most about 1,600 tokens (Anthropic,
  "Vision"). Claude models from 4.7 on take up to 2576 px; what that adds is left to the learned ratio.
- Chat, Responses: 85 with detail "low"; else scaled into 2048 px square, then to a shortest side of 768 px, 85 + 170
  for each tile of 512 px (OpenAI, "Images and vision", the tile models). Patch-counting models differ by less than the
  ratio learns.
- Gemini: 258 up to 384 px on both sides; else 258 for each tile, whose side is the shorter side / 1.5, within 256 to
  768 px (Google, "Understand and count tokens").
"""

from __future__ import annotations

import binascii
import math
import struct
from collections.abc import Callable
from typing import NamedTuple

from ringlet_mitm.rules.shapes import WireFormat

# A JPEG's size stands behind its EXIF block, which is at most 64 KB; the other formats say it in the first 30 bytes.
HEAD_CHARS = 88_000
SHORT_HEAD_CHARS = 64
# Frame headers SOF0 to SOF15, without the three markers of that range that are something else (DHT, JPG, DAC).
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int


# What an image of unknown size (a URL, a file id, a format without a reader) is taken to be: a screenshot.
UNKNOWN = Size(1280, 800)


def image_tokens(wire_format: WireFormat, data: str, detail: str = "") -> int:
    """Tokens of one image; `data` is base64, a data URL, or anything else, which counts as an image of unknown size."""
    if detail == "low" and wire_format in (WireFormat.CHAT, WireFormat.RESPONSES):
        return 85
    if data.startswith("data:"):
        data = data[data.find(",") + 1 :] if "," in data[:200] else ""
    return FORMULAS[wire_format](size_of(data) or UNKNOWN)


def size_of(data: str) -> Size | None:
    """Width and height of a base64 PNG, JPEG, GIF or WebP; None where the first bytes do not say."""
    head = _decoded(data[:SHORT_HEAD_CHARS])
    reader = next((read for magic, read in READERS.items() if head.startswith(magic)), None)
    if reader is None:
        return None
    if reader is _jpeg:
        head = _decoded(data[:HEAD_CHARS])
    try:
        size = reader(head)
    except (struct.error, IndexError):
        return None
    return size if size and size.width > 0 and size.height > 0 else None


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text[: len(text) // 4 * 4].encode("ascii", "ignore"))
    except binascii.Error:
        return b""


def _png(head: bytes) -> Size:
    return Size(*struct.unpack_from(">II", head, 16))


def _gif(head: bytes) -> Size:
    return Size(*struct.unpack_from("<HH", head, 6))


def _webp(head: bytes) -> Size | None:
    """Three kinds of first chunk, each with its own packing (WebP container specification)."""
    kind = head[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return Size(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        return Size(int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1)
    return None


def _jpeg(head: bytes) -> Size | None:
    """From marker to marker until the frame header."""
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return Size(width, height)
        at += 1 if marker == 0xFF else 2 + max(2, int.from_bytes(head[at + 2 : at + 4], "big"))
    return None


READERS: dict[bytes, Callable[[bytes], Size | None]] = {
    b"\x89PNG\r\n\x1a\n": _png,
    b"\xff\xd8": _jpeg,
    b"GIF8": _gif,
    b"RIFF": _webp,
}


def _area(size: Size) -> int:
    scale = min(1.0, 1568 / max(size))
    return min(1600, max(1, math.ceil(size.width * scale * size.height * scale / 750)))


def _tiles_of_512(size: Size) -> int:
    scale = min(1.0, 2048 / max(size))
    scale = min(scale, 768 / min(size))
    return 85 + 170 * math.ceil(size.width * scale / 512) * math.ceil(size.height * scale / 512)


def _crops(size: Size) -> int:
    if max(size) <= 384:
        return 258
    side = min(768, max(256, math.floor(min(size) / 1.5)))
    # More tiles than any model takes would only come from a size that no picture has.
    return 258 * min(64, math.ceil(size.width / side) * math.ceil(size.height / side))


FORMULAS: dict[WireFormat, Callable[[Size], int]] = {
    WireFormat.MESSAGES: _area,
    WireFormat.CHAT: _tiles_of_512,
    WireFormat.RESPONSES: _tiles_of_512,
    WireFormat.GEMINI: _crops,
}
