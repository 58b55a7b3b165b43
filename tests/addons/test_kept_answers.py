from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.test import tutils

from ringlet_mitm.addons.kept_answers import KeptAnswer, keep_answer, show_answer

Pieces = st.lists(st.binary(max_size=20), max_size=10)


@given(pieces=Pieces, limit=st.integers(0, 60))
def test_the_beginning_is_kept_and_all_of_it_passes(pieces: list[bytes], limit: int) -> None:
    def doubled(data: bytes) -> Iterable[bytes]:
        return [data, data] if data else []

    kept = KeptAnswer(doubled, limit)
    out = b"".join(b"".join(kept(piece)) for piece in (*pieces, b""))
    assert out == b"".join(piece + piece for piece in pieces)
    assert (kept.body, kept.missed) == (out[:limit], max(0, len(out) - limit))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed by mitmproxy", "not streamed"])
def test_what_we_do_not_stream_is_left_alone(stream: bool) -> None:
    response = tutils.tresp(content=b"whole")
    response.stream = stream
    keep_answer(response)
    assert (response.stream, show_answer(response), response.raw_content) == (stream, 0, b"whole")


def test_a_flow_has_its_body_after_the_end_and_the_headers_it_had() -> None:
    response = tutils.tresp(content=None)
    response.stream = lambda data: data
    headers = response.headers.fields
    keep_answer(response, limit=5)
    assert callable(response.stream)
    assert [response.stream(data) for data in (b"hello ", b"world", b"")] == [b"hello ", b"world", b""]
    assert show_answer(response) == 6
    assert (response.raw_content, response.headers.fields, response.stream) == (b"hello", headers, True)
