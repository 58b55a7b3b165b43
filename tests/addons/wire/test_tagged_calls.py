"""Calls written as text: found at any split, and what is none stays the text that it was."""

from __future__ import annotations

import json

import pytest
from canonicals import pieces_of
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire import tagged_calls
from ringlet_mitm.addons.wire.tagged_calls import CLOSE, OPEN, CallScanner, Piece, WrittenCall

A = WrittenCall("a", '{"x": 1}')
A_TEXT = '<tool_call>{"name": "a", "arguments": {"x": 1}}</tool_call>'
ODD = st.lists(
    st.sampled_from(
        [
            *(OPEN, CLOSE, "<tool", "_call>", "</", "<", ">", '"', "\\", " ", "\n", "text", A_TEXT, "}", "{", "```"),
            '{"name": "a", "arguments": {"x": "',
            '"}}',
            '{"name": "a", "arguments": {}}',
        ]
    ),
    max_size=14,
).map("".join)


def scanned(pieces: list[str]) -> list[Piece]:
    """What a scanner gives for these, neighbouring texts as one."""
    scanner = CallScanner()
    found: list[Piece] = []
    for piece in [*(got for text in pieces for got in scanner.feed(text)), *scanner.finish()]:
        last = found[-1] if found else None
        if isinstance(piece, str) and isinstance(last, str):
            found[-1] = last + piece
        else:
            found.append(piece)
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("just text", ["just text"], id="no call"),
        pytest.param(A_TEXT, [A], id="one call"),
        pytest.param(f"Let me see.\n\n{A_TEXT}\n", ["Let me see.", A], id="text before"),
        pytest.param(f"{A_TEXT}\n\nDone.", [A, "Done."], id="text behind"),
        pytest.param(f"{A_TEXT}\n{A_TEXT}{A_TEXT}", [A, A, A], id="several"),
        pytest.param(f"one {A_TEXT} two {A_TEXT} three ", ["one", A, "two", A, "three "], id="text between"),
        pytest.param("<tool_call>\n```json\n" + A_TEXT[11:-12] + "\n```\n</tool_call>", [A], id="code fence"),
        pytest.param('<tool_call>{"name": "a"}</tool_call>', [WrittenCall("a", "{}")], id="no arguments"),
        pytest.param('<tool_call>{"name": "a", "parameters": {"x": 1}}</tool_call>', [A], id="Llama's word for them"),
        pytest.param(
            '<tool_call>{"name": "a", "arguments": "{\\"x\\": 1}"}</tool_call>', [A], id="arguments as JSON text"
        ),
        pytest.param(
            '<tool_call>{"name": "a", "arguments": {"x": "1\n2"}}</tool_call>',
            [WrittenCall("a", '{"x": "1\\n2"}')],
            id="a line break inside a string",
        ),
        pytest.param(
            '<tool_call>{"name": "a", "arguments": {"x": "\\"</tool_call><tool_call>"}}</tool_call>',
            [WrittenCall("a", '{"x": "\\"</tool_call><tool_call>"}')],
            id="tags inside a string",
        ),
        pytest.param(f"{A_TEXT[:-12]}\n{A_TEXT}", [A, A], id="closing tag forgotten"),
        pytest.param(f"now {A_TEXT[:-12]}", ["now", A], id="closing tag eaten"),
        pytest.param(f"now {A_TEXT[:-5]}", ["now", A], id="closing tag cut off"),
    ],
)
def test_calls_are_found(text: str, found: list[Piece]) -> None:
    assert scanned([text]) == found
    assert scanned(list(text)) == found


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>{not JSON}</tool_call>",
        'so: \n <tool_call>{"name": "a", "arguments": </tool_call> and on',
        '<tool_call>{"name": "a", "arguments": {"x": ',
        '<tool_call>{"name": "a", "arguments": {"x": "1',
        '<tool_call>{"name": "a", "arguments": {"x": "1}}</tool_call> and on',
        '<tool_call>{"name": "a", "arguments": [1]}</tool_call>',
        '<tool_call>{"name": "a", "arguments": null}</tool_call>',
        '<tool_call>{"name": "a", "arguments": {"x": NaN}}</tool_call>',
        '<tool_call>{"name": "", "arguments": {}}</tool_call>',
        '<tool_call>{"name": 1, "arguments": {}}</tool_call>',
        "<tool_call>[]</tool_call>",
        "<tool_call>" + "[" * 5000 + "</tool_call>",
        "<tool_call></tool_call>",
        "a <tool_cal",
        "a < b and <tool_ca b",
        "the tag </tool_call> alone",
        " \n ",
        "",
    ],
)
def test_what_is_no_call_stays_text_to_the_character(text: str) -> None:
    assert scanned([text]) == ([text] if text else [])
    assert scanned(list(text)) == ([text] if text else [])


def test_a_broken_call_does_not_take_the_next_one_with_it() -> None:
    broken = '<tool_call>{"name": "a", "arguments": {"x": "1}}</tool_call>'
    assert scanned([f"{broken}\n{A_TEXT}"]) == [broken, A]
    assert scanned([f"<tool_call>nothing\n{A_TEXT}"]) == ["<tool_call>nothing\n", A]


@given(ODD, st.data())
def test_any_split_gives_the_same(text: str, data: st.DataObject) -> None:
    assert scanned(data.draw(pieces_of(text))) == scanned([text]) == scanned(list(text))


@given(ODD, st.data(), st.sampled_from([12, 20, 45]))
def test_any_split_gives_the_same_where_calls_are_too_large(text: str, data: st.DataObject, largest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tagged_calls, "LARGEST_CALL", largest)
        patch.setattr(tagged_calls, "LARGEST_GAP", 2)
        assert scanned(data.draw(pieces_of(text))) == scanned([text]) == scanned(list(text))


@given(st.text(max_size=200).filter(lambda text: OPEN not in text))
def test_text_without_a_tag_is_untouched(text: str) -> None:
    assert "".join(str(piece) for piece in scanned([text])) == text


@given(st.text(max_size=30), st.dictionaries(st.text(max_size=10), st.text(max_size=30), max_size=3))
def test_any_call_is_read(name: str, arguments: dict[str, str]) -> None:
    said = json.dumps({"name": name or "a", "arguments": arguments}, ensure_ascii=False)
    (call,) = scanned([f"{OPEN}{said}{CLOSE}"])
    assert isinstance(call, WrittenCall)
    assert (call.name, json.loads(call.arguments)) == (name or "a", arguments)


def test_what_is_held_back_is_bounded() -> None:
    scanner = CallScanner()
    held = "x" * (64 * 1024)
    given_back = [*scanner.feed(OPEN)]
    for _ in range(40):
        given_back += scanner.feed(held)
        assert len(scanner._text) <= tagged_calls.LARGEST_CALL + len(held) + len(CLOSE)
    assert "".join(str(piece) for piece in [*given_back, *scanner.finish()]) == OPEN + held * 40
