"""Sizes of what a model says."""

from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.answer_fields import size_of


@pytest.mark.parametrize(
    ("text", "size"),
    [(None, 0), ("", 0), ("abc", 3), ("é", 2), ("\N{CAT}", 4), ("half \ud83d", 8)],
    ids=["none", "empty", "letters", "an accent", "an emoji", "half of one, as JSON can escape it"],
)
def test_bytes_of_a_text(text: str | None, size: int) -> None:
    assert size_of(text) == size
