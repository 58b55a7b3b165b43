"""Sizes from the first bytes of an image, tokens by each vendor's formula."""

from __future__ import annotations

import base64
import struct

import pytest
from bodies import png
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.images import UNKNOWN, Size, image_tokens, size_of
from ringlet_mitm.rules.shapes import SHAPES, WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI


def encoded(head: bytes, rest: int = 2000) -> str:
    return base64.b64encode(head + bytes(rest)).decode()


def jpeg(width: int, height: int, *segments: bytes, marker: int = 0xC0) -> bytes:
    """Start, an application segment and more, then the frame header."""
    frame = struct.pack(">BBHBHHB", 0xFF, marker, 17, 8, height, width, 3)
    return b"\xff\xd8" + b"".join((b"\xff\xe0" + struct.pack(">H", 16) + bytes(14), *segments)) + frame


def segment(marker: int, length: int) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, length) + b"\xff\xc0" * ((length - 2) // 2)


def riff(kind: bytes, body: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + struct.pack("<I", len(body)) + body


SIZES: dict[str, tuple[str, Size | None]] = {
    "PNG": (png(1280, 720), Size(1280, 720)),
    "GIF": (encoded(b"GIF89a" + struct.pack("<HH", 640, 480)), Size(640, 480)),
    "GIF87a": (encoded(b"GIF87a" + struct.pack("<HH", 1, 2)), Size(1, 2)),
    "JPEG": (encoded(jpeg(4032, 3024)), Size(4032, 3024)),
    "progressive JPEG": (encoded(jpeg(800, 600, marker=0xC2)), Size(800, 600)),
    "JPEG with 60 KB of EXIF": (encoded(jpeg(800, 600, segment(0xE1, 60_000))), Size(800, 600)),
    "JPEG with tables first": (encoded(jpeg(800, 600, segment(0xC4, 418), segment(0xDB, 66))), Size(800, 600)),
    "JPEG with padding": (encoded(jpeg(800, 600, b"\xff\xff\xff")), Size(800, 600)),
    "WebP lossy": (encoded(riff(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 550, 368))), Size(550, 368)),
    "WebP lossless": (encoded(riff(b"VP8L", b"\x2f" + struct.pack("<I", 549 | 367 << 14))), Size(550, 368)),
    "WebP extended": (
        encoded(riff(b"VP8X", bytes(4) + (549).to_bytes(3, "little") + (367).to_bytes(3, "little"))),
        Size(550, 368),
    ),
    "WebP of another kind": (encoded(riff(b"ALPH", bytes(20))), None),
    "BMP": (encoded(b"BM" + bytes(30)), None),
    "SVG": (base64.b64encode(b"<svg/>").decode(), None),
    "a PNG of no width": (png(0, 10), None),
    "a PNG cut off": (png(10, 10)[:20], None),
    "a JPEG cut off": (encoded(b"\xff\xd8\xff\xe0\x00\x10", 0), None),
    "a JPEG with rubbish": (encoded(b"\xff\xd8\x00\x00"), None),
    "a JPEG whose size is behind the part looked at": (encoded(jpeg(8, 8, *[segment(0xE1, 65_000)] * 3)), None),
    "nothing": ("", None),
    "no base64": ("!!!!", None),
    "not ASCII": ("漢字" * 100, None),
    "an address": ("https://example.com/cat.png", None),
}


@pytest.mark.parametrize(("data", "size"), SIZES.values(), ids=SIZES)
def test_sizes(data: str, size: Size | None) -> None:
    assert size_of(data) == size


# Tables of the vendors' documentation where they give one, the formula by hand elsewhere.
TOKENS: dict[str, tuple[WireFormat, int, int, str, int]] = {
    "Anthropic's 200 x 200": (MESSAGES, 200, 200, "", 54),
    "Anthropic's 1000 x 1000": (MESSAGES, 1000, 1000, "", 1334),
    "Anthropic's 1092 x 1092": (MESSAGES, 1092, 1092, "", 1590),
    "a large one is scaled down": (MESSAGES, 4000, 3000, "", 1600),
    "a long one as well": (MESSAGES, 3136, 100, "", 105),
    "OpenAI's 1024 x 1024": (CHAT, 1024, 1024, "high", 765),
    "OpenAI's 2048 x 4096": (CHAT, 2048, 4096, "high", 1105),
    "OpenAI's low detail": (CHAT, 4096, 8192, "low", 85),
    "low detail on Responses": (RESPONSES, 1024, 1024, "low", 85),
    "a small one is not scaled up": (RESPONSES, 300, 300, "", 255),
    "Gemini's small one": (GEMINI, 384, 384, "", 258),
    "Gemini's tiles": (GEMINI, 960, 540, "", 258 * 6),
    "Gemini knows no detail": (GEMINI, 960, 540, "low", 258 * 6),
}


@pytest.mark.parametrize(("wire_format", "width", "height", "detail", "tokens"), TOKENS.values(), ids=TOKENS)
def test_tokens(wire_format: WireFormat, width: int, height: int, detail: str, tokens: int) -> None:
    assert image_tokens(wire_format, png(width, height), detail) == tokens
    assert image_tokens(wire_format, f"data:image/png;base64,{png(width, height)}", detail) == tokens


@pytest.mark.parametrize("wire_format", SHAPES)
@pytest.mark.parametrize("data", ["", "https://example.com/cat.png", "data:image/png;base64", "data:,", "file-abc"])
def test_an_unknown_size_is_a_screenshots(wire_format: WireFormat, data: str) -> None:
    assert image_tokens(wire_format, data) == image_tokens(wire_format, png(*UNKNOWN))


@given(st.sampled_from(list(SHAPES)), st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))
def test_no_size_counts_absurdly(wire_format: WireFormat, width: int, height: int) -> None:
    assert 1 <= image_tokens(wire_format, png(width, height)) <= 258 * 64


@given(
    st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode())), st.sampled_from(["", "data:x,"])
)
def test_any_text(data: str, prefix: str) -> None:
    assert image_tokens(WireFormat.CHAT, prefix + data) > 0


@pytest.mark.parametrize("magic", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"GIF8", b"RIFF"])
@given(rest=st.binary(max_size=60))
def test_any_bytes_after_a_beginning(magic: bytes, rest: bytes) -> None:
    size = size_of(base64.b64encode(magic + rest).decode())
    assert size is None or min(size) > 0
