"""The text of `{"input": text}`: the same however it is split, and never a crash."""

from __future__ import annotations

import json

import pytest
from canonicals import pieces_of
from hypothesis import example, given
from hypothesis import strategies as st
from made_up import TEXTS

from ringlet_mitm.addons.wire.free_text import FreeText, free_text
from ringlet_mitm.addons.wire.toolset import custom_arguments

SNIPPETS = ['{"input": "', '"', "\\", "\\u", "\\ud83d", "\\ude00", "\\ud8", "a", "}", "\n", "é", " ", "0", "n"]
ODD = st.lists(st.sampled_from(SNIPPETS), max_size=12).map("".join)
ARGUMENTS = st.one_of(TEXTS.map(custom_arguments), TEXTS.map(lambda text: json.dumps({"input": text})), ODD, TEXTS)


@given(TEXTS)
@example("\ud83d")
@example("\\ud83d")
def test_the_text_comes_back(text: str) -> None:
    assert free_text(custom_arguments(text)) == text
    assert free_text(json.dumps({"input": text})) == text
    assert free_text(json.dumps({"input": text}, indent=2)) == text


@given(ARGUMENTS, st.data())
def test_any_split_gives_the_same(arguments: str, data: st.DataObject) -> None:
    pieces = data.draw(st.one_of(pieces_of(arguments), st.just(list(arguments))))
    reader = FreeText()
    assert "".join(reader.feed(piece) for piece in pieces) + reader.finish() == free_text(arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"patch": "*** Begin"}', "*** Begin"),
        ('{"why": "so", "input": "text"}', "text"),
        ('{"a": "b", "c": "d"}', '{"a": "b", "c": "d"}'),
        ('"bare"', "bare"),
        ("*** Begin Patch", "*** Begin Patch"),
        ('{"input": 1}', '{"input": 1}'),
        ('{"input": "cut o', "cut o"),
        ('{"input": "cut \\u00', "cut "),
        ('{"input": "two\nlines"}', "two\nlines"),
        (r'{"input": "C:\dir\new"}', "C:\\dir\new"),
        ("", ""),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_arguments_in_another_form(arguments: str, text: str) -> None:
    assert free_text(arguments) == text


def test_the_text_is_given_while_it_comes() -> None:
    reader = FreeText()
    assert [reader.feed(piece) for piece in ['{"inp', 'ut":"a', "b\\", 'nc"', "}"]] == ["", "a", "b", "\nc", ""]
