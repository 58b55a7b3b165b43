"""Reasoning in messages and deltas: four vendors' fields, and one of them as the place for other formats' signatures.

    field               who                          what it is
    reasoning_content   DeepSeek, Moonshot, Z.ai     text
    reasoning           OpenRouter, Groq, Ollama     text
    reasoning_details   OpenRouter                   list of reasoning.text, .summary, .encrypted
    content: thinking   Mistral                      a part of the content; see parts.py

They want it back as it was, so a Thinking of Chat has as its signature where it came from: the field's name, or the
details as JSON, their texts replaced by how long these are (the text is in the Thinking already, once is enough).

A signature of another format goes to the agent as `reasoning.encrypted`, sealed, with `id` saying which characters of
the text it signs; agents that keep the details bring it back. Sources: DeepSeek "Thinking Mode", OpenRouter "Reasoning
Tokens", Groq "Reasoning", Mistral "Reasoning"; accessed 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import Json, Thinking
from ringlet_mitm.addons.wire.codec import read_json, write_json
from ringlet_mitm.addons.wire.identifiers import seal, unseal
from ringlet_mitm.rules.shapes import WireFormat

CHAT = WireFormat.CHAT
FIELDS = ("reasoning_content", "reasoning")
DETAILS = "reasoning_details"
ENCRYPTED = "reasoning.encrypted"
TEXTS = {"reasoning.text": "text", "reasoning.summary": "summary"}
PART = "thinking"  # the signature of a Thinking that was a part of the content
GAP = "\n\n"
MOST_DETAILS = 1000
_SPAN = re.compile(r"([tr])(\d{1,9})\+(\d{1,9}):(.*)", re.DOTALL)


def text_in(said: Mapping[str, Any]) -> tuple[str, str]:
    """The reasoning in a message or delta and the name of its field; vendors that send both send the same twice."""
    for name in FIELDS:
        text = said.get(name)
        if isinstance(text, str) and text:
            return text, name
    return "", FIELDS[0]


def details_in(said: Mapping[str, Any]) -> list[Json]:
    """The details in a message or delta."""
    found = said.get(DETAILS)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def thoughts_in(message: Mapping[str, Any]) -> tuple[Thinking, ...]:
    """The reasoning of a whole message."""
    text, name = text_in(message)
    details = details_in(message)
    sealed = [thought for one in details if (thought := _opened(one)) is not None]
    if sealed:
        return _apart(text, sealed)
    if not details:
        return (Thinking(text, name, CHAT),) if text.strip() else ()
    packing = Packing()
    whole = packing.add(details, whole=True)
    return (Thinking(whole or text, packing.signature, CHAT),)


def thinking_fields(thoughts: Iterable[Thinking]) -> Json:
    """The fields of a message that say `thoughts`."""
    text, name = "", FIELDS[0]
    details: list[Json] = []
    for thought in thoughts:
        text += GAP if text and thought.text else ""
        start = len(text)
        text += thought.text
        if thought.signer is CHAT:
            unpacked = _unpacked(thought)
            details += unpacked
            name = thought.signature if thought.signature in FIELDS else FIELDS[1] if unpacked else name
        elif thought.signature:
            details.append(sealed_detail(thought, start, len(thought.text), len(details)))
    return {**({name: text} if text else {}), **({DETAILS: details} if details else {})}


def sealed_detail(thought: Thinking, start: int, length: int, index: int) -> Json:
    """Another format's signature as one of the details, of `length` characters from `start` on."""
    signer = thought.signer or CHAT
    span = f"{'r' if thought.redacted else 't'}{start}+{length}:{thought.id}"
    return {"type": ENCRYPTED, "data": seal(signer, thought.signature), "id": span, "index": index}


class Packing:
    """Gathers details into a signature; what it keeps of their texts is how long they are."""

    def __init__(self) -> None:
        self._entries: list[Json] = []

    def add(self, details: Iterable[Json], *, whole: bool = False) -> str:
        """The text in `details`. In a stream a detail comes in pieces of one type and index; `whole`: it does not."""
        said = ""
        for detail in details:
            name = TEXTS.get(str(detail.get("type")), "")
            text = detail.get(name)
            entry = dict(detail)
            if isinstance(text, str):
                said += text
                entry[name] = len(text)
            last = self._entries[-1] if self._entries and not whole else None
            if last is not None and (last.get("type"), last.get("index")) == (entry.get("type"), entry.get("index")):
                if isinstance(last.get(name), int):
                    entry[name] = last[name] + (entry[name] if isinstance(entry.get(name), int) else 0)
                last.update((key, value) for key, value in entry.items() if value is not None or key not in last)
            elif len(self._entries) < MOST_DETAILS:
                self._entries.append(entry)
        return said

    @property
    def signature(self) -> str:
        """The details as JSON, "" where there were none."""
        return write_json(self._entries).decode() if self._entries else ""


def _unpacked(thought: Thinking) -> list[Json]:
    """The details that a signature was made of; none where the text is no longer the one that they tell of."""
    if not thought.signature.startswith("["):
        return []
    try:
        found = read_json(thought.signature)
    except ValueError:
        return []
    details: list[Json] = []
    position = 0
    for entry in found if isinstance(found, list) else ():
        if not isinstance(entry, dict):
            return []
        name = TEXTS.get(str(entry.get("type")), "")
        length = entry.get(name)
        if type(length) is int:
            entry[name] = thought.text[position : position + length]
            position += length
        details.append(entry)
    return details if position in (0, len(thought.text)) else []


def _opened(detail: Json) -> tuple[int, int, Thinking] | None:
    """A sealed signature with the beginning and length of its text, -1 where the agent did not keep them."""
    data, span = detail.get("data"), detail.get("id")
    found = unseal(data) if detail.get("type") == ENCRYPTED and isinstance(data, str) else None
    if found is None:
        return None
    signer, payload = found
    match = _SPAN.fullmatch(span) if isinstance(span, str) else None
    if match is None:
        return -1, -1, Thinking("", payload, signer)
    kind, start, length, name = match.groups()
    return int(start), int(length), Thinking("", payload, signer, name, redacted=kind == "r")


def _apart(text: str, sealed: list[tuple[int, int, Thinking]]) -> tuple[Thinking, ...]:
    """The text cut into what each signature signs; a signature of a text that has changed is worth nothing."""
    if len(sealed) == 1 and sealed[0][0] < 0:
        thought = sealed[0][2]
        redacted = not text and thought.signer is WireFormat.MESSAGES
        return (Thinking(text, thought.signature, thought.signer, thought.id, redacted),)
    thoughts: list[Thinking] = []
    position = 0
    for start, length, thought in sealed:
        if start < position or start + length > len(text):
            return (Thinking(text),) if text else ()
        if between := text[position:start].strip("\n"):
            thoughts.append(Thinking(between))
        position = start + length
        signed = text[start:position]
        thoughts.append(Thinking(signed, thought.signature, thought.signer, thought.id, thought.redacted))
    if rest := text[position:].strip("\n"):
        thoughts.append(Thinking(rest))
    return tuple(thoughts)
