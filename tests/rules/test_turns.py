"""Pictures in every place that a format has for them, whose turn it is, and what a conversation begins with."""

from __future__ import annotations

from typing import Any

import pytest
from bodies import Body, compact, png, seen
from msgspec import Raw

from ringlet_mitm.rules.shapes import WireFormat
from ringlet_mitm.rules.skeleton import ABSENT
from ringlet_mitm.rules.turns import Item, carries_tool_result, first_words, has_system_message, item_of

MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI
DATA = png(1000, 750)
URL = f"data:image/png;base64,{DATA}"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": DATA}}
TEXT = {"type": "text", "text": 'an {"type":"image","source":{}} in words'}


def raws(*values: Any) -> list[Raw]:
    return [Raw(compact(value)) for value in values]


def said(content: Any) -> Body:
    return {"messages": [{"role": "user", "content": content}]}


def put_in(*items: Any) -> Body:
    return {"input": list(items)}


def part(*parts: Any) -> Body:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


# 1000 x 750: 1,000 tokens on Messages, 4 tiles of 512 at OpenAI, 4 crops of 500 at Google
PICTURES: dict[str, tuple[WireFormat, Body, int, int]] = {
    "Messages": (MESSAGES, said([TEXT, IMAGE]), 1, 1000),
    "Messages, two of the same": (MESSAGES, said([IMAGE, IMAGE]), 2, 2000),
    "Messages, by address": (
        MESSAGES,
        said([{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}]),
        1,
        1366,
    ),
    "Messages, by file": (MESSAGES, said([{"type": "image", "source": {"type": "file", "file_id": "f"}}]), 1, 1366),
    "Messages, in a tool's result": (
        MESSAGES,
        said([{"type": "tool_result", "tool_use_id": "t", "content": [TEXT, IMAGE]}]),
        1,
        1000,
    ),
    "Messages, in a document of blocks": (
        MESSAGES,
        said([{"type": "document", "source": {"type": "content", "content": [IMAGE]}}]),
        1,
        1000,
    ),
    "Messages, in the system prompt": (MESSAGES, {"system": [IMAGE]}, 1, 1000),
    "Messages, a PDF is none": (MESSAGES, said([PDF]), 0, 0),
    "Messages, words about one": (MESSAGES, said([TEXT]), 0, 0),
    "Messages, a call that looks like one": (
        MESSAGES,
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": {"x": IMAGE}}]}]},
        0,
        0,
    ),
    "Messages, a tool about images": (
        MESSAGES,
        {
            "tools": [
                {
                    "name": "f",
                    "input_schema": {"properties": {"image": {"type": "image"}, "kind": {"type": ["image", "null"]}}},
                }
            ]
        },
        0,
        0,
    ),
    "Chat": (CHAT, said([{"type": "image_url", "image_url": {"url": URL}}]), 1, 765),
    "Chat, low detail": (CHAT, said([{"type": "image_url", "image_url": {"url": URL, "detail": "low"}}]), 1, 85),
    "Chat, a plain string": (CHAT, said([{"type": "image_url", "image_url": URL}]), 1, 765),
    "Chat, by address": (CHAT, said([{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]), 1, 1105),
    "Chat, null": (CHAT, said([{"type": "image_url", "image_url": None}]), 1, 1105),
    "Chat, in a tool's result": (
        CHAT,
        {
            "messages": [
                {"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url", "image_url": {"url": URL}}]}
            ]
        },
        1,
        765,
    ),
    "Chat, in Anthropic's words": (CHAT, said([IMAGE]), 1, 765),
    "Chat, a PDF is none": (
        CHAT,
        said([{"type": "file", "file": {"file_data": f"data:application/pdf;base64,{DATA}"}}]),
        0,
        0,
    ),
    "Responses": (RESPONSES, put_in({"role": "user", "content": [{"type": "input_image", "image_url": URL}]}), 1, 765),
    "Responses, low detail": (
        RESPONSES,
        put_in({"role": "user", "content": [{"type": "input_image", "image_url": URL, "detail": "low"}]}),
        1,
        85,
    ),
    "Responses, by file": (
        RESPONSES,
        put_in({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}),
        1,
        1105,
    ),
    "Responses, in a tool's output": (
        RESPONSES,
        put_in({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": URL}]}),
        1,
        765,
    ),
    "Responses, a screen": (
        RESPONSES,
        put_in(
            {
                "type": "computer_call_output",
                "call_id": "c",
                "output": {"type": "computer_screenshot", "image_url": URL},
            }
        ),
        1,
        765,
    ),
    "Responses, a PDF is none": (
        RESPONSES,
        put_in(
            {"role": "user", "content": [{"type": "input_file", "file_data": f"data:application/pdf;base64,{DATA}"}]}
        ),
        0,
        0,
    ),
    "Gemini": (GEMINI, part({"inlineData": {"mimeType": "image/png", "data": DATA}}), 1, 1032),
    "Gemini, snake_case": (GEMINI, part({"inline_data": {"mime_type": "image/png", "data": DATA}}), 1, 1032),
    "Gemini, by file": (GEMINI, part({"fileData": {"mimeType": "image/png", "fileUri": "u"}}), 1, 1548),
    "Gemini, snake_case by file": (GEMINI, part({"file_data": {"mime_type": "image/png", "file_uri": "u"}}), 1, 1548),
    "Gemini, in a function's response": (
        GEMINI,
        part(
            {
                "functionResponse": {
                    "name": "f",
                    "response": {},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": DATA}}],
                }
            }
        ),
        1,
        1032,
    ),
    "Gemini, a PDF is none": (GEMINI, part({"inlineData": {"mimeType": "application/pdf", "data": DATA}}), 0, 0),
    "Gemini, audio is none": (GEMINI, part({"inlineData": {"mimeType": "audio/wav", "data": DATA}}), 0, 0),
    "Gemini, of no type": (GEMINI, part({"inlineData": {"data": DATA}}), 0, 0),
}


@pytest.mark.parametrize(("wire_format", "body", "images", "tokens"), PICTURES.values(), ids=PICTURES)
def test_pictures(wire_format: WireFormat, body: Body, images: int, tokens: int) -> None:
    for _ in range(2):  # the second time it is remembered
        found = seen(wire_format, body)
        assert (found.features.images, found.parts.fixed_tokens) == (images, tokens)


def test_a_picture_that_another_format_would_not_see() -> None:
    """What was found in a message is remembered for each format apart."""
    message = {"role": "user", "content": [{"type": "input_image", "image_url": URL}]}
    assert seen(RESPONSES, {"input": [message]}).features.images == 1
    assert seen(MESSAGES, {"messages": [message]}).features.images == 0


def test_the_outside_of_a_message() -> None:
    (raw,) = raws({"role": "user", "type": None, "content": [1]})
    item = item_of(raw)
    assert (item.role, item.type, bytes(item.content), item.parts is ABSENT) == ("user", None, b"[1]", True)


@pytest.mark.parametrize("value", [None, 1, "x", [], {"role": 5}, {"type": []}], ids=repr)
def test_what_is_no_message_has_an_empty_outside(value: Any) -> None:
    assert item_of(*raws(value)) == Item()


def test_a_conversation_begins_with_a_persons_words() -> None:
    system, person, model = raws({"role": "system"}, {"role": "user"}, {"role": "assistant"})
    assert first_words([system, model, person]) is person
    assert first_words([system, model]) is system
    assert first_words([]) is None


def test_a_system_prompt_stands_in_front() -> None:
    system, person = raws({"role": "system"}, {"role": "user"})
    assert has_system_message([person] * 3 + [system])
    assert not has_system_message([person] * 4 + [system])
    assert not has_system_message([])


def test_many_results_of_one_answer() -> None:
    answer, result, person = raws({"role": "assistant"}, {"role": "tool"}, {"role": "user", "content": "x"})
    assert carries_tool_result([answer, *[result] * 200])
    assert carries_tool_result([answer, result, *[person] * 60])
    assert not carries_tool_result([result, answer, *[person] * 60])
