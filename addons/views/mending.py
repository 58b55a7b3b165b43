"""JSON that broke off, closed where it still makes sense.

The text is cut behind its last whole value, or inside of the string that it broke off in, and every bracket that is
open there is closed: of a body that lost its end, all that came can be shown.
"""

from __future__ import annotations

import re

# A token of JSON. A string without its end is one too, if a value may stand there.
_INSIDE = r'[^"\\]*(?:\\(?:u[0-9a-fA-F]{4}|["\\/bfnrt])[^"\\]*)*'
_TOKEN = re.compile(
    rf"""\s*(?: (?P<string> "{_INSIDE}" ) | (?P<open> [\[{{] ) | (?P<close> [\]}}] ) | (?P<comma> , ) | (?P<colon> : )
            | (?P<scalar> [-+\w.]+ ) | (?P<half> "{_INSIDE} ) (?: \\(?:u[0-9a-fA-F]{{0,3}})? )?\Z )""",
    re.VERBOSE | re.DOTALL,
)
_CLOSERS = {"{": "}", "[": "]"}
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
# As deep as any request goes; what is nested deeper is somebody's joke, and cut off there.
MOST_DEPTH = 64


class _Reader:
    """Where a reader of JSON stands: the open brackets, and whether a key, a colon, a value or a comma comes next."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[str] = []
        self._next = "value"
        self._good = 0
        self._half = ""

    def run(self) -> str:
        """Read on to the first thing that is no JSON, or too deep; what came before, closed."""
        at = 0
        while (found := _TOKEN.match(self._text, at)) is not None:
            kind = found.lastgroup or ""
            at = found.end()
            if not self._take(kind, found, at):
                break
        beginning = self._half or self._text[: self._good]
        return beginning + "".join(_CLOSERS[token] for token in reversed(self._open))

    def _take(self, kind: str, found: re.Match[str], end: int) -> bool:
        """Whether `found` may stand here."""
        match kind, self._next:
            case "open", ("value" | "item"):
                return self._opens(found[kind], end)
            case "close", ("comma" | "item" | "first key"):
                return self._closes(found[kind], end)
            case "comma", "comma" if self._open:
                self._next = "key" if self._open[-1] == "{" else "value"
            case "colon", "colon":
                self._next = "value"
            case "string", ("key" | "first key"):
                self._next = "colon"
            case "string", ("value" | "item"):
                self._next, self._good = "comma", end
            case "scalar", ("value" | "item") if _SCALAR.fullmatch(found[kind]):
                self._next, self._good = "comma", end
            case "half", ("value" | "item"):
                self._half = self._text[: found.end("half")] + '"'
                return False
            case _:
                return False
        return True

    def _opens(self, token: str, end: int) -> bool:
        if len(self._open) == MOST_DEPTH:
            return False
        self._open.append(token)
        self._next, self._good = "first key" if token == "{" else "item", end
        return True

    def _closes(self, token: str, end: int) -> bool:
        if not self._open or _CLOSERS[self._open[-1]] != token:
            return False
        self._open.pop()
        self._next, self._good = "comma", end
        return True


def mended(text: str) -> str:
    """The longest beginning of `text` that is JSON once it is closed; "" where there is none."""
    return _Reader(text).run()
