"""What a model reads of a request, and what it does not."""

from __future__ import annotations

import json
from time import perf_counter
from typing import Any

import pytest
from bodies import Body, png
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_up import TEXTS, VALUES, any_bodies
from msgspec import Raw

from ringlet_mitm.rules.prose import text_of
from ringlet_mitm.rules.shapes import WireFormat

PICTURE = png(10, 10)

READ: dict[str, tuple[Any, str]] = {
    "a string": ("hello", "hello"),
    "escapes are undone": ('a "b"\n\té', 'a "b"\n\té'),
    "nothing": (None, ""),
    "a message": ({"role": "user", "content": "hi"}, "hi"),
    "blocks": ({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
    "cache_control": ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, "a"),
    "a tool call on Messages": (
        {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls", "id": 7, "type": "x"}},
        "Bash\ncommand\nls\nid\n7\ntype\nx",
    ),
    "a tool call on Chat": (
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
        },
        "f\n{}",
    ),
    "a tool call on Responses": (
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
        'f\n{"a":1}',
    ),
    "a tool call on Gemini": (
        {"functionCall": {"name": "f", "args": {"role": "x"}}, "thoughtSignature": "c2ln"},
        "f\nrole\nx",
    ),
    "a tool's result": ({"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok", "is_error": False}, "ok"),
    "a tool's result on Gemini": ({"functionResponse": {"name": "f", "response": {"output": "ok"}}}, "f\noutput\nok"),
    "a tool": (
        {"name": "f", "description": "does", "input_schema": {"type": "object", "required": ["x"]}, "strict": True},
        "f\ndoes\ntype\nobject\nrequired\nx",
    ),
    "a grammar": (
        {"type": "custom", "name": "f", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        "f\nlark\nstart: x",
    ),
    "thinking": ({"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk" * 50}, "hm"),
    "redacted thinking": ({"type": "redacted_thinking", "data": "c2lnbmVk" * 50}, ""),
    "encrypted reasoning": ({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "Z" * 500}, ""),
    "an image": ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}, ""),
    "an image's data URL": ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}, ""),
    "a PDF": ({"type": "document", "title": "t", "source": {"type": "base64", "data": PICTURE}}, "t"),
    "a PDF on Chat": (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PICTURE}"}},
        "a.pdf",
    ),
    "audio": ({"type": "input_audio", "input_audio": {"data": PICTURE, "format": "wav"}}, "wav"),
    "inline data on Gemini": ({"inlineData": {"mimeType": "image/png", "data": PICTURE}}, ""),
    "base64 in lines": ({"data": "QUJD" * 19 + "\r\n" + "QUJD" * 19 + "==\n"}, ""),
    "a document in plain text": (
        {"type": "document", "source": {"type": "text", "data": "plain words"}},
        "plain words",
    ),
    "numbers in a call": (
        {"input": {"a": 1, "b": 1.50, "c": 1e5, "d": True, "e": None}},
        "a\n1\nb\n1.5\nc\n100000.0\nd\nTrue\ne",
    ),
}


@pytest.mark.parametrize(("value", "expected"), READ.values(), ids=READ)
@pytest.mark.parametrize("escaped", [False, True])
def test_what_is_read(value: Any, expected: str, escaped: bool) -> None:
    assert text_of(json.dumps(value, ensure_ascii=escaped).encode()) == expected


BROKEN: dict[str, tuple[bytes, str]] = {
    "broken UTF-8": (b'"a\xffb"', '"ab"'),
    "half an emoji": (b'"a\\ud83d"', '"a\\ud83d"'),
    "5,000 digits": (b'{"a":' + b"1" * 5000 + b"}", '{"a":' + "1" * 5000 + "}"),
    "cut off": (b'{"a', '{"a'),
    "empty": (b"", ""),
    "nested deeply": (b"[" * 50_000, "[" * 50_000),
}


@pytest.mark.parametrize(("segment", "expected"), BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_taken_apart_is_read_as_it_stands(segment: bytes, expected: str) -> None:
    assert text_of(Raw(segment)) == expected


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(VALUES, TEXTS, st.dictionaries(st.sampled_from(["input", "data", "type", "x"]), VALUES)), st.booleans()
)
@example({"input": [True, False, -0.0, 1e300, 10**18]}, False)
def test_never_longer_than_its_json(value: Any, escaped: bool) -> None:
    raw = json.dumps(value, ensure_ascii=escaped, separators=(",", ":")).encode("utf-8", "surrogatepass")
    assert len(text_of(raw).encode("utf-8", "surrogatepass")) <= len(raw)


@settings(max_examples=100, deadline=None)
@given(any_bodies())
def test_whole_bodies_as_well(made: tuple[WireFormat, Body]) -> None:
    raw = json.dumps(made[1]).encode()
    assert len(text_of(raw).encode()) <= len(raw)


@settings(max_examples=300, deadline=None)
@given(st.binary())
def test_any_bytes(segment: bytes) -> None:
    assert len(text_of(segment).encode()) <= len(segment)


@pytest.mark.parametrize("tail", ["!", "=!", "\n!", "\n=\n!"], ids=ascii)
def test_what_is_almost_base64_takes_no_time(tail: str) -> None:
    """Line ends fit the data and what may follow it; trying all ways to share 100,000 of them would take minutes."""
    segment = json.dumps({"data": "A" * 40 + "\n" * 100_000 + tail}).encode()
    started = perf_counter()
    text_of(segment)
    assert perf_counter() - started < 1
