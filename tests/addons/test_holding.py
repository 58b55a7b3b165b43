"""Which answers may go to the agent, and when that is known."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringlet_mitm.addons.holding import CUT_OFF, ErrorBody, FirstEvent, Whole, gate_for
from ringlet_mitm.rules.shapes import WireFormat

MESSAGES, CHAT, RESPONSES, GEMINI = tuple(WireFormat)[:4]
START = b'event: message_start\ndata: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":1}}}\n\n'
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
BLOCK = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text"}}\n\n'
)
BUSY = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
CREATED = b'data: {"type": "response.created", "response": {"id": "r", "model": "m", "output": []}}\n\n'
FAILED = b'data: {"type":"response.failed","response":{"error":{"code":"server_error","message":"no"}}}\n\n'
DELTA = b'data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}\n\n'
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
CHAT_ERROR = b'data: {"error":{"message":"busy","type":"server_error","code":null}}\n\n'

STREAMS: dict[str, tuple[WireFormat, list[bytes], list[bool | None]]] = {
    "an answer": (MESSAGES, [START, PING, BLOCK], [None, None, True]),
    "an error at once": (MESSAGES, [BUSY], [False]),
    "an error after the prelude": (MESSAGES, [START + PING, BUSY], [None, False]),
    "all in one piece": (MESSAGES, [START + BLOCK], [True]),
    "Responses": (RESPONSES, [CREATED, DELTA], [None, True]),
    "Responses that fail": (RESPONSES, [CREATED + FAILED], [False]),
    "Chat": (CHAT, [b": hello\n\n", CHUNK], [None, True]),
    "Chat with an error": (CHAT, [CHAT_ERROR], [False]),
    "Gemini": (GEMINI, [b'data: {"candidates":[]}\n\n'], [True]),
    "half an event": (MESSAGES, [BUSY[:30], BUSY[30:]], [None, False]),
}


@pytest.mark.parametrize(("wire_format", "pieces", "verdicts"), STREAMS.values(), ids=STREAMS)
def test_a_stream_passes_at_its_first_event(
    wire_format: WireFormat, pieces: list[bytes], verdicts: list[bool | None]
) -> None:
    gate = FirstEvent(wire_format)
    assert [gate.feed(piece) for piece in pieces] == verdicts
    assert (gate.problem is not None) is (verdicts[-1] is False)


@given(st.lists(st.integers(0, len(START + PING + BUSY)), max_size=6))
def test_it_does_not_matter_how_a_stream_is_cut(cuts: list[int]) -> None:
    body, gate, verdict = START + PING + BUSY, FirstEvent(MESSAGES), None
    places = [0, *sorted(cuts), len(body)]
    for start, end in pairwise(places):
        verdict = gate.feed(body[start:end]) if verdict is None else verdict
    assert verdict is False


def test_a_stream_that_ends_before_its_first_event_goes_out_as_it_is() -> None:
    assert FirstEvent(CHAT).end() is True


@pytest.mark.parametrize(
    ("body", "good"),
    [
        (b'{"id":"x","error":null}', True),
        (b'{"error":{"message":"busy","type":"server_error"}}', False),
        (b'{"id":"x","choices":[', False),
        (b"", True),
        (b'[{"candidates":[]}]\n', True),
        (b'{"text":"an \\"error\\" is no error"}', True),
    ],
    ids=["an answer", "an error", "cut off", "nothing", "a list", "words"],
)
def test_a_whole_answer_is_looked_at_when_it_is_there(body: bytes, good: bool) -> None:
    gate = Whole(packed=False)
    assert [gate.feed(body[:5]), gate.feed(body[5:])] == [None, None]
    assert gate.end() is good
    assert good or gate.problem is not None


def test_a_packed_answer_is_not_looked_into() -> None:
    gate = Whole(packed=True)
    gate.feed(b"\x1f\x8b\x00")
    assert gate.end() is True
    assert CUT_OFF not in str(gate.problem)


@pytest.mark.parametrize(
    ("status", "streamed", "whole", "packed", "kind"),
    [
        (529, True, False, False, ErrorBody),
        (200, False, True, False, Whole),
        (200, True, False, False, FirstEvent),
        (200, True, False, True, None),
        (200, False, False, False, None),
    ],
    ids=["an error", "whole", "a stream", "a packed stream", "Gemini's array"],
)
def test_the_gate_for_an_answer(status: int, streamed: bool, whole: bool, packed: bool, kind: type | None) -> None:
    gate = gate_for(MESSAGES, status, streamed=streamed, whole=whole, packed=packed)
    assert (type(gate) if gate is not None else None) is kind
