"""Names that another vendor gave, in a form that this one accepts: ids of calls, names of tools, sealed signatures.

Nothing is remembered between two requests: what a name becomes follows from the name alone, so a call and its result
come out alike in every turn, and what the agent sends back tells whose it is. What a vendor accepts passes unchanged;
the rest keeps a readable beginning and ends in a hash of the whole.

Sources: Anthropic "Tool use" and its 400 on ids (`^[a-zA-Z0-9_-]+$`), OpenAI's on `tool_calls[].id` (40 characters) and
`call_id` (64), Gemini FunctionDeclaration, Bedrock ToolUseBlock and ToolSpecification; accessed 2026-11-21.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from ringlet_mitm.rules.shapes import SEAL, SEAL_MARKS, WireFormat

_SEAL_BEGIN, _BASE64_BEGIN, MADE = (mark.decode() for mark in SEAL_MARKS)
_FORMATS = {wire_format.value: wire_format for wire_format in WireFormat}
_HASH_DIGITS = 12


@cache
def _whole(begin: str, follow: str) -> re.Pattern[str]:
    return re.compile(f"[{begin}][{follow}]*")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a vendor accepts: the characters that may begin and that may follow, as of a character class, and how many.

    `blank` says that it may be empty; `stem` stands in front where the first character does not fit.
    """

    begin: str
    follow: str
    length: int
    stem: str
    blank: bool = False

    def accepts(self, text: str) -> bool:
        """Whether `text` can stay as it is."""
        if not text:
            return self.blank
        return len(text) <= self.length and _whole(self.begin, self.follow).fullmatch(text) is not None

    def cleaned(self, text: str) -> str:
        """`text` with an underscore for what is refused; of any length."""
        clean = re.sub(f"[^{self.follow}]", "_", text)
        return clean if re.match(f"[{self.begin}]", clean) else f"{self.stem}{clean}"

    def hashed(self, text: str, turn: int = 0) -> str:
        """A name of its own for `text`, the same at another turn another: its beginning and a hash of all of it."""
        whole = f"{text}#{turn}" if turn else text
        digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
        return f"{self.cleaned(text)[: self.length - _HASH_DIGITS - 1]}_{digest}"


_WORD = "a-zA-Z0-9_-"
_VISIBLE = "!-~"
_LETTER = "a-zA-Z_"
_DOTTED = "a-zA-Z0-9_.:-"
_FREE = r"\s\S"
_ENDLESS = 1 << 20

IDS: dict[WireFormat, Limit] = {
    WireFormat.MESSAGES: Limit(_WORD, _WORD, 64, "call_"),
    WireFormat.CHAT: Limit(_VISIBLE, _VISIBLE, 40, "call_"),
    WireFormat.RESPONSES: Limit(_WORD, _WORD, 64, "call_"),
    WireFormat.GEMINI: Limit(_FREE, _FREE, _ENDLESS, "", blank=True),
    WireFormat.OLLAMA: Limit(_FREE, _FREE, _ENDLESS, "", blank=True),
    WireFormat.CONVERSE: Limit(_WORD, _WORD, 64, "call_"),
}
NAMES: dict[WireFormat, Limit] = {
    WireFormat.MESSAGES: Limit(_WORD, _WORD, 128, "tool_"),
    WireFormat.CHAT: Limit(_WORD, _WORD, 64, "tool_"),
    WireFormat.RESPONSES: Limit(_WORD, _WORD, 64, "tool_"),
    WireFormat.GEMINI: Limit(_LETTER, _DOTTED, 128, "tool_"),
    WireFormat.OLLAMA: Limit(_DOTTED, _DOTTED, 128, "tool_"),
    WireFormat.CONVERSE: Limit(_WORD, _WORD, 64, "tool_"),
}


def seal(signer: WireFormat, payload: str) -> str:
    """A signature in a form that passes through an agent of another format and tells whose it is."""
    return f"{_SEAL_BEGIN}{signer.value}.{payload}"


def seal_base64(signer: WireFormat, payload: str) -> str:
    """The same as base64, for places whose readers decode it (Gemini's thoughtSignature)."""
    return base64.b64encode(seal(signer, payload).encode("utf-8", "surrogatepass")).decode()


def unseal(text: str) -> tuple[WireFormat, str] | None:
    """Whose signature it is, and the signature as its vendor gave it; None for one that was never sealed.

    Takes what `seal` and what `seal_base64` give.
    """
    if text.startswith(_BASE64_BEGIN):
        try:
            text = base64.b64decode(text.translate(_URL_SAFE), validate=True).decode("utf-8", "surrogatepass")
        except (binascii.Error, UnicodeDecodeError):
            return None
    mark, _, rest = text.partition(".")
    value, dot, payload = rest.partition(".")
    signer = _FORMATS.get(value)
    return (signer, payload) if mark == SEAL and dot and signer is not None else None


_URL_SAFE = str.maketrans("-_", "+/")
_SEALED = re.compile(rf"{SEAL}\.(?:{'|'.join(map(re.escape, _FORMATS))})\.".encode())


def has_seal(body: bytes) -> bool:
    """Whether a request's JSON has a sealed signature in it, or may have one in base64; 1 ms for 500 KB."""
    if _BASE64_BEGIN.encode() in body or f'"{MADE}'.encode() in body:
        return True
    return _SEAL_BEGIN.encode() in body and _SEALED.search(body) is not None


def fitting_id(call_id: str, wire_format: WireFormat) -> str:
    """The id of a call as `wire_format` accepts it; always the same for the same id."""
    limit = IDS[wire_format]
    return call_id if limit.accepts(call_id) else limit.hashed(call_id)


class FreshIds:
    """Ids of calls for one format, each given once: `taken` already stand in the conversation.

    A blank one, or one that is there, gets a new one, which follows from how often it came before.
    """

    def __init__(self, wire_format: WireFormat, taken: Iterable[str] = ()) -> None:
        self._format = wire_format
        self._taken = set(taken)
        self._times: Counter[str] = Counter()

    def of(self, call_id: str) -> str:
        """An id that the format accepts, neither blank nor given before."""
        fitted = fitting_id(call_id, self._format) if call_id else ""
        while not fitted or fitted in self._taken:
            self._times[call_id] += 1
            turn = self._times[call_id]
            fitted = IDS[self._format].hashed(call_id, turn) if call_id else f"call_{turn}"
        self._taken.add(fitted)
        return fitted


def fitting_name(name: str, wire_format: WireFormat, taken: Collection[str] = ()) -> str:
    """The name of a tool as `wire_format` accepts it, and none of `taken`.

    A name that only has a wrong character or two stays as readable as it was; where that would be too long or another
    tool's, it gets a hash.
    """
    limit = NAMES[wire_format]
    fitted = name if limit.accepts(name) else limit.cleaned(name)
    if len(fitted) > limit.length or fitted in taken:
        fitted = limit.hashed(name)
    turn = 1
    while fitted in taken:  # the same name twice, or someone's hash by chance
        turn += 1
        fitted = limit.hashed(name, turn)
    return fitted
