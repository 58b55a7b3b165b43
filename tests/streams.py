"""Answers as vendors write them, with what is in them: what meter and relay are tried on.

Shapes are from the vendors' references (accessed 2026-11-21), and from the stand-in vendor.
"""

from __future__ import annotations

import json

from said import (
    CHAT,
    GEMINI,
    MESSAGES,
    RESPONSES,
    Said,
    bare,
    block,
    chunk,
    delta,
    gemini,
    named,
    piece,
    response,
    start,
)

from ringlet_mitm.cli.demo.replies import STYLES, gemini_array
from ringlet_mitm.cli.demo.script import Answer, ToolCall
from ringlet_mitm.rules.pricing import Usage

STOP = {"type": "message_stop"}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}

CACHED = {
    "input_tokens": 21,
    "cache_creation_input_tokens": 188,
    "cache_read_input_tokens": 1200,
    "cache_creation": {"ephemeral_5m_input_tokens": 88, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 1,
    "service_tier": "standard",
}
CACHED_USAGE = Usage(
    input_tokens=21, cache_read_tokens=1200, cache_write_5m_tokens=88, cache_write_1h_tokens=100, output_tokens=320
)

MESSAGES_SAID = [
    Said(
        "messages: caches",
        MESSAGES,
        named(start(**CACHED), *block(), delta(output_tokens=320), STOP),
        CACHED_USAGE,
        "end_turn",
    ),
    Said(
        "messages: a server tool, the figures grow",
        MESSAGES,
        named(
            start(input_tokens=2679, cache_creation_input_tokens=0, cache_read_input_tokens=0, output_tokens=3),
            {"type": "content_block_start", "index": 0, "content_block": SEARCH},
            {"type": "content_block_stop", "index": 0},
            *block(),
            delta(input_tokens=10682, output_tokens=510, server_tool_use={"web_search_requests": 1}),
            STOP,
        ),
        Usage(input_tokens=10682, output_tokens=510),
        "end_turn",
    ),
    Said(
        "messages: input figures only in the delta",
        MESSAGES,
        named(
            start(input_tokens=0, output_tokens=0),
            *block(),
            delta(input_tokens=40, cache_read_input_tokens=7, output_tokens=9),
            STOP,
        ),
        Usage(input_tokens=40, cache_read_tokens=7, output_tokens=9),
        "end_turn",
    ),
    Said(
        "messages: zeros in the delta take nothing back",
        MESSAGES,
        named(start(**CACHED), delta(input_tokens=0, cache_read_input_tokens=0, output_tokens=320), STOP),
        CACHED_USAGE,
        "end_turn",
    ),
    Said(
        "messages: thinking told apart",
        MESSAGES,
        named(
            start(input_tokens=5),
            delta("tool_use", output_tokens=90, output_tokens_details={"thinking_tokens": 60}),
            STOP,
        ),
        Usage(input_tokens=5, output_tokens=30, reasoning_tokens=60),
        "tool_use",
    ),
    Said(
        "messages: an error in the middle",
        MESSAGES,
        named(start(input_tokens=25, output_tokens=1), *block()[:3], OVERLOADED),
        Usage(input_tokens=25, output_tokens=1),
        "",
        ended=False,
    ),
]


TOLD = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0, "accepted_prediction_tokens": 0},
}
TOLD_USAGE = Usage(input_tokens=86, cache_read_tokens=1920, output_tokens=44, reasoning_tokens=256)
FEW = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}
FEW_USAGE = Usage(input_tokens=10, output_tokens=3)

CHAT_SAID = [
    Said(
        "chat: the usage chunk",
        CHAT,
        bare(chunk("Hé", usage=None), chunk(None, "stop", usage=None), chunk(choices=[], usage=TOLD)),
        TOLD_USAGE,
        "stop",
    ),
    Said("chat: no usage at all", CHAT, bare(chunk("Hé"), chunk("llo 🌍"), chunk(None, "stop")), None, "stop"),
    Said(
        "chat: groq",
        CHAT,
        bare(chunk("hi", x_groq={"id": "req_1"}), chunk(None, "stop", x_groq={"id": "req_1", "usage": FEW})),
        FEW_USAGE,
        "stop",
    ),
    Said(
        "chat: openrouter, comments and usage beside a choice",
        CHAT,
        b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"
        + bare(chunk("hi"), chunk("", "stop"), chunk("", None, usage=FEW | {"cost": 0.95})),
        FEW_USAGE,
        "stop",
    ),
    Said(
        "chat: moonshot, usage inside the choice",
        CHAT,
        bare(
            chunk("hi"),
            {"model": "the-model", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": FEW}]},
        ),
        FEW_USAGE,
        "stop",
    ),
    Said(
        "chat: ends without [DONE]",
        CHAT,
        bare(chunk("hi"), chunk(None, "stop", usage=FEW), end=b""),
        FEW_USAGE,
        "stop",
        ended=False,
    ),
    Said(
        "chat: mistral, content as a list",
        CHAT,
        bare(chunk([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], "stop", usage=FEW)),  # type: ignore[arg-type]
        FEW_USAGE,
        "stop",
    ),
    Said(
        "chat: counts as floats",
        CHAT,
        bare(chunk("hi", "stop", usage={"prompt_tokens": 10.0, "completion_tokens": 3.0})),
        FEW_USAGE,
        "stop",
    ),
    Said(
        "chat: an error in the middle",
        CHAT,
        bare(
            chunk("hi"),
            {
                "error": {"code": 502, "message": "Provider disconnected"},
                "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}],
            },
            end=b"",
        ),
        None,
        "error",
        ended=False,
    ),
]


RESPONSES_USAGE = Usage(input_tokens=228, cache_read_tokens=100, output_tokens=32, reasoning_tokens=20)
BEGUN = {"type": "response.created", "response": response("in_progress", usage=None)}
SPOKEN = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0, "delta": "Hé 🌍"}

