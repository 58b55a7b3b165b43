"""A `Usage` as each vendor's usage object, for answers that we write: its figures overlap as that vendor's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, to_builtins

from ringlet_mitm.addons.wire.usage_fields import (
    CacheCreation,
    CacheDetail,
    ChatUsage,
    CompletionDetails,
    ConverseUsage,
    GeminiUsage,
    MessagesUsage,
    OllamaUsage,
    PromptDetails,
    ResponsesUsage,
    ThinkingDetails,
)
from ringlet_mitm.rules.pricing import Usage
from ringlet_mitm.rules.shapes import WireFormat


def _messages_figures(usage: Usage) -> MessagesUsage:
    thinking = ThinkingDetails(thinking_tokens=usage.reasoning_tokens) if usage.reasoning_tokens else None
    return MessagesUsage(
        input_tokens=usage.input_tokens + usage.image_input_tokens + usage.audio_input_tokens,
        cache_read_input_tokens=usage.cache_read_tokens,
        cache_creation_input_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        cache_creation=CacheCreation(
            ephemeral_5m_input_tokens=usage.cache_write_5m_tokens, ephemeral_1h_input_tokens=usage.cache_write_1h_tokens
        ),
        output_tokens=usage.total_output,
        output_tokens_details=thinking,
    )


def _openai_details(usage: Usage) -> tuple[PromptDetails, CompletionDetails]:
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    before = PromptDetails(
        cached_tokens=usage.cache_read_tokens,
        cache_write_tokens=written or None,
        audio_tokens=usage.audio_input_tokens or None,
    )
    return before, CompletionDetails(
        reasoning_tokens=usage.reasoning_tokens, audio_tokens=usage.audio_output_tokens or None
    )


def _chat_figures(usage: Usage) -> ChatUsage:
    before, after = _openai_details(usage)
    return ChatUsage(
        prompt_tokens=usage.total_input,
        completion_tokens=usage.total_output,
        total_tokens=usage.total_input + usage.total_output,
        prompt_tokens_details=before,
        completion_tokens_details=after,
    )


def _responses_figures(usage: Usage) -> ResponsesUsage:
    before, after = _openai_details(usage)
    before.cache_write_tokens = before.cache_write_tokens or 0  # required by the SDK's type since 2026
    return ResponsesUsage(
        input_tokens=usage.total_input,
        output_tokens=usage.total_output,
        total_tokens=usage.total_input + usage.total_output,
        input_tokens_details=before,
        output_tokens_details=after,
    )


def _gemini_figures(usage: Usage) -> GeminiUsage:
    return GeminiUsage(
        prompt_token_count=usage.total_input,
        cached_content_token_count=usage.cache_read_tokens or None,
        candidates_token_count=usage.total_output - usage.reasoning_tokens,
        thoughts_token_count=usage.reasoning_tokens or None,
        total_token_count=usage.total_input + usage.total_output,
    )


def _ollama_figures(usage: Usage) -> OllamaUsage:
    return OllamaUsage(prompt_eval_count=usage.total_input or None, eval_count=usage.total_output or None)


def _converse_figures(usage: Usage) -> ConverseUsage:
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    split = {"1h": usage.cache_write_1h_tokens, "5m": usage.cache_write_5m_tokens}
    details = [CacheDetail(ttl=ttl, input_tokens=tokens) for ttl, tokens in split.items() if tokens]
    return ConverseUsage(
        input_tokens=usage.total_input - usage.cache_read_tokens - written,
        output_tokens=usage.total_output,
        total_tokens=usage.total_input + usage.total_output,
        cache_read_input_tokens=usage.cache_read_tokens or None,
        cache_write_input_tokens=written or None,
        cache_details=details if usage.cache_write_1h_tokens else None,
    )


FIGURES: dict[WireFormat, Callable[[Usage], Struct]] = {
    WireFormat.MESSAGES: _messages_figures,
    WireFormat.CHAT: _chat_figures,
    WireFormat.RESPONSES: _responses_figures,
    WireFormat.GEMINI: _gemini_figures,
    WireFormat.OLLAMA: _ollama_figures,
    WireFormat.CONVERSE: _converse_figures,
}


def rendered_usage(wire_format: WireFormat, usage: Usage) -> dict[str, Any]:
    """The usage object of a format, for an answer that we write; its figures overlap as that vendor's do."""
    found: dict[str, Any] = to_builtins(FIGURES[wire_format](usage))
    return found
