"""Where in a body a value stands that msgspec gave as `Raw`.

Designs that do not work: searching the body for the value's bytes (`"model":"gpt-5"` also stands inside prompts, and an
earlier duplicate of a key must not be taken, because parsers take the last); walking the top level with
`bytes.startswith` to skip each value (right, but every value must then be kept raw and compared, which costs as much as
splitting the messages saves). A `Raw` is a view of the body that it was decoded from, so the difference of two
addresses is the place: exact whatever the body holds, in a microsecond.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

from msgspec import Raw


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` to `end` (exclusive) of a body."""

    start: int
    end: int


class _Buffer(ctypes.Structure):
    """`Py_buffer` of CPython's stable ABI."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = (ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int)
_get_buffer.restype = ctypes.c_int
_release = ctypes.pythonapi.PyBuffer_Release
_release.argtypes = (ctypes.POINTER(_Buffer),)
_release.restype = None


def _address(value: bytes | Raw) -> int:
    view = _Buffer()
    _get_buffer(value, ctypes.byref(view), 0)
    address = view.buf or 0
    _release(ctypes.byref(view))
    return address


def span_in(body: bytes, value: Raw, shift: int = 0) -> Span | None:
    """The place of `value`, decoded from `body`, moved by `shift` bytes; None where it is no part of this object."""
    start = _address(value) - _address(body)
    if start < 0 or not body.startswith(bytes(value), start):
        return None
    return Span(start + shift, start + shift + len(value))
