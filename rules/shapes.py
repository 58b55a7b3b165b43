"""Where six things sit in a request body, one row a wire format.

This file knows *positions* only (which key holds the messages, where the model's name is);
what they *mean* is `addons/wire`'s. Both share `WireFormat`, and a test holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WireFormat(StrEnum):
    """A vendor's request and response format; the values are what rows and files say."""

    MESSAGES = "anthropic-messages"
    CHAT = "openai-chat"
    RESPONSES = "openai-responses"
    GEMINI = "gemini"


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that a translation dropped or approximated: `what` (top_k, thinking signature), and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Shape:
    """Positions of one format.

    `path_ends` are the ends of the paths of a model call, the query left out (Gemini: `:generateContent`).
    Each of `model` … `max_tokens` names a top-level key, or a dotted pair (`generationConfig.maxOutputTokens`);
    spellings in snake_case that a vendor also accepts come second.
    `model` is empty where the model is a segment of the URL.
    """

    format: WireFormat
    path_ends: tuple[str, ...]
    model: tuple[str, ...]
    messages: tuple[str, ...]
    system: tuple[str, ...]
    tools: tuple[str, ...]
    stream: tuple[str, ...]
    max_tokens: tuple[str, ...]


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
        ),
    )
}


def format_of(method: str, path: str) -> WireFormat | None:
    """The format of a model call, by the end of its path; None for every other request.

    The host does not tell the format and prefixes differ (`/v1/…`, `/openai/v1/…`, `/api/v1/…`), so only the end counts.
    """
    if method != "POST":
        return None
    bare = path.partition("?")[0]
    for shape in SHAPES.values():
        if bare.endswith(shape.path_ends):
            return shape.format
    return None
