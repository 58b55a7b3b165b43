from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.wire.usage_fields import (
    ChatUsage,
    ConverseUsage,
    GeminiUsage,
    MessagesUsage,
    OllamaUsage,
    ResponsesUsage,
)
from ringlet_mitm.rules.pricing import Usage

Figures = (
    type[MessagesUsage]
    | type[ChatUsage]
    | type[ResponsesUsage]
    | type[GeminiUsage]
    | type[OllamaUsage]
    | type[ConverseUsage]
)


def usage(figures: Figures, told: dict[str, Any]) -> Usage:
    return msgspec.convert(told, figures).usage()


def chat(given: int, taken: int, total: int | None = None, **parts: int) -> dict[str, Any]:
    before = {
        name: count
        for name, count in parts.items()
        if name in ("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens")
    }
    after = {"reasoning_tokens": parts["reasoning"]} if "reasoning" in parts else {}
    after |= {"audio_tokens": parts["audio_out"]} if "audio_out" in parts else {}
    told = {
        "prompt_tokens": given,
        "completion_tokens": taken,
        "prompt_tokens_details": before,
        "completion_tokens_details": after,
    }
    return told if total is None else told | {"total_tokens": total}


@pytest.mark.parametrize(
    ("figures", "told", "meant"),
    [
        (
            MessagesUsage,
            {"input_tokens": 10, "cache_creation_input_tokens": 30, "output_tokens": 5},
            Usage(input_tokens=10, cache_write_5m_tokens=30, output_tokens=5),
        ),
        (
            MessagesUsage,
            {
                "cache_creation_input_tokens": 30,
                "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            },
            Usage(cache_write_5m_tokens=10, cache_write_1h_tokens=20),
        ),
        (MessagesUsage, {"cache_creation": {"ephemeral_1h_input_tokens": 20}}, Usage(cache_write_1h_tokens=20)),
        (MessagesUsage, {"input_tokens": None, "cache_creation": None, "output_tokens": 3}, Usage(output_tokens=3)),
        (
            MessagesUsage,
            {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}},
            Usage(output_tokens=5, reasoning_tokens=4),
        ),
        (
            ChatUsage,
            chat(100, 20, 120, cached_tokens=60, reasoning=15),
            Usage(input_tokens=40, cache_read_tokens=60, output_tokens=5, reasoning_tokens=15),
        ),
        (ChatUsage, chat(100, 20, 135, reasoning=15), Usage(input_tokens=100, output_tokens=20, reasoning_tokens=15)),
        (ChatUsage, chat(100, 20, 150), Usage(input_tokens=100, output_tokens=20, reasoning_tokens=30)),
        (
            ChatUsage,
            chat(100, 20, 120, cached_tokens=50, cache_write_tokens=30),
            Usage(input_tokens=20, cache_read_tokens=50, cache_write_5m_tokens=30, output_tokens=20),
        ),
        (
            ChatUsage,
            chat(100, 20, 620, cached_tokens=500),
            Usage(input_tokens=100, cache_read_tokens=500, output_tokens=20),
        ),
        (ChatUsage, chat(100, 20, cached_tokens=500), Usage(input_tokens=100, cache_read_tokens=500, output_tokens=20)),
        (
            ChatUsage,
            chat(100, 20, 180, cached_tokens=60),
            Usage(input_tokens=100, cache_read_tokens=60, output_tokens=20),
        ),
        (
            ChatUsage,
            chat(100, 20, 120, audio_tokens=30, image_tokens=10, audio_out=5),
            Usage(60, 10, 30, 0, 0, 0, 15, 0, 0, 5),
        ),
        (
            ChatUsage,
            {"prompt_tokens": 10, "completion_tokens": 2, "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2},
            Usage(input_tokens=2, cache_read_tokens=8, output_tokens=2),
        ),
        (
            ChatUsage,
            {"prompt_tokens": 10, "completion_tokens": 2, "cached_tokens": 8},
            Usage(input_tokens=2, cache_read_tokens=8, output_tokens=2),
        ),
        (
            ResponsesUsage,
            {
                "input_tokens": 10,
                "output_tokens": 4,
                "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 1},
            },
            Usage(1, 0, 0, 8, 1, 0, 4),
        ),
        (
            GeminiUsage,
            {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 6, "totalTokenCount": 20},
            Usage(input_tokens=10, output_tokens=4, reasoning_tokens=6),
        ),
        (
            GeminiUsage,
            {"promptTokenCount": 10, "cachedContentTokenCount": 8, "toolUsePromptTokenCount": 3},
            Usage(input_tokens=5, cache_read_tokens=8),
        ),
        (
            GeminiUsage,
            {
                "promptTokenCount": 100,
                "promptTokensDetails": [
                    {"modality": "AUDIO", "tokenCount": 70},
                    {"modality": "VIDEO", "tokenCount": 20},
                    {"modality": "NEW"},
                ],
            },
            Usage(input_tokens=30, audio_input_tokens=70),
        ),
        (
            GeminiUsage,
            {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 90,
                "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": 50}],
            },
            Usage(image_input_tokens=10, cache_read_tokens=90),
        ),
    ],
    ids=[
        "messages: writes without a duration",
        "messages: writes by duration",
        "messages: the split alone",
        "messages: nulls",
        "messages: thinking",
        "chat: cached and reasoning inside",
        "xai: reasoning on top",
        "google's chat face: thinking only in the total",
        "openrouter: cache writes inside",
        "cached on top, by the total",
        "cached on top, it cannot be inside",
        "cached on top though it might be inside",
        "chat: audio and images",
        "deepseek",
        "moonshot",
        "responses",
        "gemini: thoughts on top",
        "gemini: tool results on top",
        "gemini: audio is apart, video is not",
        "gemini: cached pictures without a breakdown",
    ],
)
def test_vendors_overlap_their_figures_differently(figures: Figures, told: dict[str, Any], meant: Usage) -> None:
    assert usage(figures, told) == meant


