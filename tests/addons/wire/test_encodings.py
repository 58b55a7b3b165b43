from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from said import cut

from ringlet_mitm.addons.wire.encodings import Decoder, decode_whole

TEXT = ('{"model": "é 你好"}' * 50).encode()


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def flushed(data: bytes) -> bytes:
    """As a server packs a stream: each event flushed."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    pieces = [packer.compress(data[at : at + 30]) + packer.flush(zlib.Z_SYNC_FLUSH) for at in range(0, len(data), 30)]
    return b"".join(pieces) + packer.flush()


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip, in capitals": ("X-GZip", gzip.compress),
    "gzip, flushed": ("gzip", flushed),
    "gzip in two members": ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
    "gzip with zeros after it": ("gzip", lambda data: gzip.compress(data) + bytes(20)),
    "deflate": ("deflate", zlib.compress),
    "deflate without its head": ("deflate", bare),
    "br": ("br", brotli.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd in two frames": ("zstd", lambda data: zstandard.compress(data[:9]) + zstandard.compress(data[9:])),
    "identity": ("identity", bytes),
    "two codings, the last one outermost": ("gzip, br", lambda data: brotli.compress(gzip.compress(data))),
    "nothing": ("", bytes),
}


@pytest.mark.parametrize(("encoding", "pack"), PACKERS.values(), ids=PACKERS)
def test_a_whole_body_is_unpacked(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    assert decode_whole(pack(TEXT), encoding) == TEXT


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(PACKERS.values())), st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=10))
def test_in_pieces_it_is_the_same(packer: tuple[str, Callable[[bytes], bytes]], data: bytes, places: list[int]) -> None:
    decoder = Decoder(packer[0])
    assert b"".join(map(decoder.feed, cut(packer[1](data), places))) == data
    assert not decoder.failed


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_flushed_pieces_are_not_held_back(encoding: str) -> None:
    if encoding == "br":
        packer = brotli.Compressor()
        first = packer.process(TEXT) + packer.flush()
    elif encoding == "zstd":
        pack = zstandard.ZstdCompressor().compressobj()
        first = pack.compress(TEXT) + pack.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    else:
        zpack = zlib.compressobj(wbits=zlib.MAX_WBITS | (16 if encoding == "gzip" else 0))
        first = zpack.compress(TEXT) + zpack.flush(zlib.Z_SYNC_FLUSH)
    assert Decoder(encoding).feed(first) == TEXT


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"not gzip"),
        ("br", b"\xff\xff\xff"),
        ("zstd", b"not zstd"),
        ("deflate", b"\xff"),
        ("compress", TEXT),
        ("gzip, x", TEXT),
    ],
    ids=["gzip", "br", "zstd", "deflate", "unknown", "one of two unknown"],
)
def test_what_cannot_be_unpacked_is_said(encoding: str, body: bytes) -> None:
    decoder = Decoder(encoding)
    decoder.feed(body)
    assert decoder.failed
    assert decoder.feed(gzip.compress(TEXT)) == b""
    assert decode_whole(body, encoding) is None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["gzip", "deflate", "br", "zstd", "gzip, zstd"]), st.lists(st.binary(max_size=50), max_size=6))
def test_arbitrary_bytes_raise_nothing(encoding: str, pieces: list[bytes]) -> None:
    decoder = Decoder(encoding)
    for piece in pieces:
        decoder.feed(piece)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_given_up(encoding: str) -> None:
    zeros = bytes(30_000_000)
    packed = PACKERS[encoding][1](zeros)
    assert len(packed) < 40_000
    assert decode_whole(packed, encoding, limit=1_000_000) is None
    assert decode_whole(packed, encoding) == zeros
