"""The place of a raw value in the body that it was decoded from."""

from __future__ import annotations

import gc
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ringlet_mitm.rules.spots import Span, span_in

decode = msgspec.json.Decoder(dict[str, Raw]).decode


def test_a_values_place() -> None:
    body = b'{"a": "same", "b":"same" }'
    values = decode(body)
    assert (span_in(body, values["a"]), span_in(body, values["b"])) == (Span(6, 12), Span(18, 24))


def test_moved_by_what_stands_before() -> None:
    body = b'{"a":1}'
    assert span_in(body, decode(body)["a"], shift=10) == Span(15, 16)


def test_a_value_inside_a_value() -> None:
    body = b'{"request": {"model":"m"}}'
    inside = decode(decode(body)["request"])
    assert span_in(body, inside["model"]) == Span(21, 24)


def test_a_value_of_something_else_has_none() -> None:
    body, same = b'{"a":"x"}', bytes(bytearray(b'{"a":"x"}'))
    assert span_in(body, decode(same)["a"]) is None
    assert span_in(body, Raw(b'"x"')) is None
    assert span_in(b"", Raw(b"null")) is None


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.integers(), st.lists(st.none())), min_size=1))
def test_every_value_is_found_where_it_stands(values: dict[str, object]) -> None:
    body = msgspec.json.encode(values)
    for key, raw in decode(body).items():
        span = span_in(body, raw)
        assert span is not None
        assert msgspec.json.decode(body[span.start : span.end]) == values[key]


def test_no_buffer_stays_held() -> None:
    body = bytearray(b'{"a":1}')
    plain = bytes(body)
    before = sys.getrefcount(plain)
    for _ in range(1000):
        span_in(plain, decode(plain)["a"])
    gc.collect()
    assert sys.getrefcount(plain) == before


@pytest.mark.parametrize("size", [1, 4096, 1_000_000])
def test_of_any_size(size: int) -> None:
    body = b'{"a":"' + b"x" * size + b'","b":2}'
    assert span_in(body, decode(body)["b"]) == Span(len(body) - 2, len(body) - 1)
