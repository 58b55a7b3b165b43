from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import VALUES

from ringlet_mitm.addons.views.mending import MOST_DEPTH, mended


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        ('{"a": [1, 2', '{"a": [1, 2]}'),
        ('{"a": "half a te', '{"a": "half a te"}'),
        ('{"a": "x\\u00', '{"a": "x"}'),
        ('{"a": "x\\\\', '{"a": "x\\\\"}'),
        ('{"a": 1, "b', '{"a": 1}'),
        ('{"a": 1, "b":', '{"a": 1}'),
        ('{"a": nul', "{}"),
        ('{"a": 1 oops "b": 2}', '{"a": 1}'),
        ('{"a": [1}', '{"a": [1]}'),
        ("[[]", "[[]]"),
        ('{"a": 1}{"b": 2}', '{"a": 1}'),
        ("0,0", "0"),
        ("no JSON", ""),
        ("", ""),
    ],
    ids=[
        "a list", "inside of a text", "half an escape", "a backslash", "half a key", "no value", "half a word",
        "no comma", "the wrong bracket", "inner list", "two objects", "two numbers", "words", "nothing",
    ],
)  # fmt: skip
def test_what_came_is_closed(broken: str, whole: str) -> None:
    assert mended(broken) == whole


@settings(max_examples=15)
@given(value=st.dictionaries(st.text(), VALUES, min_size=1), data=st.data())
def test_every_beginning_of_json_is_json_once_it_is_mended(value: object, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    assert json.loads(mended(text)) == json.loads(text)
    assert isinstance(json.loads(mended(text[: data.draw(st.integers(1, len(text)))])), dict)


@given(st.text(alphabet='{}[],:"\\u0a1 -.ef'))
def test_anything_else_becomes_json_or_nothing(text: str) -> None:
    found = mended(text)
    if found.strip():
        json.loads(found)


def test_absurd_nesting_is_cut_off() -> None:
    assert mended("[" * 100_000) == "[" * MOST_DEPTH + "]" * MOST_DEPTH


@pytest.mark.parametrize("text", ['{"m":"' + "\\" * 262_139, "[" + "1," * 131_000, '{"m":"' + "x" * 262_000])
def test_a_quarter_of_a_megabyte_takes_no_second(text: str) -> None:
    begun = time.process_time()
    assert mended(text)
    assert time.process_time() - begun < 1