@pytest.mark.parametrize(
    ("figures", "told", "meant"),
    [
        pytest.param(
            OllamaUsage, {"prompt_eval_count": 26, "eval_count": 298}, Usage(26, output_tokens=298), id="Ollama"
        ),
        pytest.param(
            ConverseUsage,
            {"inputTokens": 4, "outputTokens": 7, "totalTokens": 1562, "cacheWriteInputTokens": 1551},
            Usage(4, output_tokens=7, cache_write_5m_tokens=1551),
            id="Converse counts what it writes into the cache beside the input",
        ),
        pytest.param(
            ConverseUsage,
            {
                "inputTokens": 4,
                "cacheReadInputTokens": 9,
                "cacheWriteInputTokens": 5,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 3}, {"ttl": "5m", "inputTokens": 2}],
            },
            Usage(4, cache_read_tokens=9, cache_write_5m_tokens=2, cache_write_1h_tokens=3),
            id="and splits it by duration",
        ),
    ],
)
def test_figures_of_those_that_only_providers_speak(figures: Figures, told: dict[str, Any], meant: Usage) -> None:
    assert usage(figures, told) == meant


COUNT = st.none() | st.integers(-5, 2000)


@given(st.dictionaries(st.sampled_from(ChatUsage.__struct_fields__[:3]), COUNT), COUNT, COUNT, COUNT, COUNT)
def test_chat_figures_are_split_and_never_multiplied(
    told: dict[str, Any], cached: int | None, written: int | None, audio: int | None, reasoning: int | None
) -> None:
    told["prompt_tokens_details"] = {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio}
    told["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    found = usage(ChatUsage, told)
    given_tokens, taken = max(0, told.get("prompt_tokens") or 0), max(0, told.get("completion_tokens") or 0)
    extra = max(0, cached or 0) + max(0, written or 0)
    assert found.total_input in (given_tokens, given_tokens + extra)
    assert found.total_output in (taken, max(taken, max(0, told.get("total_tokens") or 0) - given_tokens))
    assert all(getattr(found, name) >= 0 for name in Usage.__slots__)


@given(COUNT, COUNT, COUNT, COUNT, st.lists(st.tuples(st.sampled_from(["TEXT", "IMAGE", "AUDIO"]), COUNT), max_size=4))
def test_gemini_figures_are_split_and_never_multiplied(
    given_tokens: int | None,
    cached: int | None,
    taken: int | None,
    thought: int | None,
    details: list[tuple[str, int | None]],
) -> None:
    modalities = [{"modality": name, "tokenCount": count} for name, count in details]
    told = {"promptTokenCount": given_tokens, "cachedContentTokenCount": cached, "candidatesTokenCount": taken}
    told |= {"thoughtsTokenCount": thought, "promptTokensDetails": modalities, "candidatesTokensDetails": modalities}  # type: ignore[dict-item]
    found = usage(GeminiUsage, told)
    assert found.total_input == max(0, given_tokens or 0)
    assert found.total_output == max(0, taken or 0) + max(0, thought or 0)


@given(st.lists(st.tuples(COUNT, COUNT, COUNT), min_size=1, max_size=5))
def test_figures_of_a_stream_only_grow(reports: list[tuple[int | None, int | None, int | None]]) -> None:
    merged: MessagesUsage | None = None
    for given_tokens, read, taken in reports:
        merged = MessagesUsage(given_tokens, read, None, None, taken).over(merged)
    assert merged is not None
    columns = list(zip(*reports, strict=True))
    assert (merged.input_tokens, merged.cache_read_input_tokens, merged.output_tokens) == tuple(
        max((count for count in column if count is not None), default=None) for column in columns
    )
