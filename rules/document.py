"""A TOML text as data, plus the line on which each of its keys stands.

`tomllib` gives data without places, and every error of this program names a line. A regular expression for `key =`
does not do: it finds keys inside strings and comments, and cannot tell the second `[[rule]]` from the first. So the
text is read twice: by `tomllib`, which says whether it is TOML and what it means, and then by the short reader below,
which may therefore take for granted that it is TOML and only follows keys. A test holds the two together: both must
see the same keys.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ringlet_mitm.rules.errors import ConfigError

KeyPath = tuple[str | int, ...]

TOMLLIB_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")

SPACE = re.compile(r"[ \t]*")
BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
BARE_KEY = re.compile(r"[^\s.=\]\"']+")
SCALAR = re.compile(r"[^,\]}#\n]*")
# The longer quotes first; up to two quotes may stand directly before the closing three.
STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2}(?!"))|'
    r"'''.*?'''(?:'{0,2}(?!'))|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Document:
    """What a TOML file says and where it says it. `file` is only a name for messages."""

    data: Mapping[str, Any]
    file: str
    lines: Mapping[KeyPath, int] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str, file: str) -> Document:
        """Read `text`; raises ConfigError with file and line where it is not TOML."""
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        try:
            return cls(tomllib.loads(text), file, _Reader(text).lines())
        except RecursionError:
            raise ConfigError("is nested too deeply", file=file) from None
        except ValueError as error:  # TOMLDecodeError, or int() about a number of more than 4,300 digits
            raise _not_toml(str(error), text, file) from None

    def line_of(self, path: KeyPath) -> int | None:
        """The line, from 1, of the key at `path`; `("rule", 1, "match")` is `match` in the second `[[rule]]`.

        For a table it is the line of its header or first mention. None for a key that is not there.
        """
        return self.lines.get(path)

    def error(self, path: KeyPath, message: str, suggestion: str | None = None) -> ConfigError:
        """An error about the key at `path`; placed at the nearest table around it where the key itself is missing."""
        line = next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)
        key = ".".join(str(part) for part in path if isinstance(part, str))
        return ConfigError(message, file=self.file, line=line, key=key or None, suggestion=suggestion)


def _not_toml(message: str, text: str, file: str) -> ConfigError:
    place = TOMLLIB_PLACE.search(message)
    if place is None:
        return ConfigError(f"is not TOML: {message}", file=file)
    reason = message[: place.start()]
    if place["line"] is None:
        return ConfigError(
            f"is not TOML: {reason} at the end of the file", file=file, line=text.rstrip("\n").count("\n") + 1
        )
    return ConfigError(f"is not TOML: {reason} (column {place['column']})", file=file, line=int(place["line"]))


class _Reader:
    """Follows the keys of a text that is known to be TOML."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[KeyPath, int] = {}
        self._elements: dict[KeyPath, int] = {}

    def lines(self) -> dict[KeyPath, int]:
        """The line of every key path."""
        table: KeyPath = ()
        self._skip(BLANK)
        while self._at < len(self._text):
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(BLANK)
        return self._lines

    def _header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path of the table that it opens."""
        line = self._line()
        is_element = self._text.startswith("[[", self._at)
        self._at += 2 if is_element else 1
        keys = self._keys()
        self._at += 2 if is_element else 1
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self._into((*path, key), line)
        path = (*path, keys[-1])
        if not is_element:
            self._lines[path] = line
            return path
        self._lines.setdefault(path, line)
        number = self._elements.get(path, 0)
        self._elements[path] = number + 1
        self._lines[(*path, number)] = line
        return (*path, number)

    def _into(self, path: KeyPath, line: int) -> KeyPath:
        """The table that `path` means in a longer header; of an array of tables, the last one so far."""
        self._lines.setdefault(path, line)
        count = self._elements.get(path)
        return path if count is None else (*path, count - 1)

    def _pair(self, table: KeyPath) -> None:
        """`key = value`, `a.b.c = value`."""
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._at += 1
        self._value(path)

    def _keys(self) -> list[str]:
        """A dotted key, up to the `=` or `]` behind it."""
        keys = []
        while True:
            self._skip(SPACE)
            keys.append(self._key())
            self._skip(SPACE)
            if not self._peek("."):
                return keys
            self._at += 1

    def _key(self) -> str:
        if not self._peek('"') and not self._peek("'"):
            return self._skip(BARE_KEY)
        quoted = self._skip(STRING)
        inner = quoted[1:-1]
        if quoted[0] == "'" or "\\" not in inner:
            return inner
        unescaped: str = tomllib.loads(f"key = {quoted}")["key"]
        return unescaped

    def _value(self, path: KeyPath) -> None:
        self._skip(SPACE)
        if self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        elif self._peek('"') or self._peek("'"):
            self._skip(STRING)
        else:
            self._skip(SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        number = 0
        while self._more("]"):
            element = (*path, number)
            self._lines[element] = self._line()
            self._value(element)
            number += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._more("}"):
            self._pair(path)

    def _more(self, closing: str) -> bool:
        """Is there another element? Passes the comma before it, or the closing bracket."""
        self._skip(BLANK)
        if self._peek(","):
            self._at += 1
            self._skip(BLANK)
        if not self._peek(closing):
            return True
        self._at += 1
        return False

    def _peek(self, character: str) -> bool:
        return self._text.startswith(character, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, "tomllib took what this reader does not know"
        self._at = match.end()
        return match[0]

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)
