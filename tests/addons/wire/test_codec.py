from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.codec import read_json, write_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(VALUES)
def test_what_is_written_is_read(value: Any) -> None:
    assert read_json(write_json(value)) == value


def test_half_a_surrogate_pair_survives() -> None:
    assert read_json(b'{"text":"half \\ud83d"}') == {"text": "half \ud83d"}
    assert write_json({"text": "half \ud83d"}) == b'{"text":"half \\ud83d"}'


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000], ids=range(5))
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)
