"""What a meter has to find in an answer, and short ways to write answers of the four formats."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES, WireFormat.GEMINI


@dataclass(frozen=True, slots=True)
class Said:
    """A whole body, and what a meter has to find in it."""

    name: str
    format: WireFormat
    body: bytes
    usage: Usage | None
    stop_reason: str
    streamed: bool = True
    ended: bool = True
    model: str = "the-model"


def named(*events: dict[str, Any]) -> bytes:
    """Events with a name each, as Anthropic's and those of Responses are."""
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def bare(*chunks: dict[str, Any], end: bytes = b"data: [DONE]\n\n") -> bytes:
    """Chunks of Chat."""
    return b"".join(b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n" for chunk in chunks) + end


def start(**usage: Any) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "the-model", "content": []}
    return {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None, "usage": usage}}


def delta(stop_reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason, "stop_sequence": None}, "usage": usage}


def block(text: str = "Hällo — 你好 🌍") -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
    ]


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    said = {} if text is None else {"content": text}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "the-model"}
    return {**head, "choices": [{"index": 0, "delta": said, "finish_reason": finish}], **more}


def response(status: str, **more: Any) -> dict[str, Any]:
    figures = {"input_tokens": 328, "input_tokens_details": {"cached_tokens": 100}, "output_tokens": 52}
    figures |= {"output_tokens_details": {"reasoning_tokens": 20}, "total_tokens": 380}
    whole = {
        "id": "r",
        "object": "response",
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "the-model",
    }
    return whole | {"output": [], "usage": figures} | more


def piece(text: str, finish: str | None = None, **figures: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    candidate |= {"finishReason": finish} if finish else {}
    return {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 1000, **figures},
        "modelVersion": "the-model",
    }


def gemini(*pieces: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(one, ensure_ascii=False).encode() + b"\r\n\r\n" for one in pieces)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces, none of them empty."""
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(bounds)]
