"""Where six things sit in a request body, one row a wire format.

This file knows *positions* only (which key holds the messages, where the model's name is);
what they *mean* is `addons/wire`'s. Both share `WireFormat`, and a test holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Headers = tuple[tuple[bytes, bytes], ...]


class WireFormat(StrEnum):
    """A vendor's request and response format; the values are what rows and files say."""

    MESSAGES = "anthropic-messages"
    CHAT = "openai-chat"
    RESPONSES = "openai-responses"
    GEMINI = "gemini"
    OLLAMA = "ollama"  # what follows only providers speak
    CONVERSE = "bedrock-converse"


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that a translation dropped or approximated: `what` (top_k, thinking signature), and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Positions of one format.

    `path_ends` are the ends of the paths of a model call, the query left out (Gemini: `:generateContent`).
    Each of the others names a top-level key, or a dotted path (`generationConfig.maxOutputTokens`);
    spellings in snake_case that a vendor also accepts come second.
    `model` is empty where the model is a segment of the URL. `schema` is the form of the answer, which a model reads as
    well. `session` says which conversation this is, in the words of agents rather than of the vendor. `follows_model`
    are the top-level keys whose values one model of the vendor takes and another refuses.
    """

    format: WireFormat
    path_ends: tuple[str, ...]
    model: tuple[str, ...]
    messages: tuple[str, ...]
    system: tuple[str, ...]
    tools: tuple[str, ...]
    stream: tuple[str, ...]
    max_tokens: tuple[str, ...]
    thinking: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    stream_options: tuple[str, ...] = ()
    follows_model: tuple[str, ...] = ()


SHAPES: dict[WireFormat, Shape] = {
    shape.format: shape
    for shape in (
        Shape(
            format=WireFormat.MESSAGES,
            path_ends=("/messages",),
            model=("model",),
            messages=("messages",),
            system=("system",),
            tools=("tools",),
            stream=("stream",),
            max_tokens=("max_tokens",),
            thinking=("thinking.type",),
            schema=("output_config.format", "output_format"),
            session=("metadata.user_id",),
            follows_model=("thinking", "output_config", "context_management", "max_tokens"),
        ),
        Shape(
            format=WireFormat.CHAT,
            path_ends=("/chat/completions",),
            model=("model",),
            messages=("messages",),
            system=(),  # a message of role system or developer
            tools=("tools", "functions"),
            stream=("stream",),
            max_tokens=("max_completion_tokens", "max_tokens"),
            # The second is what Kimi, GLM and DeepSeek take on Chat, those of `reasoning` OpenRouter, then Qwen.
            thinking=(
                "reasoning_effort",
                "thinking.type",
                "reasoning.effort",
                "reasoning.enabled",
                "reasoning.max_tokens",
                "enable_thinking",
                "chat_template_kwargs.enable_thinking",
            ),
            schema=("response_format",),
            session=("prompt_cache_key", "metadata.session_id"),
            stream_options=("stream_options",),
        ),
        Shape(
            format=WireFormat.RESPONSES,
            path_ends=("/responses",),
            model=("model",),
            messages=("input",),
            system=("instructions",),
            tools=("tools",),
            stream=("stream",),
            max_tokens=("max_output_tokens",),
            thinking=("reasoning.effort",),
            schema=("text.format",),
            session=("prompt_cache_key", "metadata.session_id"),
            stream_options=("stream_options",),
        ),
        Shape(
            format=WireFormat.GEMINI,
            path_ends=(":generateContent", ":streamGenerateContent"),
            model=(),
            messages=("contents",),
            system=("systemInstruction", "system_instruction"),
            tools=("tools",),
            stream=(),  # said by the method in the path
            max_tokens=("generationConfig.maxOutputTokens", "generation_config.max_output_tokens"),
            thinking=("generationConfig.thinkingConfig", "generation_config.thinking_config"),
            schema=(
                "generationConfig.responseJsonSchema",
                "generationConfig.responseSchema",
                "generation_config.response_json_schema",
                "generation_config.response_schema",
            ),
            session=("session_id",),  # inside Code Assist's envelope
        ),
    )
}


# Code Assist (cloudcode-pa.googleapis.com), what Gemini CLI talks to when a person signs in with Google: a Gemini body
# inside `{"model": …, "project": …, "request": {…}}`, the model a key beside it. The answer is wrapped likewise, in
# `response`.
ENVELOPE_SEGMENT = "v1internal"

# A path that ends like a model call and is none: a message added to a thread of OpenAI's Assistants API.
NOT_MODEL_CALLS = ("/threads/",)


def format_of(method: str, path: str) -> WireFormat | None:
    """The format of a model call, by the end of its path; None for every other request.

    The host does not tell the format and prefixes differ (`/v1/…`, `/openai/v1/…`, `/api/v1/…`), so only the end
    counts: `/v1/messages/count_tokens`, `/v1/messages/batches`, `:countTokens`, `:batchGenerateContent` end
    differently.
    """
    if method != "POST":
        return None
    bare = path.partition("?")[0]
    for shape in SHAPES.values():
        if bare.endswith(shape.path_ends) and not any(part in bare for part in NOT_MODEL_CALLS):
            return shape.format
    return None


# What begins a signature that another vendor made and we wrapped for the agent to keep (`addons/wire/identifiers.py`);
# how that begins as base64 (the 11th digit is of the dot and of the lower-case letter behind it); and what begins the
# id of a reasoning item of ours.
SEAL = "ringlet"
SEAL_MARKS = (b"ringlet.", b"cmluZ2xldC5", b"rs_ringlet_")

# How the path of a question for the number of tokens ends, and the model call that it asks about.
COUNTING_ENDS: dict[str, tuple[WireFormat, str]] = {
    "/messages/count_tokens": (WireFormat.MESSAGES, "/messages"),
    "/responses/input_tokens": (WireFormat.RESPONSES, "/responses"),
    ":countTokens": (WireFormat.GEMINI, ":generateContent"),
}


def counting_path(method: str, path: str) -> tuple[WireFormat, str] | None:
    """The format of a question for the number of tokens, and the path of the call that it asks about; None for others.

    Code Assist's is left to Google.
    """
    bare = path.partition("?")[0]
    if method != "POST" or is_enveloped(path):
        return None
    for end, (wire_format, call) in COUNTING_ENDS.items():
        if bare.endswith(end):
            return wire_format, bare.removesuffix(end) + call
    return None


def is_enveloped(path: str) -> bool:
    """Whether the body is one of Code Assist's, with the Gemini request inside."""
    return path.partition(":")[0].rpartition("/")[2] == ENVELOPE_SEGMENT
