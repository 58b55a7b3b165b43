"""What a parser did not read, found by writing what it did read and comparing: the surest way to lose nothing.

Comparing is by the JSON value: 1, 1.0 and true are three.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ringlet_mitm.addons.wire.canonical import Json, Native
from ringlet_mitm.rules.shapes import Loss, WireFormat


def leftovers(said: Mapping[str, Any], written: Mapping[str, Any], nested: Collection[str] = ()) -> Json:
    """The fields of `said` that `written` lacks or has differently; of `nested` objects only such fields of theirs."""
    left: Json = {}
    for name, value in said.items():
        other = written.get(name)
        if name not in written:
            left[name] = value
        elif name in nested and isinstance(value, dict) and isinstance(other, dict):
            inner = leftovers(value, other)
            if inner:
                left[name] = inner
        elif type(value) is not type(other) or value != other:
            left[name] = value
    return left


def remembered(
    wire_format: WireFormat, said: Mapping[str, Any], written: Mapping[str, Any], nested: Collection[str] = ()
) -> Native | None:
    """The same as a node's `native`; None where nothing is left."""
    left = leftovers(said, written, nested)
    return Native(wire_format, left) if left else None


def laid_over(written: Json, left: Mapping[str, Any], nested: Collection[str] = ()) -> Json:
    """`written` with the leftovers put back."""
    for name, value in left.items():
        under = written.get(name)
        if name in nested and isinstance(value, dict) and isinstance(under, dict):
            written[name] = {**under, **value}
        else:
            written[name] = value
    return written


def said_once(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    """The losses, the first of each thing."""
    firsts: dict[str, Loss] = {}
    for loss in losses:
        firsts.setdefault(loss.what, loss)
    return tuple(firsts.values())
