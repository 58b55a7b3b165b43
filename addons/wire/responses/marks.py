"""What is said and what is not: how this codec keeps apart a node that it has read itself and one from elsewhere.

A node that came from Responses has a `Native` of this format, also where nothing is left over (`NOTHING`): it is
written bare, with what it says and no more, so that a field that was absent stays absent. A node without one comes from
another format, or was changed on the way: it gets all that the vendor requires.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import Json, Native
from ringlet_mitm.rules.shapes import Loss, WireFormat

FORMAT = WireFormat.RESPONSES
NOTHING = Native(FORMAT, {})


def said(fields: Mapping[str, Any]) -> Native:
    """The mark of a node that was read from this format, with its leftovers."""
    return Native(FORMAT, fields) if fields else NOTHING


def own(found: Native | None) -> Json | None:
    """The leftovers of a node of this format; None for one that is to be written in full."""
    if found is None or found.format is not FORMAT:
        return None
    return found.fields if isinstance(found.fields, dict) else dict(found.fields)


def public(fields: Mapping[str, Any]) -> Json:
    """Leftovers as they go onto the wire. A key that begins with a space is a note to ourselves."""
    return {key: value for key, value in fields.items() if not key.startswith(" ")}


def rest(found: Mapping[str, Any], known: frozenset[str]) -> Json:
    """The fields that nobody reads."""
    return {key: value for key, value in found.items() if key not in known}


def string(found: Mapping[str, Any], key: str) -> str:
    """A text; "" where there is none."""
    value = found.get(key)
    return value if isinstance(value, str) else ""


class Losses:
    """What does not fit, each thing once."""

    def __init__(self) -> None:
        self._found: dict[str, Loss] = {}

    def add(self, what: str, why: str) -> None:
        """Note that `what` is dropped or approximated."""
        self._found.setdefault(what, Loss(what, why))

    def listed(self) -> tuple[Loss, ...]:
        """All of them, in the order in which they were met."""
        return tuple(self._found.values())
