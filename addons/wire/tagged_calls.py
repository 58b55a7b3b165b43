"""Calls that a model writes as text, `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, found at any split.

    state     sees                               gives                                   next
    SAYING    text                               it, but for white space at its end      SAYING
    SAYING    what may begin <tool_call>         nothing yet                             SAYING
    SAYING    <tool_call>                        nothing; white space before it is held  CALLING
    CALLING   a tag inside a JSON string         nothing: it is part of an argument      CALLING
    CALLING   </tool_call> behind a call         the call; white space around it goes    SAYING
    CALLING   </tool_call> behind anything else  all of it as text                       SAYING
    CALLING   <tool_call> again                  the same two, as if it had been closed  CALLING
    CALLING   the end behind a call              the call: some servers eat the tag      end
    CALLING   the end, or too much               text; what is behind it is read again   SAYING

What cannot be read as a call is given as the text that it was, to the character. Nothing is decided by how the text was
split: only by what stands before.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

OPEN = "<tool_call>"
CLOSE = "</tool_call>"
# In characters: what is held back of a call, and of the white space in front of one.
LARGEST_CALL = 1024 * 1024
LARGEST_GAP = 64

_SIGNS = re.compile(r'[\\"<]')
_FENCE = "```"


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A call as the model wrote it; `arguments` is the JSON text of an object."""

    name: str
    arguments: str


Piece = str | WrittenCall


class CallScanner:
    """The text of one block, read for calls."""

    def __init__(self) -> None:
        self._text = ""  # what nobody has got yet
        self._tag = -1  # where in it the tag is whose call is read; -1 while SAYING
        self._at = 0  # read up to here
        self._in_string = False
        self._inner = 0  # behind the first tag inside a string; 0 for none
        self._skips = False  # white space behind a call

    def feed(self, text: str) -> list[Piece]:
        """What `text` completes."""
        self._text += text
        pieces: list[Piece] = []
        while self._step(pieces):
            pass
        return pieces

    def finish(self) -> list[Piece]:
        """What is left, at the end of the text."""
        pieces: list[Piece] = []
        while self._text:
            if self._tag < 0:
                self._give(pieces, len(self._text))
                break
            call = call_in(_without_half_tag(self._text[self._tag + len(OPEN) :]))
            if call is not None:
                pieces.append(call)
                break
            self._give(pieces, self._inner or len(self._text))
            while self._step(pieces):
                pass
        self._begin("")
        return pieces

    def _begin(self, text: str) -> None:
        """SAYING, with `text` to be read."""
        self._text, self._tag, self._at, self._in_string, self._inner = text, -1, 0, False, 0

    def _give(self, pieces: list[Piece], end: int) -> None:
        """The text up to `end` as text, the rest to be read again."""
        if end:
            pieces.append(self._text[:end])
            self._skips = False
        self._begin(self._text[end:])

    def _step(self, pieces: list[Piece]) -> bool:
        """One step of the table; False where more text is needed."""
        return self._say(pieces) if self._tag < 0 else self._read(pieces)

    def _say(self, pieces: list[Piece]) -> bool:
        if self._skips:
            self._text = self._text.lstrip()
        tag = self._text.find(OPEN)
        found = tag >= 0
        if not found:
            tag = _half_tag(self._text, OPEN)
        said = _before_gap(self._text, tag)
        if said:
            self._give(pieces, said)
        if found:
            self._tag = tag - said
            self._at = self._tag + len(OPEN)
        return found

    def _read(self, pieces: list[Piece]) -> bool:
        """Look for the tag that ends the call; strings are told apart by their quotes."""
        limit = self._tag + LARGEST_CALL
        while self._at < limit and (sign := _SIGNS.search(self._text, self._at, limit)) is not None:
            at = sign.start()
            if sign[0] == '"':
                self._in_string = not self._in_string
            elif sign[0] == "\\" and self._in_string:
                if at + 1 == len(self._text):
                    self._at = at
                    return False
                at += 1
            elif sign[0] == "<":
                tag = next((tag for tag in (CLOSE, OPEN) if self._text.startswith(tag, at)), "")
                if tag and not self._in_string:
                    self._complete(pieces, at, tag)
                    return True
                if not tag and _begins_tag(self._text[at : at + len(CLOSE)]):
                    self._at = at
                    return self._too_much(pieces, limit)
                if tag:
                    self._inner = self._inner or (at + len(tag) if tag == CLOSE else at)
            self._at = at + 1
        self._at = max(self._at, min(len(self._text), limit))
        return self._too_much(pieces, limit)

    def _too_much(self, pieces: list[Piece], limit: int) -> bool:
        if len(self._text) < limit + len(CLOSE):
            return False
        self._give(pieces, self._inner or limit)
        return True

    def _complete(self, pieces: list[Piece], at: int, tag: str) -> None:
        """The call that ends `at`, or all of it as text."""
        call = call_in(self._text[self._tag + len(OPEN) : at])
        end = at + len(tag) if tag == CLOSE else at
        if call is None:
            self._give(pieces, end)
            return
        pieces.append(call)
        self._skips = True
        self._begin(self._text[end:])


def call_in(body: str) -> WrittenCall | None:
    """The call between the tags, in a code fence or bare; None where it is none.

    Line breaks inside strings and JSON text for `arguments` are taken too: models write both.
    """
    body = body.strip()
    if body.startswith(_FENCE) and body.endswith(_FENCE):
        body = body.strip("`").removeprefix("json")
    found = _object(body)
    if found is None:
        return None
    name = found.get("name")
    arguments = found.get("arguments", found.get("parameters"))
    if isinstance(arguments, str):
        arguments = _object(arguments)
    elif arguments is None:
        arguments = {} if not {"arguments", "parameters"} & found.keys() else None
    if not isinstance(name, str) or not name or not isinstance(arguments, dict):
        return None
    try:
        return WrittenCall(name, json.dumps(arguments, ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError):
        return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _half_tag(text: str, tag: str) -> int:
    """Where a beginning of `tag` stands at the end of `text`; its length where there is none."""
    start = text.rfind("<", max(0, len(text) - len(tag) + 1))
    return start if start >= 0 and tag.startswith(text[start:]) else len(text)


def _begins_tag(text: str) -> bool:
    return any(tag.startswith(text) for tag in (OPEN, CLOSE))


def _without_half_tag(text: str) -> str:
    return text[: _half_tag(text, CLOSE)]


def _before_gap(text: str, end: int) -> int:
    """Where the white space in front of `end` begins, at most so much of it."""
    start = end
    while start > max(0, end - LARGEST_GAP) and text[start - 1].isspace():
        start -= 1
    return start
