"""A log of JSON lines, one at a time: whatever its size, and also while an agent is writing it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import zstandard
from msgspec import DecodeError, Struct

from ringlet_mitm.addons.usage.imports.calls import BROKEN, UNFINISHED, Section
from ringlet_mitm.addons.wire.lenient import LenientDecoder

# Images and whole files are lines of some megabytes; beyond this it is none that says of tokens.
LONGEST = 64 * 1024 * 1024
TOO_LONG = "longer than 64 MB"
PACKED = ".zst"

_Shape = TypeVar("_Shape", bound=Struct)


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `whole` where it has its end."""

    text: bytes
    whole: bool


def lines(file: Path, section: Section) -> Iterator[Line]:
    """Every line that is not too long, which are counted; raises OSError, also for a packed file that is none."""
    with _opened(file) as source:
        while text := source.readline(LONGEST):
            if len(text) < LONGEST or text.endswith(b"\n"):
                yield Line(text, text.endswith(b"\n"))
                continue
            section.skipped[TOO_LONG] += 1
            while text and not text.endswith(b"\n"):
                text = source.readline(LONGEST)


def decoded(decoder: LenientDecoder[_Shape], line: Line, section: Section) -> _Shape | None:
    """The line as a struct; what is no JSON is counted. A last line without an end is one that is being written."""
    try:
        return decoder.decode(line.text)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        section.skipped[BROKEN if line.whole else UNFINISHED] += 1
        return None


def oldest_first(paths: Iterable[Path]) -> list[Path]:
    """The files among them, by the time of their last line: what is copied comes after what it is a copy of."""
    found = []
    for path in paths:
        with suppress(OSError):
            if path.is_file():
                found.append((path.stat().st_mtime_ns, str(path), path))
    return [path for *_, path in sorted(found)]


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    with file.open("rb") as plain:
        if file.suffix != PACKED:
            yield plain
            return
        try:
            yield io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(plain))
        except zstandard.ZstdError as error:
            raise OSError(f"{file} is no zstd file: {error}") from None
