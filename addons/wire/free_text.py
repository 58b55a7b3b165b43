"""The text of `{"input": text}`, decoded while it comes: a call of a tool that takes free text, as JSON."""

from __future__ import annotations

import json
import re

from ringlet_mitm.addons.wire.toolset import INPUT

# How the arguments begin, white space included; looked for in so many characters.
_HEAD = re.compile(rf'\s*\{{\s*"{INPUT}"\s*:\s*"')
_LONGEST_HEAD = 256
_HEX = "[0-9a-fA-F]"
# A piece of a JSON string that means something by itself: plain text, a pair of surrogates, an escape, half of one.
_PIECE = re.compile(
    rf"""(?P<plain> [^"\\]+ )
       | (?P<code> \\u[dD][89abAB]{_HEX}{{2}} \\u[dD][c-fC-F]{_HEX}{{2}} | \\u{_HEX}{{4}} )
       | (?P<sign> \\[^u] )
       | (?P<odd> \\u (?= {_HEX}{{0,3}} [^0-9a-fA-F] ) )""",
    re.VERBOSE | re.DOTALL,
)
_FIRST_HALF = re.compile(rf"\\u[dD][89abAB]{_HEX}{{2}}")
_HALF_CODE = re.compile(rf"(?:\\(?:u{_HEX}{{0,3}})?)?")
_SIGNS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "\\": "\\", "/": "/"}


class FreeText:
    """Feed it a call's arguments. Of arguments in any other form the text is their one string, or all of them as they
    are: the agent's tool judges them. An escape that JSON does not know stays as it is."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._closed = False

    def feed(self, text: str) -> str:
        """What `text` adds to the decoded text."""
        if self._closed:
            return ""
        self._held += text
        if not self._inside:
            head = _HEAD.match(self._held[:_LONGEST_HEAD])
            if head is None:
                return ""
            self._inside = True
            self._held = self._held[head.end() :]
        return self._decoded()

    def finish(self) -> str:
        """What is left at the end of the call."""
        held, self._held = self._held, ""
        if self._closed or self._inside:
            return ""
        self._closed = True
        return _text_of(held)

    def _decoded(self) -> str:
        said: list[str] = []
        at = 0
        while (piece := _PIECE.match(self._held, at)) is not None and not _may_be_half(piece):
            said.append(_meaning(piece))
            at = piece.end()
        self._held = self._held[at:]
        self._closed = self._held.startswith('"')
        return "".join(said)


def _may_be_half(piece: re.Match[str]) -> bool:
    """Whether it is the first half of a pair of surrogates, the other one still to come."""
    if piece.lastgroup != "code" or _FIRST_HALF.fullmatch(piece[0]) is None:
        return False
    return _HALF_CODE.fullmatch(piece.string, piece.end()) is not None


def _meaning(piece: re.Match[str]) -> str:
    text = piece[0]
    if piece.lastgroup == "code":
        return str(json.loads(f'"{text}"'))
    return _SIGNS.get(text[1], text) if piece.lastgroup == "sign" else text


def _text_of(arguments: str) -> str:
    try:
        found = json.loads(arguments, strict=False)
    except (ValueError, RecursionError):
        return arguments
    if isinstance(found, dict):
        only = next(iter(found.values())) if len(found) == 1 else None
        found = found.get(INPUT, only)
    return found if isinstance(found, str) else arguments


def free_text(arguments: str) -> str:
    """The free text of a whole call's arguments."""
    reader = FreeText()
    return reader.feed(arguments) + reader.finish()
