from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import VALUES

from ringlet_mitm.addons.wire.canonical import Json
from ringlet_mitm.addons.wire.leftovers import laid_over, leftovers, said_once
from ringlet_mitm.rules.shapes import Loss


@pytest.mark.parametrize(
    ("said", "written", "left"),
    [
        pytest.param({"a": 1, "b": None}, {"a": 1}, {"b": None}, id="what was not read, null too"),
        pytest.param({"a": 1}, {"a": 1.0}, {"a": 1}, id="1 is not 1.0"),
        pytest.param({"a": True}, {"a": 1}, {"a": True}, id="nor is true"),
        pytest.param({"in": {"a": 1, "b": 2}}, {"in": {"a": 1}}, {"in": {"b": 2}}, id="inside"),
        pytest.param({"in": {"a": 1}}, {"in": {"a": 1}}, {}, id="nothing inside"),
        pytest.param({"in": {}}, {}, {"in": {}}, id="an empty object"),
        pytest.param({"in": [1]}, {"in": {"a": 1}}, {"in": [1]}, id="another type inside"),
    ],
)
def test_leftovers(said: Json, written: Json, left: Json) -> None:
    assert repr(leftovers(said, written, ("in",))) == repr(left)


OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "in"]), VALUES | st.dictionaries(st.sampled_from("ab"), VALUES))


@given(OBJECTS, st.sets(st.sampled_from(["a", "b", "in"])))
def test_what_is_laid_over_is_what_was_said(said: Json, read: set[str]) -> None:
    written = {key: value for key, value in said.items() if key in read}
    assert laid_over(written, leftovers(said, written, ("in",)), ("in",)) == said


def test_each_loss_is_said_once() -> None:
    assert said_once([Loss("a", "1"), Loss("b", "2"), Loss("a", "3")]) == (Loss("a", "1"), Loss("b", "2"))
