"""The top level of a body, and bodies with half an emoji in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bodies import compact
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.skeleton import SMALL_BYTES, Skeleton, decoded, take_apart, text, without_lone_surrogates

CHAT = WireFormat.CHAT


def apart(body: Any, wire_format: WireFormat = CHAT, *, enveloped: bool = False) -> Skeleton:
    found = take_apart(wire_format, body if isinstance(body, bytes) else compact(body), enveloped)
    assert isinstance(found, Skeleton), found
    return found


ITEMS: dict[str, tuple[Any, list[bytes]]] = {
    "a list": ({"messages": [1, {"a": 2}]}, [b"1", b'{"a":2}']),
    "an empty list": ({"messages": []}, []),
    "null": ({"messages": None}, []),
    "absent": ({}, []),
    "an object": ({"messages": {"a": 1}}, [b'{"a":1}']),
    "an empty object": ({"messages": {}}, []),
    "a string": ({"messages": "hi"}, [b'"hi"']),
    "an empty string": ({"messages": ""}, []),
}


@pytest.mark.parametrize(("body", "items"), ITEMS.values(), ids=ITEMS)
def test_items(body: Any, items: list[bytes]) -> None:
    assert [bytes(raw) for raw in apart(body).items(("messages",))] == items


def test_one_wrong_list_leaves_the_others_as_they_are() -> None:
    found = apart({"messages": [1, 2], "tools": {"a": 1}})
    assert [len(found.items((key,))) for key in ("messages", "tools")] == [2, 1]


def test_values() -> None:
    found = apart({"reasoning": {"effort": None, "enabled": False}, "thinking": "x", "metadata": {"session_id": 5}})
    assert found.value(("reasoning.effort", "reasoning.enabled")) is False
    assert found.value(("thinking.type", "metadata.session_id")) == 5
    assert found.value(("nothing", "metadata.nothing.deeper")) is None


def test_a_value_too_long_to_be_meant_is_none() -> None:
    found = apart({"metadata": {"session_id": "x" * SMALL_BYTES}, "max_tokens": 5})
    assert (found.value(("metadata.session_id",)), found.value(("max_tokens",))) == (None, 5)


def test_raw_values_are_views_of_the_body() -> None:
    found = apart({"model": "m", "tools": None})
    assert bytes(found.raw(("nothing", "model")) or b"") == b'"m"'
    assert found.raw(("tools",)) is None


def test_an_envelope() -> None:
    found = apart({"model": "m", "session_id": "s", "request": {"contents": [1]}}, WireFormat.GEMINI, enveloped=True)
    assert found.envelope is not None
    assert (text(found.envelope.model), len(found.items(("contents",)))) == ("m", 1)
    assert found.value(("session_id",)) == "s"


def test_the_session_inside_an_envelope_comes_first() -> None:
    body = {"session_id": "outside", "request": {"session_id": "inside"}}
    assert apart(body, WireFormat.GEMINI, enveloped=True).value(("session_id",)) == "inside"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not the JSON of a request (openai-chat): "),
        (b"[]", "Expected `object`"),
        (b"{", "Input data was truncated"),
        (b'{"messages":' + b"[" * 100_000, "nested too deeply"),
        (b'{"messages":["\\ud83d', "Input data was truncated"),
    ],
    ids=["empty", "a list", "cut off", "deep", "cut off in half an emoji"],
)
def test_why_it_has_none(body: bytes, why: str) -> None:
    found = take_apart(CHAT, body, False)
    assert isinstance(found, str)
    assert why in found


@pytest.mark.parametrize("raw", [b"[" * 5000, b"nope", b"1" * 5000, b'"\xff"'], ids=repr)
def test_values_that_cannot_be_built(raw: bytes) -> None:
    assert decoded(Raw(raw)) is None
    assert text(Raw(raw)) == ""


MENDED: dict[str, tuple[str, str]] = {
    "none": (r'"plain é \n \u00e9"', r'"plain é \n \u00e9"'),
    "a whole pair": (r'"\ud83d\ude00"', r'"\ud83d\ude00"'),
    "a pair in capitals": (r'"\uD83D\uDE00"', r'"\uD83D\uDE00"'),
    "the first half": (r'"a\ud83d"', r'"a\ufffd"'),
    "the second half": (r'"\uDE00b"', r'"\ufffdb"'),
    "both, the wrong way round": (r'"\ude00\ud83d"', r'"\ufffd\ufffd"'),
    "half before a pair": (r'"\ud83d\ud83d\ude00"', r'"\ufffd\ud83d\ude00"'),
    "half after a pair": (r'"\ud83d\ude00\ude00"', r'"\ud83d\ude00\ufffd"'),
    "half before another escape": (r'"\ud83d\n\ud83d\u0041"', r'"\ufffd\n\ufffd\u0041"'),
    "an escaped backslash": (r'"\\ud83d"', r'"\\ud83d"'),
    "a backslash and half": (r'"\\\ud83d"', r'"\\\ufffd"'),
    "a quote before half": (r'"\"\ud83d"', r'"\"\ufffd"'),
}


@pytest.mark.parametrize(("before", "after"), MENDED.values(), ids=MENDED)
def test_half_an_emoji(before: str, after: str) -> None:
    assert without_lone_surrogates(before.encode()) == after.encode()
    found = apart(b'{"messages":[%b],"model":"m"}' % before.encode())
    assert bytes(found.items(("messages",))[0]) == after.encode()


@given(st.text(st.characters(codec=None, categories=["Cs", "Lu", "So", "Po"]), max_size=30))
@example("\\ud83d")
def test_any_half_emoji_keep_every_place(words: str) -> None:
    body = json.dumps({"messages": [words], "model": "m"}).encode()
    mended = without_lone_surrogates(body)
    assert len(mended) == len(body)
    whole = json.loads(body)["messages"][0].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(mended)["messages"][0] == whole
    assert text(apart(body).items(("messages",))[0]) == whole
