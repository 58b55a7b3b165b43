"""What is written of a `Usage` reads back, as far as the format has words for it."""

from __future__ import annotations

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
from ringlet_mitm.addons.wire.usage_rendering import FIGURES, rendered_usage
from ringlet_mitm.rules.pricing import TOKEN_KINDS, Usage
from ringlet_mitm.rules.shapes import WireFormat

Figures = MessagesUsage | ChatUsage | ResponsesUsage | GeminiUsage | OllamaUsage | ConverseUsage

PLAIN = {"input_tokens", "output_tokens"}
CACHED = PLAIN | {"cache_read_tokens"}
BY_DURATION = CACHED | {"cache_write_5m_tokens", "cache_write_1h_tokens"}
OPENAI = CACHED | {"cache_write_5m_tokens", "reasoning_tokens", "audio_input_tokens", "audio_output_tokens"}
WORDS: dict[WireFormat, tuple[type[Figures], set[str]]] = {
    WireFormat.MESSAGES: (MessagesUsage, BY_DURATION | {"reasoning_tokens"}),
    WireFormat.CHAT: (ChatUsage, OPENAI),
    WireFormat.RESPONSES: (ResponsesUsage, OPENAI),
    WireFormat.GEMINI: (GeminiUsage, CACHED | {"reasoning_tokens"}),
    WireFormat.OLLAMA: (OllamaUsage, PLAIN),
    WireFormat.CONVERSE: (ConverseUsage, BY_DURATION),
}
# Those that say how much it is in all, and where.
TOTALS = {
    WireFormat.CHAT: "total_tokens",
    WireFormat.RESPONSES: "total_tokens",
    WireFormat.GEMINI: "totalTokenCount",
    WireFormat.CONVERSE: "totalTokens",
}
COUNTS = st.integers(0, 10**6)


def test_every_format_is_here() -> None:
    assert set(WORDS) == set(FIGURES)


@pytest.mark.parametrize("wire_format", WORDS)
@given(st.fixed_dictionaries(dict.fromkeys(TOKEN_KINDS, COUNTS)))
def test_it_reads_back(wire_format: WireFormat, counts: dict[str, int]) -> None:
    figures, kinds = WORDS[wire_format]
    meant = Usage(**{kind: count for kind, count in counts.items() if kind in kinds})
    assert msgspec.convert(rendered_usage(wire_format, meant), figures).usage() == meant


@pytest.mark.parametrize("wire_format", TOTALS)
@given(st.fixed_dictionaries(dict.fromkeys(TOKEN_KINDS, COUNTS)))
def test_the_total_is_of_everything(wire_format: WireFormat, counts: dict[str, int]) -> None:
    meant = Usage(**counts)
    assert rendered_usage(wire_format, meant)[TOTALS[wire_format]] == meant.total_input + meant.total_output
