"""Where a body may be edited: exactly there, whatever else it holds."""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest
from bodies import seen
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import BODIES, MODELS, VALUES

from ringlet_mitm.rules.peek import Span
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI


def spliced(wire_format: WireFormat, body: bytes, model: str = "another", *, path: str | None = None) -> Any:
    """The body with the model's value replaced, read; every other byte is where it was."""
    span = seen(wire_format, body, path=path).spans.model
    assert span is not None
    changed = body[: span.start] + json.dumps(model).encode() + body[span.end :]
    return json.loads(changed)


SPANS: dict[str, tuple[bytes, bytes | None]] = {
    "first": (b'{"model":"m","messages":[]}', b'"m"'),
    "last": (b'{"messages":[],"model":"m"}', b'"m"'),
    "alone": (b'{"model":"m"}', b'"m"'),
    "whitespace": (b' \r\n{ "model" \t:\n "m" , "messages" : [ ] } \n', b'"m"'),
    "empty": (b'{"model":""}', b'""'),
    "escapes": (b'{"model":"a\\"b\\\\\\u00e9"}', b'"a\\"b\\\\\\u00e9"'),
    "unicode": ('{"model":"modèle-漢字-😀"}'.encode(), '"modèle-漢字-😀"'.encode()),
    "twice, the last counts": (b'{"model":"m","model":"nn"}', b'"nn"'),
    "the same twice": (b'{"model":"m","messages":[],"model":"m","x":1}', b'"m"'),
    "its name escaped": (b'{"mod\\u0065l":"m"}', b'"m"'),
    "inside messages first": (b'{"messages":[{"role":"user","content":"x","model":"no"}],"model":"m"}', b'"m"'),
    "inside a string": (b'{"messages":[{"content":"\\"model\\":\\"no\\""}],"model":"m"}', b'"m"'),
    "a string where a list is usual": (b'{"messages":"x","model":"m"}', b'"m"'),
    "beside half an emoji": (b'{"messages":[{"content":"\\ud83d"}],"model":"m","user":"\\ud83d\\ude00"}', b'"m"'),
    "half an emoji itself": (b'{"model":"\\udc00"}', b'"\\udc00"'),
    "absent": (b'{"messages":[]}', None),
    "null": (b'{"model":null}', None),
    "a number": (b'{"model":5}', None),
    "an object": (b'{"model":{"model":"m"}}', None),
    "a list": (b'{"model":["m"]}', None),
    "only inside messages": (b'{"messages":[{"model":"m"}]}', None),
}


@pytest.mark.parametrize("wire_format", [MESSAGES, CHAT, RESPONSES])
@pytest.mark.parametrize(("body", "expected"), SPANS.values(), ids=SPANS)
def test_the_place_of_the_model(wire_format: WireFormat, body: bytes, expected: bytes | None) -> None:
    span = seen(wire_format, body).spans.model
    assert (span and body[span.start : span.end]) == expected


def test_of_two_models_the_last_one_is_edited() -> None:
    body = b'{"model":"m","model":"m"}'
    assert seen(CHAT, body).spans.model == Span(21, 24)


def test_geminis_body_has_no_model_to_edit() -> None:
    assert seen(GEMINI, {"model": "m", "contents": []}).spans.model is None


OPTIONS: dict[str, tuple[bytes, bytes | None]] = {
    "absent": (b'{"messages":[]}', None),
    "null": (b'{"stream_options":null,"messages":[]}', b"null"),
    "an object": (b'{"messages":[],"stream_options": {"include_usage" : true } }', b'{"include_usage" : true }'),
    "twice": (b'{"stream_options":{},"stream_options":{"a":1}}', b'{"a":1}'),
    "only deeper": (b'{"metadata":{"stream_options":{}}}', None),
}


@pytest.mark.parametrize(("body", "expected"), OPTIONS.values(), ids=OPTIONS)
def test_the_place_of_stream_options(body: bytes, expected: bytes | None) -> None:
    span = seen(CHAT, body).spans.stream_options
    assert (span and body[span.start : span.end]) == expected


@pytest.mark.parametrize("wire_format", [MESSAGES, GEMINI])
def test_other_formats_have_no_stream_options(wire_format: WireFormat) -> None:
    assert seen(wire_format, b'{"stream_options":{}}').spans.stream_options is None


@pytest.mark.parametrize("body", [b"{}", b' \n{"a":1}', b'{ "a":1}'])
def test_after_the_opening_brace(body: bytes) -> None:
    place = seen(CHAT, body).spans.after_brace
    assert body[:place].strip() == b"{"


def written(body: dict[str, Any], keys: list[str], seed: int) -> bytes:
    """JSON as somebody may write it: keys in any order, whitespace anywhere, escapes or not."""
    chance = random.Random(seed)
    pieces = []
    for key in keys:
        value = json.dumps(body[key], ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, None, 1]))
        pieces.append(f"{json.dumps(key)}{chance.choice(['', ' '])}:{chance.choice(['', ' ', chr(10)])}{value}")
    return ("{" + chance.choice([",", " ,\n", ", "]).join(pieces) + "}").encode("utf-8", "replace")


@settings(max_examples=200, deadline=None)
@given(data=st.data(), wire_format=st.sampled_from([MESSAGES, CHAT, RESPONSES]), model=MODELS, new=MODELS)
def test_splicing_changes_the_model_and_nothing_else(
    data: st.DataObject, wire_format: WireFormat, model: str, new: str
) -> None:
    body = data.draw(BODIES[wire_format]()) | {"model": model, "x": data.draw(VALUES)}
    raw = written(body, data.draw(st.permutations(list(body))), data.draw(st.integers(0, 2**32)))
    before = json.loads(raw)
    assert spliced(wire_format, raw, new) == {**before, "model": new}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(string.ascii_letters, max_size=8), VALUES, max_size=4), VALUES)
def test_a_model_that_is_no_string_has_no_place(others: dict[str, Any], model: Any) -> None:
    span = seen(CHAT, {**others, "model": model}).spans.model
    assert (span is not None) is isinstance(model, str)
