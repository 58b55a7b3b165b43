"""JSON into structs, where a field of another type than expected costs that field and nothing else.

Vendors are compatible with each other up to a point: a count comes as `12.0`, a message's content as a list of parts,
an `error` as a text. A strict decoder would give up the event, and with it the usage beside the odd field.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_args, get_origin

from msgspec import DecodeError, Raw, Struct, structs
from msgspec.json import Decoder, decode, encode

_Shape = TypeVar("_Shape", bound=Struct)


class LenientDecoder(Generic[_Shape]):
    """Decodes JSON objects into `shape`, whose fields all have defaults."""

    def __init__(self, shape: type[_Shape]) -> None:
        self._shape = shape
        self._strict: Callable[[bytes | Raw], _Shape] = Decoder(shape).decode

    def decode(self, text: bytes | Raw) -> _Shape:
        """`text` as far as it fits.

        Raises msgspec.DecodeError, UnicodeDecodeError or RecursionError where it is no JSON.
        """
        try:
            return self._strict(text)
        except DecodeError:
            found = _loose(text)
        return _object(self._shape, found) if isinstance(found, dict) else self._shape()


def _loose(text: bytes | Raw) -> Any:
    """Any JSON, also with lone surrogates, which msgspec refuses and models cut in half now and then."""
    try:
        return decode(text)
    except DecodeError as error:
        try:
            return json.loads(bytes(text))
        except ValueError:
            raise error from None


def _object(shape: type[_Shape], found: dict[str, Any]) -> _Shape:
    pairs = ((item.name, _fitting(item.type, found.get(item.encode_name))) for item in structs.fields(shape))
    return shape(**{name: value for name, value in pairs if value is not None})


def _fitting(kind: Any, value: Any) -> Any:
    """`value` as `kind`, which is a type or a type and None; None where it does not fit."""
    if value is None:
        return None
    kind = next((option for option in get_args(kind) if option is not type(None)), kind) if _is_union(kind) else kind
    if kind is Raw:
        return Raw(encode(value))
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        fitting = (_fitting(item, one) for one in value) if isinstance(value, list) else ()
        return [one for one in fitting if one is not None]
    if issubclass(kind, Struct):
        return _object(kind, value) if isinstance(value, dict) else None
    if kind is int and isinstance(value, float):
        return int(value)
    return value if isinstance(value, kind) and not isinstance(value, bool) else None


def _is_union(kind: Any) -> bool:
    return type(None) in get_args(kind)
