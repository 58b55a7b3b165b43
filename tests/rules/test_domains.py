"""Which sets of texts take all of another; what cannot be told must not be claimed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.rules.domains import Pattern

COVERS = {
    "a longer beginning": ("*/claude-*", "*/claude-opus-*", True),
    "a shorter beginning": ("*/claude-opus-*", "*/claude-*", False),
    "the rest is any glob": ("*/a*", "*/ab?[cd]", True),
    "one sign in brackets is that sign": ("*/a[*]*", "*/a[*]b*", True),
    "a beginning that ends inside of brackets": ("*a[*", "*a[*]", False),
    "brackets of several signs are not compared": ("*[ab]*", "*[ab]c", False),
    "no star at the end": ("*a", "*ab", False),
}


@pytest.mark.parametrize(("glob", "other", "covers"), COVERS.values(), ids=COVERS)
def test_a_glob_behind_another(glob: str, other: str, covers: bool) -> None:
    assert Pattern.glob(glob).covers(Pattern.glob(other)) is covers


GLOBS = st.text(st.sampled_from("ab*?[]!/"), max_size=6)


@given(GLOBS, GLOBS, st.lists(st.text(st.sampled_from("ab*?[]!/"), max_size=6), max_size=30))
def test_what_is_claimed_holds(glob: str, other: str, texts: list[str]) -> None:
    first, second = Pattern.glob(glob), Pattern.glob(other)
    for longer in (second, Pattern.glob(glob[:-1] + other)):
        if first.covers(longer):
            assert all(text in first for text in texts if text in longer)
