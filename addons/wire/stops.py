"""Why a model stopped, in every vendor's words: a row a reason, a column a format.

An agent's loop ends or goes on by this word, so one that is off ends a turn too early or spins it for ever. The first
word of a cell is what we write, all of them are what we read. Responses has no word for a stop: its status and the
reason of an incomplete answer are read as if they were one (`completed` with calls in it is TOOL_CALLS, which its
parser finds by looking).

Sources: Anthropic "Handling stop reasons", OpenAI Chat "The chat completion object", Responses "incomplete_details",
Gemini API FinishReason, Ollama API done_reason, Bedrock Converse stopReason; accessed 2026-11-21.
"""

from __future__ import annotations

from ringlet_mitm.addons.wire.canonical import Stop
from ringlet_mitm.rules.shapes import WireFormat

COLUMNS = (
    WireFormat.MESSAGES,
    WireFormat.CHAT,
    WireFormat.RESPONSES,
    WireFormat.GEMINI,
    WireFormat.OLLAMA,
    WireFormat.CONVERSE,
)
BLOCKED = (
    "SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII LANGUAGE "
    "IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_RECITATION"
)
HELD = "content_filtered"
GUARDED = "content_filtered guardrail_intervened"
GARBLED = "malformed_tool_use malformed_model_output"
BROKEN = "MALFORMED_FUNCTION_CALL UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MALFORMED_RESPONSE MISSING_THOUGHT_SIGNATURE"
UNKNOWN = "OTHER FINISH_REASON_UNSPECIFIED NO_IMAGE IMAGE_OTHER"
FULL = "model_context_window_exceeded"
CUT = "max_output_tokens"
ALSO_CUT = "length max_tokens"
SHORT = "max_tokens"
HIT = "stop_sequence"
FILTERED = "content_filter"
# fmt: off
TABLE: dict[Stop, tuple[str, ...]] = {
    # reason              Messages         Chat                        Responses    Gemini        Ollama    Converse
    Stop.END:            ("end_turn",      "stop eos",                 "completed", "STOP",       "stop",   "end_turn"),
    Stop.TOOL_CALLS:     ("tool_use",      "tool_calls function_call", "completed", "STOP",       "stop",   "tool_use"),
    Stop.MAX_TOKENS:     (SHORT,           ALSO_CUT,                   CUT,         "MAX_TOKENS", "length", SHORT),
    Stop.CONTEXT_FULL:   (FULL,            "length",                   CUT,         "MAX_TOKENS", "length", FULL),
    Stop.STOP_SEQUENCE:  (HIT,             "stop",                     "completed", "STOP",       "stop",   HIT),
    Stop.SAFETY:         ("refusal",       FILTERED,                   FILTERED,    BLOCKED,      "stop",   GUARDED),
    Stop.REFUSAL:        ("refusal",       FILTERED,                   "completed", "SAFETY",     "stop",   HELD),
    Stop.PAUSE:          ("pause_turn",    "stop",                     "completed", "STOP",       "stop",   "end_turn"),
    Stop.MALFORMED_CALL: ("end_turn",      "stop",                     "completed", BROKEN,       "stop",   GARBLED),
    Stop.OTHER:          ("end_turn",      "stop",                     "completed", UNKNOWN,      "stop",   "end_turn"),
}
# fmt: on

_written = {
    (stop, column): cell.split()[0]
    for stop, cells in TABLE.items()
    for column, cell in zip(COLUMNS, cells, strict=True)
}
_read: dict[tuple[WireFormat, str], Stop] = {}
for _stop, _cells in TABLE.items():
    for _column, _cell in zip(COLUMNS, _cells, strict=True):
        for _word in _cell.split():
            _read.setdefault((_column, _word), _stop)
_read[WireFormat.MESSAGES, "refusal"] = Stop.REFUSAL  # elsewhere the words of both mean the vendor's filter


def stop_word(stop: Stop, wire_format: WireFormat) -> str:
    """What `wire_format` calls it."""
    return _written[stop, wire_format]


def stop_of(word: str | None, wire_format: WireFormat, *, calls: bool) -> Stop:
    """What a vendor's word means. `calls` says that the answer holds calls of the agent's tools.

    Calls win over an END: Gemini and Ollama say STOP for both, and some gateways of Chat do. A word that nobody knows
    is an END.
    """
    stop = _read.get((wire_format, word or ""), Stop.END)
    return Stop.TOOL_CALLS if calls and stop in (Stop.END, Stop.STOP_SEQUENCE) else stop
