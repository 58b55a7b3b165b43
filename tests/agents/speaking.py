"""What the model says, in the vendors' formats, whole and streamed, as their references write it.

Streams are as lively as vendors' are: arguments in pieces that cut through words and escapes, parallel calls mixed
where the format numbers them, thoughts before words. Nothing here is shared with the product's codecs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, zip_longest
from typing import Any

from agents.story import Call, Step

Json = dict[str, Any]
Frames = Iterator[bytes]
CREATED = 1763700000
PIECE = 11


@dataclass(frozen=True, slots=True)
class Said:
    """One answer: `number` makes its ids, `signature` belongs to the thought, `prompt` is the input's tokens."""

    step: Step
    model: str
    number: int
    signature: str
    prompt: int
    output: int = 20

    @property
    def calls(self) -> tuple[tuple[str, Call], ...]:
        """Each call with the part of an id that is its own."""
        return tuple((f"{self.number}x{index}", call) for index, call in enumerate(self.step.calls))


def pieces(text: str) -> list[str]:
    """A text as it streams."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def _event(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _data(data: Json) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


# Anthropic Messages: docs.claude.com, "Streaming messages"


def messages_whole(said: Said) -> Json:
    """An answer of Messages."""
    step = said.step
    blocks: list[Json] = []
    if step.thought:
        blocks.append({"type": "thinking", "thinking": step.thought, "signature": said.signature})
    if step.text:
        blocks.append({"type": "text", "text": step.text})
    for own, call in said.calls:
        blocks.append({"type": "tool_use", "id": f"toolu_01{own}", "name": call.tool.name, "input": call.arguments})
    return {
        "id": f"msg_01{said.number}",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": blocks,
        "stop_reason": "tool_use" if said.calls else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": said.prompt, "output_tokens": said.output},
    }


def messages_stream(said: Said, body: Json) -> Frames:
    """Its events."""
    whole = messages_whole(said)
    usage = {"input_tokens": said.prompt, "output_tokens": 1}
    yield _event({"type": "message_start", "message": whole | {"content": [], "stop_reason": None, "usage": usage}})
    yield _event({"type": "ping"})
    for index, block in enumerate(whole["content"]):
        empty, deltas = _messages_deltas(block)
        yield _event({"type": "content_block_start", "index": index, "content_block": empty})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": said.output}})
    yield _event({"type": "message_stop"})


def _messages_deltas(block: Json) -> tuple[Json, list[Json]]:
    """A block as it begins, and what comes bit by bit."""
    kind = block["type"]
    if kind == "tool_use":
        written = pieces(json.dumps(block["input"], ensure_ascii=False))
        return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": part} for part in ["", *written]]
    deltas: list[Json] = [{"type": f"{kind}_delta", kind: part} for part in pieces(block[kind])]
    if kind == "thinking":
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": kind, "thinking": "", "signature": ""}, deltas
    return {"type": kind, "text": ""}, deltas


# OpenAI Chat Completions; `reasoning` is where Groq and OpenRouter put thoughts


def chat_whole(said: Said) -> Json:
    """An answer of Chat."""
    message: Json = {"role": "assistant", "content": said.step.text or None}
    if said.step.thought:
        message["reasoning"] = said.step.thought
    if said.calls:
        message["tool_calls"] = [_chat_call(own, call, call.text) for own, call in said.calls]
    finish = "tool_calls" if said.calls else "stop"
    return {
        "id": f"chatcmpl-{said.number}",
        "object": "chat.completion",
        "created": CREATED,
        "model": said.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": _chat_usage(said),
    }


def chat_stream(said: Said, body: Json) -> Frames:
    """Its chunks; usage only where it is asked for."""
    head = {key: value for key, value in chat_whole(said).items() if key not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning": part} for part in pieces(said.step.thought)]
    deltas += [{"content": part} for part in pieces(said.step.text)]
    for index, (own, call) in enumerate(said.calls):
        deltas.append({"tool_calls": [{"index": index} | _chat_call(own, call, "")]})
    for row in zip_longest(*(pieces(call.text) for _, call in said.calls)):
        parts = ((index, part) for index, part in enumerate(row) if part is not None)
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": part}}]} for index, part in parts]
    for delta in deltas:
        yield _data(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    finish = "tool_calls" if said.calls else "stop"
    yield _data(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _data(head | {"choices": [], "usage": _chat_usage(said)})
    yield b"data: [DONE]\n\n"


def _chat_call(own: str, call: Call, arguments: str) -> Json:
    return {"id": f"call_{own}", "type": "function", "function": {"name": call.tool.name, "arguments": arguments}}


def _chat_usage(said: Said) -> Json:
    total = said.prompt + said.output
    return {"prompt_tokens": said.prompt, "completion_tokens": said.output, "total_tokens": total}


# OpenAI Responses: platform.openai.com, "Streaming events"


def responses_whole(said: Said) -> Json:
    """An answer of Responses."""
    return {
        "id": f"resp_{said.number}",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": said.model,
        "output": _responses_items(said),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": said.prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said.output,
            "output_tokens_details": {"reasoning_tokens": 4 if said.step.thought else 0},
            "total_tokens": said.prompt + said.output,
        },
    }


def _responses_items(said: Said) -> list[Json]:
    items: list[Json] = []
    if said.step.thought:
        summary = [{"type": "summary_text", "text": said.step.thought}]
        items.append(
            {
                "type": "reasoning",
                "id": f"rs_{said.number}",
                "summary": summary,
                "encrypted_content": said.signature,
                "status": "completed",
            }
        )
    if said.step.text:
        part = {"type": "output_text", "text": said.step.text, "annotations": [], "logprobs": []}
        item = {"type": "message", "id": f"msg_{said.number}", "role": "assistant", "status": "completed"}
        items.append(item | {"content": [part]})
    return items + [_responses_call(own, call) for own, call in said.calls]


def _responses_call(own: str, call: Call) -> Json:
    kind, place, prefix = ("custom_tool_call", "input", "ctc") if call.tool.custom else FUNCTION_CALL
    item = {"type": kind, "id": f"{prefix}_{own}", "call_id": f"call_{own}", "name": call.tool.name, place: call.text}
    if call.tool.namespace:
        item["namespace"] = call.tool.namespace
    return item | {"status": "completed"}


FUNCTION_CALL = ("function_call", "arguments", "fc")


EMPTY: dict[str, Json] = {"reasoning": {"summary": []}, "message": {"content": []}}


def responses_stream(said: Said, body: Json) -> Frames:
    """Its numbered events."""
    numbers, whole = count(), responses_whole(said)

    def event(name: str, /, **more: Any) -> bytes:
        return _event({"type": f"response.{name}", "sequence_number": next(numbers), **more})

    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    yield event("created", response=begun)
    yield event("in_progress", response=begun)
    for index, item in enumerate(whole["output"]):
        empty = EMPTY.get(item["type"])
        begins = item | {"status": "in_progress"} | (empty or {"input" if "input" in item else "arguments": ""})
        if item["type"] == "reasoning":
            del begins["encrypted_content"]
        yield event("output_item.added", output_index=index, item=begins)
        for name, more in RESPONSES_EVENTS[item["type"]](item):
            yield event(name, item_id=item["id"], output_index=index, **more)
        yield event("output_item.done", output_index=index, item=item)
    yield event("completed", response=whole)


Inner = Iterator[tuple[str, Json]]


def _reasoning_events(item: Json) -> Inner:
    (part,) = item["summary"]
    place = {"summary_index": 0}
    yield "reasoning_summary_part.added", place | {"part": part | {"text": ""}}
    for piece in pieces(part["text"]):
        yield "reasoning_summary_text.delta", place | {"delta": piece}
    yield "reasoning_summary_text.done", place | {"text": part["text"]}
    yield "reasoning_summary_part.done", place | {"part": part}


def _message_events(item: Json) -> Inner:
    (part,) = item["content"]
    place = {"content_index": 0}
    yield "content_part.added", place | {"part": part | {"text": ""}}
    for piece in pieces(part["text"]):
        yield "output_text.delta", place | {"delta": piece, "logprobs": []}
    yield "output_text.done", place | {"text": part["text"], "logprobs": []}
    yield "content_part.done", place | {"part": part}


def _function_events(item: Json) -> Inner:
    for piece in pieces(item["arguments"]):
        yield "function_call_arguments.delta", {"delta": piece}
    yield "function_call_arguments.done", {"arguments": item["arguments"], "name": item["name"]}


def _custom_events(item: Json) -> Inner:
    for piece in pieces(item["input"]):
        yield "custom_tool_call_input.delta", {"delta": piece}
    yield "custom_tool_call_input.done", {"input": item["input"]}


RESPONSES_EVENTS: dict[str, Callable[[Json], Inner]] = {
    "reasoning": _reasoning_events,
    "message": _message_events,
    "function_call": _function_events,
    "custom_tool_call": _custom_events,
}


# Gemini: ai.google.dev/api/generate-content; of parallel calls only the first is signed


def gemini_whole(said: Said) -> Json:
    """An answer of generateContent."""
    return _gemini_chunk(said, _gemini_parts(said), finish="STOP")


def gemini_stream(said: Said, body: Json) -> Frames:
    """Its chunks; the finish reason comes with an empty text."""
    split: list[list[Json]] = []
    for part in _gemini_parts(said):
        if "text" in part:
            split += [[part | {"text": piece}] for piece in pieces(part["text"])]
        else:
            split.append([part])
    for parts in split:
        yield f"data: {json.dumps(_gemini_chunk(said, parts), ensure_ascii=False)}\r\n\r\n".encode()
    last = _gemini_chunk(said, [{"text": ""}], finish="STOP")
    yield f"data: {json.dumps(last, ensure_ascii=False)}\r\n\r\n".encode()


def _gemini_parts(said: Said) -> list[Json]:
    parts: list[Json] = [{"text": said.step.thought, "thought": True}] if said.step.thought else []
    if said.step.text:
        parts.append({"text": said.step.text})
    calls: list[Json] = [{"functionCall": {"name": call.tool.name, "args": call.arguments}} for call in said.step.calls]
    if calls:
        calls[0] |= {"thoughtSignature": said.signature}
    return parts + calls


def _gemini_chunk(said: Said, parts: list[Json], finish: str = "") -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage = {"promptTokenCount": said.prompt, "totalTokenCount": said.prompt}
    if finish:
        candidate["finishReason"] = finish
        usage |= {"candidatesTokenCount": said.output, "totalTokenCount": said.prompt + said.output}
    return {
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": said.model,
        "responseId": f"R{said.number}",
    }


@dataclass(frozen=True, slots=True)
class Style:
    """One format."""

    whole: Callable[[Said], Json]
    stream: Callable[[Said, Json], Frames]


STYLES = {
    "messages": Style(messages_whole, messages_stream),
    "chat": Style(chat_whole, chat_stream),
    "responses": Style(responses_whole, responses_stream),
    "gemini": Style(gemini_whole, gemini_stream),
}
