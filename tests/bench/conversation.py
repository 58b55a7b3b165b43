"""Requests as Claude Code makes them, of a given size: recorded ones, cut, or with made-up turns that go on."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"
SMALL = CAPTURES / "claude-002-post-v1-messages.json"
LARGE = CAPTURES / "claude-009-post-v1-messages.json"
AGENT_KEY = "sk-ant-api03-of-the-agent"
ASKED_MODEL = "claude-sonnet-4-5"
# The generator writes another number over these digits in each request, so that its last turn was never seen before.
NEW_TURN = "@n=0000000000000000"
LAST_TURN_CHARS = 1200
WORDS = """
    the a of in to return value index buffer parse layer yield table filter cache error route merge import build handle
    option query kernel node graph stream define field union token request response header provider model session
    def class self None True False if else for while raise except assert lambda async await 0 1 42 == -> () [] {} : , .
    configuration implementation asynchronous_context_manager test_that_nothing_is_lost connection_strategy
""".split()  # noqa: SIM905


def raw_request(kilobytes: int, *, stream: bool = False) -> bytes:
    """A whole HTTP/1.1 request whose body has exactly `kilobytes` x 1024 bytes."""
    capture = json.loads((SMALL if kilobytes < 48 else LARGE).read_text())
    body = _body(capture["body"], kilobytes * 1024, stream)
    kept = [(name, value) for name, value in capture["headers"] if name.lower() not in ("content-length", "x-api-key")]
    headers = [*kept, ("x-api-key", AGENT_KEY), ("Content-Length", str(len(body)))]
    head = [f"{capture['method']} {capture['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def body_of(request: bytes) -> bytes:
    """The body of a raw request."""
    return request.partition(b"\r\n\r\n")[2]


def _body(recorded: dict[str, Any], size: int, stream: bool) -> bytes:
    dice = random.Random(size)
    recorded |= {"model": ASKED_MODEL, "stream": stream}
    messages = recorded["messages"]
    if size < 48 * 1024:
        messages.clear()
        _shorten(recorded, size)
    number = 0
    while size - len(_dumped(recorded)) > 12_000:
        number += 1
        messages += _turns(dice, number)
    last = {"role": "user", "content": [{"type": "text", "text": f"{NEW_TURN} "}]}
    messages.append(last)
    missing = size - len(_dumped(recorded))
    if missing < 0:
        raise ValueError(f"the recorded request does not fit into {size} bytes")
    fresh = min(missing, LAST_TURN_CHARS)
    texts = [messages[0]["content"][0], last["content"][0]]
    for part, share in zip(texts, (missing - fresh, fresh), strict=True):
        part["text"] += _prose(dice, share)
    return _dumped(recorded)


def _shorten(recorded: dict[str, Any], size: int) -> None:
    """Cut the system prompt so that a last turn of some words has room."""
    for part in reversed(recorded["system"]):
        excess = len(_dumped(recorded)) + 400 - size
        if excess > 0:
            part["text"] = part["text"][: max(1, len(part["text"]) - excess)]


def _turns(dice: random.Random, number: int) -> list[dict[str, Any]]:
    """One round of work: the agent reads a file and is given what is in it."""
    call = f"toolu_{number:06d}"
    read = {"file_path": f"/project/{_prose(dice, 24).strip().replace(' ', '_')}.py", "offset": number, "limit": 200}
    said = [
        {"type": "text", "text": _prose(dice, dice.randint(80, 400))},
        {"type": "tool_use", "id": call, "name": "Read", "input": read},
    ]
    content = _prose(dice, dice.randint(600, 9000))
    given = [{"type": "tool_result", "tool_use_id": call, "content": content, "is_error": False}]
    return [{"role": "assistant", "content": said}, {"role": "user", "content": given}]


def _prose(dice: random.Random, length: int) -> str:
    """ASCII without anything that JSON escapes, so that a character is a byte."""
    words: list[str] = []
    left = length
    while left > 0:
        words.append(dice.choice(WORDS))
        left -= len(words[-1]) + 1
    return " ".join(words)[:length].ljust(length)


def _dumped(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
