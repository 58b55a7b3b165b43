"""A request from a file: a capture whole, or a body with what it tells by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ringlet_mitm.cli.request_files import read_request
from ringlet_mitm.rules.errors import UsageError
from ringlet_mitm.rules.shapes import WireFormat, format_of

CAPTURES = sorted((Path(__file__).parents[2] / "fixtures" / "captures").glob("*.json"))
HOSTS = {wire_format: f"{wire_format}.example" for wire_format in WireFormat}


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_is_read_whole(path: Path) -> None:
    capture = json.loads(path.read_text())
    request = read_request(path.read_bytes(), path.name, HOSTS)
    assert (request.host, request.path, request.format) == (
        capture["host"],
        capture["path"],
        format_of("POST", capture["path"]),
    )
    assert [(name.decode(), value.decode()) for name, value in request.headers] == [
        tuple(pair) for pair in capture["headers"]
    ]
    assert json.loads(request.body) == capture["body"]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_the_body_of_a_capture_alone_tells_its_format(path: Path) -> None:
    capture = json.loads(path.read_text())
    body = json.dumps(capture["body"]).encode()
    given = capture["path"] if "models/" in capture["path"] else ""  # Gemini names its model in the path
    request = read_request(body, path.name, HOSTS, path=given)
    assert request.format is format_of("POST", capture["path"])
    assert (request.host, request.body) == (HOSTS[request.format], body)


BODIES: dict[str, tuple[dict[str, Any], str]] = {
    "Messages by its system prompt": ({"model": "m", "system": "s", "messages": []}, "/v1/messages"),
    "Messages by its tools": (
        {"model": "m", "messages": [], "tools": [{"name": "t", "input_schema": {}}]},
        "/v1/messages",
    ),
    "Messages by its model": ({"model": "claude-x", "messages": [], "max_tokens": 9}, "/v1/messages"),
    "Chat": ({"model": "gpt-5", "messages": []}, "/v1/chat/completions"),
    "Chat with a Claude and tools": (
        {"model": "claude-x", "messages": [], "tools": [{"type": "function"}], "max_tokens": 9},
        "/v1/chat/completions",
    ),
    "Responses": ({"model": "gpt-5", "input": "hi"}, "/v1/responses"),
    "Gemini that names its model": ({"model": "gemini-x", "contents": []}, "/v1beta/models/gemini-x:generateContent"),
}


@pytest.mark.parametrize(("body", "path"), BODIES.values(), ids=BODIES)
def test_a_body_alone_tells_where_it_would_go(body: dict[str, Any], path: str) -> None:
    assert read_request(json.dumps(body).encode(), "f", HOSTS).path == path


def test_what_is_given_wins() -> None:
    capture = {"host": "a.example", "path": "/v1/messages", "headers": {"x-a": "1"}, "body": {"messages": []}}
    request = read_request(
        json.dumps(capture).encode(),
        "f",
        HOSTS,
        path="/v1/chat/completions",
        host="b.example",
        headers=((b"x-b", b"2"),),
    )
    assert (request.host, request.path, request.format) == ("b.example", "/v1/chat/completions", WireFormat.CHAT)
    assert request.headers == ((b"x-a", b"1"), (b"x-b", b"2"))


def test_a_captured_body_may_be_text() -> None:
    capture = {"path": "/v1/messages", "body": "not { json"}
    assert read_request(json.dumps(capture).encode(), "f", HOSTS).body == b"not { json"


def test_a_broken_body_can_be_explained_if_its_path_is_known() -> None:
    request = read_request(b"\xff{", "f", HOSTS, path="/v1/messages")
    assert (request.body, request.format) == (b"\xff{", WireFormat.MESSAGES)


REFUSED = {
    "no JSON": (b"hello", "", "does not tell its wire format"),
    "a list": (b"[]", "", "does not tell its wire format"),
    "nothing that tells": (b'{"model": "m"}', "", "does not tell its wire format"),
    "Gemini without a model": (b'{"contents": []}', "", "does not name its model"),
    "not a model call": (b"{}", "/v1/models", "is not the path of a model call"),
    "headers that are none": (b'{"path": "/v1/messages", "headers": [1], "body": {}}', "", "list of [name, value]"),
    "a host that is none": (b'{"path": "/v1/messages", "host": 3, "body": {}}', "", "'host' has to be text"),
    "too deep": (b"[" * 200_000, "", "does not tell its wire format"),
}


@pytest.mark.parametrize(("raw", "path", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_a_request_is_refused(raw: bytes, path: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_request(raw, "f.json", HOSTS, path=path)
    assert words in str(caught.value)
