"""Gemini's objects as they are spelled: camelCase, or snake_case, which its requests take as well.

How leftovers work here: what was read is rendered again at once, and each field that does not come out as it was goes
into `native`, to be laid over what the renderer writes. A field in snake_case goes there too, and laid over it takes
the place of the same field in camelCase. An object from which the renderer would write a field that was not there at
all (a content without a role) rides along as `Whole`, and is then written as it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ringlet_mitm.addons.wire.canonical import Json, Native, fields_of, native
from ringlet_mitm.rules.shapes import WireFormat

GEMINI = WireFormat.GEMINI


class Whole(dict[str, Any]):
    """Leftovers that are the object itself, all of it."""


@lru_cache(maxsize=512)
def camel(name: str) -> str:
    """`max_output_tokens` as `maxOutputTokens`."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


@lru_cache(maxsize=512)
def snake(name: str) -> str:
    """`maxOutputTokens` as `max_output_tokens`."""
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


def field(fields: Mapping[str, Any], name: str) -> Any:
    """The value of a field by its name in camelCase, in either spelling; None where it is absent."""
    return fields[name] if name in fields else fields.get(snake(name))


def text(fields: Mapping[str, Any], name: str) -> str:
    """A field that is text; "" where it is anything else."""
    value = field(fields, name)
    return value if isinstance(value, str) else ""


def integer(fields: Mapping[str, Any], name: str) -> int | None:
    """A field that is a whole number, also as `64.0`."""
    value = number(fields, name)
    return int(value) if value is not None and value == value // 1 else None


def number(fields: Mapping[str, Any], name: str) -> float | None:
    """A field that is a number, as it was."""
    value = field(fields, name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 else None


def flag(fields: Mapping[str, Any], name: str) -> bool | None:
    """A field that is true or false."""
    value = field(fields, name)
    return value if isinstance(value, bool) else None


def inner(fields: Mapping[str, Any], name: str) -> Json:
    """A field that is an object; an empty one where it is anything else."""
    value = field(fields, name)
    return value if isinstance(value, dict) else {}


def several(fields: Mapping[str, Any], name: str) -> list[Any]:
    """A field that is a list; an empty one where it is anything else."""
    value = field(fields, name)
    return value if isinstance(value, list) else []


def leftover(was: Mapping[str, Any], written: Mapping[str, Any], deep: tuple[str, ...] = ()) -> Mapping[str, Any]:
    """What has to be laid over `written` to get `was`; of the fields `deep` only what is left inside them."""
    fields: Json = {}
    for name, value in was.items():
        known = written.get(name, written)
        if known is not written and snake(name) != name and snake(name) in was:
            fields[name] = value  # in both spellings; the other one must not take its place
        elif name in deep and isinstance(value, dict) and isinstance(known, dict) and known is not written:
            rest = leftover(value, known)
            if rest or isinstance(rest, Whole):
                fields[name] = rest
        elif known is written or not same(known, value):
            fields[name] = value
    if any(name not in was and snake(name) not in was for name in written):
        return Whole(was)
    return fields


def extended(fields: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leftovers and more of them, of the same kind."""
    return Whole({**fields, **more}) if isinstance(fields, Whole) else {**fields, **more}


def over(written: Json, fields: Mapping[str, Any], deep: tuple[str, ...] = ()) -> Json:
    """`written` with leftovers laid over it."""
    if isinstance(fields, Whole):
        return dict(fields)
    for name, value in fields.items():
        known = written.get(name)
        if name in deep and isinstance(value, dict) and isinstance(known, dict):
            written[name] = over(dict(known), value)
            continue
        if camel(name) != name and camel(name) not in fields:
            written.pop(camel(name), None)
        written[name] = value
    return written


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; 1 is neither true nor 1.0 here."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def kept(was: Mapping[str, Any], written: Mapping[str, Any]) -> Native | None:
    """The leftovers of an object as a node carries them. What a renderer writes there is text or was read as it is, so
    that Python's own comparison tells, which is many times faster."""
    if was == written:
        return None
    fields = leftover(was, written)
    return Native(GEMINI, fields) if isinstance(fields, Whole) else native(GEMINI, fields)


def own(found: Native | None) -> Mapping[str, Any]:
    """The leftovers of a node that are Gemini's."""
    return fields_of(found, GEMINI)
