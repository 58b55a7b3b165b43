from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.views.page import WIDTH, Limits, Page, Style, clipped, size_words, wrapped

FEW = Limits(text=50, lines=3, tools=2, turns=2, whole=200)


@given(line=st.text(max_size=500), width=st.integers(0, 60))
def test_a_long_line_is_broken_and_nothing_is_lost(line: str, width: int) -> None:
    pieces = wrapped(line, width)
    assert "".join(pieces) == line
    assert all(len(piece) <= max(width, 20) for piece in pieces)


@given(st.lists(st.text(max_size=300)))
def test_a_page_has_an_end(texts: list[str]) -> None:
    page = Page(FEW)
    for text in texts:
        page.title(text)
        page.text(text)
        page.field("name", text)
    assert sum(len(line.text) for line in page.lines) <= FEW.whole + WIDTH
    assert all("\n" not in line.text for line in page.lines)


def test_what_is_left_out_is_said() -> None:
    page = Page(FEW)
    page.text("a\nb\nc\nd\ne")
    assert [line.text for line in page.lines] == ["a", "b", "c", "… 5 lines in all"]
    for _ in range(50):
        page.note("x" * 20)
    assert page.lines[-1].text == "… the rest is left out here; the views JSON and Raw have it"


def test_a_blank_line_stands_before_each_section_but_the_first() -> None:
    page = Page()
    page.title("one")
    page.title("two")
    assert [(line.style, line.text) for line in page.lines] == [
        (Style.TITLE, "one"),
        (Style.TEXT, ""),
        (Style.TITLE, "two"),
    ]


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 KB"), (12_345_678, "12.3 MB")]
)
def test_sizes(size: int, words: str) -> None:
    assert size_words(size) == words


def test_long_texts_are_clipped() -> None:
    assert clipped("abcdef", 6) == "abcdef"
    assert clipped("abcdefg", 6) == "abcdef … 1 more characters"
