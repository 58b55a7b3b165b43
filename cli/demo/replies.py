"""Answers in the vendors' formats, whole and as the frames of a stream, written from the vendors' own references.

Nothing here is shared with the product's codecs: they would check themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from ringlet_mitm.cli.demo.script import Answer

Json = dict[str, Any]
Frames = Iterator[bytes]
CREATED = 1763700000


@dataclass(frozen=True, slots=True)
class Style:
    """How one format writes an answer; `stream` gets the request body too, since some of it is asked for there."""

    whole: Callable[[Answer], Json]
    stream: Callable[[Answer, Json], Frames]


def _named(name: str, data: Json) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _bare(data: Json) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _messages_usage(answer: Answer, output: int) -> Json:
    return {
        "input_tokens": answer.fresh,
        "cache_creation_input_tokens": answer.cache_5m + answer.cache_1h,
        "cache_read_input_tokens": answer.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": answer.cache_5m,
            "ephemeral_1h_input_tokens": answer.cache_1h,
        },
        "output_tokens": output,
        "service_tier": "standard",
    }


def _messages_blocks(answer: Answer) -> list[Json]:
    blocks: list[Json] = []
    if answer.thinking:
        blocks.append({"type": "thinking", "thinking": answer.thinking, "signature": "c2lnbmVk"})
    if answer.text:
        blocks.append({"type": "text", "text": "".join(answer.text)})
    if answer.tool:
        blocks.append({"type": "tool_use", "id": "toolu_01A", "name": answer.tool.name, "input": answer.tool.arguments})
    return blocks


def messages_whole(answer: Answer) -> Json:
    """Anthropic Messages."""
    return {
        "id": "msg_01A",
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": _messages_blocks(answer),
        "stop_reason": "tool_use" if answer.tool else "end_turn",
        "stop_sequence": None,
        "usage": _messages_usage(answer, answer.output + answer.reasoning),
    }


def messages_stream(answer: Answer, body: Json) -> Frames:
    """Anthropic Messages, streaming."""
    opening = messages_whole(answer) | {"content": [], "stop_reason": None, "usage": _messages_usage(answer, 1)}
    yield _named("message_start", {"type": "message_start", "message": opening})
    yield _named("ping", {"type": "ping"})
    for index, block in enumerate(_messages_blocks(answer)):
        yield from _messages_block(index, block, answer)
    closing = {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use" if answer.tool else "end_turn", "stop_sequence": None},
    }
    yield _named("message_delta", closing | {"usage": _messages_usage(answer, answer.output + answer.reasoning)})
    yield _named("message_stop", {"type": "message_stop"})


def _messages_block(index: int, block: Json, answer: Answer) -> Frames:
    empty: dict[str, Json] = {
        "thinking": {"thinking": "", "signature": ""},
        "text": {"text": ""},
        "tool_use": {"input": {}},
    }
    start = {"type": "content_block_start", "index": index, "content_block": block | empty[block["type"]]}
    yield _named("content_block_start", start)
    deltas: list[Json] = []
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": word} for word in answer.text]
    elif block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": block["thinking"]}]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    elif answer.tool:
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(answer.tool.json)]
    for delta in deltas:
        yield _named("content_block_delta", {"type": "content_block_delta", "index": index, "delta": delta})
    yield _named("content_block_stop", {"type": "content_block_stop", "index": index})


def _pieces(text: str) -> list[str]:
    half = len(text) // 2
    return ["", text[:half], text[half:]]


def _chat_usage(answer: Answer) -> Json:
    given, taken = answer.prompt, answer.output + answer.reasoning
    return {
        "prompt_tokens": given,
        "completion_tokens": taken,
        "total_tokens": given + taken,
        "prompt_tokens_details": {"cached_tokens": answer.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning, "audio_tokens": 0},
    }


def _chat_message(answer: Answer) -> Json:
    message: Json = {"role": "assistant", "content": "".join(answer.text) or None}
    if answer.tool:
        function = {"name": answer.tool.name, "arguments": answer.tool.json}
        message["tool_calls"] = [{"id": "call_A", "type": "function", "function": function}]
    return message


def chat_whole(answer: Answer) -> Json:
    """OpenAI Chat Completions."""
    finish = "tool_calls" if answer.tool else "stop"
    return {
        "id": "chatcmpl-A",
        "object": "chat.completion",
        "created": CREATED,
        "model": answer.model,
        "choices": [{"index": 0, "message": _chat_message(answer), "logprobs": None, "finish_reason": finish}],
        "usage": _chat_usage(answer),
    }


def chat_stream(answer: Answer, body: Json) -> Frames:
    """OpenAI Chat Completions, streaming; the usage chunk comes only when asked for."""
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    head: Json = {"id": "chatcmpl-A", "object": "chat.completion.chunk", "created": CREATED, "model": answer.model}
    if asked:
        head["usage"] = None
    deltas: list[Json] = [{"role": "assistant", "content": ""}, *({"content": word} for word in answer.text)]
    if answer.tool:
        call = _chat_message(answer)["tool_calls"][0]
        deltas += [{"tool_calls": [{"index": 0} | call]}]
    for delta in deltas:
        yield _bare(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    finish = "tool_calls" if answer.tool else "stop"
    yield _bare(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if asked:
        yield _bare(head | {"choices": [], "usage": _chat_usage(answer)})
    yield b"data: [DONE]\n\n"


def _responses_items(answer: Answer) -> list[Json]:
    if answer.tool:
        call = {"name": answer.tool.name, "arguments": answer.tool.json, "call_id": "call_A"}
        return [{"type": "function_call", "id": "fc_A", "status": "completed"} | call]
    part = {"type": "output_text", "text": "".join(answer.text), "annotations": []}
    return [{"type": "message", "id": "msg_A", "status": "completed", "role": "assistant", "content": [part]}]


def responses_whole(answer: Answer) -> Json:
    """OpenAI Responses."""
    taken = answer.output + answer.reasoning
    return {
        "id": "resp_A",
        "object": "response",
        "created_at": CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": answer.model,
        "output": _responses_items(answer),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": answer.prompt,
            "input_tokens_details": {"cached_tokens": answer.cache_read},
            "output_tokens": taken,
            "output_tokens_details": {"reasoning_tokens": answer.reasoning},
            "total_tokens": answer.prompt + taken,
        },
    }


def responses_stream(answer: Answer, body: Json) -> Frames:
    """OpenAI Responses, streaming: every event has its number."""
    numbers = count()

    def event(name: str, /, **data: Any) -> bytes:
        return _named(name, {"type": name, "sequence_number": next(numbers)} | data)

    whole = responses_whole(answer)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for index, item in enumerate(whole["output"]):
        yield from _responses_item(event, index, item, answer)
    yield event("response.completed", response=whole)


def _responses_item(event: Callable[..., bytes], index: int, item: Json, answer: Answer) -> Frames:
    place = {"item_id": item["id"], "output_index": index}
    if answer.tool:
        yield event(
            "response.output_item.added", output_index=index, item=item | {"status": "in_progress", "arguments": ""}
        )
        for piece in _pieces(answer.tool.json):
            yield event("response.function_call_arguments.delta", **place, delta=piece)
        yield event("response.function_call_arguments.done", **place, arguments=answer.tool.json, name=answer.tool.name)
    else:
        place |= {"content_index": 0}
        part = item["content"][0]
        yield event(
            "response.output_item.added", output_index=index, item=item | {"status": "in_progress", "content": []}
        )
        yield event("response.content_part.added", **place, part=part | {"text": ""})
        for word in answer.text:
            yield event("response.output_text.delta", **place, delta=word, logprobs=[])
        yield event("response.output_text.done", **place, text=part["text"], logprobs=[])
        yield event("response.content_part.done", **place, part=part)
    yield event("response.output_item.done", output_index=index, item=item)


def _gemini_chunk(answer: Answer, parts: list[Json], *, last: bool) -> Json:
    usage: Json = {"promptTokenCount": answer.prompt, "totalTokenCount": answer.prompt}
    if answer.cache_read:
        usage["cachedContentTokenCount"] = answer.cache_read
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = "STOP"
        usage |= {
            "candidatesTokenCount": answer.output,
            "totalTokenCount": answer.prompt + answer.output + answer.reasoning,
        }
        usage["thoughtsTokenCount"] = answer.reasoning
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": answer.model, "responseId": "A"}


def _gemini_parts(answer: Answer) -> list[Json]:
    if answer.tool:
        return [{"functionCall": {"name": answer.tool.name, "args": answer.tool.arguments}}]
    return [{"text": word} for word in answer.text]


def gemini_whole(answer: Answer) -> Json:
    """Gemini generateContent."""
    parts = _gemini_parts(answer) if answer.tool else [{"text": "".join(answer.text)}]
    return _gemini_chunk(answer, parts, last=True)


def gemini_stream(answer: Answer, body: Json) -> Frames:
    """Gemini streamGenerateContent with `alt=sse`."""
    for chunk in gemini_chunks(answer):
        yield f"data: {json.dumps(chunk)}\r\n\r\n".encode()


def gemini_array(answer: Answer) -> Frames:
    """The same without `alt=sse`: one JSON array, piece by piece."""
    before = b"["
    for chunk in gemini_chunks(answer):
        yield before + json.dumps(chunk, indent=2).encode()
        before = b",\r\n"
    yield b"]"


def gemini_chunks(answer: Answer) -> list[Json]:
    """The pieces of a stream."""
    parts = _gemini_parts(answer)
    return [_gemini_chunk(answer, [part], last=part is parts[-1]) for part in parts]


STYLES: dict[str, Style] = {
    "messages": Style(messages_whole, messages_stream),
    "chat": Style(chat_whole, chat_stream),
    "responses": Style(responses_whole, responses_stream),
    "gemini": Style(gemini_whole, gemini_stream),
}