RESPONSES_SAID = [
    Said(
        "responses: completed",
        RESPONSES,
        named(BEGUN, SPOKEN, {"type": "response.completed", "response": response("completed")}),
        RESPONSES_USAGE,
        "completed",
    ),
    Said(
        "responses: incomplete",
        RESPONSES,
        named(
            BEGUN,
            {
                "type": "response.incomplete",
                "response": response("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            },
        ),
        RESPONSES_USAGE,
        "max_output_tokens",
    ),
    Said(
        "responses: failed",
        RESPONSES,
        named(
            BEGUN,
            {
                "type": "response.failed",
                "response": response("failed", usage=None, error={"code": "server_error", "message": "Sorry"}),
            },
        ),
        None,
        "failed",
    ),
    Said(
        "responses: an error",
        RESPONSES,
        named(BEGUN, {"type": "error", "code": "rate_limit_exceeded", "message": "Slow", "param": None}),
        None,
        "",
        ended=False,
    ),
    Said(
        "responses: whole",
        RESPONSES,
        json.dumps(response("completed")).encode(),
        RESPONSES_USAGE,
        "completed",
        streamed=False,
        ended=False,
    ),
]


MODALITIES = {
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 642},
        {"modality": "IMAGE", "tokenCount": 258},
        {"modality": "AUDIO", "tokenCount": 100},
    ],
    "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 500}, {"modality": "IMAGE", "tokenCount": 58}],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 30}],
}
THOUGHT = {
    "thoughtsTokenCount": 90,
    "candidatesTokenCount": 40,
    "cachedContentTokenCount": 558,
    "totalTokenCount": 1150,
    "toolUsePromptTokenCount": 20,
}
GEMINI_USAGE = Usage(
    input_tokens=162,
    image_input_tokens=200,
    audio_input_tokens=100,
    cache_read_tokens=558,
    output_tokens=10,
    reasoning_tokens=90,
    image_output_tokens=30,
)
WRAPPED = {"response": piece("hi", "STOP", candidatesTokenCount=5), "traceId": "t"}
BLOCKED = {
    "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
    "usageMetadata": {"promptTokenCount": 8},
    "modelVersion": "the-model",
}

GEMINI_SAID = [
    Said(
        "gemini: modalities, the last chunk counts",
        GEMINI,
        gemini(piece("你", thoughtsTokenCount=90), piece("好", "STOP", **THOUGHT, **MODALITIES)),
        GEMINI_USAGE,
        "STOP",
        ended=False,
    ),
    Said(
        "gemini: an array",
        GEMINI,
        json.dumps([piece("a"), piece("b", "STOP", candidatesTokenCount=5)], indent=1).encode(),
        Usage(input_tokens=1000, output_tokens=5),
        "STOP",
        streamed=False,
        ended=False,
    ),
    Said(
        "gemini: code assist", GEMINI, gemini(WRAPPED), Usage(input_tokens=1000, output_tokens=5), "STOP", ended=False
    ),
    Said("gemini: a blocked prompt", GEMINI, gemini(BLOCKED), Usage(input_tokens=8), "PROHIBITED_CONTENT", ended=False),
]

ANSWERS = {
    "text": Answer("the-model", ("Hé", "llo — 你好", " 🌍"), None, "", 100, 40, 0, 0, 12, 0),
    "tool": Answer("the-model", (), ToolCall("Bash", {"command": 'echo "é"\n'}), "Hm.", 100, 40, 7, 5, 12, 3),
}


def _vendors_usage(answer: Answer, style: str) -> Usage:
    if style == "messages":
        return Usage(
            answer.fresh, 0, 0, answer.cache_read, answer.cache_5m, answer.cache_1h, answer.output + answer.reasoning
        )
    return Usage(answer.prompt - answer.cache_read, 0, 0, answer.cache_read, 0, 0, answer.output, answer.reasoning)


STOPS = {
    "messages": {"text": "end_turn", "tool": "tool_use"},
    "chat": {"text": "stop", "tool": "tool_calls"},
    "responses": {"text": "completed", "tool": "completed"},
    "gemini": {"text": "STOP", "tool": "STOP"},
}
FORMATS = {"messages": MESSAGES, "chat": CHAT, "responses": RESPONSES, "gemini": GEMINI}
ASKED = {"stream_options": {"include_usage": True}}


def _vendors() -> list[Said]:
    found: list[Said] = []
    for style, makes in STYLES.items():
        for kind, answer in ANSWERS.items():
            usage, stop, wire_format = _vendors_usage(answer, style), STOPS[style][kind], FORMATS[style]
            stream, whole = b"".join(makes.stream(answer, ASKED)), json.dumps(makes.whole(answer)).encode()
            found.append(
                Said(f"vendor {style} {kind} stream", wire_format, stream, usage, stop, ended=style != "gemini")
            )
            found.append(
                Said(f"vendor {style} {kind} whole", wire_format, whole, usage, stop, streamed=False, ended=False)
            )
    array = b"".join(gemini_array(ANSWERS["text"]))
    usage = _vendors_usage(ANSWERS["text"], "gemini")
    return [*found, Said("vendor gemini array", GEMINI, array, usage, "STOP", streamed=False, ended=False)]


SAID = [*MESSAGES_SAID, *CHAT_SAID, *RESPONSES_SAID, *GEMINI_SAID, *_vendors()]
