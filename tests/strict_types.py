"""A vendor SDK's request types as strict validators: a field that they do not have fails, and lists are looked into.

The SDKs' TypedDicts take any further field, and pydantic does not look into an `Iterable` until it is read; here each
TypedDict is built anew without further fields and each Iterable is a list.
"""

from __future__ import annotations

import collections.abc
import io
import os
import types
from typing import IO, Annotated, Any, NotRequired, Required, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict, get_type_hints, is_typeddict

FILES = (io.IOBase, os.PathLike, IO)  # what SDKs take beside a text and turn into one
SEQUENCES = (collections.abc.Iterable, collections.abc.Sequence, list)
_known: dict[Any, Any] = {}


def validator(kind: Any) -> TypeAdapter[Any]:
    """Validates Python values against `kind`."""
    return TypeAdapter(strict(kind))


def strict(kind: Any) -> Any:
    """`kind` without further fields, all the way down."""
    if is_typeddict(kind):
        return _strict_dict(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if getattr(kind, "__name__", "") == "SequenceNotStr" or getattr(origin, "__name__", "") == "SequenceNotStr":
        return list[strict(inner[0])]  # type: ignore[misc]
    if origin is Annotated:
        return strict(inner[0])
    if origin in (Union, types.UnionType):
        return Union[tuple(strict(one) for one in inner if (get_origin(one) or one) not in FILES)]  # noqa: UP007
    if origin in SEQUENCES:
        return list[strict(inner[0])]  # type: ignore[misc]
    if origin in (dict, collections.abc.Mapping):
        return dict[strict(inner[0]), strict(inner[1])]  # type: ignore[misc]
    return kind


def _strict_dict(kind: Any) -> Any:
    if kind in _known:
        return _known[kind]
    fields: dict[str, Any] = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        while get_origin(hint) in (Required, NotRequired):
            hint = get_args(hint)[0]
        fields[name] = Required[strict(hint)] if name in kind.__required_keys__ else NotRequired[strict(hint)]
    made = TypedDict(kind.__name__, fields)  # type: ignore[operator]
    made.__pydantic_config__ = ConfigDict(extra="forbid")
    _known[kind] = made
    return made
