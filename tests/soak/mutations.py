"""Byte strings that were sound, spoilt at a few places; which ones a die decides."""

from __future__ import annotations

import random
from collections.abc import Callable

WORDS = (
    b"\r\n",
    b"\r",
    b"\n",
    b"\x00",
    b" ",
    b": ",
    b"\r\n\r\n",
    b"chunked",
    b"transfer-encoding: chunked\r\n",
    b"content-length: -1\r\n",
    b"content-length: 99999999999999999999\r\n",
    b"host: 127.0.0.1\r\n",
    b"HTTP/1.1",
    b"GET / HTTP/1.1\r\n\r\n",
    b"[" * 500,
    b'"',
    b"}",
    b"\\u0000",
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x00\x00",
)
MOST = 4
Change = Callable[[bytearray, int, random.Random], None]


def _flip(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] ^= 1 << dice.randrange(8)


def _set(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))


def _insert(data: bytearray, at: int, dice: random.Random) -> None:
    data[at:at] = dice.randbytes(dice.randrange(1, 20))


def _word(data: bytearray, at: int, dice: random.Random) -> None:
    data[at:at] = dice.choice(WORDS)


def _cut(data: bytearray, at: int, dice: random.Random) -> None:
    del data[at : at + dice.randrange(1, 40)]


def _end(data: bytearray, at: int, dice: random.Random) -> None:
    del data[at:]


def _double(data: bytearray, at: int, dice: random.Random) -> None:
    data[at:at] = data[at : at + dice.randrange(1, 200)]


def _swap(data: bytearray, at: int, dice: random.Random) -> None:
    other = dice.randrange(len(data))
    data[at], data[other] = data[other], data[at]


CHANGES: tuple[Change, ...] = (_flip, _flip, _set, _set, _insert, _word, _word, _cut, _end, _double, _swap)


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Changed at one to four places."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, MOST)):
        if changed:
            dice.choice(CHANGES)(changed, dice.randrange(len(changed)), dice)
    return bytes(changed)
