from __future__ import annotations

import pytest

from ringlet_mitm.addons.wire.canonical import Stop
from ringlet_mitm.addons.wire.stops import COLUMNS, TABLE, stop_of, stop_word
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES = WireFormat.MESSAGES, WireFormat.CHAT, WireFormat.RESPONSES
GEMINI, OLLAMA, CONVERSE = WireFormat.GEMINI, WireFormat.OLLAMA, WireFormat.CONVERSE


def test_every_reason_has_a_word_in_every_format() -> None:
    assert set(COLUMNS) == set(WireFormat)
    assert set(TABLE) == set(Stop)
    assert all(len(cells) == len(COLUMNS) and all(cell.split() for cell in cells) for cells in TABLE.values())


@pytest.mark.parametrize(
    ("wire_format", "word", "calls", "stop"),
    [
        (MESSAGES, "end_turn", False, Stop.END),
        (MESSAGES, "tool_use", True, Stop.TOOL_CALLS),
        (MESSAGES, "refusal", False, Stop.REFUSAL),
        (MESSAGES, "pause_turn", False, Stop.PAUSE),
        (GEMINI, "SAFETY", False, Stop.SAFETY),
        (CHAT, "content_filter", False, Stop.SAFETY),
        (CHAT, "length", False, Stop.MAX_TOKENS),
        (CHAT, "function_call", True, Stop.TOOL_CALLS),
        (CHAT, "stop", True, Stop.TOOL_CALLS),
        (CHAT, "length", True, Stop.MAX_TOKENS),
        (RESPONSES, "completed", True, Stop.TOOL_CALLS),
        (RESPONSES, "max_output_tokens", False, Stop.MAX_TOKENS),
        (RESPONSES, "content_filter", False, Stop.SAFETY),
        (GEMINI, "STOP", True, Stop.TOOL_CALLS),
        (GEMINI, "RECITATION", False, Stop.SAFETY),
        (GEMINI, "MALFORMED_FUNCTION_CALL", False, Stop.MALFORMED_CALL),
        (OLLAMA, "stop", True, Stop.TOOL_CALLS),
        (CONVERSE, "guardrail_intervened", False, Stop.SAFETY),
        (CHAT, "a word of tomorrow", False, Stop.END),
        (CHAT, None, True, Stop.TOOL_CALLS),
    ],
)
def test_what_a_word_means(wire_format: WireFormat, word: str | None, calls: bool, stop: Stop) -> None:
    assert stop_of(word, wire_format, calls=calls) is stop


@pytest.mark.parametrize("wire_format", COLUMNS)
@pytest.mark.parametrize("stop", [Stop.END, Stop.TOOL_CALLS, Stop.MAX_TOKENS])
def test_the_reasons_that_agents_act_on_survive_every_format(wire_format: WireFormat, stop: Stop) -> None:
    assert stop_of(stop_word(stop, wire_format), wire_format, calls=stop is Stop.TOOL_CALLS) is stop
