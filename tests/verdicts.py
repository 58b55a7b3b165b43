"""What an agent makes of an answer: right, its own format's error, or neither. Written from the vendors' references.

An answer is right only where it is complete and said once; an error only where it is the last thing said.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Json = dict[str, Any]
Kind = Literal["right", "error", "broken"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`text` is what the model said, or the error; `why` what is wrong with a broken answer."""

    kind: Kind
    text: str = ""
    why: str = ""


def read_answer(style: str, stream: bool, status: int, body: bytes) -> Verdict:
    """An answer as an agent of this format reads it."""
    try:
        if status == 200 and stream:
            return _stream(style, body.decode())
        said = json.loads(body)
        if status == 200 and not _is_error(style, said):
            return Verdict("right", WHOLE[style](said))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Verdict("broken", why=f"{status}, {error!r}: {body[-200:]!r}")
    if _is_error(style, said):
        return Verdict("error", json.dumps(said))
    return Verdict("broken", why=f"{status}, not the format's error: {body[:200]!r}")


def _is_error(style: str, said: Json) -> bool:
    error = said.get("error")
    if style == "responses" and said.get("type") == "error":
        return bool(said["message"]) and "code" in said
    if not isinstance(error, dict) or not error.get("message"):
        return False
    if style == "messages":
        return said.get("type") == "error" and bool(error["type"])
    if style == "gemini":
        return isinstance(error["code"], int) and str(error["status"]).isupper()
    return bool(error["type"]) and "code" in error


def _stream(style: str, text: str) -> Verdict:
    blocks = [block for block in text.replace("\r\n", "\n").split("\n\n") if block.strip()]
    lines = [[line for line in block.split("\n") if not line.startswith(":")] for block in blocks]
    datas = [line.removeprefix("data:").strip() for block in lines for line in block if line.startswith("data:")]
    events = [{"done": True} if data == "[DONE]" else json.loads(data) for data in datas]
    if not events:
        return Verdict("broken", why=f"no event in {text[:200]!r}")
    first = next((place for place, event in enumerate(events) if _fails(style, event)), None)
    if first is not None:
        return _ending(events, first, text)
    return STREAM[style](events)


def _fails(style: str, event: Json) -> bool:
    return _is_error(style, event) or event.get("type") == "response.failed"


def _ending(events: list[Json], first: int, text: str) -> Verdict:
    """OpenAI's clients stop at an error; a [DONE] behind it is as usual as none.

    Codex acts on `response.failed` and OpenAI's SDKs on `error`, so both may come, in this order.
    """
    rest = [event for event in events[first + 1 :] if event != {"done": True}]
    if events[first].get("type") == "response.failed" and rest and rest[0].get("type") == "error":
        del rest[0]
    if rest:
        return Verdict("broken", why=f"something follows an error: {text[-300:]!r}")
    return Verdict("error", json.dumps(events[first]))


def _complete(text: str, firsts: int, lasts: int, last: bool) -> Verdict:
    if (firsts, lasts, last) == (1, 1, True):
        return Verdict("right", text)
    return Verdict("broken", text, f"begun {firsts} times, ended {lasts} times, the end is last: {last}")


def _messages(events: list[Json]) -> Verdict:
    text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
    kinds = [event["type"] for event in events]
    return _complete(text, kinds.count("message_start"), kinds.count("message_stop"), kinds[-1] == "message_stop")


def _chat(events: list[Json]) -> Verdict:
    choices = [event["choices"][0] for event in events if event.get("choices")]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    ids = {event["id"] for event in events if "id" in event}
    finished = sum(choice["finish_reason"] is not None for choice in choices)
    return _complete(text, len(ids), finished, events[-1] == {"done": True})


def _responses(events: list[Json]) -> Verdict:
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    kinds = [event["type"] for event in events]
    last = "response.completed"
    return _complete(text, kinds.count("response.created"), kinds.count(last), kinds[-1] == last)


def _gemini(events: list[Json]) -> Verdict:
    candidates = [event["candidates"][0] for event in events if event.get("candidates")]
    text = "".join(part.get("text", "") for candidate in candidates for part in candidate["content"].get("parts", ()))
    finished = [candidate.get("finishReason") == "STOP" for candidate in candidates]
    return _complete(text, 1, sum(finished), bool(finished) and finished[-1])


STREAM: dict[str, Callable[[list[Json]], Verdict]] = {
    "messages": _messages,
    "chat": _chat,
    "responses": _responses,
    "gemini": _gemini,
}
WHOLE: dict[str, Callable[[Json], str]] = {
    "messages": lambda said: "".join(block["text"] for block in said["content"] if block["type"] == "text"),
    "chat": lambda said: str(said["choices"][0]["message"]["content"]),
    "responses": lambda said: "".join(
        part["text"] for item in said["output"] if item["type"] == "message" for part in item["content"]
    ),
    "gemini": lambda said: "".join(part["text"] for part in said["candidates"][0]["content"]["parts"]),
}
