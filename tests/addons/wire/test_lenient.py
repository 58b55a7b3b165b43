from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.lenient import LenientDecoder


class Inner(msgspec.Struct, rename="camel"):
    some_count: int | None = None
    name: str | None = None


class Outer(msgspec.Struct):
    type: str = ""
    count: int | None = None
    inner: Inner | None = None
    items: list[Inner] | None = None
    raw: msgspec.Raw | None = None


DECODER = LenientDecoder(Outer)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"type": "t", "count": 3}', Outer("t", 3)),
        (b'{"type": 7, "count": 3}', Outer("", 3)),
        (b'{"type": null, "count": 3}', Outer("", 3)),
        (b'{"count": 12.0}', Outer(count=12)),
        (b'{"count": 12.7}', Outer(count=12)),
        (b'{"count": "12", "type": "t"}', Outer("t")),
        (b'{"count": true, "type": "t"}', Outer("t")),
        (b'{"inner": [], "count": 3}', Outer(count=3)),
        (b'{"inner": {"someCount": "x", "name": "n"}}', Outer(inner=Inner(name="n"))),
        (b'{"items": [{"someCount": 1}, 5, null, {"someCount": []}]}', Outer(items=[Inner(1), Inner()])),
        (b'{"items": {}, "count": 3}', Outer(items=[], count=3)),
        (b"[]", Outer()),
        (b"7", Outer()),
        (b"null", Outer()),
    ],
    ids=[
        "as expected",
        "a number for a text",
        "null for a text",
        "a whole number with a point",
        "a fraction",
        "a text for a number",
        "true is no number",
        "a list for an object",
        "a field inside",
        "items of a list",
        "an object for a list",
        "a list for all",
        "a number for all",
        "null for all",
    ],
)
def test_only_what_does_not_fit_is_lost(text: bytes, found: Outer) -> None:
    assert DECODER.decode(text) == found


def test_raw_values_stay_json_beside_an_odd_field() -> None:
    found = DECODER.decode(b'{"count": "odd", "raw": {"a": [1, "b"]}}')
    assert found.raw is not None
    assert msgspec.json.decode(found.raw) == {"a": [1, "b"]}


@pytest.mark.parametrize("text", [b"", b"{", b"not json", b"\xff", b'{"type": "\xff"}', b"[" * 100_000])
def test_what_is_no_json_is_said(text: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        DECODER.decode(text)


@given(st.builds(Inner, st.none() | st.integers(-(2**70), 2**70), st.none() | st.text()))
def test_what_fits_is_what_a_strict_decoder_gives(inner: Inner) -> None:
    text = msgspec.json.encode(Outer("t", 1, inner, [inner]))
    assert DECODER.decode(text) == msgspec.json.decode(text, type=Outer)


def test_half_a_surrogate_pair_costs_nothing() -> None:
    assert LenientDecoder(Outer).decode(b'{"x":"\\ud83d","count":7}').count == 7


def test_what_is_no_json_at_all_is_still_said() -> None:
    with pytest.raises(msgspec.DecodeError):
        LenientDecoder(Outer).decode(b'{"x":"\\ud83d"')
