"""A request body taken apart one level deep: what is not asked for is skipped, not built.

msgspec finds the end of a value it shall leave raw at about 3 GB/s, so this costs 0.2 ms for half a megabyte where
`json.loads` takes a few milliseconds. Of duplicate keys the last one counts, as for nearly every parser that a vendor
may use.

msgspec refuses a whole body for half an emoji in it, which is what agents send that cut a tool's output to a length
(JavaScript writes it as `\\ud83d`, and most vendors read it). Such a body is read with each of them written as U+FFFD,
which is as long, so that every value keeps its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import Raw

from ringlet_mitm.rules.shapes import SHAPES, Shape, WireFormat

# What is read whole (thinking, metadata, …) is small; longer ones are somebody's joke.
SMALL_BYTES = 65_536
ABSENT = Raw(b"null")
# Every escape, so that an escaped backslash is not taken for the beginning of the next one; lone surrogates in a group.
ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


class _Envelope(msgspec.Struct):
    """Code Assist's wrapping of a Gemini body."""

    model: Raw = ABSENT
    request: Raw = ABSENT
    session_id: Raw = ABSENT


def _top_keys(paths: Iterable[str]) -> set[str]:
    return {path.partition(".")[0] for path in paths}


def _struct(shape: Shape, *, lists: bool) -> type[msgspec.Struct]:
    """A struct with a field for each top-level key of the shape, lists of raw items where they are expected."""
    long = _top_keys((*shape.messages, *shape.tools)) if lists else set()
    others = _top_keys((*shape.model, *shape.system, *shape.stream, *shape.max_tokens, *shape.thinking))
    others |= _top_keys((*shape.schema, *shape.session, *shape.stream_options, *shape.follows_model))
    others |= _top_keys((*shape.messages, *shape.tools)) - long
    fields: list[tuple[str, Any, Any]] = [(key, list[Raw] | None, None) for key in sorted(long)]
    fields += [(key, Raw, ABSENT) for key in sorted(others)]
    return msgspec.defstruct(f"Body_{shape.format.name}", fields)


_usual = {shape.format: msgspec.json.Decoder(_struct(shape, lists=True)).decode for shape in SHAPES.values()}
_unusual = {shape.format: msgspec.json.Decoder(_struct(shape, lists=False)).decode for shape in SHAPES.values()}
_envelope = msgspec.json.Decoder(_Envelope).decode
_raw_list = msgspec.json.Decoder(list[Raw]).decode
_any = msgspec.json.Decoder().decode
_string = msgspec.json.Decoder(str).decode


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The top level of a body; values are raw JSON, views of `body`: the request's, or one with the same places."""

    shape: Shape
    body: bytes = field(repr=False)
    top: msgspec.Struct
    envelope: _Envelope | None = None
    _built: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def raw(self, keys: tuple[str, ...]) -> Raw | None:
        """The value of the first of `keys` (top-level) that is there and not null."""
        for key in keys:
            value = getattr(self.top, key, None)
            if isinstance(value, Raw) and value != ABSENT:
                return value
        return None

    def items(self, keys: tuple[str, ...]) -> list[Raw]:
        """The items of the first list there is; a single value of another kind counts as one item."""
        for key in keys:
            value = getattr(self.top, key, None)
            if isinstance(value, list):
                return value
            if isinstance(value, Raw) and len(value) > 2 and value != ABSENT:
                return _items(value)
        return []

    def value(self, paths: tuple[str, ...]) -> Any:
        """The first of the dotted `paths` that leads to something other than null; None where none does."""
        for path in paths:
            key, *deeper = path.split(".")
            found = self._build(key)
            for step in deeper:
                found = found.get(step) if isinstance(found, dict) else None
            if found is not None:
                return found
        return None

    def _build(self, key: str) -> Any:
        if key not in self._built:
            raw = getattr(self.top, key, None)
            if self.envelope is not None and raw is ABSENT:
                raw = getattr(self.envelope, key, None)
            self._built[key] = decoded(raw) if isinstance(raw, Raw) and raw is not ABSENT else None
        return self._built[key]


def take_apart(wire_format: WireFormat, body: bytes, enveloped: bool) -> Skeleton | str:
    """The skeleton of a body, or why it has none."""
    try:
        return _taken_apart(wire_format, body, enveloped)
    except RecursionError:
        return "it is nested too deeply"
    except msgspec.DecodeError as error:
        mended = without_lone_surrogates(body)
        if mended != body:
            return take_apart(wire_format, mended, enveloped)
        return f"it is not the JSON of a request ({wire_format}): {error}"


def without_lone_surrogates(body: bytes) -> bytes:
    """JSON with the escapes of lone surrogates replaced by those of U+FFFD; nothing else moves."""
    return ESCAPES.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)


def _taken_apart(wire_format: WireFormat, body: bytes, enveloped: bool) -> Skeleton:
    shape = SHAPES[wire_format]
    if not enveloped:
        return Skeleton(shape, body, _decoded(wire_format, body))
    envelope = _envelope(body)
    return Skeleton(shape, body, _decoded(wire_format, envelope.request), envelope)


def decoded(raw: Raw) -> Any:
    """A small value, built; None for what is too long, too deep, or no JSON."""
    if len(raw) > SMALL_BYTES:
        return None
    try:
        return _any(raw)
    except (ValueError, RecursionError):
        return None


def text(raw: Raw | None) -> str:
    """A JSON string's text, "" for anything else."""
    try:
        return _string(raw) if raw is not None else ""
    except (ValueError, RecursionError):
        return ""


def _decoded(wire_format: WireFormat, body: bytes | Raw) -> msgspec.Struct:
    try:
        found = _usual[wire_format](body)
    except msgspec.ValidationError:
        found = _unusual[wire_format](body)  # a string where a list is usual, say
    assert isinstance(found, msgspec.Struct)
    return found


def _items(value: Raw) -> list[Raw]:
    try:
        return _raw_list(value)
    except (ValueError, RecursionError):
        return [value]
