"""Lines of a content view: plain values with a style each, and never more of them than a person would read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Style(StrEnum):
    """What a line is; `contentview.py` knows how each mitmproxy shows it."""

    TITLE = "title"
    FIELD = "field"
    TEXT = "text"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `name` is what stands in front of a FIELD's text."""

    style: Style
    text: str
    name: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is shown: characters and lines of one text, tools, turns, and characters in all."""

    text: int
    lines: int
    tools: int
    turns: int
    whole: int


# Columns: mitmweb does not wrap long lines, and half a window holds about so many.
WIDTH = 100
# mitmweb shows 512 lines and asks before it shows more.
USUAL = Limits(text=1_500, lines=14, tools=60, turns=40, whole=200_000)
WHOLE = Limits(text=200_000, lines=10_000, tools=1_000, turns=10_000, whole=2_000_000)


class Page:
    """Collects lines until `limits.whole` characters are there; what comes then is left out, and said to be."""

    def __init__(self, limits: Limits = USUAL) -> None:
        self.limits = limits
        self.lines: list[Line] = []
        self._left = limits.whole
        self._full = False

    def title(self, text: str) -> None:
        """The head of a section."""
        self._add(Line(Style.TITLE, one_line(text)))

    def field(self, name: str, text: object, depth: int = 1) -> None:
        """`name: text`; what does not fit on the line goes below it."""
        first, *more = wrapped(clipped(one_line(str(text)), self.limits.text), WIDTH - len(name))
        self._add(Line(Style.FIELD, first, name, depth))
        for line in more:
            self._add(Line(Style.TEXT, line, depth=depth + 2))

    def note(self, text: str, depth: int = 1) -> None:
        """What the view itself has to say."""
        self._add(Line(Style.NOTE, one_line(text), depth=depth))

    def text(self, text: str, depth: int = 2) -> None:
        """A text of its own lines, clipped."""
        said = clipped(text, self.limits.text).splitlines()
        lines = [piece for line in said for piece in wrapped(line, WIDTH)]
        for line in lines[: self.limits.lines]:
            self._add(Line(Style.TEXT, line, depth=depth))
        if len(lines) > self.limits.lines:
            self.note(f"… {len(text.splitlines()):,} lines in all", depth)

    def extend(self, lines: Iterable[Line]) -> None:
        """Lines made elsewhere."""
        for line in lines:
            self._add(line)

    def _add(self, line: Line) -> None:
        if self._full:
            return
        if line.style is Style.TITLE and self.lines and self.lines[-1].text:
            self.lines.append(Line(Style.TEXT, ""))
        self._left -= len(line.text) + len(line.name) + 1
        if self._left < 0:
            self._full = True
            line = Line(Style.NOTE, "… the rest is left out here; the views JSON and Raw have it")
        self.lines.append(line)


def wrapped(line: str, width: int) -> list[str]:
    """A long line in pieces, between words where there are any; every character stays."""
    pieces: list[str] = []
    width = max(width, 20)
    while len(line) > width:
        end = line.rfind(" ", width // 2, width) + 1 or width
        pieces.append(line[:end])
        line = line[end:]
    return [*pieces, line]


def one_line(text: str) -> str:
    """`text` with its line ends as spaces."""
    return " ".join(text.split("\n")).replace("\r", "") if "\n" in text or "\r" in text else text


def clipped(text: str, most: int) -> str:
    """The beginning of `text`, and how much more there is."""
    return text if len(text) <= most else f"{text[:most]} … {len(text) - most:,} more characters"


def size_words(count: int) -> str:
    """`812 bytes`, `1.2 MB`."""
    for size, unit in ((1_000_000, "MB"), (1_000, "KB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
